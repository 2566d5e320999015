"""The guard of the benchmarks: it fails where something costs more than it did, and only there."""

import json

import pytest
from benchmarks.guard import KEPT, Cost, compare

STATEMENTS = Cost("statements: a first load", "statements", 230, room=1.0)
TIME = Cost("processor time", "times its", 2.6, room=1.35)


def test_one_statement_more_is_a_regression() -> None:
    said = compare([STATEMENTS], {STATEMENTS.name: 229})

    assert said.worse == [STATEMENTS.name]
    assert "WORSE" in said.told[0]


def test_as_many_statements_as_before_hold() -> None:
    assert compare([STATEMENTS], {STATEMENTS.name: 230}).worse == []


@pytest.mark.parametrize(("was", "is_worse"), [(2.6, False), (2.0, False), (1.9, True)])
def test_what_is_measured_has_room_for_the_moods_of_a_machine(was: float, is_worse: bool) -> None:
    assert bool(compare([TIME], {TIME.name: was}).worse) == is_worse


def test_a_cost_that_nobody_wrote_down_is_told_of() -> None:
    with pytest.raises(RuntimeError, match="bench-check ARGS=--keep"):
        compare([STATEMENTS, TIME], {TIME.name: 2.0})


def test_every_cost_is_kept_as_a_number() -> None:
    kept = json.loads(KEPT.read_text())
    assert {"statements: a first load", "calls: a record of a first load"} < set(kept)
    assert all(found > 0 for found in kept.values())
