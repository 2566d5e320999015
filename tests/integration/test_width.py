"""Streams read side by side: the same star, each stream for itself, and all of them stopped at once."""

import os
import signal
import threading
from collections.abc import Callable, Iterator
from datetime import datetime
from typing import Any

import pytest
from pydantic import AwareDatetime
from sqlalchemy import text
from sqlalchemy.orm import Mapped
from tests.memory import pages

from strandline.errors import SourceUnavailable
from strandline.model import Dimension, Fact, Mapper, attribute, event_time, field, grain, references
from strandline.pipeline import Pipeline, run
from strandline.source import Pages, Record, Source, stream
from strandline.warehouse.database import Database

HAPPENS: dict[str, Callable[[str], Any]] = {}
"""What happens before a list is sent."""
AT = "2026-03-01T00:00:00Z"


class Moored(Record):
    """Something at a quay."""

    id: str
    name: str
    at: AwareDatetime
    quay: str | None = None


class Quayside(Source):
    """Three lists and what lands there; a test says what else happens before a list is sent."""

    def _send(self, name: str, count: int) -> Pages:
        HAPPENS["before"](name)
        records = [
            {"id": f"{it}", "name": f"{name} {it}", "at": AT, "quay": f"{it % 7}"} for it in range(count)
        ]
        yield from pages(records[:5], records[5:])

    @stream(Moored, key="id", effective_at="at")
    def quays(self) -> Pages:
        """Quays; fewer than boats name."""
        return self._send("quays", 5)

    @stream(Moored, key="id", effective_at="at")
    def boats(self) -> Pages:
        """Boats."""
        return self._send("boats", 20)

    @stream(Moored, key="id", effective_at="at")
    def landings(self) -> Pages:
        """Landings."""
        return self._send("landings", 50)

    @stream(Moored, key="id", effective_at="at")
    def endless(self) -> Pages:
        """It never ends by itself."""
        HAPPENS["before"]("endless")
        yield from pages(*([{"id": "1", "name": "a buoy", "at": AT}] for _ in range(10**6)))


class DimQuay(Dimension):
    """A quay."""

    quay_name: Mapped[str] = attribute()


class DimMooredBoat(Dimension):
    """A boat."""

    boat_name: Mapped[str] = attribute(scd=2)


class DimMooredBuoy(Dimension):
    """A buoy."""

    buoy_name: Mapped[str] = attribute()


class FactLanding(Fact):
    """A landing."""

    landing_id: Mapped[str] = grain()
    landed_at: Mapped[datetime] = event_time()
    quay_key: Mapped[int] = references(DimQuay, missing="infer")
    boat_key: Mapped[int] = references(DimMooredBoat, missing="infer")


class QuaysideQuay(Mapper[Moored, DimQuay]):
    """Quays."""

    quay_name = field("name")


class QuaysideBoat(Mapper[Moored, DimMooredBoat]):
    """Boats."""

    boat_name = field("name")


class QuaysideBuoy(Mapper[Moored, DimMooredBuoy]):
    """Buoys."""

    buoy_name = field("name")


class QuaysideLanding(Mapper[Moored, FactLanding]):
    """Landings."""

    landing_id = field("id")
    landed_at = field("at")
    quay_key = field("quay")
    boat_key = field("id")


def pipeline(width: int, *, is_endless: bool = False) -> Pipeline:
    made = Pipeline("quayside", width=width)
    made.sync(Quayside.landings, QuaysideLanding)
    made.sync(Quayside.quays, QuaysideQuay)
    made.sync(Quayside.boats, QuaysideBoat)
    if is_endless:
        made.sync(Quayside.endless, QuaysideBuoy)
    return made


@pytest.fixture(autouse=True)
def _quiet() -> Iterator[None]:
    """Nothing else happens."""
    HAPPENS["before"] = lambda name: None
    yield
    HAPPENS.clear()


def together(count: int) -> None:
    barrier = threading.Barrier(count)
    HAPPENS["before"] = lambda name: barrier.wait(20)


