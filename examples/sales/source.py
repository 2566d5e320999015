"""The source system layer: what the CRM and the shop send, and how they are asked."""

from datetime import date, datetime
from decimal import Decimal

from pydantic import AwareDatetime, Field, SecretStr

from strandline import (
    ApiKey,
    Bearer,
    BooleanString,
    Cursor,
    HttpSource,
    Pages,
    Precision,
    Record,
    Reference,
    SourceSettings,
    stream,
)
from strandline.source import LinkHeader, Offset, TokenInBody


class Address(Record):
    """A postal address."""

    city: str
    country: str


class Customer(Record):
    """A customer as the CRM sends it."""

    id: str = Field(alias="internalId")
    company_name: str = Field(alias="companyName")
    email: str | None = None
    is_active: BooleanString = Field(alias="isActive")
    segment: str | None = None
    credit_limit: Decimal = Field(alias="creditLimit", ge=0)
    currency: Reference | None = None
    billing_address: Address = Field(alias="billingAddress")
    region: str | None = Field(None, alias="custentity_region")
    created_at: AwareDatetime = Field(alias="createdAt")
    last_modified: AwareDatetime = Field(alias="lastModified")


class CrmSettings(SourceSettings):
    """STRANDLINE_CRM__BASE_URL and STRANDLINE_CRM__API_KEY."""

    base_url: str
    api_key: SecretStr


class Crm(HttpSource):
    """The CRM. It filters by date only, and sends booleans as T and F."""

    settings: CrmSettings

    def auth(self) -> ApiKey:
        """The key goes into a header."""
        return ApiKey(self.settings.api_key, header="X-API-Key")

    @stream(Customer, key="id", cursor=Cursor("last_modified", precision=Precision.DAY))
    def customers(self, since: date | None) -> Pages:
        """Everybody we sell to."""
        return self.pages(
            "/customers",
            params={"modifiedSince": since},
            paginator=Offset(limit=1000, has_more="hasMore"),
            records="items",
        )


class Product(Record):
    """A product as the shop sends it."""

    sku: str
    name: str
    category: str
    price_category: str = Field(alias="priceCategory")
    list_price: Decimal = Field(alias="listPrice")
    updated_at: AwareDatetime = Field(alias="updatedAt")


class ProductLink(Record):
    """The product that an order is for."""

    sku: str


class Order(Record):
    """An order as the shop sends it: one product each."""

    order_id: str = Field(alias="orderId")
    customer_id: str | None = Field(alias="customerId")
    product: ProductLink
    placed_at: AwareDatetime = Field(alias="placedAt")
    updated_at: AwareDatetime = Field(alias="updatedAt")
    quantity: int
    total_amount: Decimal = Field(alias="totalAmount")
    status: str


class ShopSettings(SourceSettings):
    """STRANDLINE_SHOP__BASE_URL and STRANDLINE_SHOP__TOKEN."""

    base_url: str
    token: SecretStr


class Shop(HttpSource):
    """The web shop."""

    settings: ShopSettings

    def auth(self) -> Bearer:
        """A token that does not expire."""
        return Bearer(self.settings.token)

    @stream(Product, key="sku", cursor=Cursor("updated_at"))
    def products(self, since: datetime | None) -> Pages:
        """What we sell."""
        return self.pages(
            "/products",
            params={"updated_since": since, "limit": 1000},
            paginator=TokenInBody("nextToken"),
            records="products",
        )

    @stream(Order, key="order_id", cursor=Cursor("updated_at", ordered=True))
    def orders(self, since: datetime | None) -> Pages:
        """What was bought, oldest change first."""
        return self.pages(
            "/orders",
            params={"updated_since": since, "limit": 1000},
            paginator=LinkHeader(),
            records="orders",
        )
