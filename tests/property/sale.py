"""Sales with a buyer and perhaps a helper, and what is summed up of them in three ways.

The first aggregate follows versions, days and a text of the fact; the second the helper as it is now, found
by the durable key through an outer join; the third is calculated as a whole each time.
"""

from datetime import UTC, datetime
from decimal import Decimal

from pydantic import AwareDatetime
from sqlalchemy import SelectBase, String, and_, func, select
from sqlalchemy.orm import Mapped, aliased

from strandline.model import (
    Aggregate,
    DimDate,
    Dimension,
    Fact,
    Mapper,
    Money,
    attribute,
    degenerate,
    event_time,
    field,
    grain,
    measure,
    references,
)
from strandline.pipeline import Pipeline
from strandline.source import Page, Pages, Record, Source, stream


class Person(Record):
    """A person, as the till sends it."""

    id: str
    at: AwareDatetime
    segment: str = ""


class Sale(Record):
    """A sale: in which book, who bought, who helped."""

    id: str
    at: AwareDatetime
    sold_at: AwareDatetime
    book: str
    area: str | None = None
    buyer: str | None = None
    helper: str | None = None
    amount: Decimal | None = None


def _page(records: list[bytes]) -> Pages:
    yield Page(records, number=1, request="memory", status=200, fetched_at=datetime.now(UTC), size=1)


class Till(Source):
    """Persons and sales."""

    name = "till"

    def __init__(self) -> None:
        super().__init__()
        self.person_records: list[bytes] = []
        self.sale_records: list[bytes] = []

    @stream(Person, key="id", effective_at="at", deleted="gone")
    def persons(self) -> Pages:
        """What it was given."""
        return _page(self.person_records)

    @stream(Sale, key="id", effective_at="at", deleted="gone")
    def sales(self) -> Pages:
        """What it was given."""
        return _page(self.sale_records)


class DimAdopter(Dimension):
    """A person; the segment keeps its history."""

    segment: Mapped[str] = attribute(String(20), scd=2)


class FactAdoption(Fact):
    """One row a sale."""

    sale_id: Mapped[str] = grain(String(40))
    sold_at: Mapped[datetime] = event_time()
    sold_date_key: Mapped[int] = references(DimDate, on="sold_at")
    book: Mapped[str] = degenerate(String(40))
    area: Mapped[str | None] = degenerate(String(10))
    buyer_key: Mapped[int] = references(DimAdopter, missing="infer")
    helper_key: Mapped[int] = references(DimAdopter, missing="unknown", gap="unknown", durable=True)
    amount: Mapped[Decimal | None] = measure(Money)


class AggAdoption(Aggregate):
    """Sales by month, area and the buyer's segment of that time."""

    book: Mapped[str] = grain(String(40))
    year_month: Mapped[str] = grain(String(7))
    area: Mapped[str | None] = grain(String(10))
    segment: Mapped[str] = grain(String(20))
    sales: Mapped[int] = measure()
    amount: Mapped[Decimal | None] = measure(Money)
    smallest: Mapped[Decimal | None] = measure(Money)

    @classmethod
    def query(cls) -> SelectBase:
        """Join the fact with the version of its buyer and its day."""
        return (
            select(
                FactAdoption.book,
                DimDate.year_month,
                FactAdoption.area,
                DimAdopter.segment,
                func.count().label("sales"),
                func.sum(FactAdoption.amount).label("amount"),
                func.min(FactAdoption.amount).label("smallest"),
            )
            .join(DimAdopter, DimAdopter.key == FactAdoption.buyer_key)
            .join(DimDate, DimDate.date_key == FactAdoption.sold_date_key)
            .group_by(FactAdoption.book, DimDate.year_month, FactAdoption.area, DimAdopter.segment)
        )


class AggHelp(Aggregate):
    """Sales by the segment that the helper has now, and nothing for one that is deleted."""

    book: Mapped[str] = grain(String(40))
    segment: Mapped[str | None] = grain(String(20))
    sales: Mapped[int] = measure()

    @classmethod
    def query(cls) -> SelectBase:
        """Join the fact with the current version of its helper."""
        helper = aliased(DimAdopter, name="helper")
        is_helper = and_(helper.durable_key == FactAdoption.table().c.helper_durable_key, helper.is_current)
        return (
            select(FactAdoption.book, helper.segment, func.count().label("sales"))
            .select_from(FactAdoption)
            .outerjoin(helper, is_helper)
            .group_by(FactAdoption.book, helper.segment)
        )


class AggBusyArea(Aggregate, refresh="full"):
    """The areas with more than one sale."""

    book: Mapped[str] = grain(String(40))
    area: Mapped[str | None] = grain(String(10))
    sales: Mapped[int] = measure()

    @classmethod
    def query(cls) -> SelectBase:
        """Leave out areas with one sale."""
        return (
            select(FactAdoption.book, FactAdoption.area, func.count().label("sales"))
            .group_by(FactAdoption.book, FactAdoption.area)
            .having(func.count() > 1)
        )


class TillPerson(Mapper[Person, DimAdopter]):
    """The till's persons."""

    segment = field("segment")


class TillSale(Mapper[Sale, FactAdoption]):
    """The till's sales."""

    sale_id = field("id")
    sold_at = field("sold_at")
    book = field("book")
    area = field("area")
    buyer_key = field("buyer")
    helper_key = field("helper")
    amount = field("amount")


till = Pipeline("till")
till.sync(Till.persons, TillPerson)
till.sync(Till.sales, TillSale)
