"""Aggregates: built when they are new, kept up by the groups that a run touches, built anew when told."""

from datetime import UTC, datetime
from decimal import Decimal
from typing import Any

import pytest
from pydantic import AwareDatetime
from sqlalchemy import SelectBase, String, and_, func, select, text
from sqlalchemy.orm import Mapped
from tests.memory import Given, pages

from strandline.errors import SchemaOutOfDate
from strandline.model import (
    Aggregate,
    DimDate,
    Dimension,
    Fact,
    Hierarchy,
    Mapper,
    Money,
    Span,
    attribute,
    event_time,
    field,
    grain,
    measure,
    references,
)
from strandline.pipeline import Pipeline, RunReport, run
from strandline.source import Pages, Record, Source, stream
from strandline.warehouse.database import Database

AT = datetime(2026, 1, 5, 12, tzinfo=UTC)
Rows = tuple[Given, ...]


class Berth(Record):
    """A berth in a harbour, and the part of it that it belongs to."""

    id: str
    at: AwareDatetime = AT
    kind: str = "quay"
    part: str | None = None


class Quarter(Record):
    """A part of the harbour."""

    id: str
    at: AwareDatetime = AT
    note: str | None = None


class Stay(Record):
    """A ship's stay at a berth."""

    id: str
    at: AwareDatetime = AT
    berth: str | None = None
    fee: Decimal = Decimal(1)


class Harbour(Source):
    """Berths and stays."""

    def __init__(self, *, berths: Rows = (), quarters: Rows = (), stays: Rows = ()) -> None:
        super().__init__()
        self.given = berths, stays, quarters

    @stream(Berth, key="id", effective_at="at", deleted="gone")
    def berths(self) -> Pages:
        """What it was given."""
        return pages(self.given[0])

    @stream(Quarter, key="id", effective_at="at")
    def quarters(self) -> Pages:
        """What it was given."""
        return pages(self.given[2])

    @stream(Stay, key="id", effective_at="at", deleted="gone")
    def stays(self) -> Pages:
        """What it was given."""
        return pages(self.given[1])


class DimQuarter(Dimension):
    """A part of the harbour, known by name only."""

    note: Mapped[str | None] = attribute()


class DimBerth(Dimension):
    """A berth."""

    kind: Mapped[str] = attribute(String(10))
    part_id: Mapped[str | None] = attribute(outrigger=DimQuarter)
    parent_id: Mapped[str | None] = attribute()


class BridgeBerth(Hierarchy, of=DimBerth, parent="parent_id"):
    """Berths within berths."""


class FactMooring(Fact):
    """One row a stay."""

    stay_id: Mapped[str] = grain(String(20))
    began_at: Mapped[datetime] = event_time()
    began_date_key: Mapped[int] = references(DimDate, on="began_at")
    berth_key: Mapped[int] = references(DimBerth)
    fee: Mapped[Decimal] = measure(Money)


class AggMooring(Aggregate):
    """Stays by the kind of berth."""

    kind: Mapped[str] = grain(String(10))
    stays: Mapped[int] = measure(comment="How many")
    average: Mapped[Decimal] = measure(Money)

    @classmethod
    def query(cls) -> SelectBase:
        """Count those that cost something."""
        return (
            select(DimBerth.kind, func.count().label("stays"), func.avg(FactMooring.fee).label("average"))
            .join(DimBerth, DimBerth.key == FactMooring.berth_key)
            .where(FactMooring.fee > 0)
            .group_by(DimBerth.kind)
        )


class AggAbove(Aggregate):
    """Stays at a berth and all within it, by fiscal year."""

    fiscal_year: Mapped[int] = grain()
    above: Mapped[str] = grain(String(20))
    stays: Mapped[int] = measure()

    @classmethod
    def query(cls) -> SelectBase:
        """Reach the berths above through the hierarchy."""
        berth, above, bridge = DimBerth.table(), DimBerth.table().alias("above"), BridgeBerth.table()
        fact, day = FactMooring.table(), DimDate.table()
        return (
            select(day.c.fiscal_year, above.c.source_id.label("above"), func.count().label("stays"))
            .select_from(fact)
            .join(berth, berth.c.berth_key == fact.c.berth_key)
            .join(bridge, bridge.c.descendant_durable_key == berth.c.berth_durable_key)
            .join(above, and_(above.c.berth_durable_key == bridge.c.ancestor_durable_key, above.c.is_current))
            .join(day, day.c.date_key == fact.c.began_date_key)
            .group_by(day.c.fiscal_year, above.c.source_id)
        )


