"""An application beside a pipeline: what follows a load follows it too, and neither undoes the other."""

from collections.abc import Iterator
from datetime import datetime
from decimal import Decimal
from typing import Any

import pytest
from sqlalchemy import select
from tests.integration.test_aggregate import (
    AT,
    STAYS,
    BridgeBerth,
    DimBerth,
    DimQuarter,
    FactMooring,
    harbour,
    load,
    stays,
)

from strandline.errors import ForeignRow
from strandline.pipeline.replay import replay
from strandline.warehouse import UnitOfWork
from strandline.warehouse.database import Database

BERTHS: list[dict[str, Any]] = [{"source_id": "b1", "kind": "quay"}, {"source_id": "b2", "kind": "buoy"}]
WITHIN = {"part_id": "b1", "parent_id": "b1"}


@pytest.fixture(params=["postgresql", "sqlite"])
def either(request: pytest.FixtureRequest) -> Iterator[Database]:
    """A warehouse in PostgreSQL, and another one in SQLite."""
    if request.param == "postgresql":
        yield request.getfixturevalue("warehouse")
        return
    database = Database("sqlite://")
    yield database
    database.close()


def write(database: Database) -> None:
    """Have an application write what the pipeline has loaded, as rows of its own."""
    with UnitOfWork(database, source="office", now=lambda: AT) as work:
        berths, moorings = work.repository(DimBerth), work.repository(FactMooring)
        berths.add(DimBerth.from_dict(BERTHS[0]), DimBerth.from_dict({**BERTHS[1], **WITHIN}))
        work.repository(DimQuarter).add(DimQuarter.from_dict({"source_id": "b1", "note": "north"}))
        for number, stay in enumerate(STAYS):
            assert isinstance(stay, dict)
            berth = berths.current(stay["berth"])
            assert berth is not None
            row = {"began_at": AT, "fee": Decimal(stay["fee"]), "berth_key": berth.key}
            moorings.add(FactMooring.from_dict({"stay_id": str(number + 1), **row}))


def begin(database: Database) -> None:
    load(
        database,
        berths=({"id": "b1"}, {"id": "b2", "kind": "buoy", "part": "b1"}),
        quarters=({"id": "b1", "note": "north"},),
        stays=STAYS,
    )
    write(database)


def told(database: Database, source: str) -> dict[str, list[tuple[Any, ...]]]:
    """What the warehouse has of a source, whatever its keys are."""
    berth, quarter, tree = DimBerth.table(), DimQuarter.table(), BridgeBerth.table()
    above, below = berth.alias(), berth.alias()
    columns = (berth.c.source_id, berth.c.kind, berth.c.version, berth.c.is_current, berth.c.valid_from)
    part = quarter.c.quarter_durable_key == berth.c.part_durable_key
    asked = {
        "berths": select(*columns, quarter.c.source_id, quarter.c.note)
        .outerjoin_from(berth, quarter, part)
        .where(berth.c.source_system == source),
        "tree": select(above.c.source_id, below.c.source_id, tree.c.depth, tree.c.is_leaf)
        .join_from(tree, above, above.c.berth_durable_key == tree.c.ancestor_durable_key)
        .join(below, below.c.berth_durable_key == tree.c.descendant_durable_key)
        .where(above.c.source_system == source),
        "moorings": select(FactMooring.stay_id, FactMooring.began_date_key, FactMooring.fee, berth.c.kind)
        .join(berth, berth.c.berth_key == FactMooring.berth_key)
        .where(FactMooring.source_system == source),
    }
    with database.connect() as connection:
        return {name: sorted(map(tuple, connection.execute(it)), key=repr) for name, it in asked.items()}


def test_what_follows_a_load_follows_an_application(either: Database) -> None:
    begin(either)

    found = told(either, "office")
    assert found == told(either, "harbour")
    assert ("b1", "north") in [row[-2:] for row in found["berths"]]
    assert len(found["tree"]) == 3
    assert stays(either) == {"buoy": (2, Decimal("5.00")), "quay": (4, Decimal("1.50"))}


def test_an_aggregate_follows_what_an_application_changes(either: Database) -> None:
    begin(either)

    with UnitOfWork(either, source="office") as work:
        work.repository(DimBerth).upsert(DimBerth.from_dict({"source_id": "b1", "kind": "pier"}))
        moorings = work.repository(FactMooring)
        (dear,) = moorings.list(FactMooring.source_system == "office", FactMooring.stay_id == "3")
        dear.update_from_dict({"fee": Decimal(9)})
        moorings.upsert(dear)
    assert stays(either) == {
        "buoy": (2, Decimal("7.00")),
        "pier": (2, Decimal("1.50")),
        "quay": (2, Decimal("1.50")),
    }


def test_neither_undoes_the_other(either: Database) -> None:
    begin(either)
    before = told(either, "office")

    assert replay(harbour, either).status == "done"
    load(either, berths=({"id": "b1", "kind": "pier", "at": "2026-02-01T00:00:00Z"},))
    assert replay(harbour, either, is_fresh=True).status == "done"
    assert told(either, "office") == before
    assert {row[1] for row in told(either, "harbour")["berths"]} == {"pier", "buoy"}


def test_what_a_pipeline_loads_is_not_written(either: Database) -> None:
    begin(either)
    late = datetime.fromisoformat("2026-03-01T00:00:00+00:00")

    def write_theirs() -> None:
        with UnitOfWork(either, source="harbour") as work:
            row = DimBerth.from_dict({"source_id": "b1", "kind": "pier"})
            work.repository(DimBerth).upsert(row, effective_at=late)

    with pytest.raises(
        ForeignRow, match=r"DimBerth: what is of harbour is loaded, by the stream harbour\.berths"
    ):
        write_theirs()
