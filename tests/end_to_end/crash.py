"""A small shop's pipeline, whose runs are killed by `test_crash.py`."""

from datetime import date, datetime
from decimal import Decimal

from pydantic import AwareDatetime
from sqlalchemy import Integer, String
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
    event_time,
    field,
    grain,
    measure,
    references,
    stream,
)
from strandline.model import Calendar, Span
from strandline.source import LinkHeader, PageNumber

PAGE = 20
CHUNK = 40


class Buyer(Record):
    """A buyer, as the stall sends it."""

    id: str
    name: str
    town: str
    updated: AwareDatetime


class Sale(Record):
    """A sale, as the stall sends it."""

    id: str
    buyer: str | None
    ware: str
    sold: AwareDatetime
    updated: AwareDatetime
    pieces: int
    amount: Decimal


class StallSettings(SourceSettings):
    """Where the stall's API is."""

    base_url: str


class Stall(HttpSource):
    """Buyers in no order, sales in the order of their changes."""

    settings: StallSettings

    @stream(Buyer, key="id", cursor=Cursor("updated"), deleted="gone")
    def buyers(self, since: datetime | None) -> Pages:
        """Who bought."""
        return self.pages(
            "/buyers",
            params={"since": since},
            paginator=PageNumber(size=PAGE, size_param="page_size"),
            records="data",
        )

    @stream(Sale, key="id", cursor=Cursor("updated", ordered=True), deleted="gone")
    def sales(self, since: datetime | None) -> Pages:
        """What was bought."""
        return self.pages("/sales", params={"since": since}, paginator=LinkHeader(), records="data")


class DimBuyer(Dimension):
    """A buyer; the town keeps its history."""

    buyer_name: Mapped[str] = attribute(String(40))
    town: Mapped[str] = attribute(String(40), scd=2)
    first_town: Mapped[str] = attribute(String(40), scd=0)


class DimWare(Dimension):
    """A ware, known only by its name."""

    ware_name: Mapped[str | None] = attribute(String(40))


class DimSaleDate(Calendar):
    """The days of the sales."""

    span = Span(date(2026, 1, 1), date(2026, 3, 31))


class FactSale(Fact):
    """One row a sale."""

    sale_id: Mapped[str] = grain(String(40))
    sold_at: Mapped[datetime] = event_time()
    buyer_key: Mapped[int] = references(DimBuyer, missing="unknown")
    ware_key: Mapped[int] = references(DimWare, missing="infer")
    sale_date_key: Mapped[int] = references(DimSaleDate, on="sold_at")
    pieces: Mapped[int] = measure(Integer)
    amount: Mapped[Decimal] = measure(Money)
    ware: Mapped[str] = degenerate(String(40))


class StallBuyer(Mapper[Buyer, DimBuyer]):
    """The stall's buyers."""

    buyer_name = field("name")
    town = field("town")
    first_town = field("town")


class StallSale(Mapper[Sale, FactSale]):
    """The stall's sales."""

    sale_id = field("id")
    sold_at = field("sold")
    buyer_key = field("buyer")
    ware_key = field("ware")
    pieces = field("pieces")
    amount = field("amount")
    ware = field("ware")


stall = Pipeline("stall")
stall.sync(Stall.buyers, StallBuyer)
stall.sync(Stall.sales, StallSale)
