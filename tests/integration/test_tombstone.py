"""Deletions that a source tells in a stream of their own, with a mark of its own."""

from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from typing import Any, ClassVar

import pytest
from pydantic import AwareDatetime
from sqlalchemy import String, func, select
from sqlalchemy.orm import Mapped
from tests.memory import pages

from strandline.errors import DeclarationError
from strandline.model import Dimension, Mapper, attribute, field
from strandline.pipeline import Deletes, Pipeline, run
from strandline.pipeline.amendment import amend
from strandline.pipeline.replay import replay
from strandline.source import Cursor, Pages, Record, Source, stream
from strandline.warehouse import mark
from strandline.warehouse.database import Database

START = datetime(2026, 3, 1, tzinfo=UTC)


class Berth(Record):
    """A place at the quay."""

    id: str
    name: str
    at: AwareDatetime


class GoneBerth(Record):
    """A berth that is no more, and since when."""

    berth: str
    gone_at: AwareDatetime | None = None


class Quay(Source):
    """Berths, in memory."""

    berths_there: ClassVar[list[dict[str, Any]]] = []
    told: ClassVar[list[dict[str, Any]]] = []
    asked: ClassVar[list[Any]] = []

    @stream(Berth, key="id", cursor=Cursor("at"))
    def berths(self, since: datetime | None) -> Pages:
        """Those that have changed."""
        yield from pages(
            [it for it in self.berths_there if datetime.fromisoformat(it["at"]) >= (since or START)]
        )

    @stream(GoneBerth, key="berth", cursor=Cursor("gone_at"))
    def gone(self, since: datetime | None) -> Pages:
        """Those that went since then."""
        self.asked.append(since)
        told = [it for it in self.told if datetime.fromisoformat(it["gone_at"]) >= (since or START)]
        yield from pages(told[:1], told[1:])

    @stream(GoneBerth, key="berth", effective_at=None)
    def gone_some_time(self) -> Pages:
        """All that ever went; when, nobody knows."""
        yield from pages(self.told)

    @stream(Berth, key=("id", "name"))
    def pairs(self) -> Pages:
        """Something else."""
        yield from pages([])


class Elsewhere(Source):
    """Another source."""

    @stream(GoneBerth, key="berth")
    def gone(self) -> Pages:
        """Nothing of ours."""
        yield from pages([])


class DimQuayBerth(Dimension):
    """A berth."""

    name: Mapped[str] = attribute(String(20), scd=2)


class BerthMapper(Mapper[Berth, DimQuayBerth]):
    """A berth."""

    name = field("name")


def of(*deletes: Deletes) -> Pipeline:
    pipeline = Pipeline("harbour")
    pipeline.sync(Quay.berths, BerthMapper, deletes=deletes)
    return pipeline


harbour = of(Deletes.by_tombstones(Quay.gone))
vague = of(Deletes.by_tombstones(Quay.gone_some_time))


def berth(key: str, *, day: float, name: str = "A") -> dict[str, Any]:
    return {"id": key, "name": name, "at": (START + timedelta(days=day)).isoformat()}


def gone(key: str, *, day: float) -> dict[str, Any]:
    return {"berth": key, "gone_at": (START + timedelta(days=day)).isoformat()}


@pytest.fixture(autouse=True)
def _quay() -> Iterator[None]:
    Quay.berths_there[:] = [berth(key, day=1) for key in ("a", "b", "c")]
    yield
    Quay.told.clear()
    Quay.asked.clear()


def history(warehouse: Database, key: str) -> list[tuple[float, float | None, bool]]:
    """From which day to which it was, and whether it is gone."""
    table = DimQuayBerth.table()
    columns = (table.c.valid_from, table.c.valid_to, table.c.is_deleted)
    with warehouse.begin() as connection:
        found = connection.execute(select(*columns).where(table.c.source_id == key).order_by("valid_from"))
        return [(_day(begin), end and _day(end), is_deleted) for begin, end, is_deleted in found]


def _day(moment: datetime) -> float:
    return (moment - START) / timedelta(days=1)


def entries(warehouse: Database, pipeline: Pipeline) -> int:
    with warehouse.begin() as connection:
        return connection.scalar(select(func.count()).select_from(pipeline.readings[0].raw)) or 0


def test_a_tombstone_closes_from_its_own_time_on(warehouse: Database) -> None:
    run(harbour, warehouse)
    Quay.told[:] = [gone("a", day=2), gone("nobody", day=3)]
    report = run(harbour, warehouse)

    told = next(it for it in report.streams if it.stream == "quay.gone")
    assert (report.status, told.records, told.stored) == ("done", 2, 2)
    assert (told.mark_before, told.mark_after) == (None, "datetime:2026-03-04T00:00:00+00:00")
    assert history(warehouse, "a") == [(1, 2, True)]
    assert history(warehouse, "b") == [(1, None, False)]
    replay(harbour, warehouse)
    assert history(warehouse, "a") == [(1, 2, True)]


