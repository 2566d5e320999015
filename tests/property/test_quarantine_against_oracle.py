"""Promise 6: bad data stops at the door and is kept; fixed, tried again and released it comes to stand where
it belongs.

Records come in any order and batches while contract and mappers are first too strict and then mended; some
are fixed at the source, some discarded, some tried again on demand. A plain loop tells what the dimension,
the fact and the quarantine then hold.
"""

import json
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from hypothesis import example, given
from hypothesis import strategies as st
from sqlalchemy import delete, select
from tests.effort import cases
from tests.property.ward import DimSwab, FactSwab, FirstWard, Ward, first_ward, ward

from strandline.pipeline import run
from strandline.pipeline.release import retry
from strandline.testing.written import row_versions
from strandline.warehouse import raw, reject, state
from strandline.warehouse.database import Database

START = datetime(2026, 1, 1, tzinfo=UTC)
TARGETS = ("DimSwab", "FactSwab")
NAMES = ("a", "b", "ü")


@dataclass(frozen=True)
class Sent:
    """A record of the source."""

    name: str
    minutes: int
    label: str
    size: int
    is_naive: bool

    def payload(self, prefix: str) -> bytes:
        """As the source sends it."""
        at = START + timedelta(minutes=self.minutes)
        said = at.replace(tzinfo=None) if self.is_naive else at
        told = {"id": prefix + self.name, "at": said.isoformat(), "label": self.label, "size": self.size}
        return json.dumps(told).encode()


@dataclass
class Entry:
    """What a plain loop remembers of an entry of the raw log."""

    sent: Sent
    is_mended: bool
    """Whether it was last judged by the mended contract and mappers."""
    time_was_read: bool
    repeats: int = 0
    discarded: set[str] = field(default_factory=set)

    def refused_for(self) -> set[str]:
        """For which targets it is refused; "" for all."""
        it = self.sent
        if self.is_mended:
            if it.size > 8:
                return {""}
            return {target for target, bad in (("DimSwab", "l" * 13), ("FactSwab", "n"))
                    if it.label == bad or len(it.label) > 12}  # fmt: skip
        if it.size > 5 or it.is_naive:
            return {""}
        return {target for target, bad in (("DimSwab", "m"), ("FactSwab", "f"))
                if it.label == bad or len(it.label) > 12}  # fmt: skip

    @property
    def time_is_known(self) -> bool:
        """The raw log learns it with the first target that accepts the entry."""
        return self.time_was_read or any(self.is_accepted(target) for target in TARGETS)

    def is_accepted(self, target: str) -> bool:
        """Whether the target has it."""
        return self.refused_for().isdisjoint({"", target}) and self.discarded.isdisjoint({"", target})


