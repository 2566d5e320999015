"""Whom nothing names any more after a replay goes; whoever was ever mentioned stays, by the key at least."""

from datetime import UTC, datetime
from typing import Any

import pytest
from pydantic import AwareDatetime
from sqlalchemy import String, select
from sqlalchemy.orm import Mapped
from tests.memory import Given, pages

from strandline.model import Dimension, Fact, Mapper, attribute, event_time, field, grain, references
from strandline.pipeline import Pipeline, Rejects, RunReport, run
from strandline.pipeline.replay import replay
from strandline.source import Pages, Record, Source, stream
from strandline.warehouse import orphan, state
from strandline.warehouse.database import Database


class Ship(Record):
    """A ship, or a flag: whatever has a name."""

    id: str
    at: AwareDatetime
    name: str | None = None
    flag: str | None = None


class Call(Record):
    """A ship has called at the port, and left another one behind."""

    id: str
    at: AwareDatetime
    ship: str | None = None
    behind: str | None = None


class Port(Source):
    """Ships, flags, calls and fines."""

    def __init__(self, **records: list[Given]) -> None:
        super().__init__()
        self.records = records

    @stream(Ship, key="id", effective_at="at")
    def ships(self) -> Pages:
        """What it was given."""
        return pages(self.records.get("ships", []))

    @stream(Ship, key="id", effective_at="at")
    def flags(self) -> Pages:
        """What it was given."""
        return pages(self.records.get("flags", []))

    @stream(Call, key="id", effective_at="at")
    def calls(self) -> Pages:
        """What it was given."""
        return pages(self.records.get("calls", []))

    @stream(Call, key="id", effective_at="at")
    def fines(self) -> Pages:
        """What it was given."""
        return pages(self.records.get("fines", []))


class DimBanner(Dimension):
    """A flag."""

    called: Mapped[str | None] = attribute(String(20))


class DimHull(Dimension):
    """A ship; the flag that it had before is forgotten."""

    called: Mapped[str | None] = attribute(String(20))
    banner: Mapped[str | None] = attribute(String(20), outrigger=DimBanner)


class FactLayover(Fact):
    """One row a call."""

    call_id: Mapped[str] = grain(String(20))
    called_at: Mapped[datetime] = event_time()
    hull_key: Mapped[int] = references(DimHull)
    behind_key: Mapped[int] = references(DimHull, missing="unknown")


class FactFine(Fact):
    """One row a fine; of whom nobody knows there is none."""

    fine_id: Mapped[str] = grain(String(20))
    fined_at: Mapped[datetime] = event_time()
    hull_key: Mapped[int] = references(DimHull, missing="reject")


class FirstHull(Mapper[Ship, DimHull]):
    """Every ship."""

    called = field("name")
    banner = field("flag")


class FirstBanner(Mapper[Ship, DimBanner]):
    """Every flag."""

    called = field("name")


class FirstMooring(Mapper[Call, FactLayover]):
    """Calls."""

    call_id = field("id")
    called_at = field("at")
    hull_key = field("ship")
    behind_key = field("behind")


class PortFine(Mapper[Call, FactFine]):
    """Fines."""

    fine_id = field("id")
    fined_at = field("at")
    hull_key = field("ship")


def clean(name: str | None) -> str | None:
    """The name, unless it is a bad one."""
    if name == "bad":
        raise ValueError("a bad name")
    return name


class Hull(Mapper[Ship, DimHull]):
    """Ships with good names."""

    called = field("name", using=clean)
    banner = field("flag")


class Banner(Mapper[Ship, DimBanner]):
    """Flags with good names."""

    called = field("name", using=clean)


class Mooring(Mapper[Call, FactLayover]):
    """Calls, with whom they left behind for who has called, and the other way round."""

    call_id = field("id", using=clean)
    called_at = field("at")
    hull_key = field("behind")
    behind_key = field("ship")


def port(*mappers: Any, calls: Rejects) -> Pipeline:
    """A pipeline in which ships come before the flags that they name."""
    pipeline, many = Pipeline("port"), Rejects(count=10**6)
    streams = (Port.ships, Port.flags, Port.fines, Port.calls)
    for read, mapper in zip(streams, mappers, strict=True):
        pipeline.sync(read, mapper, rejects=calls if read is Port.calls else many)
    return pipeline


