"""Promise 5: a fact points at the version that was valid when it happened, whatever arrives first.

Two facts, of two sources, look at one dimension in four roles: two infer whom they do not know, two wait; two
do not know who was deleted at the time.
What they end up pointing at is told by a plain loop over everything that was sent.
"""

import itertools
import json
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from hypothesis import example, given
from hypothesis import strategies as st
from sqlalchemy import Connection, select, text
from tests.effort import cases
from tests.property.house import Desk, DimGuest, FactCall, FactVisit, Phone, house

from strandline.pipeline import RunReport, run
from strandline.testing.written import row_versions
from strandline.warehouse.database import Database

START = datetime(2026, 1, 1, tzinfo=UTC)
GUESTS = ("a", "b", "ü")
NOBODY = "nobody"
UNKNOWN = "unknown"


@dataclass(frozen=True)
class GuestSent:
    """A guest's record, and the minute at which it took effect."""

    guest: str
    minutes: int
    level: str | None


@dataclass(frozen=True)
class VisitSent:
    """A visit's record, and the minute at which it was said; of one visit the latest word stands."""

    number: int
    minutes: int
    happened: int
    guest: str | None
    host: str | None
    price: int
    is_deleted: bool


@dataclass(frozen=True)
class CallSent:
    """A call's record, and the minute at which it was said."""

    number: int
    minutes: int
    guest: str | None
    is_deleted: bool


Sent = GuestSent | VisitSent | CallSent
often_the_same = ("a", "a", "a", *GUESTS)  # for what is worth finding happens to one guest
whom = st.sampled_from([None, "", *often_the_same])
gone = st.sampled_from([False, False, False, True])
guests = st.builds(
    GuestSent, st.sampled_from(often_the_same), st.integers(1, 8), st.sampled_from(["x", "y", None, "gone"])
)
minutes = st.integers(1, 4)
visits = st.builds(
    VisitSent, st.integers(1, 4), minutes, st.integers(-2, 9), whom, whom, st.integers(0, 2), gone
)
calls = st.builds(CallSent, st.integers(1, 3), minutes, whom, gone)
loads = st.lists(
    st.lists(st.one_of(guests, guests, visits, calls), min_size=3, max_size=9), min_size=1, max_size=3
)


def _guest(prefix: str, name: str | None) -> str | None:
    return prefix + name if name else name


def _payload(prefix: str, number: int, at: datetime, it: Sent) -> bytes:
    return json.dumps({**_said(prefix, it), "at": at.isoformat(), "n": number}).encode()


def _said(prefix: str, it: Sent) -> dict[str, Any]:
    match it:
        case GuestSent(level="gone"):
            return {"id": prefix + it.guest, "gone": True}
        case GuestSent():
            return {"id": prefix + it.guest, "level": it.level}
        case VisitSent() | CallSent() if it.is_deleted:
            return {"id": f"{prefix}{it.number}", "gone": True}
        case CallSent():
            return {"id": f"{prefix}{it.number}", "guest": _guest(prefix, it.guest)}
        case VisitSent():
            return {
                "id": f"{prefix}{it.number}",
                "visited_at": (START + timedelta(minutes=it.happened)).isoformat(),
                "guest": _guest(prefix, it.guest),
                "host": _guest(prefix, it.host),
                "price": str(it.price),
            }


Span = tuple[int, int | None, str | None]
"""A version: from, to, level; in minutes."""

Pointed = tuple[object, object, object, int, object, object]
"""A visit: guest, guest if there at the time, host, price, and who guest and host are over all versions."""


def _member(pointed: object) -> object:
    """Whom the durable key names, beside the version that the key does."""
    return pointed[0] if isinstance(pointed, tuple) else pointed


