"""Promises 2, 3 and 4: any history, however it is cut into batches, leaves what a plain loop leaves, once.

The oracle below is written from the design alone and shares no code with the merge. What goes in goes in
through `run`: JSON bytes, contract, mapper, raw log, staging, merge.
"""

import itertools
import json
from dataclasses import astuple, dataclass
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from typing import Any

import pytest
from hypothesis import example, given
from hypothesis import strategies as st
from pydantic import AwareDatetime
from sqlalchemy import String, select
from sqlalchemy.orm import Mapped
from tests.effort import cases

from strandline.model import Dimension, Mapper, Money, attribute, field
from strandline.model.dimension import BEGINNING
from strandline.pipeline import Pipeline, RunReport, run
from strandline.source import Page, Pages, Record, Source, stream
from strandline.testing.written import row_versions
from strandline.warehouse.database import Database
from strandline.warehouse.dialect import is_sqlite

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
    rank: str | None = None
    place: str | None = None
    turn: int | None = None


class Feed(Source):
    """A source in memory: what it is given is its next page."""

    name = "feed"

    def __init__(self) -> None:
        super().__init__()
        self.records: list[bytes] = []

    @stream(Person, key="id", effective_at="at", tie_break="turn", deleted="gone")
    def people(self) -> Pages:
        """One page."""
        yield Page(self.records, number=1, request="feed", status=200, fetched_at=datetime.now(UTC), size=1)


class Post(Feed):
    """Another source of persons; its keys are its own, and may be spelled as the feed's."""

    name = "post"


class DimFellow(Dimension):
    """A person; the column names are those that a merge might use itself."""

    origin: Mapped[str | None] = attribute(String(20), scd=0)
    nickname: Mapped[str | None] = attribute(String(20))
    events: Mapped[bool | None] = attribute()
    number: Mapped[str | None] = attribute(String(20), scd=2)
    deleted: Mapped[Decimal | None] = attribute(Money, scd=2)
    before: Mapped[str | None] = attribute(String(20), scd=3)
    now: Mapped[str | None] = attribute(String(20), scd=6)


class FeedPerson(Mapper[Person, DimFellow]):
    """The feed's people."""

    origin = field("origin")
    nickname = field("nickname")
    events = field("is_active")
    number = field("segment")
    deleted = field("budget")
    before = field("rank")
    now = field("place")


people = Pipeline("people")
people.sync(Feed.people, FeedPerson)
people.sync(Post.people, FeedPerson)


@dataclass(frozen=True)
class Change:
    """One record: whose, how many minutes after the start it took effect, and what it says."""

    member: str
    minutes: int
    is_deleted: bool = False
    origin: str | None = None
    nickname: str | None = None
    is_active: bool | None = None
    segment: str | None = None
    budget: str | None = None
    rank: str | None = None
    place: str | None = None
    turn: int | None = None
    source: str = "feed"

    def payload(self, key: str, at: datetime) -> bytes:
        """As the feed sends it."""
        if self.is_deleted:
            return json.dumps({"id": key, "at": at.isoformat(), "gone": True, "turn": self.turn}).encode()
        fields = ("origin", "nickname", "is_active", "segment", "budget", "rank", "place", "turn")
        said = {name: getattr(self, name) for name in fields}
        return json.dumps({"id": key, "at": at.isoformat(), **said}).encode()


@dataclass
class Version:
    """A row of the dimension, as far as promises speak of it; one that is inferred has no values."""

    source: str
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
    for source, key in sorted({(change.source, key) for key, _, change in sent}):
        theirs = [it for it in sent if (it[2].source, it[0]) == (source, key)]
        moments = ((at, change) for (_, _, at), change in _standing(theirs).items())
        timeline = _timeline(source, key, sorted(moments, key=lambda it: it[0]))
        was_there = any(not change.is_deleted for _, _, change in theirs)
        # Whose every record was withdrawn at its own instant is known by the key still.
        nothing = Version(source, key, 1, BEGINNING, None, is_deleted=False, values=(None,) * 10)
        found += timeline or ([nothing] if was_there else [])
    return found