def star(warehouse: Database) -> list[Any]:
    found = text(
        "SELECT f.landing_id, q.source_id, q.quay_name, q.is_inferred, b.boat_name"
        " FROM warehouse.fact_landing AS f JOIN warehouse.dim_quay AS q USING (quay_key)"
        " JOIN warehouse.dim_moored_boat AS b ON b.moored_boat_key = f.boat_key ORDER BY 1"
    )
    with warehouse.begin() as connection:
        return [tuple(row) for row in connection.execute(found)]


def locks(warehouse: Database) -> int:
    with warehouse.begin() as connection:
        query = text(
            "SELECT count(*) FROM pg_locks WHERE locktype = 'advisory'"
            " AND database = (SELECT oid FROM pg_database WHERE datname = current_database())"
        )
        return int(connection.scalar(query) or 0)


def test_streams_are_read_at_once_and_make_the_same_star(warehouse: Database) -> None:
    together(3)
    report = run(pipeline(3), warehouse)
    assert report.status == "done"
    assert [it.stream for it in report.streams] == ["quayside.quays", "quayside.boats", "quayside.landings"]
    assert [it.target for it in report.targets] == ["DimQuay", "DimMooredBoat", "FactLanding"]
    HAPPENS["before"] = lambda name: None
    assert star(warehouse) == sorted(
        (
            str(it),
            str(it % 7),
            f"quays {it % 7}" if it % 7 < 5 else "Unknown",
            it % 7 >= 5,
            f"boats {it}" if it < 20 else "Unknown",
        )
        for it in range(50)
    )
    assert locks(warehouse) == 0

    again = run(pipeline(1), warehouse, width=2)
    assert [(it.records, it.stored) for it in again.streams] == [(5, 0), (20, 0), (50, 0)]
    assert again.targets == []


def test_a_stream_that_fails_leaves_the_others_whole(warehouse: Database) -> None:
    def fail(name: str) -> None:
        if name == "boats":
            raise SourceUnavailable("the boats are out")

    HAPPENS["before"] = fail
    report = run(pipeline(3), warehouse)
    assert [it.status for it in report.streams] == ["done", "failed", "done"]
    assert report.exit_code == 3
    assert [it.target for it in report.targets] == ["DimQuay", "FactLanding"]
    HAPPENS["before"] = lambda name: None
    assert run(pipeline(3), warehouse).status == "done"
    assert {row[4] for row in star(warehouse)} > {"boats 1", "boats 19"}
    assert locks(warehouse) == 0


def test_ctrl_c_stops_all_streams_and_the_next_run_goes_on(warehouse: Database) -> None:
    def interrupt(name: str) -> None:
        if name == "endless":
            os.kill(os.getpid(), signal.SIGINT)

    HAPPENS["before"] = interrupt
    before = signal.signal(signal.SIGINT, signal.default_int_handler)  # a shell's background ignores it
    try:
        with pytest.raises(KeyboardInterrupt):
            run(pipeline(4, is_endless=True), warehouse)
    finally:
        signal.signal(signal.SIGINT, before)
    with warehouse.begin() as connection:
        assert connection.scalar(text("SELECT status FROM strandline.run")) == "stopped"
    assert locks(warehouse) == 0
    assert not [it for it in threading.enumerate() if it.name == "strandline-lane"]
    HAPPENS["before"] = lambda name: None
    assert run(pipeline(4), warehouse).status == "done"


def test_an_error_that_nobody_expects_ends_the_run_and_all_its_lanes(warehouse: Database) -> None:
    def fail(name: str) -> None:
        if name == "landings":
            raise ZeroDivisionError(name)

    HAPPENS["before"] = fail
    with pytest.raises(ZeroDivisionError, match="landings"):
        run(pipeline(4, is_endless=True), warehouse)
    assert locks(warehouse) == 0
    assert not [it for it in threading.enumerate() if it.name == "strandline-lane"]