def test_it_is_read_from_its_own_mark_and_taken_once(warehouse: Database) -> None:
    Quay.told[:] = [gone("a", day=2)]
    run(harbour, warehouse)
    del Quay.berths_there[0]
    before = entries(warehouse, harbour)
    again = run(harbour, warehouse)

    assert Quay.asked == [None, START + timedelta(days=2)]
    assert entries(warehouse, harbour) == before
    assert not any(it.changed for it in again.targets)


def test_who_has_come_back_stays_though_its_old_tombstone_comes_again(warehouse: Database) -> None:
    Quay.told[:] = [gone("a", day=2)]
    run(harbour, warehouse)
    Quay.berths_there[0] = berth("a", day=3)
    run(harbour, warehouse)
    assert history(warehouse, "a") == [(1, 2, False), (3, None, False)]
    before = entries(warehouse, harbour)
    run(harbour, warehouse, full=True)

    assert history(warehouse, "a") == [(1, 2, False), (3, None, False)]
    assert entries(warehouse, harbour) == before


def test_one_without_a_time_counts_from_when_it_was_read(warehouse: Database) -> None:
    run(vague, warehouse)
    Quay.told[:] = [{"berth": "a"}]
    del Quay.berths_there[0]
    before = datetime.now(UTC)
    run(vague, warehouse)
    entries_then = entries(warehouse, vague)
    run(vague, warehouse)

    ((begin, end, is_deleted),) = history(warehouse, "a")
    assert (begin, is_deleted) == (1, True)
    assert end is not None
    assert before <= START + timedelta(days=end) <= datetime.now(UTC)
    assert entries(warehouse, vague) == entries_then


def test_one_that_cannot_be_read_fails_for_itself(warehouse: Database) -> None:
    run(harbour, warehouse)
    Quay.berths_there[1] = berth("b", day=2, name="B")
    Quay.told[:] = [gone("a", day=2), {"berth": None, "gone_at": START.isoformat()}]
    report = run(harbour, warehouse)

    told = next(it for it in report.streams if it.stream == "quay.gone")
    assert (report.status, report.exit_code) == ("partial", 3)
    assert (told.status, told.kind, told.mark_after) == ("failed", "UnexpectedResponse", None)
    assert "a deletion cannot be read: GoneBerth.berth" in str(told.error)
    assert history(warehouse, "a") == [(1, 2, True)]
    assert history(warehouse, "b") == [(1, 2, False), (2, None, False)]


def test_one_of_tomorrow_is_refused(warehouse: Database) -> None:
    days_from_now = (datetime.now(UTC) - START) / timedelta(days=1) + 2
    Quay.told[:] = [gone("a", day=days_from_now)]
    report = run(harbour, warehouse)
    told = next(it for it in report.streams if it.stream == "quay.gone")
    assert "'a' is gone from" in str(told.error)
    assert history(warehouse, "a") == [(1, None, False)]


def test_its_mark_can_be_set_by_hand(warehouse: Database) -> None:
    Quay.told[:] = [gone("a", day=2)]
    run(harbour, warehouse)
    amend([harbour], warehouse, {"quay.gone": None}, reason="the source was restored", by="me")
    with warehouse.begin() as connection:
        assert mark.read_up_to(connection, "quay.gone") is None
    run(harbour, warehouse)
    assert Quay.asked == [None, None]


def test_absence_may_stand_beside_it(warehouse: Database) -> None:
    both = of(Deletes.by_tombstones(Quay.gone), Deletes.by_absence(every="30d"))
    run(both, warehouse)
    Quay.told[:] = [gone("a", day=2)]
    Quay.berths_there[:] = [berth("b", day=1)]
    (swept,) = run(both, warehouse, full=True).sweeps

    assert (swept.members, swept.absent) == (2, 1)
    assert history(warehouse, "a") == [(1, 2, True)]
    assert [it[2] for it in history(warehouse, "c")] == [True]


@pytest.mark.parametrize(
    ("deletes", "why"),
    [
        ((Deletes.by_tombstones(Elsewhere.gone),), "is no stream of Quay"),
        ((Deletes.by_tombstones(Quay.pairs),), r"a key of quay\.pairs is id, name"),
        ((Deletes.by_tombstones(Quay.gone), Deletes.by_tombstones(Quay.gone)), "can be nothing else"),
        ((Deletes.by_absence(every="1d"), Deletes.by_ids(Quay.gone_some_time)), "looked for in two ways"),
    ],
)
def test_what_cannot_work_is_refused(deletes: tuple[Deletes, ...], why: str) -> None:
    with pytest.raises(DeclarationError, match=why):
        of(*deletes)
