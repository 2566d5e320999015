"""Streams that are read per partition, each from a mark of its own, and per record of another stream."""

from collections.abc import Iterator, Sequence
from datetime import UTC, datetime, timedelta
from typing import Any, ClassVar

import pytest
from pydantic import AwareDatetime
from sqlalchemy import String, select
from sqlalchemy.orm import Mapped
from tests.memory import pages

from strandline.errors import DeclarationError, SourceUnavailable
from strandline.model import Dimension, Mapper, attribute, field
from strandline.pipeline import Deletes, Pipeline, RunReport, run
from strandline.pipeline.amendment import amend
from strandline.pipeline.backfill import backfill
from strandline.source import Cursor, Pages, Parents, Partitions, Record, Source, stream
from strandline.warehouse import ledger
from strandline.warehouse.database import Database

START = datetime(2026, 3, 1, tzinfo=UTC)


class Ship(Record):
    """A ship."""

    id: str
    name: str
    at: AwareDatetime


class Container(Record):
    """A container, on a ship."""

    id: str
    ship: str
    content: str


class Fleet(Source):
    """Ships by port, and what is on them."""

    ports: ClassVar[dict[str, list[dict[str, Any]]]] = {}
    cargo: ClassVar[dict[str, list[str]]] = {}
    closed: ClassVar[set[str]] = set()
    asked: ClassVar[list[Any]] = []

    def names(self) -> list[str]:
        """The ports."""
        return list(self.ports)

    @stream(Ship, key="id", cursor=Cursor("at"), per=Partitions(names))
    def ships(self, port: str, since: datetime | None) -> Pages:
        """Those of a port that have changed."""
        self.asked.append((port, since))
        if port in self.closed:
            raise SourceUnavailable(f"{port} is closed")
        there = self.ports[port]
        yield from pages([it for it in there if datetime.fromisoformat(it["at"]) >= (since or START)])

    @stream(Container, key="id", per=Parents(ships))
    def containers(self, ship: Ship) -> Pages:
        """What is on a ship."""
        self.asked.append(ship.id)
        if ship.id in self.closed:
            raise SourceUnavailable(f"{ship.id} is at sea")
        yield from pages([box(ship.id, it) for it in self.cargo.get(ship.id, [])])

    @stream(Container, key="id", per=Parents(ships, batch=2))
    def containers_of_two(self, ships: Sequence[Ship]) -> Pages:
        """What is on two ships at once."""
        self.asked.append([it.id for it in ships])
        yield from pages([box(it.id, content) for it in ships for content in self.cargo.get(it.id, [])])


class DimPortShip(Dimension):
    """A ship."""

    name: Mapped[str] = attribute(String(20))


class DimContainer(Dimension):
    """A container."""

    content: Mapped[str] = attribute(String(20))


class ShipMapper(Mapper[Ship, DimPortShip]):
    """A ship."""

    name = field("name")


class ContainerMapper(Mapper[Container, DimContainer]):
    """A container."""

    content = field("content")


ships = Pipeline("ships")
ships.sync(Fleet.ships, ShipMapper)
cargo = Pipeline("cargo")
cargo.sync(Fleet.containers, ContainerMapper)
cargo.sync(Fleet.ships, ShipMapper)


def ship(key: str, *, day: float, name: str = "Ada") -> dict[str, Any]:
    return {"id": key, "name": name, "at": (START + timedelta(days=day)).isoformat()}


def box(on: str, content: str) -> dict[str, Any]:
    return {"id": f"{on}-{content}", "ship": on, "content": content}


@pytest.fixture(autouse=True)
def _fleet() -> Iterator[None]:
    Fleet.ports.update({"oslo": [ship("a", day=1)], "riga": [ship("b", day=2), ship("c", day=3)]})
    Fleet.cargo.update({"a": ["tea"], "b": ["tin", "oil"], "c": []})
    yield
    Fleet.ports.clear()
    Fleet.cargo.clear()
    Fleet.closed.clear()
    Fleet.asked.clear()


def go(pipeline: Pipeline, warehouse: Database, **options: Any) -> RunReport:
    Fleet.asked.clear()
    return run(pipeline, warehouse, **options)


def keys(warehouse: Database, model: Any) -> set[str]:
    table = model.table()
    with warehouse.begin() as connection:
        return set(connection.scalars(select(table.c.source_id).where(table.c.source_system == "fleet")))


def marks(warehouse: Database) -> dict[str, str]:
    with warehouse.begin() as connection:
        return {it["stream"]: it["mark"] for it in ledger.marks(connection)}


def day(number: float) -> str:
    return f"datetime:{(START + timedelta(days=number)).isoformat()}"


def test_each_partition_is_read_from_a_mark_of_its_own(warehouse: Database) -> None:
    assert go(ships, warehouse).status == "done"
    assert Fleet.asked == [("oslo", None), ("riga", None)]
    assert marks(warehouse) == {"fleet.ships[oslo]": day(1), "fleet.ships[riga]": day(3)}
    Fleet.ports["oslo"].append(ship("d", day=2))
    Fleet.ports["genoa"] = [ship("e", day=1)]
    go(ships, warehouse)

    assert Fleet.asked == [
        ("oslo", START + timedelta(days=1)),
        ("riga", START + timedelta(days=3)),
        ("genoa", None),
    ]
    assert keys(warehouse, DimPortShip) == {"a", "b", "c", "d", "e"}
    assert marks(warehouse)["fleet.ships[oslo]"] == day(2)