class AggQuarter(Aggregate):
    """Stays by the note on the part of the harbour, which the fact knows nothing of."""

    note: Mapped[str | None] = grain()
    stays: Mapped[int] = measure()

    @classmethod
    def query(cls) -> SelectBase:
        """Reach the part through the berth."""
        berth, part, fact = DimBerth.table(), DimQuarter.table(), FactMooring.table()
        return (
            select(part.c.note, func.count().label("stays"))
            .select_from(fact)
            .join(berth, berth.c.berth_key == fact.c.berth_key)
            .outerjoin(part, part.c.quarter_durable_key == berth.c.part_durable_key)
            .group_by(part.c.note)
        )


class HarbourBerth(Mapper[Berth, DimBerth]):
    """The harbour's berths."""

    kind = field("kind")
    part_id = field("part")
    parent_id = field("part")


class HarbourQuarter(Mapper[Quarter, DimQuarter]):
    """The harbour's parts."""

    note = field("note")


class HarbourStay(Mapper[Stay, FactMooring]):
    """The harbour's stays."""

    stay_id = field("id")
    began_at = field("at")
    berth_key = field("berth")
    fee = field("fee")


harbour = Pipeline("harbour")
harbour.sync(Harbour.berths, HarbourBerth)
harbour.sync(Harbour.quarters, HarbourQuarter)
harbour.sync(Harbour.stays, HarbourStay)

BERTHS: tuple[Given, ...] = ({"id": "b1"}, {"id": "b2", "kind": "buoy"})
STAYS: tuple[Given, ...] = (
    {"id": "1", "berth": "b1", "fee": "1"},
    {"id": "2", "berth": "b1", "fee": "2"},
    {"id": "3", "berth": "b2", "fee": "5"},
    {"id": "4", "berth": "b2", "fee": "0"},
)
FIRST = {"buoy": (1, Decimal("5.00")), "quay": (2, Decimal("1.50"))}


def load(warehouse: Database, **given: tuple[Given, ...]) -> RunReport:
    report = run(harbour, warehouse, sources={"harbour": Harbour(**given)})
    assert report.status == "done", [stream.error for stream in report.streams]
    return report


def groups(report: RunReport) -> dict[str, int]:
    """How many groups each target has written, where it wrote any."""
    return {it.target: it.counts["groups"] for it in report.targets if it.counts.get("groups")}


def stays(warehouse: Database) -> dict[str, Any]:
    columns = AggMooring.table().c
    with warehouse.connect() as connection:
        rows = connection.execute(select(columns.kind, columns.stays, columns.average)).all()
    return {row.kind: (row.stays, row.average) for row in rows}


def above(warehouse: Database) -> set[tuple[Any, ...]]:
    columns = AggAbove.table().c
    with warehouse.connect() as connection:
        return {tuple(it) for it in connection.execute(select(columns.above, columns.stays))}


def execute(warehouse: Database, statement: str) -> None:
    with warehouse.begin() as connection:
        connection.execute(text(statement))


def test_an_aggregate_is_built_by_the_first_run_and_kept_up_by_the_next(warehouse: Database) -> None:
    report = load(warehouse, berths=BERTHS, stays=STAYS)
    assert groups(report) == {"AggAbove": 2, "AggMooring": 2, "AggQuarter": 1}
    assert stays(warehouse) == FIRST

    report = load(warehouse, stays=({"id": "1", "berth": "b2", "fee": "2", "at": "2026-01-06T00:00:00Z"},))

    assert groups(report) == {"FactMooring": 4}
    assert stays(warehouse) == {"buoy": (2, Decimal("3.50")), "quay": (1, Decimal("2.00"))}


def test_a_group_that_nothing_is_in_any_more_goes(warehouse: Database) -> None:
    load(warehouse, berths=BERTHS, stays=STAYS)
    load(warehouse, stays=({"id": "3", "gone": True, "at": "2026-01-06T00:00:00Z"},))

    assert stays(warehouse) == {"quay": (2, Decimal("1.50"))}


def test_a_corrected_member_moves_its_facts_from_group_to_group(warehouse: Database) -> None:
    load(warehouse, berths=BERTHS, stays=STAYS)
    report = load(warehouse, berths=({"id": "b1", "kind": "buoy", "at": "2026-01-06T00:00:00Z"},))

    assert groups(report) == {"DimBerth": 2}
    assert stays(warehouse) == {"buoy": (3, Decimal("2.67"))}


