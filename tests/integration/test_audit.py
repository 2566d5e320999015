"""The audit dimension: which load each row took its values from."""

import subprocess
import sys
from collections.abc import Iterator
from datetime import UTC, datetime
from decimal import Decimal
from functools import partial
from types import new_class
from typing import Any

import pytest
from pydantic import AwareDatetime, BaseModel
from sqlalchemy import String, func, select, text
from sqlalchemy.orm import Mapped
from tests.memory import Given, pages

from strandline.errors import SchemaOutOfDate
from strandline.model import (
    DimAudit,
    Dimension,
    Fact,
    Mapper,
    Money,
    attribute,
    event_time,
    field,
    grain,
    measure,
    references,
)
from strandline.model.conversion import compile_mapper
from strandline.model.revision import mapper_version
from strandline.pipeline import Pipeline, RunReport, run
from strandline.source import Pages, Record, Source, stream
from strandline.warehouse.database import Database

AT = datetime(2026, 1, 5, tzinfo=UTC)
Rows = tuple[Given, ...]


class Keeper(Record):
    """A keeper of a lighthouse."""

    id: str
    at: AwareDatetime = AT
    rank: str = "junior"
    name: str | None = None


class Watch(Record):
    """A watch of a keeper."""

    id: str
    at: AwareDatetime = AT
    keeper: str | None = None
    pay: Decimal = Decimal(1)


class Lighthouse(Source):
    """Keepers and watches."""

    def __init__(self, *, keepers: Rows = (), watches: Rows = ()) -> None:
        super().__init__()
        self.given = keepers, watches

    @stream(Keeper, key="id", effective_at="at", deleted="gone")
    def keepers(self) -> Pages:
        """What it was given."""
        return pages(self.given[0])

    @stream(Watch, key="id", effective_at="at", deleted="gone")
    def watches(self) -> Pages:
        """What it was given."""
        return pages(self.given[1])


class DimKeeper(Dimension):
    """A keeper; the rank keeps its history."""

    rank: Mapped[str] = attribute(String(10), scd=2)
    keeper_name: Mapped[str | None] = attribute(scd=3)


class FactWatch(Fact):
    """One row a watch."""

    watch_id: Mapped[str] = grain(String(20))
    began_at: Mapped[datetime] = event_time()
    keeper_key: Mapped[int] = references(DimKeeper)
    pay: Mapped[Decimal] = measure(Money)


class LighthouseKeeper(Mapper[Keeper, DimKeeper]):
    """The keepers."""

    rank = field("rank")
    keeper_name = field("name")


class LighthouseWatch(Mapper[Watch, FactWatch]):
    """The watches."""

    watch_id = field("id")
    began_at = field("at")
    keeper_key = field("keeper")
    pay = field("pay")


lighthouse = Pipeline("lighthouse")
lighthouse.sync(Lighthouse.keepers, LighthouseKeeper)
lighthouse.sync(Lighthouse.watches, LighthouseWatch)


@pytest.fixture(params=["postgresql", "sqlite"])
def either(request: pytest.FixtureRequest) -> Iterator[Database]:
    """A warehouse in PostgreSQL, and another one in SQLite."""
    if request.param == "postgresql":
        yield request.getfixturevalue("warehouse")
        return
    database = Database("sqlite://")
    yield database
    database.close()


def load(warehouse: Database, **given: Rows) -> RunReport:
    report = run(lighthouse, warehouse, sources={"lighthouse": Lighthouse(**given)})
    assert report.status != "failed", [stream.error for stream in report.streams]
    return report


def loads(warehouse: Database) -> list[tuple[Any, ...]]:
    """The rows of the audit dimension: run, target, outcome, records and rejects."""
    it = DimAudit.table().c
    query = select(it.run_id, it.target, it.outcome, it.records, it.rejects).where(it.audit_key > 0)
    with warehouse.connect() as connection:
        return [tuple(row) for row in connection.execute(query.order_by(it.audit_key))]


