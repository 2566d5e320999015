"""Milestones fill as they happen, in whatever order the words on them arrive.

A parcel is packed, sent and delivered, and any record may know of any of it. What stands, and which records
would put a milestone before one that comes first, is told by a plain loop over everything that was sent.
"""

import itertools
import json
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from decimal import ROUND_HALF_UP, Decimal
from typing import Any

import pytest
from hypothesis import example, given
from hypothesis import strategies as st
from pydantic import AwareDatetime
from sqlalchemy import String, select, text
from sqlalchemy.orm import Mapped
from tests.effort import cases
from tests.memory import pages

from strandline.model import (
    AccumulatingSnapshot,
    DimDate,
    Dimension,
    Mapper,
    attribute,
    degenerate,
    field,
    grain,
    lag,
    milestone,
    references,
)
from strandline.pipeline import Pipeline, Rejects, RunReport, run
from strandline.source import Pages, Record, Source, stream
from strandline.testing.written import row_versions
from strandline.warehouse.database import Database

START = datetime(2026, 1, 1, tzinfo=UTC)
NAMES = ("packed", "sent", "delivered")
PAIRS = ((1, 0), (2, 1), (2, 0))
"""A milestone, and one that comes first; in the order in which they are looked at."""


class Parcel(Record):
    """What somebody knows of a parcel."""

    id: str
    at: AwareDatetime
    edition: int | None = None
    packed: AwareDatetime | None = None
    sent: AwareDatetime | None = None
    delivered: AwareDatetime | None = None
    depot: str | None = None
    state: str | None = None


class Carrier(Source):
    """Parcels."""

    name = "carrier"

    def __init__(self) -> None:
        super().__init__()
        self.records: list[bytes] = []

    @stream(Parcel, key="id", effective_at="at", tie_break="edition", deleted="gone")
    def parcels(self) -> Pages:
        """What it was given."""
        return pages(self.records)


class DimDepot(Dimension):
    """A depot."""

    label: Mapped[str | None] = attribute(String(10))


class FactParcel(AccumulatingSnapshot):
    """One row a parcel; the names of columns are no traps."""

    place: Mapped[str] = grain(String(40))
    life: Mapped[datetime | None] = milestone()
    is_last: Mapped[datetime | None] = milestone(after="life")
    delivered_at: Mapped[datetime | None] = milestone(after="is_last")
    days_to_send: Mapped[Decimal | None] = lag("life", "is_last", unit="days")
    hours_under_way: Mapped[Decimal | None] = lag("is_last", "delivered_at", unit="hours")
    seconds_in_all: Mapped[Decimal | None] = lag("life", "delivered_at", unit="seconds")
    depot_key: Mapped[int] = references(DimDepot)
    sent_date_key: Mapped[int] = references(DimDate, on="is_last", zone="Asia/Tokyo")
    reason: Mapped[str | None] = degenerate(String(10))


class CarrierParcel(Mapper[Parcel, FactParcel]):
    """Parcels."""

    place = field("id")
    life = field("packed")
    is_last = field("sent")
    delivered_at = field("delivered")
    depot_key = field("depot")
    reason = field("state")


COLUMNS = ("life", "is_last", "delivered_at")

parcels = Pipeline("parcels")
parcels.sync(Carrier.parcels, CarrierParcel, rejects=Rejects(count=10**6))


@dataclass(frozen=True)
class Sent:
    """A record: of which parcel, the minute at which it was said, and when what happened, in hours."""

    parcel: str
    minute: int
    edition: int | None = None
    hours: tuple[int | None, int | None, int | None] = (None, None, None)
    depot: str | None = None
    state: str | None = None
    is_deleted: bool = False

    @property
    def is_possible(self) -> bool:
        """Whether the record by itself is in order."""
        return _broken(self.hours) is None


def _broken(hours: tuple[int | None, ...]) -> tuple[int, int] | None:
    for late, early in PAIRS:
        one, other = hours[late], hours[early]
        if one is not None and other is not None and one < other:
            return late, early
    return None


hour = st.sampled_from([None, None, 0, 7, 7, 20, 31])
sent = st.builds(
    Sent,
    parcel=st.sampled_from(["a", "a", "a", "ü"]),
    minute=st.integers(1, 6),
    edition=st.sampled_from([None, None, 1]),
    hours=st.tuples(hour, hour, hour),
    depot=st.sampled_from([None, "x", "y"]),
    state=st.sampled_from([None, "ok", "lost"]),
    is_deleted=st.sampled_from([False, False, False, False, True]),
)
loads = st.lists(st.lists(sent, min_size=1, max_size=6), min_size=1, max_size=4)

