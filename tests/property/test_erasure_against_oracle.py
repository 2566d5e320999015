"""Whatever was erased in between, the histories are those of a plain loop over what was not.

With late records, corrections and deletions before and after, of the erased too; a replay changes nothing.
"""

from dataclasses import dataclass
from datetime import timedelta

import pytest
from hypothesis import example, given
from hypothesis import strategies as st
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

from strandline.errors import UnknownKey
from strandline.pipeline import erase
from strandline.pipeline.replay import replay
from strandline.warehouse.database import Database


@dataclass(frozen=True)
class Erasure:
    """Whose records of the feed go, and up to which minute; None: all, and all that come."""

    member: str
    minutes: int | None = None


Step = Erasure | list[Change]
erasures = st.builds(Erasure, st.sampled_from(MEMBERS[:3]), st.sampled_from([None, None, 0, 2, 4]))
# Few members, so that what is erased has a history.
batches = st.lists(changes.filter(lambda it: it.member in MEMBERS[:3]), min_size=1, max_size=7)
steps = st.lists(st.one_of(batches, batches, erasures), min_size=2, max_size=6)


@pytest.fixture(scope="module")
def bed(both: Database) -> Bed:
    return Bed(both)


def _is_away(it: Sent, prefix: str, erased: list[Erasure]) -> bool:
    key, at, change = it
    return change.source == "feed" and any(
        key == prefix + one.member and (one.minutes is None or at <= START + timedelta(minutes=one.minutes))
        for one in erased
    )


def _erase(bed: Bed, key: str, it: Erasure) -> bool:
    until = None if it.minutes is None else START + timedelta(minutes=it.minutes)
    try:
        erase([people], bed.database, "feed.people", key, reason="a test", until=until)
    except UnknownKey:
        return False
    return True


@given(steps)
@example([[Change("a", 1, segment="x"), Change("a", 3, segment="y")], Erasure("a", 2), [Change("a", 1)]])
@example([[Change("a", 1)], Erasure("a"), [Change("a", 2), Change("a", 0)]])
@example([[Change("a", 1)], Erasure("a", 2), [Change("a", 2, segment="x"), Change("a", 3)], Erasure("a", 0)])
@example([[Change("a", 1, is_deleted=True)], Erasure("a", 1), [Change("a", 2)], Erasure("a", 0)])
@example([[Change("A", 0, is_deleted=True, turn=2), Change("A", 0, turn=1)], Erasure("A", 2)])
@example([[Change("A", 0, turn=1)], [Change("A", 0, is_deleted=True, turn=2)], Erasure("A")])
@example([[Change("A", 3, turn=1), Change("A", 3, is_deleted=True, turn=2), Change("A", 0)], Erasure("A", 2)])
@cases(4)
def test_what_is_erased_is_as_if_it_had_never_been_sent(bed: Bed, steps: list[Step]) -> None:
    prefix, sent, left, erased = bed.begin(), list[Sent](), list[Sent](), list[Erasure]()
    for step in steps:
        if isinstance(step, Erasure):
            was_known = any(key == prefix + step.member and it.source == "feed" for key, _, it in sent)
            assert _erase(bed, prefix + step.member, step) == was_known
            erased += [step] if was_known else []
        else:
            new = [(prefix + it.member, START + timedelta(minutes=it.minutes), it) for it in step]
            assert bed.load(new).status == "done"
            sent += [it for it in new if not _is_away(it, prefix, erased)]
        left = [it for it in sent if not _is_away(it, prefix, erased)]
        assert bed.history(prefix) == naive_history(left)
    written = bed.row_versions()

    assert replay(people, bed.database).status == "done"
    assert bed.history(prefix) == naive_history(left)
    assert bed.row_versions() == written
