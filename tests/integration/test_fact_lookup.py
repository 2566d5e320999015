"""Versions for many facts: whether all are read or those of whoever is staged, the answer is the same."""

import json
from collections.abc import Iterable
from dataclasses import replace
from datetime import UTC, datetime

from sqlalchemy import Connection, String, Table, text
from sqlalchemy.orm import Mapped

from strandline.model import Dimension, Fact, Mapper, attribute, event_time, field, grain, references
from strandline.model.conversion import compile_mapper
from strandline.pipeline import Pipeline, run
from strandline.source import Page, Pages, Record, Source, stream
from strandline.warehouse import audit, dialect, staging
from strandline.warehouse.database import Database
from strandline.warehouse.index import WORTHWHILE
from strandline.warehouse.resolution import Batch, find_whole, resolved_rows


class Dolphin(Record):
    """What a dolphin, a group of piles, is called, as of a moment."""

    id: str
    at: datetime
    name: str


class Tying(Record):
    """A ship that was tied up."""

    id: str
    at: datetime
    dolphin: str


def page(records: Iterable[dict[str, str]]) -> Page:
    """One page of them."""
    sent = [json.dumps(it).encode() for it in records]
    return Page(sent, 1, "memory", status=200, fetched_at=datetime.now(UTC), size=1000)


class Basin(Source):
    """Two dolphins, of which one was renamed twice, and a third that nobody has heard of."""

    @stream(Dolphin, key="id", effective_at="at")
    def dolphins(self) -> Pages:
        """Their names."""
        names = [("N", 1, "north"), ("N", 4, "upper"), ("N", 8, "top"), ("S", 3, "south")]
        yield page({"id": it, "at": f"2026-03-0{day}T00:00:00Z", "name": name} for it, day, name in names)

    @stream(Tying, key="id", effective_at="at")
    def tyings(self) -> Pages:
        """A ship a day at each of them."""
        days = [(day, name) for day in range(1, 10) for name in "NS?"]
        yield page(
            {"id": f"{name}{day}", "at": f"2026-03-0{day}T12:00:00Z", "dolphin": name} for day, name in days
        )


class DimDolphin(Dimension):
    """A dolphin."""

    name: Mapped[str] = attribute(String(20), scd=2)


class FactTying(Fact):
    """One row per ship that is tied up."""

    tying_id: Mapped[str] = grain(String(20))
    tied_at: Mapped[datetime] = event_time()
    dolphin_key: Mapped[int] = references(DimDolphin, as_of="tied_at", missing="unknown")


class BasinDolphin(Mapper[Dolphin, DimDolphin]):
    """Dolphins."""

    name = field("name")


class BasinTying(Mapper[Tying, FactTying]):
    """Ties."""

    tying_id = field("id")
    tied_at = field("at")
    dolphin_key = field("dolphin")


basin = Pipeline("basin")
basin.sync(Basin.dolphins, BasinDolphin)
basin.sync(Basin.tyings, BasinTying)


def batch(database: Database) -> Batch:
    """What the run has left on the stage."""
    (sync,) = (it for it in basin.syncs if it.model is FactTying)
    columns = compile_mapper(sync.mapper, dialect.of_rows(database.engine)).columns
    staged: Table = staging.staging_table(sync.staging_name, columns)
    return Batch(FactTying, staged, "basin_tyings", "basin", {}, run_id=1)


def resolved(connection: Connection, given: Batch) -> list[tuple[str, int]]:
    """The key of each staged tie."""
    names, rows = resolved_rows(given)
    wanted = names.index("tying_id"), names.index("dolphin_key")
    return sorted((row[wanted[0]], row[wanted[1]]) for row in connection.execute(rows))


def test_all_versions_and_those_of_whoever_is_staged_answer_alike(warehouse: Database) -> None:
    assert run(basin, warehouse, sources={"basin": Basin()}, workers=0).status == "done"
    few = batch(warehouse)
    with warehouse.begin() as connection:
        audit.begin(warehouse, connection)
        found = resolved(connection, few)
        all_of_them = resolved(connection, replace(few, whole=frozenset({"dolphin_key"})))
        written = connection.execute(text("SELECT tying_id, dolphin_key FROM warehouse.fact_tying")).all()

    assert found == all_of_them == sorted(tuple(row) for row in written)
    assert len({key for name, key in found if name.startswith("N")}) == 3


def test_all_are_read_where_no_more_are_there_than_staged(warehouse: Database) -> None:
    run(basin, warehouse, sources={"basin": Basin()}, workers=0)
    few = batch(warehouse)
    with warehouse.connect() as connection:
        assert find_whole(warehouse, connection, few, WORTHWHILE) == {"dolphin_key"}
        assert find_whole(warehouse, connection, few, WORTHWHILE - 1) == frozenset()
