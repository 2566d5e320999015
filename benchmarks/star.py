"""The star of the merge benchmarks, as a user would declare it: two dimensions of 12 attributes, and orders.

Nothing is read for them: `history` makes by SQL what the engine would have written.
"""

from datetime import UTC, date, datetime
from decimal import Decimal

from pydantic import AwareDatetime
from sqlalchemy import String
from sqlalchemy.orm import Mapped

from strandline import (
    Cursor,
    Dimension,
    Fact,
    HttpSource,
    Mapper,
    Money,
    Pages,
    Pipeline,
    Record,
    SourceSettings,
    attribute,
    degenerate,
    field,
    grain,
    measure,
    references,
    stream,
)

FIRST_VALID = datetime(2025, 1, 1, tzinfo=UTC)


class Member(Record):
    """Somebody or something with 12 attributes."""

    id: str
    name: str
    email: str
    phone: str
    segment: str
    tier: str
    region: str
    city: str
    country: str
    credit_limit: Decimal
    balance: Decimal
    is_active: bool
    opened_on: date
    modified_at: AwareDatetime


class Order(Record):
    """An order line of a shop."""

    id: str
    account: str
    product: str
    shop: str
    seller: str
    ordered_at: AwareDatetime
    quantity: int
    amount: Decimal
    status: str


class ErpSettings(SourceSettings):
    """Where the ERP would be."""

    base_url: str


class Erp(HttpSource):
    """The ERP."""

    settings: ErpSettings

    @stream(Member, key="id", cursor=Cursor("modified_at"))
    def members(self, since: datetime | None) -> Pages:
        """Members of a dimension of mixed types."""
        return self.pages("members", params={"since": since})

    @stream(Member, key="id", cursor=Cursor("modified_at"))
    def accounts(self, since: datetime | None) -> Pages:
        """Members of a dimension of type 2."""
        return self.pages("accounts", params={"since": since})

    @stream(Order, key="id", cursor=Cursor("ordered_at"))
    def orders(self, since: datetime | None) -> Pages:
        """Orders."""
        return self.pages("orders", params={"since": since})


class DimMember(Dimension):
    """Attributes of types 0 to 3."""

    name: Mapped[str] = attribute(String(200))
    email: Mapped[str | None] = attribute(String(200))
    phone: Mapped[str | None] = attribute(String(40))
    segment: Mapped[str] = attribute(String(40), scd=2)
    tier: Mapped[str | None] = attribute(String(20), scd=2)
    region: Mapped[str | None] = attribute(String(40), scd=2)
    city: Mapped[str | None] = attribute(String(100), scd=2)
    country: Mapped[str] = attribute(String(60), scd=2)
    credit_limit: Mapped[Decimal | None] = attribute(Money, scd=3)
    balance: Mapped[Decimal | None] = attribute(Money)
    is_active: Mapped[bool] = attribute()
    opened_on: Mapped[date | None] = attribute(scd=0)


class DimAccount(Dimension):
    """Every attribute of type 2."""

    name: Mapped[str] = attribute(String(200), scd=2)
    email: Mapped[str | None] = attribute(String(200), scd=2)
    phone: Mapped[str | None] = attribute(String(40), scd=2)
    segment: Mapped[str] = attribute(String(40), scd=2)
    tier: Mapped[str | None] = attribute(String(20), scd=2)
    region: Mapped[str | None] = attribute(String(40), scd=2)
    city: Mapped[str | None] = attribute(String(100), scd=2)
    country: Mapped[str] = attribute(String(60), scd=2)
    credit_limit: Mapped[Decimal | None] = attribute(Money, scd=2)
    balance: Mapped[Decimal | None] = attribute(Money, scd=2)
    is_active: Mapped[bool] = attribute(scd=2)
    opened_on: Mapped[date | None] = attribute(scd=2)


class DimProduct(Dimension):
    """A product."""

    name: Mapped[str] = attribute(String(200))


class DimShop(Dimension):
    """A shop."""

    name: Mapped[str] = attribute(String(200))


class DimSeller(Dimension):
    """Who sold it."""

    name: Mapped[str] = attribute(String(200))


class FactOrder(Fact):
    """One row an order line; the account as it was then, everybody else as they are now."""

    order_id: Mapped[str] = grain()
    account_key: Mapped[int] = references(DimAccount, as_of="ordered_at")
    product_key: Mapped[int] = references(DimProduct)
    shop_key: Mapped[int] = references(DimShop)
    seller_key: Mapped[int] = references(DimSeller)
    ordered_at: Mapped[datetime] = degenerate()
    status: Mapped[str] = degenerate(String(20))
    quantity: Mapped[int] = measure()
    amount: Mapped[Decimal] = measure(Money)


class ErpMember(Mapper[Member, DimMember]):
    """The ERP's members."""

    name = field("name")
    email = field("email")
    phone = field("phone")
    segment = field("segment")
    tier = field("tier")
    region = field("region")
    city = field("city")
    country = field("country")
    credit_limit = field("credit_limit")
    balance = field("balance")
    is_active = field("is_active")
    opened_on = field("opened_on")


class ErpAccount(Mapper[Member, DimAccount]):
    """The ERP's accounts."""

    name = field("name")
    email = field("email")
    phone = field("phone")
    segment = field("segment")
    tier = field("tier")
    region = field("region")
    city = field("city")
    country = field("country")
    credit_limit = field("credit_limit")
    balance = field("balance")
    is_active = field("is_active")
    opened_on = field("opened_on")


class ErpOrder(Mapper[Order, FactOrder]):
    """The ERP's orders."""

    order_id = field("id")
    account_key = field("account")
    product_key = field("product")
    shop_key = field("shop")
    seller_key = field("seller")
    ordered_at = field("ordered_at")
    status = field("status")
    quantity = field("quantity")
    amount = field("amount")


members = Pipeline("members")
members.sync(Erp.members, ErpMember)
accounts = Pipeline("accounts")
accounts.sync(Erp.accounts, ErpAccount)
orders = Pipeline("orders")
orders.sync(Erp.orders, ErpOrder)
