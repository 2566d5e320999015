"""Promises 2, 3 and 4: any history, however it is cut into batches, leaves what a plain loop leaves, once.

The oracle below is written from the design alone and shares no code with the merge. What goes in goes in
through `run`: JSON bytes, contract, mapper, raw log, staging, merge.
"""

import itertools
import json
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from typing import Any

import pytest
from hypothesis import HealthCheck, example, given, settings
from hypothesis import strategies as st
from pydantic import AwareDatetime
from sqlalchemy import URL, String, delete, select, text
from sqlalchemy.orm import Mapped

from strandline.model import Dimension, Mapper, Money, attribute, field
from strandline.pipeline import Pipeline, RunReport, run
from strandline.source import Page, Pages, Record, Source, stream
from strandline.testing import postgres
from strandline.warehouse.database import Database

START = datetime(2026, 1, 1, tzinfo=UTC)
MEMBERS = ("a", "A", "a ", "ä", "😀", "01")


class Person(Record):
    """A person, as the feed sends it."""

    id: str
    at: AwareDatetime
    origin: str | None = None
    nickname: str | None = None
    is_active: bool | None = None
    segment: str | None = None
    budget: Decimal | None = None


class Feed(Source):
    """A source in memory: what it is given is its next page."""

    name = "feed"

    def __init__(self) -> None:
        super().__init__()
        self.records: list[bytes] = []

    @stream(Person, key="id", effective_at="at", deleted="gone")
    def people(self) -> Pages:
        """One page."""
        yield Page(self.records, number=1, request="feed", status=200, fetched_at=datetime.now(UTC), size=1)


class DimPerson(Dimension):
    """A person; the column names are those that a merge might use itself."""

    origin: Mapped[str | None] = attribute(String(20), scd=0)
    nickname: Mapped[str | None] = attribute(String(20))
    events: Mapped[bool | None] = attribute()
    number: Mapped[str | None] = attribute(String(20), scd=2)
    deleted: Mapped[Decimal | None] = attribute(Money, scd=2)


class FeedPerson(Mapper[Person, DimPerson]):
    """The feed's people."""

    origin = field("origin")
    nickname = field("nickname")
    events = field("is_active")
    number = field("segment")
    deleted = field("budget")


people = Pipeline("people")
people.sync(Feed.people, FeedPerson)


@dataclass(frozen=True)
class Change:
    """One record: whose, how many minutes after the last that was known of that member, and what it says."""

    member: str
    minutes: int
    is_deleted: bool = False
    origin: str | None = None
    nickname: str | None = None
    is_active: bool | None = None
    segment: str | None = None
    budget: str | None = None

    def payload(self, key: str, at: datetime) -> bytes:
        """As the feed sends it."""
        if self.is_deleted:
            return json.dumps({"id": key, "at": at.isoformat(), "gone": True}).encode()
        said = {
            name: getattr(self, name) for name in ("origin", "nickname", "is_active", "segment", "budget")
        }
        return json.dumps({"id": key, "at": at.isoformat(), **said}).encode()


@dataclass
class Version:
    """A row of the dimension, as far as promises speak of it."""

    source_id: str
    number: int
    valid_from: datetime
    valid_to: datetime | None
    is_deleted: bool
    values: tuple[Any, ...]


Sent = tuple[str, datetime, Change]


def naive_history(sent: list[Sent]) -> list[Version]:
    """What a plain loop makes of everything that was ever sent, in the order in which it was sent."""
    found: list[Version] = []
    for key in sorted({key for key, _, _ in sent}):
        standing = {at: change for whose, at, change in sent if whose == key}
        found += _timeline(key, sorted(standing.items()))
    return found