class Oracle:
    """Knows everything that was sent."""

    def __init__(self) -> None:
        self.records: dict[str, dict[int, str | None]] = {}
        self.mentioned: set[str] = set()
        self.visits: dict[int, VisitSent] = {}
        self.calls: dict[int, CallSent] = {}

    def hear(self, it: Sent) -> None:
        """Take note; of what is said of one minute the last stands."""
        match it:
            case GuestSent():
                self.records.setdefault(it.guest, {})[it.minutes] = it.level
                if it.level != "gone":
                    self.mentioned.add(it.guest)
            case VisitSent():
                if it.number not in self.visits or self.visits[it.number].minutes <= it.minutes:
                    self.visits[it.number] = it
                if it.guest and not it.is_deleted:
                    self.mentioned.add(it.guest)
            case CallSent():
                if it.number not in self.calls or self.calls[it.number].minutes <= it.minutes:
                    self.calls[it.number] = it

    def versions(self, guest: str) -> list[Span]:
        """The guest's versions; an inferred one has no level and no beginning."""
        found: list[Span] = []
        for at, level in sorted(self.records.get(guest, {}).items()):
            is_open = bool(found) and found[-1][1] is None
            if level == "gone":
                if is_open:
                    found[-1] = (found[-1][0], at, found[-1][2])
            elif not is_open or found[-1][2] != level:
                if is_open:
                    found[-1] = (found[-1][0], at, found[-1][2])
                found.append((at, None, level))
        if not found and guest in self.mentioned:
            return [(-(10**6), None, None)]
        return found

    def pointed_at(self, guest: str | None, moment: int | None, *, in_gap: bool = True) -> object:
        """The number of the version, or who else; without `in_gap` nobody is there who was deleted."""
        if not guest:
            return NOBODY
        begun = [start for start, _, _ in self.versions(guest)]
        if not begun:
            return UNKNOWN
        if moment is None:
            return guest, len(begun)
        number = max(1, sum(start <= moment for start in begun))
        ended = self.versions(guest)[number - 1][1]
        if not in_gap and ended is not None and ended <= moment:
            return UNKNOWN
        return guest, number

    def expected_visits(self) -> dict[int, Pointed]:
        """Guest, host and price of every visit that stands."""
        return {number: self._expected(it) for number, it in self.visits.items() if not it.is_deleted}

    def _expected(self, it: VisitSent) -> Pointed:
        guest = self.pointed_at(it.guest, it.happened)
        present = self.pointed_at(it.guest, it.happened, in_gap=False)
        host = self.pointed_at(it.host, it.happened, in_gap=False)
        return (guest, present, host, it.price, _member(guest), _member(host))

    def expected_calls(self) -> dict[int, object]:
        """The guest of every call that stands."""
        standing = [it for it in self.calls.values() if not it.is_deleted]
        found = {it.number: self.pointed_at(it.guest, None) for it in standing}
        return {number: (pointed, _member(pointed)) for number, pointed in found.items()}


