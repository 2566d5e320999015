"""Facts and the versions that they point at, drawn: one example for every way in which the two can meet."""

from datetime import UTC, datetime
from decimal import Decimal
from typing import Any

import pytest
from pydantic import AwareDatetime
from sqlalchemy import Select, String, select
from sqlalchemy.orm import Mapped
from tests.memory import Given, pages

from strandline.model import (
    Dimension,
    Fact,
    Mapper,
    Money,
    attribute,
    event_time,
    field,
    grain,
    measure,
    references,
)
from strandline.pipeline import Pipeline, RunReport, run
from strandline.source import Pages, Record, Source, stream
from strandline.testing import assert_drawn
from strandline.warehouse.database import Database


class Guest(Record):
    """A guest, by the booking system."""

    id: str
    at: AwareDatetime
    tier: str | None = None


class Stay(Record):
    """A stay, by the till."""

    id: str
    at: AwareDatetime
    night: AwareDatetime
    guest: str | None = None
    friend: str | None = None
    price: Decimal = Decimal(1)


class Booking(Source):
    """Guests."""

    def __init__(self, *guests: Given) -> None:
        super().__init__()
        self.records = guests

    @stream(Guest, key="id", effective_at="at", deleted="gone")
    def guests(self) -> Pages:
        """What it was given."""
        return pages(self.records)


class Till(Source):
    """Stays, with the booking system's guests and friends of its own."""

    def __init__(self, *stays: Given) -> None:
        super().__init__()
        self.records = stays

    @stream(Stay, key="id", effective_at="at", deleted="gone")
    def stays(self) -> Pages:
        """What it was given."""
        return pages(self.records)


class DimVisitor(Dimension):
    """A visitor; the tier keeps its history."""

    tier: Mapped[str] = attribute(String(10), scd=2)


class FactStay(Fact):
    """One row a stay."""

    stay_id: Mapped[str] = grain(String(20))
    night: Mapped[datetime] = event_time()
    guest_key: Mapped[int] = references(DimVisitor)
    friend_key: Mapped[int] = references(DimVisitor, missing="unknown")
    resident_key: Mapped[int] = references(DimVisitor, gap="unknown", durable=True)
    price: Mapped[Decimal] = measure(Money)


class BookingGuest(Mapper[Guest, DimVisitor]):
    """Guests."""

    tier = field("tier", default="new")


class TillStay(Mapper[Stay, FactStay]):
    """Stays."""

    stay_id = field("id")
    night = field("night")
    guest_key = field("guest", source=Booking)
    friend_key = field("friend", source="till")
    resident_key = field("guest", source=Booking)
    price = field("price")


hotel = Pipeline("hotel")
hotel.sync(Booking.guests, BookingGuest)
hotel.sync(Till.stays, TillStay)


def day(number: int) -> str:
    """A day of January."""
    return datetime(2026, 1, number, tzinfo=UTC).isoformat()


def guest(tier: str | None, number: int, **said: Any) -> dict[str, Any]:
    """Ada, who has this tier from that day on."""
    return {"id": "ada", "tier": tier, "at": day(number), **said}


def stay(name: str, number: int, **said: Any) -> dict[str, Any]:
    """A stay in the night of that day; it was written down on the first of January unless told."""
    return {"id": name, "night": day(number), "at": day(1), "guest": "ada", **said}


def load(database: Database, *records: dict[str, Any]) -> RunReport:
    """One run; a record with a night is a stay."""
    stays = [it for it in records if "night" in it]
    guests = [it for it in records if "night" not in it]
    report = run(hotel, database, sources={"booking": Booking(*guests), "till": Till(*stays)})
    assert report.status == "done", report.streams
    return report


def _stays() -> Select[Any]:
    visitor, fact = DimVisitor.table(), FactStay.table()
    return (
        select(
            fact.c.stay_id,
            visitor.c.source_id.label("who"),
            visitor.c.tier,
            visitor.c.version,
            fact.c.friend_key,
            fact.c.friend_missing,
            fact.c.resident_key,
            fact.c.resident_durable_key,
            fact.c.resident_missing,
            fact.c.price,
        )
        .join(visitor, visitor.c.visitor_key == fact.c.guest_key)
        .order_by(fact.c.stay_id)
    )


def check(database: Database, drawing: str) -> None:
    """The stays, with whom they point at, are those drawn."""
    with database.connect() as connection:
        assert_drawn(connection, _stays(), drawing)


def test_a_fact_points_at_the_version_that_was_valid_when_it_happened(warehouse: Database) -> None:
    """Before the first version the first answers, and in the gap after a deletion the one before it."""
    load(warehouse, guest("silver", 10), guest("gold", 20), guest("", 25, gone=True), guest("new", 28))
    load(warehouse, *(stay(f"on {number}", number) for number in (5, 10, 15, 20, 26, 28)))
    check(
        warehouse,
        """
        | stay_id | who | tier   | version |
        | on 5    | ada | silver | 1       |
        | on 10   | ada | silver | 1       |
        | on 15   | ada | silver | 1       |
        | on 20   | ada | gold   | 2       |
        | on 26   | ada | gold   | 2       |
        | on 28   | ada | new    | 3       |
        """,
    )