Row = tuple[Any, ...]


class Oracle:
    """Knows everything that was sent, in the order of its arrival."""

    def __init__(self) -> None:
        self.heard: list[Sent] = []
        self.rows: dict[str, Row] = {}
        self.rejects: dict[int, tuple[str, str]] = {}

    def think(self) -> None:
        """Work out what stands, and who is set aside."""
        self.rows, self.rejects = {}, {}
        for number, it in enumerate(self.heard):
            if not it.is_deleted and not it.is_possible:
                late, early = _broken(it.hours) or (0, 0)
                words = f"{_moment(it.hours[late])} lies before {COLUMNS[early]}, which is"
                came_from = f"CarrierParcel.{COLUMNS[late]} (from {NAMES[late]}): "
                self.rejects[number] = COLUMNS[late], f"{came_from}{words} {_moment(it.hours[early])}"
        for parcel in {it.parcel for it in self.heard}:
            self._follow(parcel)

    def _follow(self, parcel: str) -> None:
        words: dict[int, int] = {}
        for number, it in enumerate(self.heard):
            if it.parcel == parcel and number not in self.rejects:
                before = words.get(it.minute)
                if before is None or (it.edition or 0) >= (self.heard[before].edition or 0):
                    words[it.minute] = number
        hours: tuple[int | None, ...] = (None, None, None)
        last: Sent | None = None
        for minute in sorted(words):
            it = self.heard[words[minute]]
            if it.is_deleted:
                hours, last = (None, None, None), None
                continue
            becomes = tuple(old if new is None else new for old, new in zip(hours, it.hours, strict=True))
            broken = _broken(becomes)
            if broken:
                late, early = broken
                words_on_it = f"{_shown(becomes[late])} lies before {COLUMNS[early]}, which is"
                told = f"FactParcel.{COLUMNS[late]}: {words_on_it} {_shown(becomes[early])}"
                self.rejects[words[minute]] = COLUMNS[late], told
                continue
            hours, last = becomes, it
        if last is not None:
            self.rows[parcel] = (*map(_moment, hours), *_lags(hours), last.depot, _day(hours[1]), last.state)


def _moment(hours: int | None) -> datetime | None:
    return None if hours is None else START + timedelta(hours=hours)


def _shown(hours: int | None) -> str:
    return f"{_moment(hours):%Y-%m-%d %H:%M:%S}+00"


def _day(hours: int | None) -> int:
    """In Tokyo, nine hours ahead."""
    return -2 if hours is None else 20260101 + (hours + 9) // 24


def _lags(hours: tuple[int | None, ...]) -> list[Decimal | None]:
    units = ((0, 1, Decimal(24)), (1, 2, Decimal(1)), (0, 2, 1 / Decimal(3600)))
    found: list[Decimal | None] = []
    for start, end, unit in units:
        one, other = hours[start], hours[end]
        lag_found = None if one is None or other is None else (other - one) / unit
        found.append(lag_found and lag_found.quantize(Decimal("0.000001"), ROUND_HALF_UP))
    return found


class Bed:
    """One database for all cases: each has natural keys of its own."""

    def __init__(self, database: Database) -> None:
        self.database = database
        self.carrier = Carrier()
        self._cases = itertools.count(1)

    def begin(self) -> str:
        """The prefix of a case's keys."""
        return f"{next(self._cases)}:"

    def load(self, prefix: str, batch: list[Sent], *, first: int) -> RunReport:
        """Let the carrier send the batch; its records are numbered from `first` on."""
        self.carrier.records = [_payload(prefix, number, it) for number, it in enumerate(batch, first)]
        report = run(parcels, self.database, sources={"carrier": self.carrier})
        assert report.streams[0].error is None
        return report

    def rows(self, prefix: str) -> dict[str, Row]:
        """By parcel, what stands."""
        fact, depot = FactParcel.table(), DimDepot.table()
        named = (*COLUMNS, "days_to_send", "hours_under_way", "seconds_in_all")
        query = (
            select(fact, depot.c.source_id.label("depot"))
            .join(depot, depot.c.depot_key == fact.c.depot_key)
            .where(fact.c.place.startswith(prefix))
        )
        with self.database.connect() as connection:
            found = connection.execute(query).mappings().all()
        return {
            it["place"].removeprefix(prefix): (
                *(it[name] for name in named),
                None if it["depot_key"] == -2 else it["depot"].removeprefix(prefix),
                it["sent_date_key"],
                it["reason"],
            )
            for it in found
        }

    def rejects(self, prefix: str) -> dict[int, tuple[str, str]]:
        """By number, the records that were set aside, with field and reason."""
        query = text("""
            SELECT payload, field, reason FROM strandline.reject JOIN raw.carrier_parcels USING (raw_id)
            WHERE target = 'FactParcel' AND rule = 'milestone' AND reject.source_id LIKE :mine
        """)
        with self.database.connect() as connection:
            found = connection.execute(query, {"mine": f"{prefix}%"}).all()
        # SQLite writes moments with six decimals and without an offset.
        reasons = {json.loads(it.payload)["number"]: (it.field, it.reason) for it in found}
        return {number: (field, why.replace(".000000", "+00")) for number, (field, why) in reasons.items()}

    def row_versions(self) -> list[tuple[Any, ...]]:
        """What changes with every write, also an identical one."""
        return row_versions(self.database, FactParcel.table())


