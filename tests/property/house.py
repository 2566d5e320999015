"""A house with guests, their visits and their calls: two sources, one dimension, two facts, three roles.

One fact infers whom it does not know, the others wait; the calls come from another system than the guests.
Two roles do not know a guest who was deleted at the time, and three carry the durable key (type 7).
"""

from datetime import UTC, datetime
from decimal import Decimal

from pydantic import AwareDatetime
from sqlalchemy import String
from sqlalchemy.orm import Mapped

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
from strandline.pipeline import Pipeline
from strandline.source import Page, Pages, Record, Source, stream


class Guest(Record):
    """A guest, as the desk sends it."""

    id: str
    at: AwareDatetime
    level: str | None = None


class Visit(Record):
    """A visit: whose, and who was the host."""

    id: str
    at: AwareDatetime
    visited_at: AwareDatetime
    guest: str | None = None
    host: str | None = None
    price: Decimal = Decimal(0)


class Call(Record):
    """A call, as another system than the desk's sends it."""

    id: str
    at: AwareDatetime
    guest: str | None = None


def _page(records: list[bytes]) -> Pages:
    yield Page(records, number=1, request="memory", status=200, fetched_at=datetime.now(UTC), size=1)


class Desk(Source):
    """Guests and visits."""

    name = "desk"

    def __init__(self) -> None:
        super().__init__()
        self.guest_records: list[bytes] = []
        self.visit_records: list[bytes] = []

    @stream(Guest, key="id", effective_at="at", deleted="gone")
    def guests(self) -> Pages:
        """What it was given."""
        return _page(self.guest_records)

    @stream(Visit, key="id", effective_at="at", deleted="gone")
    def visits(self) -> Pages:
        """What it was given."""
        return _page(self.visit_records)


class Phone(Source):
    """Calls."""

    name = "phone"

    def __init__(self) -> None:
        super().__init__()
        self.call_records: list[bytes] = []

    @stream(Call, key="id", effective_at="at", deleted="gone")
    def calls(self) -> Pages:
        """What it was given."""
        return _page(self.call_records)


class DimGuest(Dimension):
    """A guest; the level keeps its history."""

    level: Mapped[str | None] = attribute(String(10), scd=2)


class FactVisit(Fact):
    """One row a visit."""

    visit_id: Mapped[str] = grain(String(40))
    visited_at: Mapped[datetime] = event_time()
    guest_key: Mapped[int] = references(DimGuest, missing="infer", durable=True)
    present_key: Mapped[int] = references(DimGuest, missing="infer", gap="unknown")
    host_key: Mapped[int] = references(
        DimGuest, as_of="visited_at", missing="unknown", gap="unknown", durable=True
    )
    place: Mapped[Decimal] = measure(Money)


class FactCall(Fact):
    """One row a call; it has no time of its own, so it points at the guest as the guest is now."""

    call_id: Mapped[str] = grain(String(40))
    guest_key: Mapped[int] = references(DimGuest, missing="unknown", durable=True)


class DeskGuest(Mapper[Guest, DimGuest]):
    """The desk's guests."""

    level = field("level")


class DeskVisit(Mapper[Visit, FactVisit]):
    """The desk's visits."""

    visit_id = field("id")
    visited_at = field("visited_at")
    guest_key = field("guest")
    present_key = field("guest")
    host_key = field("host")
    place = field("price")


class PhoneCall(Mapper[Call, FactCall]):
    """The phone's calls of the desk's guests."""

    call_id = field("id")
    guest_key = field("guest", source=Desk)


house = Pipeline("house")
house.sync(Desk.guests, DeskGuest)
house.sync(Desk.visits, DeskVisit)
house.sync(Phone.calls, PhoneCall)