def test_where_a_gap_is_unknown_a_deleted_member_takes_its_key_back_and_gives_it_on_return(
    warehouse: Database,
) -> None:
    load(
        warehouse, guest("silver", 10), guest("gold", 20), *(stay(f"on {it}", it) for it in (15, 25, 27, 29))
    )
    load(warehouse, guest("", 26, gone=True))
    check(
        warehouse,
        """
        | stay_id | who | version | resident_key | resident_durable_key | resident_missing |
        | on 15   | ada | 1       | 1            | 1                    | ∅                |
        | on 25   | ada | 2       | 2            | 1                    | ∅                |
        | on 27   | ada | 2       | -1           | -1                   | booking:ada      |
        | on 29   | ada | 2       | -1           | -1                   | booking:ada      |
        """,
    )
    load(warehouse, guest("new", 28))
    check(
        warehouse,
        """
        | stay_id | who | version | resident_key | resident_durable_key | resident_missing |
        | on 15   | ada | 1       | 1            | 1                    | ∅                |
        | on 25   | ada | 2       | 2            | 1                    | ∅                |
        | on 27   | ada | 2       | -1           | -1                   | booking:ada      |
        | on 29   | ada | 3       | 3            | 1                    | ∅                |
        """,
    )
    report = load(warehouse, guest("gold", 26))

    assert report.targets[0].counts["facts_moved"] == 1
    check(
        warehouse,
        """
        | stay_id | version | resident_key | resident_durable_key | resident_missing |
        | on 15   | 1       | 1            | 1                    | ∅                |
        | on 25   | 2       | 2            | 1                    | ∅                |
        | on 27   | 2       | 2            | 1                    | ∅                |
        | on 29   | 3       | 3            | 1                    | ∅                |
        """,
    )


def test_by_the_durable_key_a_fact_finds_its_member_as_it_is_now(warehouse: Database) -> None:
    """Type 7: by the version's key the member as it was, by the durable one as it is."""
    load(warehouse, guest("silver", 10), guest("gold", 20), stay("on 15", 15), stay("nobody", 15, guest=""))
    visitor, fact = DimVisitor.table(), FactStay.table()
    as_is = (
        select(fact.c.stay_id, visitor.c.tier)
        .join(visitor, visitor.c.visitor_durable_key == fact.c.resident_durable_key)
        .where(visitor.c.is_current)
        .order_by(fact.c.stay_id)
    )
    with warehouse.connect() as connection:
        assert_drawn(
            connection,
            as_is,
            """
            | stay_id | tier       |
            | nobody  | Not applic |
            | on 15   | gold       |
            """,
        )


def test_facts_follow_a_version_that_arrives_after_them(warehouse: Database) -> None:
    load(warehouse, guest("silver", 1), stay("early", 5), stay("late", 15))
    report = load(warehouse, guest("gold", 10))

    assert report.targets[0].counts["facts_moved"] == 2  # in two roles
    check(
        warehouse,
        """
        | stay_id | tier   |
        | early   | silver |
        | late    | gold   |
        """,
    )


def test_an_inferred_member_is_completed_in_place(warehouse: Database) -> None:
    """Its key stays, so the facts need not move; several versions at once take their facts with them."""
    load(warehouse, stay("first", 5), stay("second", 15))
    with warehouse.connect() as connection:
        query = select(DimVisitor.table()).where(DimVisitor.key_column() > 0)
        inferred = connection.execute(query).mappings().one()
    assert (inferred["is_inferred"], inferred["tier"], inferred["source_system"]) == (
        True,
        "Unknown",
        "booking",
    )

    load(warehouse, guest("silver", 3), guest("gold", 10))
    check(
        warehouse,
        """
        | stay_id | tier   | version |
        | first   | silver | 1       |
        | second  | gold   | 2       |
        """,
    )
    with warehouse.connect() as connection:
        completed = connection.execute(query.order_by(DimVisitor.version)).mappings().all()
    assert completed[0]["visitor_key"] == inferred["visitor_key"]
    assert {row["visitor_durable_key"] for row in completed} == {inferred["visitor_durable_key"]}
    assert not any(row["is_inferred"] for row in completed)


def test_the_tombstone_of_a_member_that_is_only_inferred_leaves_it_as_it_is(warehouse: Database) -> None:
    """Had the tombstone come first, nobody would have been there to delete."""
    load(warehouse, stay("first", 5))
    load(warehouse, guest("", 3, gone=True))
    with warehouse.connect() as connection:
        assert_drawn(
            connection,
            select(DimVisitor.table()).where(DimVisitor.key_column() > 0),
            """
            | source_id | is_inferred | is_current | is_deleted |
            | ada       | true        | true       | false      |
            """,
        )