class Bed:
    """One database for all cases: each has natural keys of its own."""

    def __init__(self, database: Database) -> None:
        self.database = database
        self.desk, self.phone = Desk(), Phone()
        self._cases = itertools.count(1)
        self._numbers = itertools.count(1)

    def begin(self) -> str:
        """The prefix of a case's keys."""
        return f"{next(self._cases)}:"

    def load(self, prefix: str, batch: list[Sent], oracle: Oracle) -> RunReport:
        """Let both sources send the batch."""
        self.desk.guest_records, self.desk.visit_records, self.phone.call_records = [], [], []
        sinks = {
            GuestSent: self.desk.guest_records,
            VisitSent: self.desk.visit_records,
            CallSent: self.phone.call_records,
        }
        for it in batch:
            oracle.hear(it)
            at = START + timedelta(minutes=it.minutes)
            sinks[type(it)].append(_payload(prefix, next(self._numbers), at, it))
        return run(house, self.database, sources={"desk": self.desk, "phone": self.phone})

    def send_visits(self, sent: list[tuple[str, int, Sent]]) -> None:
        """Let the desk send these visits, each with its minute."""
        self.desk.guest_records, self.phone.call_records = [], []
        self.desk.visit_records = [
            _payload(prefix, minute, START + timedelta(minutes=minute), it) for prefix, minute, it in sent
        ]
        report = run(house, self.database, sources={"desk": self.desk, "phone": self.phone})
        assert report.status == "done"

    def visits(self, prefix: str) -> dict[int, Pointed]:
        """What the visits of the case point at."""
        fact, found = FactVisit.table(), {}
        with self.database.connect() as connection:
            named, named_durably = _names(connection, prefix)
            for it in connection.execute(select(fact).where(fact.c.visit_id.startswith(prefix))):
                keys = (it.guest_key, it.present_key, it.host_key)
                guest, present, host = (named[key] for key in keys)
                durable = named_durably[it.guest_durable_key], named_durably[it.host_durable_key]
                found[int(it.visit_id.removeprefix(prefix))] = (guest, present, host, int(it.place), *durable)
                assert (it.host_missing is not None) == (host == UNKNOWN)
                assert (it.present_missing is not None) == (present == UNKNOWN)
        return found

    def calls(self, prefix: str) -> dict[int, object]:
        """What the calls of the case point at."""
        fact = FactCall.table()
        with self.database.connect() as connection:
            named, named_durably = _names(connection, prefix)
            rows = connection.execute(select(fact).where(fact.c.call_id.startswith(prefix))).all()
        return {
            int(it.call_id.removeprefix(prefix)): (named[it.guest_key], named_durably[it.guest_durable_key])
            for it in rows
        }

    def members(self, prefix: str) -> dict[str, tuple[bool, int]]:
        """Whether each member of the case is inferred, and how many versions it has."""
        table = DimGuest.table()
        found: dict[str, tuple[bool, int]] = {}
        with self.database.connect() as connection:
            query = select(table.c.source_id, table.c.is_inferred).where(table.c.source_id.startswith(prefix))
            for source_id, is_inferred in connection.execute(query):
                name = source_id.removeprefix(prefix)
                found[name] = (is_inferred, found.get(name, (False, 0))[1] + 1)
        return found

    def row_versions(self) -> list[tuple[Any, ...]]:
        """What changes with every write to the star, also an identical one."""
        return row_versions(self.database, FactVisit.table(), FactCall.table(), DimGuest.table())


def _names(connection: Connection, prefix: str) -> tuple[dict[int, object], dict[int, object]]:
    """The case's versions by their keys, and its guests by their durable keys."""
    guest = DimGuest.table()
    named: dict[int, object] = {-1: UNKNOWN, -2: NOBODY}
    named_durably = named.copy()
    for it in connection.execute(select(guest).where(guest.c.source_id.startswith(prefix))):
        named[it.guest_key] = it.source_id.removeprefix(prefix), it.version
        named_durably[it.guest_durable_key] = it.source_id.removeprefix(prefix)
    return named, named_durably


@pytest.fixture(scope="module")
def bed(both: Database) -> Bed:
    return Bed(both)


def _check(bed: Bed, prefix: str, oracle: Oracle) -> None:
    assert bed.visits(prefix) == oracle.expected_visits()
    assert bed.calls(prefix) == oracle.expected_calls()
    known = {guest: oracle.versions(guest) for guest in GUESTS if oracle.versions(guest)}
    assert bed.members(prefix) == {
        guest: (versions[0][0] == -(10**6), len(versions)) for guest, versions in known.items()
    }


