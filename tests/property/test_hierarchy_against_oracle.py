"""Promise 3 for hierarchies: the same tree, and the same circles noted, in whatever order the units arrive.

The oracle walks up from every unit by itself, in a plain loop, and shares no code with the merge.
"""

import itertools
import json
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
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
    Dimension,
    Fact,
    Hierarchy,
    Mapper,
    UtcDateTime,
    attribute,
    field,
    grain,
    references,
)
from strandline.model.base import Base
from strandline.pipeline import Pipeline, RunReport, run
from strandline.source import Pages, Record, Source, stream
from strandline.testing.written import row_versions
from strandline.warehouse import state
from strandline.warehouse.database import Database

START = datetime(2026, 1, 1, tzinfo=UTC)


class Unit(Record):
    """A unit and whom it reports to."""

    id: str
    at: AwareDatetime
    label: str | None = None
    above: str | None = None


class Cost(Record):
    """A cost of a unit, which is inferred if it is not there."""

    id: str
    at: AwareDatetime
    unit: str


class Staff(Source):
    """Units and their costs."""

    def __init__(self) -> None:
        super().__init__()
        self.unit_records: list[bytes] = []
        self.cost_records: list[bytes] = []

    @stream(Unit, key="id", effective_at="at", deleted="gone")
    def units(self) -> Pages:
        """What it was given."""
        return pages(self.unit_records)

    @stream(Cost, key="id", effective_at="at")
    def costs(self) -> Pages:
        """What it was given."""
        return pages(self.cost_records)


class DimUnit(Dimension):
    """A unit; the parent of one that is inferred is a word, and nobody's key."""

    label: Mapped[str | None] = attribute(String(10), scd=2)
    parent_id: Mapped[str] = attribute(String(40), scd=2)


class BridgeUnit(Hierarchy, of=DimUnit, parent="parent_id"):
    """Who stands above whom."""


class FactCost(Fact):
    """One row a cost."""

    cost_id: Mapped[str] = grain(String(40))
    unit_key: Mapped[int] = references(DimUnit)


class StaffUnit(Mapper[Unit, DimUnit]):
    """The units."""

    label = field("label")
    parent_id = field("above", default="nobody")


class StaffCost(Mapper[Cost, FactCost]):
    """The costs."""

    cost_id = field("id")
    unit_key = field("unit")


staff = Pipeline("staff")
staff.sync(Staff.costs, StaffCost)
staff.sync(Staff.units, StaffUnit)


@dataclass(frozen=True)
class Change:
    """A record of a unit, or, where `is_cost`, the mention of one by a cost."""

    unit: str
    minutes: int
    above: str | None = None
    label: str | None = None
    is_deleted: bool = False
    is_cost: bool = False

    def payload(self, prefix: str) -> bytes:
        """As the source sends it."""
        said: dict[str, Any] = {"at": (START + timedelta(minutes=self.minutes)).isoformat()}
        if self.is_cost:
            said |= {"id": f"{prefix}{self.unit}@{self.minutes}", "unit": prefix + self.unit}
        elif self.is_deleted:
            said |= {"id": prefix + self.unit, "gone": True}
        else:
            above = self.above and prefix + self.above
            said |= {"id": prefix + self.unit, "above": above, "label": self.label}
        return json.dumps(said).encode()


UNITS = st.sampled_from("abcdef")
changes = st.one_of(
    st.builds(
        Change,
        unit=UNITS,
        minutes=st.integers(0, 4),
        above=st.one_of(st.none(), UNITS),
        label=st.sampled_from([None, "x"]),
        is_deleted=st.sampled_from([False, False, False, False, True]),
    ),
    st.builds(Change, unit=UNITS, minutes=st.integers(0, 4), is_cost=st.just(True)),
)


class Bed:
    """One database for all cases: each has natural keys of its own."""

    def __init__(self, database: Database) -> None:
        self.database = database
        self.staff = Staff()
        self._cases = itertools.count(1)

    def begin(self) -> str:
        """The prefix of a case's keys."""
        return f"{next(self._cases)}:"

    def load(self, prefix: str, batch: list[Change]) -> RunReport:
        """Let the source send these."""
        self.staff.unit_records = [it.payload(prefix) for it in batch if not it.is_cost]
        self.staff.cost_records = [it.payload(prefix) for it in batch if it.is_cost]
        return run(staff, self.database, sources={"staff": self.staff})

    def rows(self, query: str, prefix: str) -> list[tuple[Any, ...]]:
        """What a query about the case finds, sorted, without the prefix."""
        with self.database.connect() as connection:
            typed = text(query).columns(effective_at=UtcDateTime) if "effective_at" in query else text(query)
            found = connection.execute(typed, {"prefix": f"{prefix}%"}).all()
        return sorted(
            tuple(it.replace(prefix, "") if isinstance(it, str) else it for it in row) for row in found
        )

    def tree(self, prefix: str) -> list[tuple[Any, ...]]:
        """(descendant, ancestor, depth, is_leaf, is_root)."""
        latest = (
            "SELECT unit_durable_key AS k, source_id FROM warehouse.dim_unit WHERE is_current OR is_deleted"
        )
        return self.rows(
            "SELECT d.source_id, a.source_id, depth, is_leaf, is_root FROM warehouse.bridge_unit"
            f" JOIN ({latest}) d ON d.k = descendant_durable_key"
            f" JOIN ({latest}) a ON a.k = ancestor_durable_key WHERE d.source_id LIKE :prefix",
            prefix,
        )

    def noted(self, prefix: str) -> list[tuple[Any, ...]]:
        """(unit, reason, the effective time of the entry behind it)."""
        return self.rows(
            "SELECT r.source_id, reason, l.effective_at FROM strandline.reject r"
            " JOIN raw.staff_units l USING (raw_id)"
            " WHERE target = 'BridgeUnit' AND rule = 'hierarchy' AND r.source_id LIKE :prefix",
            prefix,
        )

    def written(self) -> list[tuple[Any, ...]]:
        """What changes with every write, also an identical one; and the numbers of the notes, of which only
        the repeats are counted.
        """
        with self.database.connect() as connection:
            notes = connection.execute(select(state.reject.c.reject_id).order_by(state.reject.c.reject_id))
            numbers = [tuple(it) for it in notes]
        return [*row_versions(self.database, Base.metadata.tables["warehouse.bridge_unit"]), *numbers]