def test_an_inferred_member_whose_first_record_comes_late_is_completed_in_place_too(
    warehouse: Database,
) -> None:
    """The tombstone came first, so the history is rebuilt; the facts stay where they are all the same."""
    load(warehouse, stay("first", 5))
    load(warehouse, guest("", 20, gone=True))
    report = load(warehouse, guest("silver", 3))

    counts = report.targets[0].counts
    assert (counts["rebuilt"], counts["facts_moved"], counts["removed"]) == (1, 0, 0)
    with warehouse.connect() as connection:
        assert_drawn(
            connection,
            select(DimVisitor.table()).where(DimVisitor.key_column() > 0),
            """
            | visitor_key | visitor_durable_key | tier   | is_inferred | is_deleted |
            | 1           | 1                   | silver | false       | true       |
            """,
        )


def test_facts_return_to_what_is_left_of_a_member_whose_whole_history_is_withdrawn(
    warehouse: Database,
) -> None:
    """Each of its records was followed by a tombstone at its own instant: it is known by its key alone."""
    load(warehouse, guest("silver", 1), guest("gold", 10), stay("early", 5), stay("late", 15))
    report = load(warehouse, guest("", 1, gone=True), guest("", 10, gone=True))

    assert report.targets[0].counts["facts_moved"] == 2  # in two roles
    check(
        warehouse,
        """
        | stay_id | who | tier    | version | resident_key |
        | early   | ada | Unknown | 1       | 1            |
        | late    | ada | Unknown | 1       | 1            |
        """,
    )


def test_an_unknown_member_is_remembered_and_keyed_when_it_arrives(warehouse: Database) -> None:
    """Natural keys are of one source: the till's ada is not the booking system's."""

    class TillGuest(Mapper[Guest, DimVisitor]):
        """The till's own regulars."""

        tier = field("tier", default="regular")

    class Regulars(Source):
        """The till's other list."""

        name = "till"

        @stream(Guest, key="id", effective_at="at")
        def regulars(self) -> Pages:
            """One regular."""
            return pages([guest("regular", 1)])

    load(warehouse, guest("silver", 1), stay("first", 5, friend="ada"), stay("alone", 5, friend=""))
    waiting = """
        | stay_id | who | friend_key | friend_missing |
        | first   | ada | -1         | till:ada       |
        | alone   | ada | -2         | ∅              |
    """
    check(warehouse, waiting)
    load(warehouse, guest("gold", 10))
    check(warehouse, waiting)

    regulars = Pipeline("regulars")
    regulars.sync(Regulars.regulars, TillGuest)
    run(regulars, warehouse)
    check(
        warehouse,
        """
        | stay_id | who | friend_key | friend_missing |
        | first   | ada | 3          | ∅              |
        | alone   | ada | -2         | ∅              |
        """,
    )


def test_a_fact_is_restated_at_its_grain_and_only_where_something_changed(warehouse: Database) -> None:
    load(warehouse, guest("silver", 1), stay("a", 5), stay("b", 5), stay("c", 5))
    report = load(warehouse, stay("a", 5, price="2.50", at=day(2)), stay("b", 5, at=day(2)), stay("d", 6))

    counts = report.targets[0].counts
    assert (counts["inserted"], counts["updated"], counts["deleted"]) == (1, 1, 0)
    check(
        warehouse,
        """
        | stay_id | price |
        | a       | 2.50  |
        | b       | 1     |
        | c       | 1     |
        | d       | 1     |
        """,
    )


def test_of_two_records_at_one_grain_the_later_one_stands_also_when_it_comes_first(
    warehouse: Database,
) -> None:
    load(warehouse, stay("a", 5, price=3, at=day(3)), stay("a", 5, price=2, at=day(2)))
    load(warehouse, stay("a", 5, price=1, at=day(1)))
    check(
        warehouse,
        """
        | stay_id | price |
        | a       | 3     |
        """,
    )


def test_a_tombstone_removes_the_fact_and_a_later_record_brings_it_back(warehouse: Database) -> None:
    load(warehouse, stay("a", 5), stay("b", 5))
    load(warehouse, stay("a", 5, gone=True, at=day(2)))
    check(warehouse, "| stay_id |\n| b |")

    load(warehouse, stay("a", 6, at=day(3)))
    check(warehouse, "| stay_id |\n| a |\n| b |")


@pytest.mark.parametrize(("empty", "key"), [(None, -2), ("", -2)])
def test_an_empty_reference_is_not_applicable(warehouse: Database, empty: str | None, key: int) -> None:
    load(warehouse, stay("a", 5, guest=empty))
    with warehouse.connect() as connection:
        assert connection.scalar(select(FactStay.table().c.guest_key)) == key
