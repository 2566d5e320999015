"""Whatever is pruned in between, the histories are those of a plain loop over all that was accepted.

With late records, corrections and deletions before and after. What takes effect where entries were pruned is
a reject, and nothing else is; to prune writes nothing, and a replay afterwards changes nothing.
"""

from dataclasses import replace
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
from hypothesis import example, given
from hypothesis import strategies as st
from sqlalchemy import Table, func, select
from tests.effort import cases
from tests.property.test_history_against_oracle import (
    MEMBERS,
    START,
    Bed,
    Change,
    Sent,
    changes,
    naive_history,
    people,
)

from strandline.pipeline.pruning import prune
from strandline.pipeline.replay import replay
from strandline.pipeline.restoration import restore
from strandline.warehouse import raw, state
from strandline.warehouse.database import Database
from strandline.warehouse.late import NEVER

PRUNE = 0
"""A step that takes out of the raw logs whatever may go; a number: but for what the last batches brought."""

Step = list[Change] | int
STREAMS = ("feed.people", "post.people")
# Few members, so that they have something to be pruned, and times that go on, so that not all comes late.
few = st.builds(replace, changes, member=st.sampled_from(MEMBERS[:2]))
batches = st.lists(few, min_size=1, max_size=7)
steps = st.lists(st.one_of(batches, batches, st.sampled_from([PRUNE, PRUNE, 1, 2])), min_size=2, max_size=7)


@pytest.fixture(scope="module")
def bed(both: Database) -> Bed:
    bed = Bed(both)
    bed.load([])
    return bed


def _logs() -> dict[str, Table]:
    return {it.stream.qualified_name: it.raw for it in people.readings}


def _last(bed: Bed) -> dict[str, int]:
    with bed.database.connect() as connection:
        return {name: raw.last(connection, log) for name, log in _logs().items()}


def _horizon(bed: Bed, stream: str, key: str) -> datetime:
    p = state.pruned_key.c
    with bed.database.connect() as connection:
        found = connection.scalar(select(p.until).where(p.stream == stream, p.source_id == key))
    return found or NEVER


def _load(bed: Bed, new: list[Sent]) -> tuple[list[Sent], list[Sent]]:
    """What was stored and accepted of them, and what was stored and refused."""
    before = _last(bed)
    report = bed.load(new)
    assert report.status in {"done", "partial"}, [it.error for it in report.streams]
    by_payload = {(it[2].source, it[2].payload(it[0], it[1])): it for it in new}
    accepted, refused = list[Sent](), list[Sent]()
    noted = state.reject.c
    with bed.database.connect() as connection:
        for name, log in _logs().items():
            stored = select(log.c.raw_id, log.c.payload).where(log.c.raw_id > before[name])
            out = set(connection.scalars(select(noted.raw_id).where(noted.stream == name)))
            for raw_id, payload in connection.execute(stored.order_by(log.c.raw_id)):
                sent = by_payload[name.partition(".")[0], bytes(payload)]
                (refused if raw_id in out else accepted).append(sent)
    return accepted, refused


def _must_be_refused(bed: Bed, it: Sent) -> bool:
    """Whether it takes effect where entries were pruned."""
    key, at, change = it
    return at <= _horizon(bed, f"{change.source}.people", key)


def _prune(bed: Bed, *, before: datetime | None = None) -> int:
    older_than = timedelta(0) if before is None else datetime.now(UTC) - before
    report = prune([people], bed.database, STREAMS, older_than=older_than)
    assert {it.status for it in report.streams} == {"done"}, report.streams
    return sum(it.entries for it in report.streams)


def _assert_latest_are_there(bed: Bed, sent: list[Sent]) -> None:
    for key, source in {(it[0], it[2].source) for it in sent}:
        latest = max(at for other, at, change in sent if (other, change.source) == (key, source))
        assert _horizon(bed, f"{source}.people", key) < latest


RANKS = [Change("a", 0, rank="x"), *(Change("a", it, rank="y") for it in (1, 2, 3))]


NAMES = [Change("a", 0), Change("a", 3, nickname="x"), Change("a", 5, nickname="y")]