first = port(FirstHull, FirstBanner, PortFine, FirstMooring, calls=Rejects(count=10**6))
later = port(Hull, Banner, PortFine, Mooring, calls=Rejects(count=0, share=0))


def said(key: str, day: int, **more: Any) -> dict[str, Any]:
    """A record of that day of January."""
    return {"id": key, "at": datetime(2026, 1, day, tzinfo=UTC).isoformat(), **more}


def load(database: Database, pipeline: Pipeline, **records: list[Given]) -> None:
    """One run."""
    assert run(pipeline, database, sources={"port": Port(**records)}).exit_code in {0, 3}


def known(database: Database, dimension: type[Dimension]) -> dict[str, str]:
    """Who is there, and whether by the key only."""
    table = dimension.table()
    query = select(table.c.source_id, table.c.is_inferred).where(dimension.key_column() > 0)
    with database.connect() as connection:
        return {name: "by key" if inferred else "known" for name, inferred in connection.execute(query)}


def removed(report: RunReport) -> int:
    """How many hulls the report tells to be gone."""
    return sum(it.counts["removed"] for it in report.targets if it.target == "DimHull")


@pytest.fixture
def loaded(warehouse: Database) -> Database:
    """Ships that come, of which the one is called by a bad name."""
    load(warehouse, first, ships=[said("a", 1, name="Ada"), said("b", 1, name="bad")])
    load(warehouse, first, calls=[said("c", 2, ship="b", behind="a"), said("d", 3, ship="x")])
    return warehouse


def test_who_was_mentioned_by_a_record_that_is_superseded_stays(warehouse: Database) -> None:
    """As in a load by the later mappers alone."""
    ships = [said("a", 1, name="Ada", flag="NO"), said("a", 2, name="Ada", flag="SE")]
    records: dict[str, Any] = {"ships": ships, "flags": [said("NO", 1, name="bad"), said("SE", 1)]}
    load(warehouse, first, **records)
    assert known(warehouse, DimBanner) == {"NO": "known", "SE": "known"}
    replay(later, warehouse)

    assert known(warehouse, DimBanner) == {"NO": "by key", "SE": "known"}


def test_whom_nothing_names_goes_and_facts_wait_for_them(loaded: Database) -> None:
    """The later mappers have the references the other way round, and wait for who has called."""
    assert known(loaded, DimHull) == {"a": "known", "b": "known", "x": "by key"}
    report = replay(later, loaded)

    assert known(loaded, DimHull) == {"a": "known"}
    assert removed(report) == 2
    table = FactLayover.table().c
    with loaded.connect() as connection:
        waiting = select(table.call_id, table.behind_key, table.behind_missing).order_by(table.call_id)
        assert [tuple(it) for it in connection.execute(waiting)] == [("c", -1, "port:b"), ("d", -1, "port:x")]
        assert not connection.execute(select(orphan.NAMED)).all()
        noted = state.run_target.c
        told = select(noted.counts).where(noted.run_id == report.run_id, noted.target == "DimHull")
        assert connection.execute(told).scalar_one()["removed"] == 2
    assert removed(replay(later, loaded)) == 0


def test_a_fact_that_wants_its_member_known_is_refused_where_nothing_names_it(loaded: Database) -> None:
    load(loaded, first, fines=[said("f", 4, ship="b"), said("g", 4, ship="a")])
    replay(later, loaded)

    with loaded.connect() as connection:
        assert connection.scalars(select(FactFine.table().c.fine_id)).all() == ["g"]
        refused = select(state.reject.c.source_id).where(state.reject.c.rule == "missing")
        assert connection.scalars(refused).all() == ["f"]


def test_nobody_goes_whom_something_may_name_that_was_not_replayed(loaded: Database) -> None:
    """Neither in a part, nor where a table stays as it was."""
    everybody = known(loaded, DimHull)
    replay(later, loaded, models=["FactLayover"])
    assert known(loaded, DimHull) == everybody

    load(loaded, first, calls=[said("bad", 5, ship="y")])
    assert replay(later, loaded).status != "done"
    assert known(loaded, DimHull) == {"a": "known", "b": "by key", "x": "by key", "y": "by key"}
