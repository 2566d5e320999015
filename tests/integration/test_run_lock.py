"""Two runs at once, and runs that died: one writer a stream, and a ledger that knows who lives."""

import threading
from concurrent.futures import Future, ThreadPoolExecutor
from datetime import UTC, datetime

import psycopg
import pytest
from pydantic import AwareDatetime
from sqlalchemy import text
from sqlalchemy.exc import OperationalError
from sqlalchemy.orm import Mapped
from tests.memory import Given, pages

from strandline.model import Dimension, Mapper, attribute, field
from strandline.pipeline import Pipeline, RunReport, run
from strandline.source import Pages, Record, Source, stream
from strandline.warehouse import ledger, lock
from strandline.warehouse.database import Database


class Boat(Record):
    """A boat."""

    id: str
    at: AwareDatetime = datetime(2026, 1, 1, tzinfo=UTC)


class Harbour(Source):
    """Boats; the harbour master can make a reader wait."""

    def __init__(self, *boats: Given) -> None:
        super().__init__()
        self.boats = boats
        self.reading, self.may_go_on = threading.Event(), threading.Event()

    @stream(Boat, key="id", effective_at="at")
    def arrivals(self) -> Pages:
        """A page, and a second one when it may be."""
        yield from pages(self.boats)
        self.reading.set()
        assert self.may_go_on.wait(30)

    @stream(Boat, key="id", effective_at="at")
    def departures(self) -> Pages:
        """Another stream."""
        return pages(self.boats)


class DimBoat(Dimension):
    """A boat."""

    boat_name: Mapped[str] = attribute()


class DimGone(Dimension):
    """A boat that left."""

    boat_name: Mapped[str] = attribute()


class ArrivedBoat(Mapper[Boat, DimBoat]):
    """Boats that arrive."""

    boat_name = field("id")


class GoneBoat(Mapper[Boat, DimGone]):
    """Boats that leave."""

    boat_name = field("id")


harbour = Pipeline("harbour")
harbour.sync(Harbour.arrivals, ArrivedBoat)
harbour.sync(Harbour.departures, GoneBoat)


def _names(database: Database, table: str) -> list[str]:
    with database.connect() as connection:
        query = f"SELECT source_id FROM warehouse.{table} WHERE source_system = 'harbour' ORDER BY 1"
        return list(connection.scalars(text(query)))


def _run(database: Database, source: Harbour) -> RunReport:
    return run(harbour, database, sources={"harbour": source})


def test_of_two_runs_at_once_the_second_is_told_that_the_stream_is_busy(warehouse: Database) -> None:
    """The stream that nobody holds is read all the same; nothing of the first run is disturbed."""
    first, second = Harbour({"id": "first"}), Harbour({"id": "second"})
    second.may_go_on.set()
    with ThreadPoolExecutor() as pool:
        running: Future[RunReport] = pool.submit(_run, warehouse, first)
        assert first.reading.wait(30)
        refused = _run(warehouse, second)
        first.may_go_on.set()
        done = running.result(30)

    assert [(it.status, it.kind) for it in refused.streams] == [("failed", "WarehouseBusy"), ("done", None)]
    assert "harbour.arrivals: another run is reading this stream" in str(refused.streams[0].error)
    assert done.status == "done"
    assert _names(warehouse, "dim_boat") == ["first"]
    assert _names(warehouse, "dim_gone") == ["first", "second"]
    assert _run(warehouse, second).status == "done"
    assert _names(warehouse, "dim_boat") == ["first", "second"]


def test_many_runs_at_once_end_as_one(warehouse: Database) -> None:
    """Also when all of them find an empty database and create the same tables."""
    sources = [Harbour({"id": "boat"}) for _ in range(4)]
    for source in sources:
        source.may_go_on.set()
    with ThreadPoolExecutor() as pool:
        reports = list(pool.map(lambda source: _run(warehouse, source), sources))

    assert {stream.kind for report in reports for stream in report.streams} <= {None, "WarehouseBusy"}
    assert _run(warehouse, sources[0]).status == "done"
    assert _names(warehouse, "dim_boat") == _names(warehouse, "dim_gone") == ["boat"]


def test_a_run_that_died_without_a_word_is_noted_as_crashed_by_the_next(warehouse: Database) -> None:
    dead = Database(warehouse.url)
    with dead.connect() as connection:
        with connection.begin():
            run_id, _ = ledger.begin(connection, pipeline="harbour", version="0")
        assert _status(warehouse, run_id) == "running"
        source = Harbour({"id": "boat"})
        source.may_go_on.set()
        _run(warehouse, source)
        assert _status(warehouse, run_id) == "running", "it lives, for it holds its lock"
        connection.invalidate()
    _wait_for_death(warehouse, run_id)
    _run(warehouse, source)

    assert _status(warehouse, run_id) == "crashed"
    dead.close()


def _status(database: Database, run_id: int) -> str:
    with database.connect() as connection:
        query = text("SELECT status FROM strandline.run WHERE run_id = :run_id")
        return str(connection.scalar(query, {"run_id": run_id}))


def _wait_for_death(database: Database, run_id: int) -> None:
    """Until the session is gone nobody else gets its lock; asking with a wait instead of a sleep."""
    with psycopg.connect(
        database.url.set(drivername="postgresql").render_as_string(hide_password=False)
    ) as it:
        it.execute("SET lock_timeout = '20s'")
        it.execute("SELECT pg_advisory_lock(hashtextextended(%s, 0))", [f"strandline:run:{run_id}"])


def test_a_run_that_ends_while_another_looks_is_not_noted_as_crashed(warehouse: Database) -> None:
    """The one that looks waits for the row, and must ask again what became of it."""
    with warehouse.connect() as ending, warehouse.connect() as looking, ThreadPoolExecutor() as pool:
        with ending.begin():
            run_id, _ = ledger.begin(ending, pipeline="harbour", version="0")
        with looking.begin(), ending.begin():
            ledger.end(ending, run_id, status="done", error=None)
            lock.release_all(ending)
            noted = pool.submit(ledger.begin, looking, pipeline="harbour", version="0")
            _wait_until_somebody_waits(warehouse)
            ending.commit()
            noted.result(20)

    assert _status(warehouse, run_id) == "done"


def _wait_until_somebody_waits(database: Database) -> None:
    waiting = text("SELECT count(*) FROM pg_locks WHERE NOT granted")
    for _ in range(20_000):
        with database.connect() as connection:
            if connection.scalar(waiting):
                return
    raise AssertionError("nobody waits")


def test_a_merge_waits_for_one_that_writes_the_same_dimension(warehouse: Database) -> None:
    """The locks of a merge end with its transaction, and are taken in one order."""
    with warehouse.connect() as one, warehouse.connect() as other:
        with one.begin():
            lock.share_and_take(one, shared=["DimBoat"], exclusive=["FactTrip"])
            with other.begin():
                other.execute(text("SET LOCAL lock_timeout = '50ms'"))
                lock.share_and_take(other, shared=["DimBoat"], exclusive=["FactOther"])
                with pytest.raises(OperationalError, match="lock timeout"):
                    lock.share_and_take(other, shared=[], exclusive=["DimBoat"])
        with other.begin():
            other.execute(text("SET LOCAL lock_timeout = '50ms'"))
            lock.share_and_take(other, shared=[], exclusive=["DimBoat"])