@given(loads)
@example([[CallSent(1, 1, "a", False)], [VisitSent(1, 1, 0, "a", None, 0, False)]])
@example(
    [
        [VisitSent(1, 1, 0, "a", "b", 0, False)],
        [VisitSent(2, 1, 0, "b", "a", 0, False)],
        [GuestSent("b", 1, "x")],
    ]
)
@example([[VisitSent(1, 1, 0, "a", None, 0, False), VisitSent(1, 2, 0, "b", None, 0, False)]])
@example([[GuestSent("a", 1, "x"), GuestSent("a", 5, "y"), VisitSent(1, 1, 5, "a", "a", 0, False)]])
@example([[VisitSent(1, 1, 0, "a", None, 0, False)], [GuestSent("a", 1, "gone")], [GuestSent("a", 2, "x")]])
@example([[VisitSent(1, 1, 5, "a", "a", 0, False), GuestSent("a", 4, "x")], [GuestSent("a", 2, "y")]])
@example(
    [
        [VisitSent(1, 1, 5, "a", "a", 0, False), GuestSent("a", 1, "x"), GuestSent("a", 8, "y")],
        [GuestSent("a", 4, "gone")],
        [GuestSent("a", 5, "x")],
    ]
)
@example([[GuestSent("a", 1, "x"), VisitSent(1, 1, 5, "a", "a", 0, False)], [GuestSent("a", 1, "gone")]])
@example(
    [
        [GuestSent("a", 1, "x"), GuestSent("a", 3, "y"), VisitSent(1, 1, 5, "a", "a", 0, False)],
        [GuestSent("a", 1, "gone"), GuestSent("a", 3, "gone")],
    ]
)
@cases(5)
def test_every_fact_points_at_the_version_of_its_time_whatever_arrives_first(
    bed: Bed, batches: list[list[Sent]]
) -> None:
    prefix, oracle = bed.begin(), Oracle()
    for batch in batches:
        report = bed.load(prefix, batch, oracle)
        assert report.status == "done", [stream.error for stream in report.streams]
        _check(bed, prefix, oracle)


@given(st.lists(st.one_of(guests, visits, calls), min_size=2, max_size=10), st.data())
@cases(4)
def test_a_batch_at_once_or_record_by_record_leaves_the_same_star(
    bed: Bed, batch: list[Sent], data: st.DataObject
) -> None:
    """Promise 3, across streams: the order between guests, visits and calls does not matter."""
    at_once, apart, oracle, other = bed.begin(), bed.begin(), Oracle(), Oracle()
    cut = data.draw(st.integers(1, len(batch) - 1))
    bed.load(at_once, batch, oracle)
    bed.load(apart, batch[:cut], other)
    bed.load(apart, batch[cut:], other)

    assert bed.visits(at_once) == bed.visits(apart)
    assert bed.calls(at_once) == bed.calls(apart)
    assert bed.members(at_once) == bed.members(apart)


@given(st.lists(visits, min_size=2, max_size=10), st.data())
@cases(4)
def test_the_latest_word_on_a_fact_stands_in_whatever_order_the_words_arrive(
    bed: Bed, sent: list[Sent], data: st.DataObject
) -> None:
    """A fact has no history, so a late record is no error: it has been superseded."""
    in_order, shuffled, moments = bed.begin(), bed.begin(), range(len(sent))
    order = data.draw(st.permutations(moments))
    cut = data.draw(st.integers(0, len(sent)))
    bed.send_visits([(in_order, minute, sent[minute]) for minute in moments])
    bed.send_visits([(shuffled, minute, sent[minute]) for minute in order[:cut]])
    bed.send_visits([(shuffled, minute, sent[minute]) for minute in order[cut:]])

    assert bed.visits(in_order) == bed.visits(shuffled)
    assert bed.members(in_order) == bed.members(shuffled)


@given(st.lists(st.one_of(guests, visits, calls), min_size=1, max_size=10))
@cases(3)
def test_merging_the_same_facts_again_writes_nothing(bed: Bed, batch: list[Sent]) -> None:
    """Also when the applied mark of the facts is put back, so that everything of the log is merged again."""
    prefix, oracle = bed.begin(), Oracle()
    bed.load(prefix, batch, oracle)
    written = bed.row_versions()
    with bed.database.begin() as connection:
        connection.execute(text("DELETE FROM strandline.applied_mark WHERE target LIKE 'Fact%'"))
    report = bed.load(prefix, [], oracle)

    assert report.status == "done"
    assert bed.row_versions() == written