@dataclass
class Loop:
    """What is in the log, and what of it is right, told one by one."""

    log: list[Entry] = field(default_factory=list)
    is_mended: bool = False

    def send(self, batch: list[Sent]) -> None:
        """Take the batch in; whatever was refused by others than today's is judged again."""
        for it in batch:
            latest = next((entry for entry in reversed(self.log) if entry.sent.name == it.name), None)
            if latest is not None and latest.sent == it:
                latest.repeats += 1
            else:
                self.log.append(Entry(it, self.is_mended, self.is_mended or not it.is_naive))
        self.judge(self.log)

    def judge(self, entries: list[Entry]) -> None:
        """Judge what is refused by what is in force today."""
        for entry in entries:
            if entry.refused_for() and "" not in entry.discarded:
                entry.is_mended = self.is_mended

    def rejects(self) -> list[tuple[Any, ...]]:
        """Name, minute, label, target, state and repeats of each."""
        found = []
        for number, entry in enumerate(self.log):
            for target in entry.refused_for() | entry.discarded:
                in_state = "discarded" if target in entry.discarded else "open"
                if in_state == "open" and self._came_again(number, entry, target):
                    in_state = "superseded"
                found.append((number, target, in_state, entry.repeats))
        return sorted(found)

    def _came_again(self, number: int, entry: Entry, target: str) -> bool:
        return any(
            it.is_accepted(concerned)
            for it in self.log[number + 1 :]
            for concerned in ([target] if target else TARGETS)
            if it.sent.name == entry.sent.name
            and (it.sent.minutes >= entry.sent.minutes or not entry.time_is_known)
        )

    def standing(self, target: str) -> dict[str, dict[int, Sent]]:
        """What stands at each minute of each name."""
        found: dict[str, dict[int, Sent]] = {}
        for entry in self.log:
            if entry.is_accepted(target):
                found.setdefault(entry.sent.name, {})[entry.sent.minutes] = entry.sent
        return found

    def history(self) -> list[tuple[Any, ...]]:
        """Name, version, from, to and label of each version."""
        versions = []
        for name, moments in self.standing("DimSwab").items():
            changes: list[tuple[int, str]] = []
            for minutes, it in sorted(moments.items()):
                if not changes or changes[-1][1] != it.label:
                    changes.append((minutes, it.label))
            ends = [minutes for minutes, _ in changes[1:]] + [None]
            versions += [
                (name, number, minutes, until, label)
                for number, ((minutes, label), until) in enumerate(zip(changes, ends, strict=True), 1)
            ]
        return sorted(versions)

    def facts(self) -> list[tuple[Any, ...]]:
        """Name, minute and label of each row: the latest word of a sample."""
        latest = ((name, max(it), it[max(it)].label) for name, it in self.standing("FactSwab").items())
        return sorted(latest)


class Bed:
    """One database for all cases: each has natural keys of its own, and an empty quarantine."""

    def __init__(self, database: Database) -> None:
        self.database = database
        self.number = 0
        self.is_mended = False

    def begin(self) -> None:
        """Another case."""
        self.number += 1
        self.is_mended = False
        if self.number > 1:
            with self.database.begin() as connection:
                connection.execute(delete(state.reject))

    @property
    def prefix(self) -> str:
        """What the natural keys of this case begin with."""
        return f"{self.number}:"

    @property
    def log(self) -> Any:
        """The columns of the raw log."""
        return raw.raw_table("ward.samples", cursor=None).c

    def load(self, batch: list[Sent]) -> None:
        """Let the ward send these."""
        records = [it.payload(self.prefix) for it in batch]
        source = Ward(records) if self.is_mended else FirstWard(records)
        report = run(ward if self.is_mended else first_ward, self.database, sources={"ward": source})
        assert report.status != "failed", report.streams[0].error

    def retry(self, reject_ids: list[int] | None = None) -> None:
        """Try again what is in the quarantine."""
        report = retry(ward if self.is_mended else first_ward, self.database, reject_ids=reject_ids)
        assert report.status != "failed", report.streams[0].error

    def entries(self) -> dict[int, int]:
        """The place of each raw_id of this case in its log."""
        mine = self.log.source_id.startswith(self.prefix)
        with self.database.connect() as connection:
            found = connection.scalars(select(self.log.raw_id).where(mine).order_by(self.log.raw_id)).all()
        return {raw_id: place for place, raw_id in enumerate(found)}

    def noted(self) -> list[Any]:
        """The rejects, with the place of each in the log of this case."""
        places, noted = self.entries(), state.reject.c
        with self.database.connect() as connection:
            rows = connection.execute(select(state.reject).order_by(noted.raw_id, noted.target)).all()
        return [(places[row.raw_id], row) for row in rows]

    def rejects(self) -> list[tuple[Any, ...]]:
        """The same in the words of the loop."""
        return sorted((place, row.target, row.state, row.repeats) for place, row in self.noted())

    def discard(self, reject_id: int) -> None:
        """Set one aside for good."""
        with self.database.begin() as connection:
            assert reject.discard(connection, [reject_id], reason="no sample", by="a test") == 1

    def history(self) -> list[tuple[Any, ...]]:
        """The dimension, in the words of the loop."""
        d = DimSwab.table().c
        rows = self._rows(select(d.source_id, d.version, d.valid_from, d.valid_to, d.label))
        return sorted((key, version, _minute(since), _minute(to), it) for key, version, since, to, it in rows)

    def facts(self) -> list[tuple[Any, ...]]:
        """The fact, in the words of the loop."""
        f = FactSwab.table().c
        return sorted(
            (key, _minute(at), it) for key, at, it in self._rows(select(f.source_id, f.taken_at, f.label))
        )

    def _rows(self, query: Any) -> list[Any]:
        mine = query.selected_columns.source_id.startswith(self.prefix)
        with self.database.connect() as connection:
            rows = connection.execute(query.where(mine)).all()
        return [(key.removeprefix(self.prefix), *rest) for key, *rest in rows]

    def written(self) -> Any:
        """What changes with every write."""
        return row_versions(self.database, DimSwab.table(), FactSwab.table(), state.reject)