def naive(sent: list[Change]) -> tuple[list[tuple[Any, ...]], list[tuple[Any, ...]]]:
    """The tree and the notes that a plain loop makes of everything that was sent."""
    last: dict[str, Change] = {}
    for it in [it for it in sent if not it.is_cost]:
        if it.unit not in last or it.minutes >= last[it.unit].minutes:
            last[it.unit] = it
    ever = {it.unit for it in sent if it.is_cost or not it.is_deleted}
    there = {unit for unit in ever if unit not in last or not last[unit].is_deleted or _withdrawn(unit, sent)}
    parents = {
        unit: it.above
        for unit, it in last.items()
        if unit in there and not it.is_deleted and it.above is not None and it.above in there
    }
    circles = {unit: way for unit in parents if (way := _way_round(unit, parents)) is not None}
    cut = {unit: above for unit, above in parents.items() if unit not in circles}
    rows = []
    for unit in there:
        at, depth = unit, 0
        while True:
            rows.append((unit, at, depth, unit not in cut.values(), at not in cut))
            if at not in cut:
                break
            at, depth = cut[at], depth + 1
    notes = [
        (
            unit,
            f"DimUnit.parent_id: {' → '.join(way)} stands above itself",
            START + timedelta(minutes=last[unit].minutes),
        )
        for unit, way in circles.items()
    ]
    return sorted(rows), sorted(notes)


def _withdrawn(unit: str, sent: list[Change]) -> bool:
    """Whether every word about it was taken back at its own moment: then its key is known, and no more."""
    mine = [it for it in sent if it.unit == unit and not it.is_cost]
    standing = {it.minutes: it for it in mine}
    return all(it.is_deleted for it in standing.values())


def _way_round(unit: str, parents: dict[str, str]) -> list[str] | None:
    way = [unit]
    while way[-1] in parents and len(way) < 20:
        way.append(parents[way[-1]])
        if way[-1] == unit:
            return way
    return None


@pytest.fixture(scope="module")
def bed(both: Database) -> Bed:
    bed = Bed(both)
    bed.load("", [])
    return bed


@given(st.lists(st.lists(changes, max_size=8), min_size=1, max_size=4))
@example([[Change("a", 0, "b"), Change("b", 0, "c"), Change("c", 0, "a"), Change("d", 0, "a")]])
@example([[Change("a", 0, "b"), Change("b", 0, "a")], [Change("a", 1, "c")], [Change("c", 0, is_cost=True)]])
@example([[Change("a", 0, "a")], [Change("a", 1, label="x", above="a")], [Change("a", 2, is_deleted=True)]])
@example([[Change("a", 0, "b"), Change("b", 0, "a")], [Change("b", 0, is_deleted=True)]])
@example([[Change("a", 1, "b"), Change("b", 1, "a")], [Change("a", 0, "c")], [Change("a", 2)]])
@example([[Change("a", 0), Change("a", 1, "a")]])
@example([[Change("c", 0, is_cost=True), Change("a", 0, "b"), Change("b", 0, "c")]])
@cases(5)
def test_any_units_in_any_order_stand_where_a_plain_loop_puts_them(
    bed: Bed, batches: list[list[Change]]
) -> None:
    """After every batch, circles and mended ones included; the last words again only count as repeats."""
    prefix, sent = bed.begin(), list[Change]()
    for batch in batches:
        before = bed.noted(prefix)
        report = bed.load(prefix, batch)
        sent += batch
        tree, notes = naive(sent)
        assert bed.tree(prefix) == tree
        assert bed.noted(prefix) == notes
        assert report.status in {"done", "partial"}
        assert report.status == "partial" or all(note in before for note in notes)
        assert report.status == "done" or notes
    written = bed.written()

    bed.load(prefix, list({(it.is_cost, it.unit, it.minutes): it for it in sent}.values()))
    assert bed.tree(prefix) == naive(sent)[0]
    assert bed.written() == written
