"""A parent that its contract refuses has no children read, and has them read once the contract accepts it."""

from collections.abc import Callable, Iterator
from typing import Any, ClassVar

import pytest
from pydantic import AwareDatetime, field_validator, model_validator
from sqlalchemy import select
from sqlalchemy.orm import Mapped
from tests.memory import pages

from strandline.errors import SourceUnavailable
from strandline.model import Dimension, Mapper, attribute, field
from strandline.pipeline import Pipeline, Rejects, RunReport, run
from strandline.pipeline.release import retry
from strandline.source import Cursor, Pages, Parents, Record, Source, stream
from strandline.warehouse import reject, state
from strandline.warehouse.database import Database

AT = "2026-03-01T00:00:00Z"
REFUSED: set[str] = {"bad"}
"""The names that the contract refuses, as it is written today."""


class Depot(Record):
    """A depot, which may have no name that is refused; some have their number where the id should be."""

    id: str
    name: str
    at: AwareDatetime

    @field_validator("name")
    @classmethod
    def _not_refused(cls, name: str) -> str:
        if name in REFUSED:
            raise ValueError("no name")
        return name

    @model_validator(mode="before")
    @classmethod
    def _numbered(cls, data: dict[str, Any]) -> dict[str, Any]:
        return data if REFUSED else {"id": data.get("number"), **data}


class Bin(Record):
    """A bin in a depot."""

    id: str


class Stores(Source):
    """Depots, with bins."""

    depots_there: ClassVar[list[dict[str, Any]]] = []
    closed: ClassVar[set[str]] = set()
    asked: ClassVar[list[str]] = []

    @stream(Depot, key="id", cursor=Cursor("at"), deleted="gone")
    def depots(self, since: Any) -> Pages:
        """All of them."""
        yield from pages(self.depots_there)

    @stream(Bin, key="id", per=Parents(depots))
    def bins(self, depot: Depot) -> Pages:
        """Those of a depot."""
        self.asked.append(depot.id)
        if depot.id in self.closed:
            raise SourceUnavailable(f"{depot.id} is closed")
        yield from pages([{"id": f"{depot.id}-1"}])


class DimRefusedDepot(Dimension):
    """A depot."""

    name: Mapped[str] = attribute()


class DimRefusedBin(Dimension):
    """A bin."""

    bin_id: Mapped[str] = attribute()


class DepotMapper(Mapper[Depot, DimRefusedDepot]):
    """A depot."""

    name = field("name")


class BinMapper(Mapper[Bin, DimRefusedBin]):
    """A bin."""

    bin_id = field("id")


stores = Pipeline("stores")
stores.sync(Stores.depots, DepotMapper, rejects=Rejects(share=1.0))
stores.sync(Stores.bins, BinMapper)


def depot(key: str, name: str = "good", **more: Any) -> dict[str, Any]:
    return {"id": key, "name": name, "at": AT, **more}


@pytest.fixture(autouse=True)
def _stores() -> Iterator[None]:
    Stores.depots_there[:] = [depot("a"), depot("b", "bad"), depot("c")]
    REFUSED.add("bad")
    yield
    Stores.closed.clear()
    REFUSED.add("bad")


@pytest.fixture(params=["postgresql", "sqlite"])
def both(request: pytest.FixtureRequest) -> Database:
    if request.param == "sqlite":
        return Database("sqlite://")
    warehouse: Database = request.getfixturevalue("warehouse")
    return warehouse


def go(warehouse: Database, **options: Any) -> RunReport:
    Stores.asked.clear()
    return run(stores, warehouse, **options)


def status(report: RunReport) -> dict[str, str]:
    return {it.stream.partition(".")[2]: it.status for it in report.streams}


def noted(warehouse: Database) -> list[int]:
    with warehouse.begin() as connection:
        return list(connection.scalars(select(state.refused_parent.c.raw_id).order_by("raw_id")))


def bins(warehouse: Database) -> set[str]:
    table = DimRefusedBin.table()
    with warehouse.begin() as connection:
        found = select(table.c.source_id).where(table.c.source_system == "stores")
        return set(connection.scalars(found))


def test_its_children_are_read_by_the_run_that_accepts_it(both: Database) -> None:
    report = go(both)
    assert status(report) == {"depots": "partial", "bins": "partial"}
    assert "1 parents could not be read, among them b: " in str(report.streams[1].error)
    assert "as soon as they can, their children are" in str(report.streams[1].error)
    assert (Stores.asked, noted(both)) == (["a", "c"], [2])

    assert status(go(both)) == {"depots": "done", "bins": "done"}
    assert (Stores.asked, noted(both)) == ([], [2])

    REFUSED.clear()
    assert status(go(both)) == {"depots": "done", "bins": "done"}
    assert (Stores.asked, noted(both)) == (["b"], [])
    assert bins(both) == {"a-1", "b-1", "c-1"}
    go(both)
    assert Stores.asked == []


def test_its_children_are_read_by_the_run_after_its_release(both: Database) -> None:
    go(both)
    REFUSED.clear()
    assert retry(stores, both).streams[0].released == 1
    assert (Stores.asked, noted(both)) == (["a", "c"], [2])
    go(both)
    assert (Stores.asked, noted(both)) == (["b"], [])


def test_its_children_are_read_once_where_it_has_come_again(both: Database) -> None:
    go(both)
    Stores.depots_there[1] = depot("b", "mended")
    go(both)
    assert (Stores.asked, noted(both)) == (["b"], [])
    go(both)
    assert Stores.asked == []


@pytest.mark.parametrize("mends", [True, False])
def test_of_one_that_is_gone_no_children_are_read(both: Database, mends: bool) -> None:
    go(both)
    Stores.depots_there[1] = depot("b", gone=True)
    if mends:
        REFUSED.clear()
    go(both)
    assert (Stores.asked, noted(both)) == ([], [])


def test_of_one_that_was_discarded_no_children_are_read(both: Database) -> None:
    go(both)
    with both.begin() as connection:
        (found,) = connection.scalars(select(state.reject.c.reject_id))
        reject.discard(connection, [found], by="me", reason="a test depot")
    REFUSED.clear()
    go(both)
    assert (Stores.asked, noted(both)) == ([], [])


def test_one_whose_key_nobody_knew_has_its_children_read_too(both: Database) -> None:
    Stores.depots_there[:] = [depot("a"), {"number": "n", "name": "good", "at": AT}]
    report = go(both)
    assert "among them entry 2: " in str(report.streams[1].error)
    assert (Stores.asked, noted(both)) == (["a"], [2])
    REFUSED.clear()
    go(both)
    assert (Stores.asked, noted(both)) == (["n"], [])
    assert bins(both) == {"a-1", "n-1"}


def test_children_that_could_not_be_read_then_are_read_by_the_next_run(both: Database) -> None:
    go(both)
    REFUSED.clear()
    Stores.closed.add("b")
    assert status(go(both)) == {"depots": "done", "bins": "failed"}
    assert noted(both) == [2]
    Stores.closed.clear()
    go(both)
    assert (Stores.asked, noted(both)) == (["b"], [])


@pytest.mark.parametrize(
    "mend", [pytest.param(lambda: None, id="refused"), pytest.param(REFUSED.clear, id="accepted")]
)
def test_a_full_run_notes_anew_who_is_refused(both: Database, mend: Callable[[], None]) -> None:
    go(both)
    mend()
    go(both, full=True)
    assert (Stores.asked, noted(both)) == ((["a", "b", "c"], []) if not REFUSED else (["a", "c"], [2]))
