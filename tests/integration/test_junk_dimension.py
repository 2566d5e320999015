"""Junk dimensions, drawn: the flags of an order, and which combination each order has."""

from datetime import UTC, date, datetime
from decimal import Decimal
from typing import Any

from pydantic import AwareDatetime
from sqlalchemy import Integer, Numeric, Select, String, func, select
from sqlalchemy.orm import Mapped
from tests.memory import Given, pages

from strandline.model import (
    BooleanStringType,
    Fact,
    JunkDimension,
    Mapper,
    attribute,
    combination,
    event_time,
    field,
    grain,
    references,
)
from strandline.pipeline import Pipeline, RunReport, run
from strandline.source import Pages, Record, Source, stream
from strandline.testing import assert_drawn
from strandline.warehouse import state
from strandline.warehouse.database import Database


class Order(Record):
    """An order, with its flags."""

    id: str
    at: AwareDatetime
    gift: str | None = None
    channel: str = "web"
    promised: date | None = None
    discount: Decimal | None = None
    rank: int | None = None


class Shop(Source):
    """Orders."""

    def __init__(self, *orders: Given) -> None:
        super().__init__()
        self.records = orders

    @stream(Order, key="id", effective_at="at", deleted="gone")
    def orders(self) -> Pages:
        """What it was given."""
        return pages(self.records)


class DimOrderFlags(JunkDimension):
    """What an order may be, besides."""

    is_gift: Mapped[bool | None] = attribute(BooleanStringType)
    channel: Mapped[str] = attribute(String(8))
    promised: Mapped[date | None] = attribute()
    discount: Mapped[Decimal | None] = attribute(Numeric(5, 2))
    rank: Mapped[int | None] = attribute(Integer)
    asked_at: Mapped[datetime | None] = attribute()


class FactPackage(Fact):
    """One row an order."""

    parcel_id: Mapped[str] = grain(String(20))
    sent_at: Mapped[datetime] = event_time()
    order_flags_key: Mapped[int] = references(DimOrderFlags)


class ShopFlags(Mapper[Order, DimOrderFlags]):
    """The shop's flags."""

    is_gift = field("gift")
    channel = field("channel")
    promised = field("promised")
    discount = field("discount")
    rank = field("rank")

    def asked_at(self, record: Order) -> datetime | None:
        """When somebody asked, which nobody did but for the last."""
        return record.at if record.id == "last" else None


class ShopParcel(Mapper[Order, FactPackage]):
    """The shop's orders."""

    parcel_id = field("id")
    sent_at = field("at")
    order_flags_key = combination(ShopFlags)


shop = Pipeline("shop")
shop.sync(Shop.orders, ShopParcel)


def order(name: str, number: int = 1, **said: Any) -> dict[str, Any]:
    """An order of that day of January."""
    return {"id": name, "at": datetime(2026, 1, number, tzinfo=UTC).isoformat(), **said}


def load(database: Database, *orders: dict[str, Any]) -> RunReport:
    """One run."""
    return run(shop, database, sources={"shop": Shop(*orders)})


def _parcels() -> Select[Any]:
    flags, fact = DimOrderFlags.table(), FactPackage.table()
    return (
        select(fact.c.parcel_id, flags)
        .join(flags, flags.c.order_flags_key == fact.c.order_flags_key)
        .order_by(fact.c.parcel_id)
    )


def check(database: Database, drawing: str) -> None:
    """The parcels, with their flags, are those drawn."""
    with database.connect() as connection:
        assert_drawn(connection, _parcels(), drawing)


def test_the_same_flags_are_one_row_and_nothing_is_a_value_like_others(warehouse: Database) -> None:
    """However the source spells them: the column types have bound them before they are compared."""
    load(warehouse, order("a", gift="yes"), order("b", gift="Y"), order("c"), order("d", channel="app"))
    load(warehouse, order("e", gift="1"), order("f", channel="mail"))
    check(
        warehouse,
        """
        | parcel_id | order_flags_key | is_gift | channel |
        | a         | 3               | true    | web     |
        | b         | 3               | true    | web     |
        | c         | 2               | ∅       | web     |
        | d         | 1               | ∅       | app     |
        | e         | 3               | true    | web     |
        | f         | 4               | ∅       | mail    |
        """,
    )


def test_values_of_every_kind_come_out_as_they_went_in(warehouse: Database) -> None:
    load(
        warehouse,
        order("full", gift="no", channel="ü \"'\\", promised="2026-02-28", discount="7.50", rank=-3),
        order("last", discount="-0.00"),
        order("same", gift="no", channel="ü \"'\\", promised="2026-02-28", discount="7.5", rank=-3),
    )
    check(
        warehouse,
        """
        | parcel_id | is_gift | channel | promised   | discount | rank | asked_at               |
        | full      | false   | ü "'\\\\ | 2026-02-28 | 7.50     | -3   | ∅                      |
        | last      | ∅       | web     | ∅          | 0.00     | ∅    | 2026-01-01 00:00:00+00 |
        | same      | false   | ü "'\\\\ | 2026-02-28 | 7.50     | -3   | ∅                      |
        """,
    )


def test_an_order_whose_flags_change_gets_another_combination_and_the_same_again_writes_nothing(
    warehouse: Database,
) -> None:
    load(warehouse, order("a", gift="yes"), order("b", gift="no"))
    report = load(warehouse, order("a", gift="no"), order("b", gift="N"))

    assert report.targets[0].counts["updated"] == 1
    check(
        warehouse,
        """
        | parcel_id | is_gift |
        | a         | false   |
        | b         | false   |
        """,
    )


def test_a_flag_that_its_column_cannot_hold_is_a_reject_that_names_it(warehouse: Database) -> None:
    wrong = [
        order("long", channel="telephone"),
        order("maybe", gift="maybe"),
        order("nul", channel="a\0b"),
        order("huge", rank=2**31),
        order("fine", discount="0.125"),
    ]
    report = load(warehouse, *wrong, order("good"))

    assert report.status == "partial"
    check(
        warehouse,
        """
        | parcel_id | channel |
        | good      | web     |
        """,
    )
    with warehouse.connect() as connection:
        rows = DimOrderFlags.table()
        assert connection.scalar(select(func.count()).select_from(rows)) == 3
        reasons = connection.execute(select(state.reject.c.source_id, state.reject.c.reason)).all()
    assert {name: reason.partition(":")[0] for name, reason in reasons} == {
        "long": "ShopFlags.channel (from channel)",
        "maybe": "ShopFlags.is_gift (from gift)",
        "nul": "ShopFlags.channel (from channel)",
        "huge": "ShopFlags.rank (from rank)",
        "fine": "ShopFlags.discount (from discount)",
    }


def test_unknown_and_not_applicable_are_rows_from_the_beginning(warehouse: Database) -> None:
    load(warehouse)
    with warehouse.connect() as connection:
        assert_drawn(
            connection,
            select(DimOrderFlags.table()),
            """
            | order_flags_key | is_gift | channel  | combination    |
            | -1              | ∅       | Unknown  | unknown        |
            | -2              | ∅       | Not appl | not applicable |
            """,
        )