def _standing(sent: list[Sent]) -> dict[tuple[str, str, datetime], Change]:
    """What stands at each instant: of several records the one with the highest turn, then the last sent."""
    found: dict[tuple[str, str, datetime], Change] = {}
    for key, at, change in sent:
        before = found.get((change.source, key, at))
        if before is None or (change.turn or 0) >= (before.turn or 0):
            found[change.source, key, at] = change
    return found


def _timeline(source: str, key: str, moments: list[tuple[datetime, Change]]) -> list[Version]:
    versions: list[Version] = []
    is_open = False
    for at, change in moments:
        if change.is_deleted:
            if is_open:
                versions[-1].valid_to = at
            is_open = False
            continue
        budget = None if change.budget is None else Decimal(change.budget)
        tracked = (change.segment, budget, change.place)
        if is_open and versions[-1].values == tracked:
            continue
        if is_open:
            versions[-1].valid_to = at
        versions.append(Version(source, key, len(versions) + 1, at, None, is_deleted=False, values=tracked))
        is_open = True
    said = [(at, change) for at, change in moments if not change.is_deleted]
    for version in versions:
        first, last = said[0][1], said[-1][1]
        segment, budget, place = version.values
        rank = (last.rank, *_memory_of_rank(said))
        version.values = (
            first.origin, last.nickname, last.is_active, segment, budget, *rank, place, last.place,
        )  # fmt: skip
    if versions and not is_open:
        versions[-1].is_deleted = True
    return versions


def _memory_of_rank(said: list[tuple[datetime, Change]]) -> tuple[str | None, datetime | None]:
    """What the rank was before it last changed, and when that was."""
    steps = [(one.rank, at) for (_, one), (at, other) in itertools.pairwise(said) if one.rank != other.rank]
    return steps[-1] if steps else (None, None)


values = st.sampled_from([None, "", "x", "y", "Ünï😀", "NULL"])
changes = st.builds(
    Change,
    member=st.sampled_from(MEMBERS),
    minutes=st.integers(0, 6),
    is_deleted=st.sampled_from([False, False, False, True]),
    origin=values,
    nickname=values,
    is_active=st.sampled_from([None, True, False]),
    segment=st.sampled_from([None, "x", "y"]),
    budget=st.sampled_from([None, None, "0.1", "99999999999999.99"]),
    rank=st.sampled_from([None, "x", "y"]),
    place=st.sampled_from([None, None, "x"]),
    turn=st.sampled_from([None, None, None, 1, 2]),
    source=st.sampled_from(["feed", "feed", "post"]),
)
histories = st.lists(st.lists(changes, max_size=9), min_size=1, max_size=4)


