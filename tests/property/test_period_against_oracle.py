"""The latest word in each period stands, and what is missing is repeated, in whatever order words arrive.

Tanks are measured at odd times, taken down and put up again. What they held month by month, and week by week
without repetitions, is told by a plain loop over everything that was sent.
"""

import itertools
import json
from dataclasses import dataclass
from datetime import UTC, date, datetime, timedelta
from typing import Any

import pytest
from hypothesis import example, given
from hypothesis import strategies as st
from pydantic import AwareDatetime
from sqlalchemy import Integer, SelectBase, String, cast, func, select, text
from sqlalchemy.orm import Mapped
from tests.effort import cases
from tests.memory import pages
from tests.written import assert_is_its_query

from strandline.model import (
    Aggregate,
    CalendarRollup,
    DimDate,
    Dimension,
    Mapper,
    PeriodicSnapshot,
    attribute,
    degenerate,
    field,
    grain,
    measure,
    period,
    references,
)
from strandline.pipeline import Pipeline, RunReport, run
from strandline.source import Pages, Record, Source, stream
from strandline.testing.written import row_versions
from strandline.warehouse.database import Database

START = datetime(2025, 11, 20, tzinfo=UTC)


class Reading(Record):
    """What a tank held."""

    id: str
    at: AwareDatetime
    edition: int | None = None
    litres: int
    owner: str | None = None
    note: str | None = None


class Farm(Source):
    """Tanks."""

    name = "farm"

    def __init__(self) -> None:
        super().__init__()
        self.records: list[bytes] = []

    @stream(Reading, key="id", effective_at="at", tie_break="edition", deleted="gone")
    def tanks(self) -> Pages:
        """What it was given."""
        return pages(self.records)


class DimFarmer(Dimension):
    """An owner."""

    label: Mapped[str | None] = attribute(String(10))


class DimTankQuarter(CalendarRollup, of=DimDate, attributes=("year", "quarter")):
    """Quarters."""


class FactTankMonth(PeriodicSnapshot, every="month", fill="last", zone="Asia/Tokyo"):
    """One row a tank and month; the names of columns are no traps."""

    place: Mapped[str] = grain(String(40))
    since: Mapped[date] = period()
    owner_key: Mapped[int] = references(DimFarmer)
    until_key: Mapped[int] = references(DimDate, on="since")
    quarter_key: Mapped[int] = references(DimTankQuarter, on="since")
    step: Mapped[int] = measure(Integer, additive="semi")
    thing: Mapped[str | None] = degenerate(String(10))


class FactTankWeek(PeriodicSnapshot, every="week"):
    """One row a tank and week in which it was measured."""

    week: Mapped[date] = period()
    place: Mapped[str] = grain(String(40))
    litres: Mapped[int] = measure(Integer, additive="semi")


class AggTankMonth(Aggregate):
    """What is in all tanks, month by month."""

    since: Mapped[date] = grain()
    tanks: Mapped[int] = measure()
    steps: Mapped[int] = measure()

    @classmethod
    def query(cls) -> SelectBase:
        """Sum up within a month, repetitions included."""
        fact = FactTankMonth.table().c
        return select(
            fact.since, func.count().label("tanks"), cast(func.sum(fact.step), Integer).label("steps")
        ).group_by(fact.since)


class FarmMonth(Mapper[Reading, FactTankMonth]):
    """Tanks by month."""

    place = field("id")
    owner_key = field("owner")
    step = field("litres")
    thing = field("note")


class FarmWeek(Mapper[Reading, FactTankWeek]):
    """Tanks by week."""

    place = field("id")
    litres = field("litres")


farm = Pipeline("farm")
farm.sync(Farm.tanks, FarmMonth)
farm.sync(Farm.tanks, FarmWeek)


@dataclass(frozen=True)
class Sent:
    """A record: of which tank, how many hours after the start, and what it says."""

    tank: str
    hours: int
    edition: int | None = None
    litres: int = 0
    owner: str | None = None
    note: str | None = None
    is_deleted: bool = False


