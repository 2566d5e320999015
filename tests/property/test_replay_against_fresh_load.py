"""A replay after a change of contract and mappers leaves what a fresh load with the new ones leaves.

Records come in any order and batches; the new contract and mappers accept what the old ones refused, refuse
what these accepted, and give other values and other references.
"""

import itertools
import json
from collections.abc import Iterator, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from itertools import zip_longest
from typing import Any

import pytest
from hypothesis import example, given
from hypothesis import strategies as st
from sqlalchemy import select
from tests.effort import cases
from tests.property.depot import (
    AggMoved,
    Depot,
    DimGood,
    FactBox,
    FactMove,
    FactShelf,
    FirstDepot,
    depot,
    first_depot,
)
from tests.written import assert_is_its_query

from strandline.pipeline import RunReport, run
from strandline.pipeline.load import Load
from strandline.pipeline.replay import replay
from strandline.pipeline.report import Silence
from strandline.testing.written import row_versions
from strandline.warehouse import state
from strandline.warehouse.check import check
from strandline.warehouse.database import Database

START = datetime(2026, 1, 1, tzinfo=UTC)
TABLES = (DimGood.table(), FactMove.table(), FactBox.table(), FactShelf.table())
OURS = (
    "created_at", "updated_at", "synced_at", "run_id", "audit_key", "schema_version",
    "good_key", "good_durable_key", "other_key", "other_durable_key",
)  # fmt: skip


@dataclass(frozen=True)
class Sent:
    """A record of a good or, with boxes, of a move."""

    name: str
    day: int
    word: str | None = None
    size: int = 0
    is_deleted: bool = False
    good: str | None = None
    other: str | None = None
    boxes: tuple[str, ...] | None = None

    def payload(self, prefix: str, number: int) -> bytes:
        """As the depot sends it."""
        at = (START + timedelta(days=9 * self.day)).isoformat()
        said: dict[str, Any] = {"id": prefix + self.name, "at": at, "number": number}
        if self.is_deleted:
            return json.dumps({**said, "gone": True}).encode()
        if self.boxes is None:
            return json.dumps({**said, "word": self.word, "size": self.size}).encode()
        goods = {
            "good": prefix + self.good if self.good else None,
            "other": prefix + self.other if self.other else None,
        }
        moved_at = (START + timedelta(days=7 * self.size)).isoformat()
        boxes = [{"word": it} for it in self.boxes]
        return json.dumps({**said, **goods, "word": self.word, "moved_at": moved_at, "boxes": boxes}).encode()


names, days = st.sampled_from(["a", "b", "ü"]), st.integers(0, 6)
words = st.sampled_from([None, "x", "y", "m", "n"])
deleted = st.sampled_from([False, False, False, True])
goods = st.builds(Sent, names, days, words, st.integers(0, 3), deleted)
moves = st.builds(
    Sent,
    names,
    days,
    words,
    st.integers(0, 6),
    deleted,
    st.one_of(st.none(), names),
    st.one_of(st.none(), names),
    st.lists(st.sampled_from(["x", "y", "n"]), max_size=2).map(tuple),
)
loads = st.lists(st.lists(st.one_of(goods, goods, moves), min_size=1, max_size=7), min_size=1, max_size=3)


class Impatience(Silence):
    """Whoever types Ctrl-C when it has taken too long."""

    def __init__(self, patience: int) -> None:
        self._patience = patience

    def reading(self, stream: str, figures: Any) -> None:
        """Wait for another chunk, or not."""
        self._patience -= 1
        if self._patience < 0:
            raise KeyboardInterrupt


class Bed:
    """Two warehouses: one that is replayed, and one that is loaded by the new mappers alone."""

    def __init__(self, replayed: Database, fresh: Database) -> None:
        self.replayed = replayed
        self.fresh = fresh
        self._cases = itertools.count(1)
        self._numbers = itertools.count(1)

    def begin(self) -> str:
        """The prefix of a case's keys."""
        return f"{next(self._cases)}:"

    def load(self, prefix: str, batch: list[Sent]) -> None:
        """Let both be sent the batch."""
        sent = [(it, it.payload(prefix, next(self._numbers))) for it in batch]
        first, later = FirstDepot(), Depot()
        for source in (first, later):
            source.good_records = [payload for it, payload in sent if it.boxes is None]
            source.move_records = [payload for it, payload in sent if it.boxes is not None]
        for report in (
            run(first_depot, self.replayed, sources={"depot": first}),
            run(depot, self.fresh, sources={"depot": later}),
        ):
            assert report.status in {"done", "partial"}, [it.error for it in report.streams]

    def stop(self, *, after: int, **scope: Any) -> None:
        """Replay the one, and stop it when so many chunks are staged."""
        with suppress(KeyboardInterrupt):
            replay(depot, self.replayed, progress=Impatience(after), **scope)

    def replay(self, **scope: Any) -> RunReport:
        """Replay the one."""
        report = replay(depot, self.replayed, **scope)
        assert report.status in {"done", "partial"}, [it.error for it in report.streams]
        return report

    def written(self) -> list[tuple[Any, ...]]:
        """What changes with every write."""
        return row_versions(self.replayed, *TABLES)


