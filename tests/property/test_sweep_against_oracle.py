"""Who is there after any runs, sweeps and returns is what a plain loop says; a replay says the same."""

from collections.abc import Callable, Iterator, Sequence
from contextlib import AbstractContextManager, contextmanager
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Any, ClassVar

import pytest
from hypothesis import example, given
from hypothesis import strategies as st
from pydantic import AwareDatetime
from sqlalchemy import URL, String, func, select
from sqlalchemy.orm import Mapped
from tests.effort import cases
from tests.memory import pages

from strandline.model import Dimension, Mapper, attribute, field
from strandline.pipeline import Deletes, Pipeline, run
from strandline.pipeline.replay import replay
from strandline.source import Cursor, Pages, Record, Source, stream
from strandline.testing import postgres
from strandline.warehouse.database import Database

START = datetime(2026, 3, 1, tzinfo=UTC)
KEYS = ("a", "b", "c")


class Seal(Record):
    """A seal on the sandbank."""

    id: str
    name: str
    at: AwareDatetime


class SealId(Record):
    """Its key."""

    id: str


class Sandbank(Source):
    """Seals that come and go."""

    there: ClassVar[dict[str, dict[str, Any]]] = {}
    missed: ClassVar[set[str]] = set()
    """Who is there, and is not sent: a walk has skipped them."""

    @stream(Seal, key="id", cursor=Cursor("at"))
    def seals(self, since: datetime | None) -> Pages:
        """Those that have changed."""
        yield from pages(sent(None if since is None else since.isoformat()))

    @stream(SealId, key="id")
    def ids(self) -> Pages:
        """The keys of all."""
        yield from pages([{"id": key} for key in self.there if key not in self.missed])


def sent(since: str | None) -> list[dict[str, Any]]:
    """What a read brings."""
    there = [it for key, it in Sandbank.there.items() if key not in Sandbank.missed]
    return [it for it in there if since is None or it["at"] >= since]


class DimSeal(Dimension):
    """A seal."""

    name: Mapped[str] = attribute(String(20), scd=2)


class SealMapper(Mapper[Seal, DimSeal]):
    """A seal."""

    name = field("name")


by_absence = Pipeline("sandbank")
by_absence.sync(Sandbank.seals, SealMapper, deletes=Deletes.by_absence(every="999d", may_be_empty=True))
by_ids = Pipeline("sandbank")
by_ids.sync(Sandbank.seals, SealMapper, deletes=Deletes.by_ids(Sandbank.ids, may_be_empty=True))


@dataclass(frozen=True)
class Step:
    """What happens at the sandbank, and which run then looks."""

    change: str = ""
    """Who gets another name, or comes."""
    leave: str = ""
    restore: str = ""
    """Who is there again, as they were before they left."""
    missed: str = ""
    how: str = "run"
    """run, full, ids, or ids that are told by nobody: nothing."""


steps = st.lists(
    st.builds(
        Step,
        change=st.sampled_from(("", *KEYS)),
        leave=st.sampled_from(("", *KEYS)),
        restore=st.sampled_from(("", *KEYS)),
        missed=st.sampled_from(("", "", *KEYS)),
        how=st.sampled_from(("run", "full", "ids")),
    ),
    min_size=2,
    max_size=5,
)


class Oracle:
    """Who is there, by a plain loop."""

    def __init__(self) -> None:
        self.there: dict[str, str] = {}
        self.known: dict[str, str] = {}
        self.mark: str | None = None

    def look(self, how: str) -> None:
        """Let a run look."""
        came = sent(None if how == "full" else self.mark)
        names = {it["id"]: it["name"] for it in came}
        self.known |= names
        self.there |= names
        if how == "full":
            self.there = names
        if how == "ids":
            listed = [key for key in Sandbank.there if key not in Sandbank.missed]
            self.there = {key: self.known[key] for key in listed if key in self.known} | names
        self.mark = max([*([self.mark] if self.mark else []), *(it["at"] for it in came)], default=None)


def live(step: Step, minute: int, gone: dict[str, dict[str, Any]]) -> None:
    """Let it happen."""
    if step.change:
        moment = (START + timedelta(minutes=minute)).isoformat()
        Sandbank.there[step.change] = {"id": step.change, "name": f"{step.change}{minute}", "at": moment}
    if step.leave in Sandbank.there:
        gone[step.leave] = Sandbank.there.pop(step.leave)
    if step.restore in gone and step.restore not in Sandbank.there:
        Sandbank.there[step.restore] = gone[step.restore]
    Sandbank.missed = {step.missed}


def current(warehouse: Database) -> dict[str, str]:
    table = DimSeal.table()
    here = (table.c.source_system == "sandbank", table.c.is_current, ~table.c.is_deleted)
    with warehouse.begin() as connection:
        found = connection.execute(select(table.c.source_id, table.c.name).where(*here))
        return {row.source_id: row.name for row in found}


def history(warehouse: Database) -> list[tuple[Any, ...]]:
    table = DimSeal.table()
    names = ("source_id", "valid_from", "valid_to", "name", "is_current", "is_deleted", "seal_key")
    columns = [table.c[name] for name in names]
    with warehouse.begin() as connection:
        return [tuple(row) for row in connection.execute(select(*columns).order_by(*columns[:2]))]


def entries(warehouse: Database) -> int:
    with warehouse.begin() as connection:
        return connection.scalar(select(func.count()).select_from(by_ids.readings[0].raw)) or 0


@pytest.fixture(scope="module", params=["postgresql", "sqlite"])
def fresh(request: pytest.FixtureRequest) -> Callable[[], AbstractContextManager[Database]]:
    """Another empty warehouse each time."""

    @contextmanager
    def on_postgresql() -> Iterator[Database]:
        server: URL = request.getfixturevalue("postgres_server")
        with postgres.copy(server, request.getfixturevalue("warehouse_template")) as url:
            yield from opened(Database(url))

    @contextmanager
    def on_sqlite() -> Iterator[Database]:
        yield from opened(Database("sqlite://"))

    return on_postgresql if request.param == "postgresql" else on_sqlite


def opened(database: Database) -> Iterator[Database]:
    yield database
    database.close()


@cases(2)
@given(happened=steps)
@example(happened=[Step("a"), Step("b", leave="a", how="full"), Step(restore="a", how="full")])
@example(happened=[Step("a"), Step("b", leave="a", how="ids"), Step(restore="a", how="ids")])
@example(happened=[Step("a"), Step("b"), Step(missed="a", how="full"), Step("c"), Step(how="full")])
def test_who_is_there_is_what_a_plain_loop_says(
    fresh: Callable[[], AbstractContextManager[Database]], happened: Sequence[Step]
) -> None:
    with fresh() as warehouse:
        play(warehouse, happened)


def play(warehouse: Database, happened: Sequence[Step]) -> None:
    oracle, gone = Oracle(), dict[str, dict[str, Any]]()
    Sandbank.there.clear()
    for minute, step in enumerate(happened):
        live(step, minute, gone)
        pipeline = by_ids if step.how == "ids" else by_absence
        oracle.look(step.how)
        report = run(pipeline, warehouse, full=step.how == "full")
        assert report.status == "done"
        assert current(warehouse) == oracle.there
        before, log = history(warehouse), entries(warehouse)
        again = run(pipeline, warehouse, full=step.how == "full")
        assert not any(it.changed for it in again.targets)
        oracle.look(step.how)
        assert (history(warehouse), entries(warehouse)) == (before, log)

    before = history(warehouse)
    replay(by_absence, warehouse)
    assert history(warehouse) == before