def origins(warehouse: Database, model: type[Dimension] | type[Fact], value: str) -> set[tuple[Any, ...]]:
    """A value of each row, with the run and the target of the load that it comes from, and who last wrote."""
    table, it = model.table(), DimAudit.table()
    joined = table.join(it, it.c.audit_key == table.c.audit_key)
    query = select(table.c[value], it.c.run_id, it.c.target, table.c.run_id).select_from(joined)
    with warehouse.connect() as connection:
        return {tuple(row) for row in connection.execute(query)}


def test_every_row_tells_the_load_that_it_comes_from(either: Database) -> None:
    load(either, keepers=({"id": "a"},), watches=({"id": "1", "keeper": "a"}, {"id": "2", "keeper": "b"}))
    load(either, keepers=({"id": "b", "rank": "senior"},))

    assert loads(either) == [
        (1, "DimKeeper", "complete", 1, 0),
        (1, "FactWatch", "complete", 2, 0),
        (2, "DimKeeper", "complete", 1, 0),
    ]
    # The keeper that the fact inferred is the second load's by now.
    assert origins(either, DimKeeper, "rank") == {
        ("junior", 1, "DimKeeper", 1),
        ("senior", 2, "DimKeeper", 2),
        ("Unknown", 0, None, 0),
        ("Not applic", 0, None, 0),
    }
    assert origins(either, FactWatch, "watch_id") == {("1", 1, "FactWatch", 1), ("2", 1, "FactWatch", 1)}


def test_a_fact_that_only_moves_keeps_its_load(either: Database) -> None:
    load(either, keepers=({"id": "a"},), watches=({"id": "1", "keeper": "a", "at": "2026-01-09T00:00:00Z"},))
    load(either, keepers=({"id": "a", "rank": "senior", "at": "2026-01-08T00:00:00Z"},))

    assert origins(either, FactWatch, "watch_id") == {("1", 1, "FactWatch", 2)}


def test_what_was_rejected_is_told(either: Database) -> None:
    load(either, watches=({"id": "1"}, {"id": "2", "pay": "much"}, {"id": "3", "pay": "1.005"}))

    assert loads(either) == [(1, "FactWatch", "with rejects", 3, 2)]


def test_the_loads_with_rejects_behind_some_facts_are_found(warehouse: Database) -> None:
    load(warehouse, watches=({"id": "1"}, {"id": "2", "pay": "much"}))
    load(warehouse, watches=({"id": "3"},))
    query = text("""
        SELECT a.run_id, a.stream, a.mapper, a.rejects, count(*) AS watches
        FROM warehouse.fact_watch AS f
        JOIN warehouse.dim_audit AS a ON a.audit_key = f.audit_key
        WHERE f.began_at >= '2026-01-01' AND a.outcome = 'with rejects'
        GROUP BY a.audit_key
        ORDER BY a.run_id
    """)
    with warehouse.connect() as connection:
        found = [tuple(row) for row in connection.execute(query)]

    assert found == [(1, "lighthouse.watches", "LighthouseWatch", 1, 1)]


def test_a_load_that_changes_nothing_leaves_no_row(either: Database) -> None:
    load(either, keepers=({"id": "a", "name": "Ida"},), watches=({"id": "1", "keeper": "a"},))
    before = loads(either)
    load(either, keepers=({"id": "a", "name": "Ida"},), watches=({"id": "1", "keeper": "a", "n": 2},))

    assert loads(either) == before


def test_no_row_points_at_a_load_that_nobody_tells_of(either: Database) -> None:
    """Of a type 3 column even the memory alone may change."""
    load(either, keepers=({"id": "a", "name": "A"},))
    load(
        either,
        keepers=(
            {"id": "a", "name": "B", "at": "2026-01-06T00:00:00Z"},
            {"id": "a", "name": "A", "at": "2026-01-07T00:00:00Z"},
        ),
    )
    table, known = DimKeeper.table().c, DimAudit.table().c
    orphans = select(func.count()).where(table.audit_key.not_in(select(known.audit_key)))
    with either.connect() as connection:
        assert connection.scalar(orphans) == 0
    assert [it[0] for it in loads(either)] == [1, 2]


