"""Thousands of random histories, with crashes at random statements, against the same plain loop.

Many histories go side by side through the same runs, each with natural keys of its own, which makes a
hundred times as many affordable. A case is a seed: it says how the histories look, how they are cut into
batches, in which order their records arrive and where a run breaks off. The first history that differs is
shown; keep it as an example of tests/property/test_history_against_oracle.py.

    make nightly                        5,000 histories
    make nightly HISTORIES=50000        ten times as many, from the seeds behind
"""

import os
import random
from collections import defaultdict
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import pytest
from sqlalchemy import URL, Connection, event
from tests.property.test_history_against_oracle import (
    MEMBERS,
    Bed,
    Change,
    DimFellow,
    Sent,
    Version,
    _sent,
    naive_history,
)

from strandline.testing import postgres
from strandline.warehouse.check import check
from strandline.warehouse.database import Database

pytestmark = pytest.mark.nightly

SIDE_BY_SIDE = 50
HISTORIES = int(os.environ.get("HISTORIES", "5000"))
SEEDS = range(20260701, 20260701 + -(-HISTORIES // SIDE_BY_SIDE))


class Crash(BaseException):
    """The run breaks off here."""


@pytest.fixture(scope="module")
def bed(postgres_server: URL, warehouse_template: str) -> Iterator[Bed]:
    with postgres.copy(postgres_server, warehouse_template) as url:
        database = Database(url)
        yield Bed(database)
        database.close()


def _change(dice: random.Random) -> Change:
    words = [None, "", "x", "y", "Ünï😀", "NULL"]
    return Change(
        member=dice.choice(MEMBERS),
        minutes=dice.randrange(7),
        is_deleted=dice.random() < 0.25,
        origin=dice.choice(words),
        nickname=dice.choice(words),
        is_active=dice.choice([None, True, False]),
        segment=dice.choice([None, "x", "y"]),
        budget=dice.choice([None, None, "0.1", "99999999999999.99"]),
        rank=dice.choice([None, "x", "y"]),
        place=dice.choice([None, None, "x"]),
        turn=dice.choice([None, None, None, 1, 2]),
        source=dice.choice(["feed", "feed", "post"]),
    )


def _batches(dice: random.Random, prefix: str) -> list[list[Sent]]:
    """The batches of all histories that go side by side, each with a world of its own in its keys."""
    count = dice.randint(1, 4)
    batches: list[list[Sent]] = [[] for _ in range(count)]
    for world in range(SIDE_BY_SIDE):
        for batch in batches:
            batch += _sent(f"{prefix}{world}:", [_change(dice) for _ in range(dice.randrange(10))])
    for batch in batches:
        dice.shuffle(batch)
    return batches


@contextmanager
def _breaking(database: Database, *, after: int) -> Iterator[None]:
    """Break off after so many statements."""
    seen = 0

    def count(_: Connection, cursor: Any, *__: Any) -> None:
        nonlocal seen
        seen += 1
        if seen > after:
            cursor.close()  # SQLAlchemy gives the connection up with it still open, and Python would warn
            raise Crash

    event.listen(database.engine, "before_cursor_execute", count)
    try:
        yield
    except Crash:
        pass
    finally:
        event.remove(database.engine, "before_cursor_execute", count)


def _load(bed: Bed, dice: random.Random, batch: list[Sent]) -> None:
    """Load the batch; now and then the run breaks off, once or twice, and is started again."""
    while dice.random() < 0.4:
        with _breaking(bed.database, after=dice.randrange(5, 60)):
            bed.load(batch)
    report = bed.load(batch)
    assert report.status == "done", [it.error for it in report.streams]


def _by_world(found: list[Version]) -> dict[str, list[Version]]:
    worlds = defaultdict(list)
    for version in found:
        worlds[version.source_id.split(":")[1]].append(version)
    return worlds


def _explain(seed: int, sent: list[Sent], found: list[Version], right: list[Version]) -> str:
    ours, oracles = _by_world(found), _by_world(right)
    for world in sorted(oracles.keys() | ours.keys()):
        if ours.get(world) != oracles.get(world):
            changes = "\n  ".join(repr(change) for key, _, change in sent if key.split(":")[1] == world)
            different = f"have {ours.get(world)}\nwant {oracles.get(world)}"
            return f"seed {seed}, in order of arrival:\n  {changes}\n{different}"
    return f"seed {seed}: the histories differ in order only"


@pytest.mark.parametrize("seed", SEEDS)
def test_random_histories_with_crashes_leave_what_a_plain_loop_leaves(bed: Bed, seed: int) -> None:
    dice, prefix, sent = random.Random(seed), bed.begin(), list[Sent]()
    for batch in _batches(dice, prefix):
        _load(bed, dice, batch)
        sent += batch
        found, right = bed.history(prefix), naive_history(sent)
        assert found == right, _explain(seed, sent, found, right)
    with bed.database.connect() as connection:
        assert check(connection, [DimFellow]) == []
    written = bed.row_versions()
    bed.load([])
    assert bed.row_versions() == written
