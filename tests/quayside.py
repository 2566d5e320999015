"""A harbour in memory: berths, and calls at them, behind whose load dbt runs."""

from collections.abc import Sequence
from datetime import datetime, timedelta
from typing import Any, ClassVar

from pydantic import AwareDatetime
from sqlalchemy.orm import Mapped
from tests.memory import pages

from strandline.model import (
    Dimension,
    Fact,
    Mapper,
    attribute,
    event_time,
    field,
    grain,
    measure,
    references,
)
from strandline.pipeline import Pipeline, accepted, fresh
from strandline.source import Pages, Record, Source, stream


class Mooring(Record):
    """A place at the quay."""

    id: str
    kind: str


class PortCall(Record):
    """That a ship has come."""

    id: str
    mooring: str
    came_at: AwareDatetime
    tons: int


class Harbour(Source):
    """A harbour."""

    moorings_there: ClassVar[Sequence[dict[str, Any]]] = ()
    calls_there: ClassVar[Sequence[dict[str, Any]]] = ()

    @stream(Mooring, key="id")
    def moorings(self) -> Pages:
        """All of them."""
        yield from pages(list(self.moorings_there))

    @stream(PortCall, key="id", effective_at="came_at")
    def calls(self) -> Pages:
        """All of them."""
        yield from pages(list(self.calls_there))


class DimMooring(Dimension):
    """A place at the quay."""

    kind: Mapped[str] = attribute(scd=2, comment="What may lie there")


class FactMooringCall(Fact):
    """A row for each ship that has come."""

    call_id: Mapped[str] = grain()
    came_at: Mapped[datetime] = event_time()
    mooring_key: Mapped[int] = references(DimMooring, as_of="came_at")
    tons: Mapped[int] = measure()


class HarbourMooring(Mapper[Mooring, DimMooring]):
    """Moorings."""

    kind = field("kind")


class HarbourCall(Mapper[PortCall, FactMooringCall]):
    """Calls."""

    call_id = field("id")
    came_at = field("came_at")
    mooring_key = field("mooring")
    tons = field("tons")


def harbour() -> Pipeline:
    """The harbour's pipeline."""
    made = Pipeline("harbour")
    made.sync(Harbour.moorings, HarbourMooring)
    made.sync(Harbour.calls, HarbourCall)
    made.expect(DimMooring, accepted("kind", ["ship", "boat"]), severity="warn")
    made.expect(FactMooringCall, fresh("came_at", within=timedelta(days=36500)))
    return made


def fill(*tons: int) -> None:
    """Let there be two moorings and a call of each of these tons."""
    Harbour.moorings_there = [{"id": "M1", "kind": "ship"}, {"id": "M2", "kind": "boat"}]
    Harbour.calls_there = [
        {"id": f"C{number}", "mooring": "M1", "came_at": f"2026-03-{number:02}T10:00:00Z", "tons": it}
        for number, it in enumerate(tons, 1)
    ]
