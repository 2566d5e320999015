"""strandline's side of the benchmark: what a user would declare, and nothing else.

STRANDLINE_ERP__BASE_URL=http://127.0.0.1:…/200000 strandline run customers --app benchmarks.pipeline
"""

from datetime import datetime
from decimal import Decimal

from pydantic import AwareDatetime, Field
from sqlalchemy import String
from sqlalchemy.orm import Mapped

from strandline import (
    BooleanString,
    Cursor,
    Dimension,
    HttpSource,
    Mapper,
    Money,
    NormalizedEmail,
    Pages,
    Pipeline,
    Precision,
    Record,
    Reference,
    ReferenceType,
    SourceSettings,
    attribute,
    field,
    stream,
)
from strandline.source import Offset


class Address(Record):
    """A postal address."""

    street: str
    city: str
    postal_code: str = Field(alias="postalCode")
    country: str


class Customer(Record):
    """A customer as the ERP sends it; `custentity_newsletter` is left undeclared."""

    id: str = Field(alias="internalId")
    company_name: str = Field(alias="companyName")
    email: str | None = None
    phone: str | None = None
    is_active: BooleanString = Field(alias="isActive")
    segment: str
    credit_limit: Decimal = Field(alias="creditLimit")
    balance: Decimal
    tax_number: str | None = Field(default=None, alias="taxNumber")
    currency: Reference | None = None
    sales_rep: Reference | None = Field(default=None, alias="salesRep")
    billing_address: Address = Field(alias="billingAddress")
    created_at: AwareDatetime = Field(alias="createdAt")
    last_modified: AwareDatetime = Field(alias="lastModified")
    region: str | None = Field(default=None, alias="custentity_region")


class ErpSettings(SourceSettings):
    """Where the ERP is."""

    base_url: str


class Erp(HttpSource):
    """The ERP."""

    settings: ErpSettings

    @stream(Customer, key="id", cursor=Cursor("last_modified", precision=Precision.SECOND))
    def customers(self, since: datetime | None) -> Pages:
        """All customers, or those modified since."""
        return self.pages(
            "customers",
            params={"modifiedSince": since},
            paginator=Offset(limit=1_000, has_more="hasMore"),
            records="items",
        )


class DimCustomer(Dimension):
    """A customer; segment and country keep their history."""

    customer_name: Mapped[str] = attribute(String(200))
    email_address: Mapped[str | None] = attribute(NormalizedEmail, pii=True)
    phone: Mapped[str | None] = attribute(String(40), pii=True)
    is_active: Mapped[bool] = attribute()
    segment: Mapped[str] = attribute(String(40), scd=2)
    credit_limit: Mapped[Decimal | None] = attribute(Money)
    balance: Mapped[Decimal | None] = attribute(Money)
    tax_number: Mapped[str | None] = attribute(String(20))
    currency: Mapped[str | None] = attribute(ReferenceType)
    sales_rep: Mapped[str | None] = attribute(ReferenceType)
    street: Mapped[str | None] = attribute(String(200))
    city: Mapped[str | None] = attribute(String(100))
    postal_code: Mapped[str | None] = attribute(String(20))
    country: Mapped[str] = attribute(String(60), scd=2)
    region: Mapped[str | None] = attribute(String(40))
    customer_since: Mapped[datetime | None] = attribute(scd=0)


class ErpCustomer(Mapper[Customer, DimCustomer]):
    """The ERP's customers."""

    customer_name = field("company_name")
    email_address = field("email")
    phone = field("phone")
    is_active = field("is_active")
    segment = field("segment", default="unassigned")
    credit_limit = field("credit_limit")
    balance = field("balance")
    tax_number = field("tax_number")
    currency = field("currency")
    sales_rep = field("sales_rep")
    street = field("billing_address.street")
    city = field("billing_address.city")
    postal_code = field("billing_address.postal_code")
    country = field("billing_address.country")
    region = field("region")
    customer_since = field("created_at")


customers = Pipeline("customers")
customers.sync(Erp.customers, ErpCustomer)
