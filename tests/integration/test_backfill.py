"""Backfills: a part of a stream read beside its mark, piece by piece, and gone on with when stopped."""

from collections.abc import Iterator
from datetime import UTC, date, datetime, timedelta
from itertools import pairwise
from typing import Any, ClassVar

import pytest
from hypothesis import given
from hypothesis import strategies as st
from pydantic import AwareDatetime
from sqlalchemy import select
from sqlalchemy.orm import Mapped
from tests.memory import pages

from strandline.cli.backfill import read_step
from strandline.errors import DeclarationError, SourceUnavailable
from strandline.model import Dimension, Mapper, attribute, field
from strandline.pipeline import Pipeline, RunReport, run
from strandline.pipeline.backfill import backfill
from strandline.pipeline.window import Backfill, Step
from strandline.source import Cursor, Pages, Precision, Record, Source, stream
from strandline.warehouse import mark, state
from strandline.warehouse.database import Database

START = datetime(2026, 3, 1, tzinfo=UTC)
DAY = timedelta(days=1)
STREAM = "tide_table.levels"


class Level(Record):
    """How high the water stood."""

    id: int
    height: int
    at: AwareDatetime
    number: int


class TideTable(Source):
    """Levels, in memory."""

    levels_there: ClassVar[list[dict[str, Any]]] = []
    asked: ClassVar[list[tuple[Any, Any]]] = []
    broken: ClassVar[set[Any]] = set()

    @stream(Level, key="id", cursor=Cursor("at"))
    def levels(self, since: datetime | None, until: datetime | None) -> Pages:
        """Those between."""
        self.asked.append((since, until))
        yield from pages(
            [it for it in self.levels_there if (since or START) <= datetime.fromisoformat(it["at"])]
            if until is None
            else [
                it
                for it in self.levels_there
                if (since or START) <= datetime.fromisoformat(it["at"]) <= until
            ]
        )
        if until in self.broken:
            raise SourceUnavailable("the tide is out")

    @stream(Level, key="id", cursor=Cursor("number"), effective_at=None)
    def numbered(self, since: int | None) -> Pages:
        """Behind a number; where to end cannot be said."""
        yield from pages([])


class DimWaterLevel(Dimension):
    """A level."""

    height: Mapped[int] = attribute()


class DimWaterNumber(Dimension):
    """A level by its number."""

    height: Mapped[int] = attribute()


class TideLevel(Mapper[Level, DimWaterLevel]):
    """Levels."""

    height = field("height")


class TideNumbered(Mapper[Level, DimWaterNumber]):
    """Levels by their numbers."""

    height = field("height")


levels = Pipeline("levels")
levels.sync(TideTable.levels, TideLevel)
levels.sync(TideTable.numbered, TideNumbered)


def level(number: int, *, day: float) -> dict[str, Any]:
    return {"id": number, "height": number, "at": (START + day * DAY).isoformat(), "number": number}


@pytest.fixture(autouse=True)
def _tides() -> Iterator[None]:
    """Five levels, a day apart."""
    TideTable.levels_there[:] = [level(it, day=it) for it in range(5)]
    yield
    TideTable.asked.clear()
    TideTable.broken.clear()


def fill(warehouse: Database, **options: Any) -> RunReport:
    TideTable.asked.clear()
    return backfill([levels], warehouse, STREAM, **options)


def heights(warehouse: Database) -> list[int]:
    table = DimWaterLevel.table()
    with warehouse.begin() as connection:
        return list(
            connection.scalars(select(table.c.height).where(table.c.water_level_key > 0).order_by("height"))
        )


def test_an_ordinary_run_asks_up_to_the_moment_at_which_it_began(warehouse: Database) -> None:
    began = datetime.now(UTC)
    assert run(levels, warehouse).status == "done"
    ((since, until),) = TideTable.asked
    assert since is None
    assert began <= until <= datetime.now(UTC)


def test_a_method_is_told_an_end_only_where_it_asks_for_one() -> None:
    class Ferry(Source):
        """Its second parameter is its own."""

        @stream(Level, key="id", cursor=Cursor("at"))
        def crossings(self, since: datetime | None, size: int = 2) -> Pages:
            """So many of one record."""
            assert since is None
            yield from pages([level(1, day=0)] * size)

    assert not Ferry.crossings.takes_until
    (page,) = Ferry.crossings.read(Ferry(), None, START)
    assert len(page.records) == 2
    assert TideTable.levels.takes_until
    assert not TideTable.numbered.takes_until


def test_a_backfill_reads_its_pieces_and_leaves_the_mark_alone(warehouse: Database) -> None:
    assert run(levels, warehouse).status == "done"
    with warehouse.begin() as connection:
        before = mark.read_up_to(connection, STREAM)
    TideTable.levels_there += [level(10, day=0.5), level(11, day=2.5), level(12, day=3.5)]
    report = fill(warehouse, since=START, until=START + 3 * DAY, step=2 * DAY)
    assert report.status == "done"
    assert TideTable.asked == [(START, START + 2 * DAY), (START + 2 * DAY, START + 3 * DAY)]
    assert heights(warehouse) == [0, 1, 2, 3, 4, 10, 11]
    with warehouse.begin() as connection:
        assert mark.read_up_to(connection, STREAM) == before
        assert connection.execute(select(state.backfill)).all() == []
    (told,) = report.streams
    assert (told.mark_before, told.mark_after) == (before, before)


