"""The database schema layer: the star, and how records become its rows."""

from datetime import datetime
from decimal import Decimal

from source import Crm, Customer, Order, Product
from sqlalchemy import Integer, String
from sqlalchemy.orm import Mapped

from strandline import (
    DimDate,
    Dimension,
    Fact,
    Mapper,
    Money,
    NormalizedEmail,
    ReferenceType,
    attribute,
    degenerate,
    event_time,
    field,
    grain,
    measure,
    references,
)


class DimCustomer(Dimension):
    """A customer; segment and country keep their history."""

    customer_name: Mapped[str] = attribute(String(200))
    email_address: Mapped[str | None] = attribute(NormalizedEmail, pii=True)
    segment: Mapped[str] = attribute(String(40), scd=2)
    country: Mapped[str] = attribute(String(60), scd=2)
    credit_limit: Mapped[Decimal | None] = attribute(Money)
    currency: Mapped[str | None] = attribute(ReferenceType)
    is_active: Mapped[bool] = attribute()
    region: Mapped[str | None] = attribute(String(40))
    tier: Mapped[str | None] = attribute(String(20))
    customer_since: Mapped[datetime | None] = attribute(scd=0)


class DimProduct(Dimension):
    """A product; its price category keeps its history."""

    product_name: Mapped[str] = attribute(String(200))
    category: Mapped[str] = attribute(String(60))
    price_category: Mapped[str] = attribute(String(20), scd=2)
    list_price: Mapped[Decimal | None] = attribute(Money)


class FactOrder(Fact):
    """One row an order."""

    order_id: Mapped[str] = grain(String(40))
    ordered_at: Mapped[datetime] = event_time()
    customer_key: Mapped[int] = references(DimCustomer, as_of="ordered_at", missing="infer")
    product_key: Mapped[int] = references(DimProduct, as_of="ordered_at", missing="unknown")
    order_date_key: Mapped[int] = references(DimDate, on="ordered_at")
    order_status: Mapped[str] = degenerate(String(20))
    quantity: Mapped[int] = measure(Integer)
    total_amount: Mapped[Decimal] = measure(Money)


class CrmCustomer(Mapper[Customer, DimCustomer]):
    """The CRM's customers."""

    customer_name = field("company_name")
    email_address = field("email")
    segment = field("segment", default="unassigned")
    country = field("billing_address.country")
    credit_limit = field("credit_limit")
    currency = field("currency")
    is_active = field("is_active")
    region = field("region")
    customer_since = field("created_at")

    def tier(self, record: Customer) -> str | None:
        """Sales calls a customer gold above a credit limit of 100,000."""
        return "gold" if record.credit_limit > 100_000 else None


class ShopProduct(Mapper[Product, DimProduct]):
    """The shop's products."""

    product_name = field("name")
    category = field("category")
    price_category = field("price_category")
    list_price = field("list_price")


class ShopOrder(Mapper[Order, FactOrder]):
    """The shop's orders; their customers are the CRM's."""

    order_id = field("order_id")
    ordered_at = field("placed_at")
    customer_key = field("customer_id", source=Crm)
    product_key = field("product.sku")
    order_status = field("status")
    quantity = field("quantity")
    total_amount = field("total_amount")