def _payload(prefix: str, number: int, it: Sent) -> bytes:
    said: dict[str, Any] = {"id": prefix + it.parcel, "edition": it.edition, "number": number}
    said["at"] = (START + timedelta(minutes=it.minute)).isoformat()
    if it.is_deleted:
        return json.dumps({**said, "gone": True}).encode()
    moments = {name: moment.isoformat() for name, hours in zip(NAMES, it.hours, strict=True)
               if (moment := _moment(hours))}  # fmt: skip
    depot = prefix + it.depot if it.depot else None
    return json.dumps({**said, **moments, "depot": depot, "state": it.state}).encode()


@pytest.fixture(scope="module")
def bed(both: Database) -> Bed:
    return Bed(both)


@given(loads)
@example([[Sent("a", 1, hours=(0, None, None))], [Sent("a", 2, hours=(None, 7, None))], [Sent("a", 3)]])
@example([[Sent("a", 3, hours=(None, 7, None))], [Sent("a", 1, hours=(20, None, None))], [Sent("a", 1)]])
@example([[Sent("a", 1, hours=(7, None, None))], [Sent("a", 2, hours=(None, 0, None))],
          [Sent("a", 2, hours=(None, 20, None))], [Sent("a", 1, is_deleted=True)]])  # fmt: skip
@example([[Sent("a", 1, hours=(7, 7, None)), Sent("a", 2, hours=(20, None, None))], [Sent("a", 3)],
          [Sent("a", 2, is_deleted=True)]])  # fmt: skip
@cases(3)
def test_a_milestone_keeps_the_latest_word_that_is_not_empty_in_whatever_order_words_arrive(
    bed: Bed, batches: list[list[Sent]]
) -> None:
    """After every batch: rows, lags, keys of days, and who is set aside for which reason."""
    prefix, oracle = bed.begin(), Oracle()
    for batch in batches:
        first = len(oracle.heard)
        oracle.heard += batch
        bed.load(prefix, batch, first=first)
        oracle.think()
        assert bed.rows(prefix) == oracle.rows
        assert bed.rejects(prefix) == oracle.rejects


@given(st.lists(sent, min_size=1, max_size=10))
@example(
    [Sent("a", 1, hours=(None, 20, None)), Sent("a", 5, is_deleted=True), Sent("a", 6, hours=(None, None, 0))]
)
@cases(3)
def test_folding_the_same_records_again_writes_nothing(bed: Bed, batch: list[Sent]) -> None:
    """Also when the applied mark is put back, so that everything of the log is merged again."""
    prefix = bed.begin()
    bed.load(prefix, batch, first=0)
    before = bed.row_versions(), bed.rejects(prefix)
    with bed.database.begin() as connection:
        connection.execute(text("DELETE FROM strandline.applied_mark WHERE target = 'FactParcel'"))
    bed.load(prefix, [], first=len(batch))

    assert (bed.row_versions(), bed.rejects(prefix)) == before


def test_a_record_that_stays_set_aside_is_counted_once(bed: Bed) -> None:
    """Also when its key is folded again, for a late record that does not save it."""
    prefix = bed.begin()
    bed.load(prefix, [Sent("a", 2, hours=(7, None, None))], first=0)
    refused = bed.load(prefix, [Sent("a", 4, hours=(None, 0, None))], first=1)
    late = bed.load(prefix, [Sent("a", 3, state="ok")], first=2)
    saved = bed.load(prefix, [Sent("a", 2, hours=(0, None, None))], first=3)

    assert (refused.status, refused.streams[0].rejected) == ("partial", 1)
    assert (late.status, late.streams[0].rejected) == ("done", 0)
    assert (saved.status, bed.rejects(prefix)) == ("done", {})