def test_a_partition_that_cannot_be_read_leaves_the_others(warehouse: Database) -> None:
    Fleet.closed.add("oslo")
    report = go(ships, warehouse)
    assert (report.status, report.exit_code) == ("partial", 3)
    assert report.streams[0].error == (
        "fleet.ships: 1 partitions could not be read, among them oslo: oslo is closed"
    )
    assert keys(warehouse, DimPortShip) == {"b", "c"}
    assert marks(warehouse) == {"fleet.ships[riga]": day(3)}
    Fleet.closed.clear()
    assert go(ships, warehouse).status == "done"
    assert keys(warehouse, DimPortShip) == {"a", "b", "c"}


def test_a_source_of_which_no_partition_can_be_read_fails(warehouse: Database) -> None:
    Fleet.closed.update(["oslo", "riga"])
    report = go(ships, warehouse)
    assert (report.status, report.streams[0].kind) == ("failed", "SourceUnavailable")


def test_three_partitions_in_a_row_are_the_sources_fault(warehouse: Database) -> None:
    Fleet.ports.update({name: [] for name in ("x", "y", "z", "never")})
    Fleet.closed.update(["x", "y", "z"])
    report = go(ships, warehouse)
    assert report.status == "failed"
    assert [port for port, _ in Fleet.asked] == ["oslo", "riga", "x", "y", "z"]


def test_the_mark_of_a_partition_is_set_by_its_name(warehouse: Database) -> None:
    go(ships, warehouse)
    amend([ships], warehouse, {"fleet.ships[riga]": None}, reason="the port was restored", by="me")
    go(ships, warehouse)
    assert ("riga", None) in Fleet.asked
    with pytest.raises(DeclarationError, match=r"fleet\.ships has no mark"):
        amend([ships], warehouse, {"fleet.ships": None}, reason="why not", by="me")
    with pytest.raises(DeclarationError, match="part by part"):
        backfill([ships], warehouse, "fleet.ships", since=START)


def test_children_are_read_for_the_parents_that_have_changed(warehouse: Database) -> None:
    assert go(cargo, warehouse).status == "done"
    assert [it for it in Fleet.asked if isinstance(it, str)] == ["a", "b", "c"]
    assert keys(warehouse, DimContainer) == {"a-tea", "b-tin", "b-oil"}
    assert marks(warehouse)["fleet.containers"] == "int:3"
    Fleet.ports["riga"][1] = ship("c", day=4, name="Bo")
    Fleet.cargo["c"] = ["tar"]
    Fleet.cargo["a"] = ["nobody sees this"]
    go(cargo, warehouse)

    assert [it for it in Fleet.asked if isinstance(it, str)] == ["c"]
    assert keys(warehouse, DimContainer) == {"a-tea", "b-tin", "b-oil", "c-tar"}
    go(cargo, warehouse)
    assert not any(isinstance(it, str) for it in Fleet.asked)
    go(cargo, warehouse, full=True)
    assert [it for it in Fleet.asked if isinstance(it, str)] == ["a", "b", "c"]


def test_children_wait_for_their_parents_where_streams_are_read_side_by_side(warehouse: Database) -> None:
    assert go(cargo, warehouse, width=2).status == "done"
    assert keys(warehouse, DimContainer) == {"a-tea", "b-tin", "b-oil"}


def test_children_that_were_not_read_are_read_by_the_next_run(warehouse: Database) -> None:
    Fleet.closed.add("b")
    report = go(cargo, warehouse)
    assert {it.stream: it.status for it in report.streams} == {
        "fleet.ships": "done",
        "fleet.containers": "failed",
    }
    Fleet.closed.clear()
    go(cargo, warehouse)
    assert [it for it in Fleet.asked if isinstance(it, str)] == ["a", "b", "c"]
    assert keys(warehouse, DimContainer) == {"a-tea", "b-tin", "b-oil"}


def test_the_mark_of_children_is_taken_away_by_hand(warehouse: Database) -> None:
    go(cargo, warehouse)
    amend([cargo], warehouse, {"fleet.containers": None}, reason="the cargo was restored", by="me")
    go(cargo, warehouse)
    assert [it for it in Fleet.asked if isinstance(it, str)] == ["a", "b", "c"]


def test_children_that_are_gone_are_found_by_a_complete_read(warehouse: Database) -> None:
    swept = Pipeline("swept")
    swept.sync(Fleet.ships, ShipMapper)
    swept.sync(Fleet.containers, ContainerMapper, deletes=Deletes.by_absence(every="7d"))
    go(swept, warehouse)
    Fleet.cargo["b"] = ["tin"]
    assert go(swept, warehouse).sweeps == []
    (told,) = go(swept, warehouse, full=True).sweeps
    assert (told.status, told.members, told.deleted) == ("done", 3, 1)
    with pytest.raises(DeclarationError, match="sends what has changed"):
        Pipeline("each").sync(Fleet.containers, ContainerMapper, deletes=Deletes.by_absence())


def test_several_parents_are_asked_for_at_once(warehouse: Database) -> None:
    pairs = Pipeline("pairs")
    pairs.sync(Fleet.ships, ShipMapper)
    pairs.sync(Fleet.containers_of_two, ContainerMapper)
    go(pairs, warehouse)
    assert [it for it in Fleet.asked if isinstance(it, list)] == [["a", "b"], ["c"]]
    assert keys(warehouse, DimContainer) == {"a-tea", "b-tin", "b-oil"}


def test_parents_that_nobody_reads_are_refused() -> None:
    alone = Pipeline("alone")
    alone.sync(Fleet.containers, ContainerMapper)
    with pytest.raises(DeclarationError, match=r"for the records of fleet\.ships, which"):
        _ = alone.readings