def test_what_is_above_is_kept_up_when_the_hierarchy_changes(warehouse: Database) -> None:
    load(warehouse, berths=BERTHS, stays=STAYS)
    assert above(warehouse) == {("b1", 2), ("b2", 2)}

    load(warehouse, berths=({"id": "b2", "part": "b1", "kind": "buoy", "at": "2026-01-06T00:00:00Z"},))

    assert above(warehouse) == {("b1", 4), ("b2", 2)}


def test_a_dimension_behind_a_dimension_is_followed_as_well(warehouse: Database) -> None:
    load(warehouse, berths=({"id": "b1", "part": "east"}, {"id": "b2", "part": "west"}), stays=STAYS)
    load(warehouse, quarters=({"id": "east", "note": "sunny"},))
    columns = AggQuarter.table().c
    with warehouse.connect() as connection:
        found = {tuple(it) for it in connection.execute(select(columns.note, columns.stays))}

    assert found == {("sunny", 2), (None, 2)}


def test_an_aggregate_whose_table_was_dropped_is_built_again(warehouse: Database) -> None:
    load(warehouse, berths=BERTHS, stays=STAYS)
    execute(warehouse, "DROP TABLE analytics.agg_mooring")
    report = load(warehouse)

    assert groups(report) == {"AggMooring": 2}
    assert stays(warehouse) == FIRST


def test_an_aggregate_that_was_built_by_another_query_is_built_anew(warehouse: Database) -> None:
    """Whatever is in its table, and whatever index says what a group is."""
    load(warehouse, berths=BERTHS, stays=STAYS)
    execute(warehouse, "UPDATE strandline.aggregate SET digest = 'another' WHERE aggregate = 'AggMooring'")
    execute(warehouse, "INSERT INTO analytics.agg_mooring SELECT 'raft', 1, 9, now(), 1")
    execute(warehouse, "DROP INDEX analytics.uq_agg_mooring_group")
    execute(
        warehouse, "CREATE UNIQUE INDEX uq_agg_mooring_group ON analytics.agg_mooring ((run_id > 0), average)"
    )
    report = load(warehouse)

    assert groups(report) == {"AggMooring": 2}
    assert stays(warehouse) == FIRST
    with warehouse.connect() as connection:
        index = connection.scalar(text("SELECT pg_get_indexdef('analytics.uq_agg_mooring_group'::regclass)"))
    assert "COALESCE(kind" in str(index)


def test_a_calendar_that_is_declared_otherwise_has_its_aggregates_built_anew(warehouse: Database) -> None:
    load(warehouse, berths=BERTHS, stays=STAYS)
    was = DimDate.span
    DimDate.cover(Span(was.first, was.last, fiscal_start_month=12))
    try:
        report = load(warehouse)
    finally:
        DimDate.cover(was)

    assert groups(report) == {"AggAbove": 2}


def test_a_column_that_is_filled_later_is_summed_up_too(warehouse: Database) -> None:
    load(warehouse, berths=BERTHS, stays=STAYS)
    execute(warehouse, "ALTER TABLE warehouse.dim_berth DROP COLUMN kind CASCADE")
    execute(warehouse, "ALTER TABLE warehouse.dim_berth ADD COLUMN kind varchar(10)")
    execute(
        warehouse,
        "UPDATE strandline.applied_mark SET columns = columns - 'kind' WHERE target = 'DimBerth'",
    )
    load(warehouse)

    assert stays(warehouse) == FIRST


def test_a_column_that_is_missing_is_told_with_the_statement_that_adds_it(warehouse: Database) -> None:
    load(warehouse)
    execute(warehouse, "ALTER TABLE analytics.agg_mooring DROP COLUMN stays")

    with pytest.raises(SchemaOutOfDate) as told:
        load(warehouse)
    assert "ALTER TABLE analytics.agg_mooring ADD COLUMN stays bigint;" in (told.value.hint or "")


def test_the_database_keeps_an_empty_group_from_being_there_twice(warehouse: Database) -> None:
    load(warehouse)
    one = "INSERT INTO analytics.agg_mooring (kind, updated_at, run_id) VALUES (NULL, now(), 1)"
    execute(warehouse, one)

    with pytest.raises(Exception, match="uq_agg_mooring_group"):
        execute(warehouse, one)