def _timeline(key: str, moments: list[tuple[datetime, Change]]) -> list[Version]:
    versions: list[Version] = []
    is_open = False
    for at, change in moments:
        if change.is_deleted:
            if is_open:
                versions[-1].valid_to = at
            is_open = False
            continue
        tracked = (change.segment, None if change.budget is None else Decimal(change.budget))
        if is_open and versions[-1].values == tracked:
            continue
        if is_open:
            versions[-1].valid_to = at
        versions.append(Version(key, len(versions) + 1, at, None, is_deleted=False, values=tracked))
        is_open = True
    said = [change for _, change in moments if not change.is_deleted]
    for version in versions:
        version.values = (said[0].origin, said[-1].nickname, said[-1].is_active, *version.values)
    if versions and not is_open:
        versions[-1].is_deleted = True
    return versions


def turning_points(versions: list[Version]) -> set[tuple[str, datetime, str]]:
    """When members began, changed and were deleted."""
    begun = {(it.source_id, it.valid_from, "begins") for it in versions}
    starts = {(it.source_id, it.valid_from) for it in versions}
    ended = {(it.source_id, it.valid_to, "ends") for it in versions if it.valid_to is not None}
    return begun | {end for end in ended if end[:2] not in starts}


values = st.sampled_from([None, "", "x", "y", "Ünï😀", "NULL"])
changes = st.builds(
    Change,
    member=st.sampled_from(MEMBERS),
    minutes=st.integers(0, 3),
    is_deleted=st.sampled_from([False, False, False, True]),
    origin=values,
    nickname=values,
    is_active=st.sampled_from([None, True, False]),
    segment=st.sampled_from([None, "x", "y"]),
    budget=st.sampled_from([None, None, "0.1", "99999999999999.99"]),
)
histories = st.lists(st.lists(changes, max_size=9), min_size=1, max_size=4)


class Bed:
    """One database for all cases: each has natural keys of its own."""

    def __init__(self, database: Database) -> None:
        self.database = database
        self.feed = Feed()
        self._cases = itertools.count(1)

    def begin(self) -> str:
        """The prefix of a case's keys."""
        return f"{next(self._cases)}:"

    def load(self, payloads: list[bytes]) -> RunReport:
        """Let the feed send these."""
        self.feed.records = payloads
        return run(people, self.database, sources={"feed": self.feed})

    def history(self, prefix: str) -> list[Version]:
        """The versions of a case, in the oracle's words."""
        table = DimPerson.table()
        named = [column.name for column in DimPerson.attributes()]
        query = (
            select(table)
            .where(table.c.source_id.startswith(prefix))
            .order_by(table.c.source_id, table.c.version)
        )
        with self.database.connect() as connection:
            rows = connection.execute(query).mappings().all()
        found = [
            Version(
                row["source_id"],
                row["version"],
                row["valid_from"],
                row["valid_to"],
                row["is_deleted"],
                tuple(row[name] for name in named),
            )
            for row in rows
        ]
        for row in rows:
            assert row["is_current"] == (row["valid_to"] is None)
            assert not row["is_inferred"]
        return sorted(found, key=lambda version: (version.source_id, version.number))

    def row_versions(self) -> list[tuple[Any, ...]]:
        """PostgreSQL's own mark of who wrote a row; it changes with every write, also an identical one."""
        with self.database.connect() as connection:
            found = connection.execute(
                text("SELECT person_key, xmin::text FROM warehouse.dim_person ORDER BY 1")
            )
            return [tuple(row) for row in found]

    def wipe(self) -> None:
        """Forget everything, after a case that leaves something in the log that cannot be merged."""
        table = DimPerson.table()
        with self.database.begin() as connection:
            connection.execute(delete(table).where(DimPerson.key_column() > 0))
            connection.execute(
                text("TRUNCATE raw.feed_people, staging.feed_people__dim_person, strandline.applied_mark")
            )


@pytest.fixture(scope="module")
def bed(postgres_server: URL, warehouse_template: str) -> Iterator[Bed]:
    with postgres.copy(postgres_server, warehouse_template) as url:
        database = Database(url)
        yield Bed(database)
        database.close()