def test_the_load_tells_its_mapper_source_and_program(warehouse: Database) -> None:
    load(warehouse, keepers=({"id": "a"},))
    with warehouse.connect() as connection:
        row = connection.execute(select(DimAudit.table()).where(DimAudit.audit_key > 0)).one()

    assert (row.pipeline, row.source_system, row.stream) == ("lighthouse", "lighthouse", "lighthouse.keepers")
    assert row.mapper == "LighthouseKeeper"
    assert row.mapper_version == version(warehouse, LighthouseKeeper)
    assert row.strandline_version
    assert row.merged_at.tzinfo is not None


def test_a_warehouse_from_before_is_told_how_to_get_the_column(warehouse: Database) -> None:
    load(warehouse, keepers=({"id": "a"},))
    _execute(warehouse, "ALTER TABLE warehouse.dim_keeper DROP COLUMN audit_key")
    with pytest.raises(SchemaOutOfDate) as told:
        load(warehouse)
    statement = "ALTER TABLE warehouse.dim_keeper ADD COLUMN audit_key bigint DEFAULT -1;"
    assert statement in str(told.value.hint)

    _execute(warehouse, statement)
    load(warehouse, keepers=({"id": "b"},))
    rows = origins(warehouse, DimKeeper, "source_id")
    assert {(source_id, run_id) for source_id, run_id, *_ in rows} >= {("a", 0), ("b", 2)}


def _execute(warehouse: Database, statement: str) -> None:
    with warehouse.begin() as connection:
        connection.execute(text(statement))


def version(warehouse: Database, mapper: type[Mapper[Any, Any]]) -> str:
    return mapper_version(compile_mapper(mapper, warehouse.engine.dialect))


class OtherField(Mapper[Keeper, DimKeeper]):
    """The keepers, mapped otherwise."""

    rank = field("rank", default="junior")
    keeper_name = field("name")


class ByMethod(Mapper[Keeper, DimKeeper]):
    """The keepers, whose rank is a rule."""

    keeper_name = field("name")

    def rank(self, record: Keeper) -> str:
        """Everybody is one."""
        return "senior"


class ByOtherMethod(Mapper[Keeper, DimKeeper]):
    """The keepers, whose rank is a rule."""

    keeper_name = field("name")

    def rank(self, record: Keeper) -> str:
        """Everybody is one."""
        return "junior"


def test_a_version_is_another_when_the_mapper_is(warehouse: Database) -> None:
    mappers = (LighthouseKeeper, OtherField, ByMethod, ByOtherMethod)

    assert len({version(warehouse, it) for it in mappers}) == len(mappers)


def test_a_version_is_another_when_the_contract_is(warehouse: Database) -> None:
    class Renamed(BaseModel):
        """A keeper with something more."""

        id: str
        rank: str = "junior"
        name: str | None = None
        more: str = ""

    made = {}
    for contract in (Keeper, Renamed):
        body = {"rank": field("rank"), "keeper_name": field("name"), "__module__": "nowhere"}
        bases = (Mapper[contract, DimKeeper],)  # type: ignore[valid-type]  # a class at a time
        made[contract] = version(warehouse, new_class("Made", bases, {}, partial(_fill, body)))

    assert made[Keeper] != made[Renamed]


def _fill(body: dict[str, Any], namespace: dict[str, Any]) -> None:
    namespace.update(body)


def test_a_version_is_the_same_in_every_process(warehouse: Database) -> None:
    program = (
        "from tests.integration.test_audit import *; from sqlalchemy.dialects import postgresql;"
        "from strandline.warehouse.database import Database;"
        "print(version(Database('postgresql://nobody@localhost/none'), LighthouseWatch))"
    )
    found = {
        subprocess.run(
            [sys.executable, "-c", program],
            env={"PYTHONHASHSEED": seed, "PATH": ""},
            capture_output=True,
            text=True,
            check=True,
        ).stdout.strip()
        for seed in ("1", "2")
    }

    assert found == {version(warehouse, LighthouseWatch)}