def found(database: Database, prefix: str) -> dict[str, list[Any]]:
    """Everything but our own numbers. Of a key it tells whose version it is."""
    told: dict[str, list[Any]] = {}
    with database.connect() as connection:
        members = [dict(it) for it in connection.execute(select(DimGood.table())).mappings()]
        noted = state.reject.c
        refused = select(noted.source_id, noted.rule, noted.raw_id).where(noted.source_id.startswith(prefix))
        told["rejects"] = sorted({tuple(it) for it in connection.execute(refused)}, key=repr)
        for table in TABLES:
            rows = connection.execute(select(table).where(table.c.source_id.startswith(prefix))).mappings()
            shown = [_shown(dict(it), members) for it in rows]
            told[table.name] = sorted(shown, key=repr)
    return told


def _shown(row: dict[str, Any], members: Sequence[Mapping[str, Any]]) -> dict[str, Any]:
    versions = {it["good_key"]: it for it in members}
    shown = {name: value for name, value in row.items() if name not in OURS}
    if "move_id" in row and "good_key" in row:
        shown["good"] = _whose(versions[row["good_key"]], None)
        shown["other"] = _whose(versions[row["other_key"]], shown.pop("other_missing"))
    return shown


def _whose(version: Mapping[str, Any], missing: str | None) -> tuple[Any, ...]:
    if missing is not None:
        return (missing, "waited for")
    return (version["source_id"], version["version"])


@pytest.fixture(scope="module")
def bed(both: Database, another: Database) -> Iterator[Bed]:
    before, Load.chunk_records = Load.chunk_records, 4
    yield Bed(both, another)
    Load.chunk_records = before


def resumed(report: RunReport) -> int:
    """How many entries had been staged before."""
    return sum(it.resumed for it in report.streams)


def test_what_was_staged_is_of_use_to_a_replay_of_the_same_by_the_same_mappers_only(bed: Bed) -> None:
    bed.load(bed.begin(), [Sent("a", day, "x") for day in range(6)])
    bed.stop(after=1)
    assert resumed(bed.replay(is_fresh=True)) == 0

    bed.stop(after=1)
    assert resumed(bed.replay(since=START)) == 0

    bed.stop(after=1)
    assert resumed(replay(first_depot, bed.replayed)) == 0

    bed.stop(after=1)
    assert resumed(bed.replay()) > 0


@given(loads, loads, st.lists(st.integers(0, 12), min_size=1, max_size=2), st.booleans())
@cases(2)
def test_a_replay_that_was_stopped_is_gone_on_with_after_whatever_has_happened_since(
    bed: Bed, batches: list[list[Sent]], more: list[list[Sent]], stops: list[int], is_part: bool
) -> None:
    """Records that were read in between, with the old mappers or not, are in it too."""
    prefix = bed.begin()
    scope = {"since": START} if is_part else {}
    for batch in batches:
        bed.load(prefix, batch)
    for chunks, batch in zip_longest(stops, more):
        if chunks is not None:
            bed.stop(after=chunks, **scope)
        if batch is not None:
            bed.load(prefix, batch)
    bed.replay(**scope)
    if is_part:  # facts of other keys may name what is not there any more
        bed.replay()

    assert found(bed.replayed, prefix) == found(bed.fresh, prefix)


@given(loads)
@cases(2)
@example([[Sent("a", 1, "x"), Sent("a", 2, "n")], [Sent("a", 1, "m")]])
@example([[Sent("a", 1, "n"), Sent("b", 1, "y", good="a", other="a", boxes=("n", "x"))]])
@example([[Sent("a", 1, "n"), Sent("b", 1, "y", good="a", other=None, boxes=())]])
def test_a_replay_leaves_what_a_fresh_load_with_the_new_mappers_leaves(
    bed: Bed, batches: list[list[Sent]]
) -> None:
    """And the same replay again writes nothing."""
    prefix = bed.begin()
    for batch in batches:
        bed.load(prefix, batch)
    bed.replay()
    assert found(bed.replayed, prefix) == found(bed.fresh, prefix)
    assert_is_its_query(bed.replayed, AggMoved)
    with bed.replayed.connect() as connection:
        assert check(connection, [DimGood, FactMove, FactBox]) == []
    written = bed.written()

    bed.replay()
    assert bed.written() == written