def _sent(prefix: str, batch: list[Change], clock: dict[str, datetime]) -> list[Sent]:
    sent = [
        (prefix + it.member, clock.get(it.member, START) + timedelta(minutes=it.minutes), it) for it in batch
    ]
    for key, at, it in sent:
        clock[it.member] = max(at, clock.get(it.member, at))
        assert key.endswith(it.member)
    return sent


def _last_words(sent: list[Sent]) -> list[bytes]:
    standing = {(key, at): change for key, at, change in sent}
    return [change.payload(key, at) for (key, at), change in sorted(standing.items(), key=lambda it: it[0])]


@given(histories)
@example([[Change("a", 0, origin="x")], [Change("a", 0, origin="y")]])
@example([[Change("a", 0, origin="x")], [Change("a", 0, origin="y"), Change("a", 1, segment="x")]])
@example([[Change("a", 0, segment="x"), Change("a", 1, is_deleted=True)], [Change("a", 1, segment="x")]])
@settings(max_examples=100, deadline=None, suppress_health_check=[HealthCheck.too_slow])
def test_any_history_in_any_batches_leaves_what_a_plain_loop_leaves(
    bed: Bed, batches: list[list[Change]]
) -> None:
    """… or is refused, exactly where a second record at one instant would make a turning point vanish."""
    prefix, clock, sent = bed.begin(), dict[str, datetime](), list[Sent]()
    for batch in batches:
        before = naive_history(sent)
        new = _sent(prefix, batch, clock)
        report = bed.load([change.payload(key, at) for key, at, change in new])
        sent += new
        vanished = turning_points(before) - turning_points(naive_history(sent))
        assert report.status == ("failed" if vanished else "done"), report.streams[0].error
        if vanished:
            assert report.streams[0].kind == "LateChange"
            assert bed.history(prefix) == before
            bed.wipe()
            return
        assert bed.history(prefix) == naive_history(sent)
    written = bed.row_versions()

    assert bed.load(_last_words(sent)).status == "done"
    assert bed.history(prefix) == naive_history(sent)
    assert bed.row_versions() == written


@given(st.lists(changes, min_size=1, max_size=12), st.data())
@settings(max_examples=60, deadline=None, suppress_health_check=[HealthCheck.too_slow])
def test_one_batch_or_one_record_at_a_time_is_the_same(
    bed: Bed, batch: list[Change], data: st.DataObject
) -> None:
    """The order of arrival within a batch matters only for what happened at one instant."""
    prefix = bed.begin()
    sent = _sent(prefix, batch, {})
    shuffled = data.draw(st.permutations(sent))
    bed.load([change.payload(key, at) for key, at, change in shuffled])

    assert bed.history(prefix) == naive_history(shuffled)


@given(histories.filter(any), changes, st.integers(1, 5))
@settings(max_examples=60, deadline=None, suppress_health_check=[HealthCheck.too_slow])
def test_a_late_change_is_refused_and_nothing_is_merged(
    bed: Bed, batches: list[list[Change]], late: Change, minutes: int
) -> None:
    """Whatever it says, unless it repeats the last word on its instant."""
    prefix, clock = bed.begin(), dict[str, datetime]()
    sent = _sent(prefix, [change for batch in batches for change in batch], clock)
    bed.load([change.payload(key, at) for key, at, change in sent])
    before, written = bed.history(prefix), bed.row_versions()
    key, known, other = sent[-1][0], clock[sent[-1][2].member], f"{prefix}new"
    at = known - timedelta(minutes=minutes)
    repeats = late.payload(key, at) in _last_words(sent)

    report = bed.load([late.payload(key, at), Change("new", 0, segment="x").payload(other, START)])
    if repeats:
        assert report.status == "done"
    else:
        assert report.status == "failed"
        assert report.streams[0].kind == "LateChange"
        assert (bed.history(prefix), bed.row_versions()) == (before, written)
    bed.wipe()