@given(steps)
@example([[Change("a", it, segment="xy"[it % 2], rank="xy"[it % 2]) for it in range(5)], PRUNE])
@example([[Change("a", 1), Change("a", 2), Change("a", 4)], PRUNE, [Change("a", 3), Change("a", 0)]])
@example(
    [
        [Change("a", 0, origin="x"), Change("a", 1, is_deleted=True), Change("a", 2, segment="x")],
        PRUNE,
        [Change("a", 4, segment="y"), Change("a", 3, segment="x")],
        PRUNE,
        [Change("a", 6, is_deleted=True), Change("a", 5)],
    ]
)
@example(
    [
        [Change("a", 4), Change("a", 2, rank="y"), *(Change("a", it, is_deleted=True) for it in (3, 4))],
        PRUNE,
        [Change("a", 6)],
    ]
)
@example([RANKS, PRUNE, [Change("a", 6, rank="y")], [Change("a", 5, segment="y", rank="y")]])
@example([RANKS, PRUNE, [Change("a", 5, rank="x")], [Change("a", 5, rank="y")]])
@example([RANKS, [Change("a", 4, rank="x")], PRUNE, [Change("a", 4, rank="y")], [Change("a", 6, rank="y")]])
@example([[Change("a", 0), Change("a", 5, nickname="x")], [Change("a", 3)], PRUNE, [Change("a", 4)]])
@example([[Change("a", 0)], [*(Change("a", it, is_deleted=True) for it in (0, 3))], PRUNE, [Change("a", 2)]])
@example([NAMES, PRUNE, [Change("a", 5, is_deleted=True)], [Change("a", 6)]])
@example(
    [NAMES, PRUNE, [Change("a", 6)], [Change("a", 6, is_deleted=True)], [Change("a", 5, is_deleted=True)]]
)
@cases(2)
def test_what_is_pruned_stays_in_the_history(bed: Bed, steps: list[Step]) -> None:
    prefix, sent, moments = bed.begin(), list[Sent](), list[datetime]()
    for step in steps:
        if isinstance(step, int):
            written = bed.row_versions()
            _prune(bed, before=moments[-step] if 0 < step <= len(moments) else None)
            _assert_latest_are_there(bed, sent)
            assert bed.row_versions() == written
            continue
        moments.append(datetime.now(UTC))
        new = [(prefix + it.member, START + timedelta(minutes=it.minutes), it) for it in step]
        accepted, refused = _load(bed, new)
        must = [it for it in new if _must_be_refused(bed, it)]
        assert [it for it in accepted if it in must] == []
        taking_place = {(key, at) for key, at, _ in [*sent, *new]}
        assert all(it in must or (it[0], it[1]) in taking_place for it in refused)
        sent += accepted
        assert bed.history(prefix) == naive_history(sent)
    written = bed.row_versions()

    assert replay(people, bed.database).status in {"done", "partial"}
    assert bed.history(prefix) == naive_history(sent)
    assert bed.row_versions() == written


def test_a_deletion_is_refused_only_where_nothing_else_is_left_of_its_key(bed: Bed) -> None:
    """What a column that is overwritten was before nobody remembers then. What is refused is not left."""
    prefix = bed.begin()
    broken, later = Change("a", 6, budget="much"), Change("a", 6)
    deletion = Change("a", 5, is_deleted=True)

    def load(*changes: Change) -> list[Change]:
        new = [(prefix + it.member, START + timedelta(minutes=it.minutes), it) for it in changes]
        return [it for _, _, it in _load(bed, new)[1]]

    load(*NAMES)
    _prune(bed)
    assert load(broken) + load(deletion) == [broken, deletion]
    assert load(later, replace(deletion, turn=1)) == []
    assert load(replace(later, is_deleted=True)) == [replace(later, is_deleted=True)]


def test_a_prune_leaves_little(bed: Bed) -> None:
    """Of a key whose every record is old the latest, and the first and those of the latest version."""
    prefix = bed.begin()
    _prune(bed)
    new = [Change("a", it, segment="xy"[it // 5], rank="x") for it in range(10)]
    _load(bed, [(prefix + it.member, START + timedelta(minutes=it.minutes), it) for it in new])

    assert _prune(bed) == 7
    log = _logs()["feed.people"]
    with bed.database.connect() as connection:
        left = select(func.count()).where(log.c.source_id == prefix + "a")
        assert connection.scalar(left) == 3
        p = state.pruned_key.c
        assert connection.scalar(select(p.entries).where(p.source_id == prefix + "a")) == 7
    assert _prune(bed) == 0


@pytest.fixture(scope="module")
def archives(bed: Bed, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Where is exported to; another key has been pruned, and is never restored."""
    bed.load([("pruned", START + timedelta(minutes=it), Change("pruned", it)) for it in range(4)])
    assert _prune(bed) > 0
    return tmp_path_factory.mktemp("archives")


def _stored(bed: Bed, sent: list[Sent]) -> list[Sent]:
    """What the raw logs hold of these, as often as they do and in their order."""
    by_payload = {(it[2].source, it[2].payload(it[0], it[1])): it for it in sent}
    found = list[Sent]()
    with bed.database.connect() as connection:
        for name, log in _logs().items():
            payloads = connection.scalars(select(log.c.payload).order_by(log.c.raw_id))
            told = ((name.partition(".")[0], bytes(it)) for it in payloads)
            found += [by_payload[it] for it in told if it in by_payload]
    return found


@given(st.lists(st.one_of(batches, batches, st.just(PRUNE)), min_size=2, max_size=5))
@example([RANKS, PRUNE, [Change("a", 5, rank="x"), Change("a", 0, segment="y")], [Change("a", 5, rank="y")]])
@cases(2)
def test_what_is_restored_is_as_if_nothing_had_been_pruned(
    bed: Bed, archives: Path, steps: list[Step]
) -> None:
    """What was refused in between is merged then, and a replay changes nothing."""
    prefix, sent = bed.begin(), list[Sent]()
    folder = archives / prefix.removesuffix(":")
    for step in steps:
        if isinstance(step, int):
            prune([people], bed.database, STREAMS, older_than=timedelta(0), export=folder)
        else:
            sent += [(prefix + it.member, START + timedelta(minutes=it.minutes), it) for it in step]
            bed.load(sent[-len(step) :])
    if list(folder.glob("*.parquet")):
        assert {it.status for it in restore([people], bed.database, folder).streams} == {"done"}
    bed.load([])

    with bed.database.connect() as connection:
        for table in (state.pruned_key, state.reject):
            assert not connection.execute(select(table).where(table.c.source_id.startswith(prefix))).all()
    assert bed.history(prefix) == naive_history(_stored(bed, sent))
    written = bed.row_versions()
    replay(people, bed.database)
    assert bed.row_versions() == written