def _minute(moment: datetime | None) -> int | None:
    return None if moment is None else (moment - START) // timedelta(minutes=1)


@pytest.fixture(scope="module")
def bed(both: Database) -> Bed:
    return Bed(both)


samples = st.builds(
    Sent,
    name=st.sampled_from(NAMES),
    minutes=st.integers(0, 4),
    label=st.sampled_from(["x", "y", "m", "f", "n", "l" * 13]),
    size=st.sampled_from([1, 1, 1, 7, 9]),
    is_naive=st.sampled_from([False, False, False, True]),
)
sending = st.lists(samples, max_size=6).map(lambda batch: ("send", batch))
deciding = st.tuples(st.sampled_from(["mend", "retry", "retry some", "discard"]), st.integers(0, 7))
steps = st.lists(st.one_of(sending, sending, deciding), min_size=1, max_size=7)


def _sample(name: str, minutes: int, label: str = "x", size: int = 1, *, is_naive: bool = False) -> Sent:
    return Sent(name, minutes, label, size, is_naive)


@given(steps)
@example([("send", [_sample("a", 2, size=7)]), ("send", [_sample("a", 1)]), ("mend", 0)])
@example([("send", [_sample("a", 1, is_naive=True), _sample("a", 3, "y")]), ("mend", 0), ("send", [])])
@example([("send", [_sample("a", 1, is_naive=True)]), ("mend", 0), ("retry", 0), ("send", [_sample("a", 0)])])
@example([("send", [_sample("a", 1, "m", 7)]), ("send", [_sample("a", 1, "f", 1)]), ("mend", 0)])
@example(
    [
        ("send", [_sample("a", 0), _sample("a", 2, "n", is_naive=True), _sample("a", 0)]),
        ("mend", 0),
    ]
)
@cases(3)
def test_what_is_fixed_discarded_and_tried_again_leaves_what_a_plain_loop_leaves(
    bed: Bed, steps: list[tuple[str, Any]]
) -> None:
    """After every step; and a run without anything new writes nothing, not even to the quarantine."""
    bed.begin()
    loop = Loop()
    for what, given_ in [("send", []), *steps, ("send", [])]:
        _take(what, given_, bed, loop)
        assert bed.history() == loop.history()
        assert bed.facts() == loop.facts()
        if what != "mend":
            assert bed.rejects() == loop.rejects()
    written = bed.written()
    bed.load([])

    assert bed.written() == written


def _take(what: str, given_: Any, bed: Bed, loop: Loop) -> None:
    """One step, in the warehouse and in the loop."""
    if what == "send":
        bed.load(given_)
        loop.send(given_)
    elif what == "mend":
        bed.is_mended = loop.is_mended = True
    elif what == "retry":
        bed.retry()
        loop.judge(loop.log)
    else:
        standing = [(place, row) for place, row in bed.noted() if row.state != "discarded"]
        if not standing:
            return
        place, row = standing[given_ % len(standing)]
        if what == "discard":
            bed.discard(row.reject_id)
            loop.log[place].discarded.add(row.target)
        else:
            bed.retry([row.reject_id])
            loop.judge([loop.log[place]])