def test_a_backfill_that_failed_goes_on_behind_the_last_piece(warehouse: Database) -> None:
    TideTable.broken.add(START + 3 * DAY)
    wanted = {"since": START, "until": START + 4 * DAY, "step": DAY}
    report = fill(warehouse, **wanted)
    assert report.status == "failed"
    assert [until for _, until in TideTable.asked] == [START + DAY, START + 2 * DAY, START + 3 * DAY]
    assert heights(warehouse) == []

    TideTable.broken.clear()
    assert fill(warehouse, **wanted).status == "done"
    assert TideTable.asked == [
        (START + 2 * DAY, START + 3 * DAY),
        (START + 3 * DAY, START + 4 * DAY),
    ]
    assert heights(warehouse) == [0, 1, 2, 3, 4]

    assert fill(warehouse, **wanted).status == "done"
    assert len(TideTable.asked) == 4  # it had come to its end, so this is another one


def test_a_fresh_backfill_begins_over(warehouse: Database) -> None:
    wanted = {"since": START, "until": START + 2 * DAY, "step": DAY}
    TideTable.broken.add(START + 2 * DAY)
    assert fill(warehouse, **wanted).status == "failed"
    assert fill(warehouse, **wanted, fresh=True).status == "failed"
    assert len(TideTable.asked) == 2
    assert fill(warehouse, **wanted).status == "failed"
    assert len(TideTable.asked) == 1


def test_without_an_end_it_reads_up_to_now(warehouse: Database) -> None:
    assert fill(warehouse, since=START + 3 * DAY).status == "done"
    ((since, until),) = TideTable.asked
    assert since == START + 3 * DAY
    assert until <= datetime.now(UTC)
    assert heights(warehouse) == [3, 4]


@pytest.mark.parametrize(
    ("name", "options", "says"),
    [
        (STREAM, {"since": START, "until": START}, "it ends at 2026-03-01"),
        (STREAM, {"since": START, "step": 1000}, "the cursor at is no number"),
        ("tide_table.numbered", {"since": 1, "until": 5}, "def numbered(self, since, until)"),
        ("tide_table.numbered", {"since": 1, "step": 5}, "def numbered(self, since, until)"),
        ("tide_table.waves", {"since": START}, "no pipeline here reads 'tide_table.waves'"),
    ],
)
def test_what_cannot_be_filled_is_refused(
    warehouse: Database, name: str, options: dict[str, Any], says: str
) -> None:
    with pytest.raises(DeclarationError) as refused:
        backfill([levels], warehouse, name, **options)
    assert says in f"{refused.value} {refused.value.hint}"


@pytest.mark.parametrize(
    ("given", "step"),
    [("day", DAY), ("week", 7 * DAY), ("hour", timedelta(hours=1)), ("12h", DAY / 2), ("1000", 1000)],
)
def test_a_chunk_is_a_time_or_a_number(given: str, step: Step) -> None:
    assert read_step(given) == step


@pytest.mark.parametrize("given", ["", "0", "0d", "-1d", "soon", "1.5h", "month"])
def test_a_chunk_that_is_neither_is_refused(given: str) -> None:
    with pytest.raises(DeclarationError, match="neither a time nor a number"):
        read_step(given)


@given(st.integers(0, 500), st.integers(1, 500), st.one_of(st.none(), st.integers(1, 200)), st.booleans())
def test_the_pieces_are_all_of_it_and_none_is_larger(
    first: int, size: int, hours: int | None, is_daily: bool
) -> None:
    step = None if hours is None else timedelta(hours=hours)
    cursor = Cursor("at", precision=Precision.DAY if is_daily else Precision.MICROSECOND)
    begin, end = START + timedelta(hours=first), START + timedelta(hours=first + size)
    wanted = Backfill(STREAM, cursor, begin, end, step, present=None)
    left = list(wanted.left())
    pieces = [it.window for it in left]
    assert left[-1].reached == end
    assert [it.is_last for it in left] == [False] * (len(left) - 1) + [True]
    assert len(pieces) == (1 if step is None else -(-timedelta(hours=size) // step))
    for (_, until), (since, _) in pairwise(pieces):
        assert _moment(since) <= _moment(until)
    assert _moment(pieces[0][0]) <= begin
    assert end <= _moment(pieces[-1][1])


def _moment(value: object) -> datetime:
    if isinstance(value, datetime):
        return value
    assert isinstance(value, date)
    return datetime(value.year, value.month, value.day, tzinfo=UTC)


@pytest.mark.parametrize(
    ("precision", "bound", "asked"),
    [
        (Precision.MICROSECOND, START + DAY / 3, START + DAY / 3),
        (Precision.SECOND, START + timedelta(milliseconds=1), START + timedelta(seconds=1)),
        (Precision.DAY, START, START.date()),
        (Precision.DAY, START + DAY / 3, (START + DAY).date()),
    ],
)
def test_a_coarse_filter_is_asked_for_all_of_its_last_step(
    precision: Precision, bound: datetime, asked: object
) -> None:
    assert Cursor("at", precision=precision).until(bound) == asked