class Bed:
    """One database for all cases: each has natural keys of its own."""

    def __init__(self, database: Database) -> None:
        self.database = database
        self.sources = {"feed": Feed(), "post": Post()}
        self._cases = itertools.count(1)

    def begin(self) -> str:
        """The prefix of a case's keys."""
        return f"{next(self._cases)}:"

    def load(self, sent: list[Sent]) -> RunReport:
        """Let the sources send these."""
        for name, source in self.sources.items():
            theirs = (it for it in sent if it[2].source == name)
            source.records = [change.payload(key, at) for key, at, change in theirs]
        return run(people, self.database, sources=self.sources)

    def history(self, prefix: str) -> list[Version]:
        """The versions of a case, in the oracle's words."""
        table = DimFellow.table()
        named = (
            "origin", "nickname", "events", "number", "deleted",
            "before", "previous_before", "before_changed_at", "now", "current_now",
        )  # fmt: skip
        query = (
            select(table)
            .where(table.c.source_id.startswith(prefix))
            .order_by(table.c.source_id, table.c.version)
        )
        with self.database.connect() as connection:
            rows = connection.execute(query).mappings().all()
        found = [
            Version(
                row["source_system"],
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
            assert row["is_inferred"] == (row["valid_from"] == BEGINNING)
        return sorted(found, key=lambda version: (version.source, version.source_id, version.number))

    def row_versions(self) -> list[tuple[Any, ...]]:
        """What changes with every write to the dimension, also an identical one."""
        return row_versions(self.database, DimFellow.table())


@pytest.fixture(scope="module")
def bed(both: Database) -> Bed:
    return Bed(both)


def _sent(prefix: str, batch: list[Change]) -> list[Sent]:
    return [(prefix + it.member, START + timedelta(minutes=it.minutes), it) for it in batch]


def _last_words(sent: list[Sent]) -> list[Sent]:
    standing = sorted(_standing(sent).items(), key=lambda it: it[0])
    return [(key, at, change) for (_, key, at), change in standing]


NOTHING_NEW = [Change("A", minute, turn=minute) for minute in range(1, 21)]
"""So many that what changes beside them is little."""


@given(histories)
@example(
    [[Change("a", 0, segment="x"), Change("A", 0)], [*NOTHING_NEW, Change("a", 1, segment="y", rank="x")]]
)
@example(
    [
        [Change("a", 0, segment="x"), Change("A", 0)],
        [*NOTHING_NEW, Change("a", 1, segment="y"), Change("a", 2, segment="x")],
    ]
)
@example([[Change("a", 0), Change("a", 1, is_deleted=True)], [Change("a", 2, nickname="x")]])
@example([[Change("a", 0, origin="x")], [Change("a", 0, origin="y")]])
@example([[Change("a", 0, origin="x")], [Change("a", 0, origin="y"), Change("a", 1, segment="x")]])
@example([[Change("a", 0, segment="x"), Change("a", 1, is_deleted=True)], [Change("a", 1, segment="x")]])
@example([[Change("a", 0)], [Change("a", 0, is_deleted=True)], [Change("a", 1)]])
@example([[Change("a", 0, segment="x", turn=2)], [Change("a", 0, segment="y", turn=1)]])
@example([[Change("a", 0, turn=1)], [Change("a", 0, is_deleted=True)], [Change("a", 1)]])
@example([[Change("a", 0), Change("a", 0, source="post")], [Change("a", 1, is_deleted=True, source="post")]])
@cases(5)
def test_any_history_in_any_batches_and_any_order_leaves_what_a_plain_loop_leaves(
    bed: Bed, batches: list[list[Change]]
) -> None:
    """After every batch, late records and corrections included; and the last words again write nothing."""
    prefix, sent = bed.begin(), list[Sent]()
    for batch in batches:
        new = _sent(prefix, batch)
        report = bed.load(new)
        sent += new
        assert report.status == "done", report.streams[0].error
        assert bed.history(prefix) == naive_history(sent)
    written = bed.row_versions()

    assert bed.load(_last_words(sent)).status == "done"
    assert bed.history(prefix) == naive_history(sent)
    assert bed.row_versions() == written


@given(st.lists(changes, min_size=1, max_size=12), st.data())
@cases(4)
def test_one_batch_or_one_record_at_a_time_is_the_same(
    bed: Bed, batch: list[Change], data: st.DataObject
) -> None:
    """The order of arrival within a batch matters only for what happened at one instant."""
    prefix = bed.begin()
    sent = _sent(prefix, batch)
    shuffled = data.draw(st.permutations(sent))
    bed.load(shuffled)

    assert bed.history(prefix) == naive_history(shuffled)


SEVEN = (
    Change("", 1, origin="first", segment="x", rank="low"),
    Change("", 2, segment="x", nickname="same segment", rank="high"),
    Change("", 3, segment="y", rank="high", place="x"),
    Change("", 4, is_deleted=True),
    Change("", 5, segment="y"),
    Change("", 6, segment="x", budget="0.1"),
    Change("", 7, segment="y", nickname="last"),
)


def test_seven_events_in_each_of_their_5040_orders_leave_one_history(bed: Bed) -> None:
    """Every order has a member of its own, and every run brings each member its next event.

    On SQLite, which takes its time, every seventh order.
    """
    prefix, sent = bed.begin(), list[Sent]()
    orders = list(enumerate(itertools.permutations(SEVEN)))[:: 7 if is_sqlite(bed.database.engine) else 1]
    for step in range(len(SEVEN)):
        new = [
            (f"{prefix}{number}", START + timedelta(minutes=order[step].minutes), order[step])
            for number, order in orders
        ]
        assert bed.load(new).status == "done"
        sent += new
    in_order = naive_history([(prefix, START + timedelta(minutes=it.minutes), it) for it in SEVEN])
    found = itertools.groupby(bed.history(prefix), key=lambda version: version.source_id)

    histories_found = {key: [astuple(it)[2:] for it in versions] for key, versions in found}
    assert len(histories_found) == len(orders)
    assert all(history == [astuple(it)[2:] for it in in_order] for history in histories_found.values())