MONTH = 30 * 24
hours = st.one_of(
    st.builds(lambda months, more: months * MONTH + more, st.integers(0, 5), st.integers(0, 3)),
    st.sampled_from([10 * 24 + 14, 10 * 24 + 15, 10 * 24 + 16]),  # around midnight in Tokyo, of a new month
)
sent = st.builds(
    Sent,
    tank=st.sampled_from(["a", "a", "a", "ü", "c"]),
    hours=hours,
    edition=st.sampled_from([None, None, 1]),
    litres=st.integers(0, 3),
    owner=st.sampled_from([None, "x", "y"]),
    note=st.sampled_from([None, "ok"]),
    is_deleted=st.sampled_from([False, False, False, True]),
)
loads = st.lists(st.lists(sent, min_size=1, max_size=5), min_size=1, max_size=4)

Row = tuple[Any, ...]
Rows = dict[tuple[str, date], Row]


def _month(hours: int) -> date:
    return (START + timedelta(hours=hours + 9)).date().replace(day=1)


def _week(hours: int) -> date:
    day = (START + timedelta(hours=hours)).date()
    return day - timedelta(days=day.isoweekday() - 1)


def _words(heard: list[Sent], tank: str) -> list[Sent]:
    """Of each instant the word that stands, in the order of time."""
    words: dict[int, Sent] = {}
    for it in heard:
        before = words.get(it.hours)
        if it.tank == tank and (before is None or (it.edition or 0) >= (before.edition or 0)):
            words[it.hours] = it
    return [words[at] for at in sorted(words)]


