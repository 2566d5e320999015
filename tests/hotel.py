"""A hotel: visitors from its booking system; their stays, and the friends they bring, from its till."""

from datetime import UTC, datetime
from decimal import Decimal
from typing import Any

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


def stays_with_guests() -> Select[Any]:
    """The stays, each with the version that its guest's key names."""
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
        assert_drawn(connection, stays_with_guests(), drawing)