def naive_months(heard: list[Sent]) -> Rows:
    """What stands month by month of everything that was sent, with repetitions."""
    said = {tank: {_month(it.hours): it for it in _words(heard, tank)} for tank in {it.tank for it in heard}}
    real = [month for words in said.values() for month, it in words.items() if not it.is_deleted]
    rows: Rows = {}
    for tank, words in said.items():
        standing: Sent | None = None
        deleted_in: date | None = None
        month = min(words)
        while real and month <= max(real):
            word = words.get(month)
            if word is not None:
                standing = None if word.is_deleted else word
                later = sorted(it for it in words if it > month)
                deleted_in = later[0] if later and words[later[0]].is_deleted else None
            if standing is not None:
                key = month.year * 10000 + month.month * 100 + 1
                quarter = month.year * 10000 + ((month.month - 1) // 3 * 3 + 1) * 100 + 1
                said_there = (standing.owner, key, quarter, standing.litres, standing.note)
                rows[tank, month] = (*said_there, word is None, deleted_in)
            month = (month + timedelta(days=40)).replace(day=1)
    return rows


def naive_weeks(heard: list[Sent]) -> dict[tuple[str, date], int]:
    """What stands week by week."""
    rows: dict[tuple[str, date], Sent] = {}
    for tank in {it.tank for it in heard}:
        for it in _words(heard, tank):
            rows[tank, _week(it.hours)] = it
    return {key: it.litres for key, it in rows.items() if not it.is_deleted}


class Bed:
    """One database for all cases; what was the latest period in one is none of the next one's business."""

    def __init__(self, database: Database) -> None:
        self.database = database
        self.farm = Farm()
        self._cases = itertools.count(1)
        self._numbers = itertools.count(1)

    def begin(self) -> str:
        """The prefix of a case's keys, in tables that are empty."""
        prefix = f"{next(self._cases)}:"
        if prefix != "1:":
            with self.database.begin() as connection:
                connection.execute(text("DELETE FROM warehouse.fact_tank_month"))
                connection.execute(text("DELETE FROM analytics.agg_tank_month"))
                connection.execute(text("DELETE FROM raw.farm_tanks"))
        return prefix

    def load(self, prefix: str, batch: list[Sent]) -> RunReport:
        """Let the farm send the batch."""
        self.farm.records = [_payload(prefix, next(self._numbers), it) for it in batch]
        report = run(farm, self.database, sources={"farm": self.farm})
        assert report.status == "done", report.streams[0].error
        return report

    def months(self, prefix: str) -> Rows:
        """What stands month by month."""
        fact, owner = FactTankMonth.table(), DimFarmer.table()
        query = select(fact, owner.c.source_id.label("owner")).join(
            owner, owner.c.farmer_key == fact.c.owner_key
        )
        with self.database.connect() as connection:
            found = connection.execute(query).mappings().all()
        named = ("until_key", "quarter_key", "step", "thing", "is_filled", "deleted_in")
        return {
            (it["place"].removeprefix(prefix), it["since"]): (
                None if it["owner_key"] == -2 else it["owner"].removeprefix(prefix),
                *(it[name] for name in named),
            )
            for it in found
        }

    def weeks(self, prefix: str) -> dict[tuple[str, date], int]:
        """What stands week by week."""
        fact = FactTankWeek.table()
        with self.database.connect() as connection:
            found = connection.execute(select(fact).where(fact.c.place.startswith(prefix))).all()
        return {(it.place.removeprefix(prefix), it.week): it.litres for it in found}

    def row_versions(self) -> list[tuple[Any, ...]]:
        """What changes with every write, also an identical one."""
        return row_versions(self.database, FactTankMonth.table(), FactTankWeek.table())


def _payload(prefix: str, number: int, it: Sent) -> bytes:
    said: dict[str, Any] = {"id": prefix + it.tank, "edition": it.edition, "number": number}
    said["at"] = (START + timedelta(hours=it.hours)).isoformat()
    if it.is_deleted:
        return json.dumps({**said, "gone": True}).encode()
    owner = prefix + it.owner if it.owner else None
    return json.dumps({**said, "litres": it.litres, "owner": owner, "note": it.note}).encode()


@pytest.fixture(scope="module")
def bed(both: Database) -> Bed:
    return Bed(both)


def gone(tank: str, hours: int) -> Sent:
    return Sent(tank, hours, is_deleted=True)


@given(loads)
@example([[Sent("a", 0, litres=1)], [Sent("c", 3 * MONTH)], [gone("a", 2 * MONTH)], [Sent("c", 5 * MONTH)]])
@example(
    [[Sent("a", 0), Sent("c", 0)], [gone("c", 4 * MONTH)], [Sent("a", 5 * MONTH)], [gone("a", 5 * MONTH)]]
)
@example([[Sent("a", 0), Sent("a", MONTH)], [gone("a", MONTH + 1)], [Sent("a", MONTH + 2, litres=2)]])
@example([[Sent("a", 3 * MONTH, litres=3)], [Sent("a", 0, litres=1)], [Sent("c", 0), gone("a", MONTH)]])
@example([[Sent("a", 0), Sent("c", 2 * MONTH)], [Sent("c", 2 * MONTH + 1), gone("c", 2 * MONTH)],
          [gone("c", 2 * MONTH + 1)], [Sent("c", 2 * MONTH + 1)]])  # fmt: skip
@cases(3)
def test_the_latest_word_in_a_period_stands_and_missing_ones_are_repeated_in_whatever_order(
    bed: Bed, batches: list[list[Sent]]
) -> None:
    """After every batch: rows, repetitions, and the periods in which something was deleted."""
    prefix, heard = bed.begin(), list[Sent]()
    for batch in batches:
        heard += batch
        bed.load(prefix, batch)
        assert bed.months(prefix) == naive_months(heard)
        assert bed.weeks(prefix) == naive_weeks(heard)
        assert_is_its_query(bed.database, AggTankMonth)


@given(st.lists(sent, min_size=1, max_size=10))
@cases(3)
def test_the_same_periods_again_write_nothing(bed: Bed, batch: list[Sent]) -> None:
    """Also when the applied mark is put back, so that everything of the log is merged again."""
    prefix = bed.begin()
    bed.load(prefix, batch)
    before = bed.row_versions()
    with bed.database.begin() as connection:
        connection.execute(text("DELETE FROM strandline.applied_mark WHERE target LIKE 'FactTank%'"))
    bed.load(prefix, [])

    assert bed.row_versions() == before
