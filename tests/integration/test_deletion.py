"""Deletions that are found: who is absent from a complete read, or from a list of keys."""

from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from typing import Any, ClassVar

import pytest
from pydantic import AwareDatetime
from sqlalchemy import String, select
from sqlalchemy.orm import Mapped
from tests.memory import pages

from strandline.errors import DeclarationError, SourceUnavailable
from strandline.model import Dimension, Fact, Mapper, attribute, degenerate, event_time, field, grain
from strandline.pipeline import Deletes, Pipeline, RunReport, run
from strandline.pipeline.replay import replay
from strandline.source import Cursor, Pages, Record, Source, stream
from strandline.warehouse import raw, state
from strandline.warehouse.database import Database

START = datetime(2026, 3, 1, tzinfo=UTC)
EVERYBODY = 400


class Sailor(Record):
    """Who has signed on."""

    id: str
    name: str
    at: AwareDatetime


class SailorId(Record):
    """A key, and nothing else."""

    id: str


class Registry(Source):
    """Sailors, in memory."""

    sailors_there: ClassVar[dict[int, dict[str, Any]]] = {}
    ids_there: ClassVar[list[dict[str, Any]] | None] = None
    asked: ClassVar[list[Any]] = []
    is_broken: ClassVar[bool] = False

    @stream(Sailor, key="id")
    def snapshot(self) -> Pages:
        """All of them, each time."""
        yield from pages(list(self.sailors_there.values()))

    @stream(Sailor, key="id", cursor=Cursor("at"))
    def changes(self, since: datetime | None, until: datetime | None) -> Pages:
        """Those that have changed."""
        self.asked.append((since, until))
        there = self.sailors_there.values()
        yield from pages([it for it in there if datetime.fromisoformat(it["at"]) >= (since or START)])

    @stream(Sailor, key="id", cursor=Cursor("at", lag=timedelta(hours=1)))
    def slow(self, since: datetime | None) -> Pages:
        """Those that have changed, by a clock that may be an hour behind."""
        yield from pages(list(self.sailors_there.values()))

    @stream(SailorId, key="id")
    def ids(self) -> Pages:
        """The keys of all of them."""
        there = [{"id": str(it)} for it in self.sailors_there] if self.ids_there is None else self.ids_there
        yield from pages(there)
        if self.is_broken:
            raise SourceUnavailable("the registry is closed")


class DimSailor(Dimension):
    """A sailor."""

    name: Mapped[str] = attribute(String(20), scd=2)


class FactSignOn(Fact):
    """A row a sailor."""

    sailor_id: Mapped[str] = grain(String(20))
    signed_at: Mapped[datetime] = event_time()
    name: Mapped[str] = degenerate(String(20))


class SailorMapper(Mapper[Sailor, DimSailor]):
    """A sailor."""

    name = field("name")


class IdMapper(Mapper[SailorId, FactSignOn]):
    """Nothing but a key."""

    sailor_id = field("id")
    name = field("id")

    def signed_at(self, _: SailorId) -> datetime:
        """Once and for all."""
        return START


class SignOnMapper(Mapper[Sailor, FactSignOn]):
    """A sign-on."""

    sailor_id = field("id", using=str.strip)
    signed_at = field("at")
    name = field("name")


class PlainSignOnMapper(Mapper[Sailor, FactSignOn]):
    """A sign-on, found by its key."""

    sailor_id = field("id")
    signed_at = field("at")
    name = field("name")


def sailor(number: int, *, name: str = "Ada", day: float = 0) -> dict[str, Any]:
    return {"id": str(number), "name": name, "at": (START + timedelta(days=day)).isoformat()}


@pytest.fixture(autouse=True)
def _registry() -> Iterator[None]:
    """So many sailors."""
    Registry.sailors_there.clear()
    Registry.sailors_there.update({number: sailor(number) for number in range(EVERYBODY)})
    yield
    Registry.ids_there, Registry.is_broken = None, False
    Registry.asked.clear()


def of(wanted: Any, deletes: Deletes | None, mapper: Any = SailorMapper) -> Pipeline:
    pipeline = Pipeline("crew")
    pipeline.sync(wanted, mapper, deletes=deletes)
    return pipeline


def leave(*numbers: int) -> None:
    for number in numbers:
        Registry.sailors_there.pop(number)


def aboard(warehouse: Database, model: Any = DimSailor) -> set[int]:
    """Who is there now."""
    table = model.table()
    here = (table.c.source_system == "registry",)
    if model is DimSailor:
        here += (table.c.is_current, ~table.c.is_deleted)  # type: ignore[assignment]
    with warehouse.begin() as connection:
        return {int(it) for it in connection.scalars(select(table.c.source_id).where(*here))}


def counts(report: RunReport) -> tuple[str, int, int, int]:
    (it,) = report.sweeps
    return it.status, it.members, it.absent, it.deleted


def test_who_is_absent_from_a_snapshot_is_closed_and_may_come_back(warehouse: Database) -> None:
    crew = of(Registry.snapshot, Deletes.by_absence())
    assert counts(run(crew, warehouse)) == ("done", EVERYBODY, 0, 0)
    leave(7, 8)
    gone = run(crew, warehouse)
    assert (gone.status, counts(gone)) == ("done", ("done", EVERYBODY, 2, 2))
    assert aboard(warehouse) == set(range(EVERYBODY)) - {7, 8}
    again = run(crew, warehouse)
    assert counts(again) == ("done", EVERYBODY - 2, 0, 0)
    assert not any(it.changed for it in again.targets)
    Registry.sailors_there[7] = sailor(7)
    run(crew, warehouse)

    assert aboard(warehouse) == set(range(EVERYBODY)) - {8}
    replay(crew, warehouse)
    assert aboard(warehouse) == set(range(EVERYBODY)) - {8}


def test_a_deletion_says_in_the_raw_log_from_which_run_it_is(warehouse: Database) -> None:
    crew = of(Registry.snapshot, Deletes.by_absence())
    run(crew, warehouse)
    leave(7)
    report = run(crew, warehouse)

    log = crew.readings[0].raw
    with warehouse.begin() as connection:
        (entry,) = connection.execute(select(log).where(log.c.operation == raw.DELETE)).all()
    assert entry.payload == f'{{"absent_from": "registry.snapshot", "run_id": {report.run_id}}}'.encode()
    assert (entry.source_id, entry.run_id, entry.effective_at) == (
        "7",
        report.run_id,
        report.sweeps[0].began_at,
    )


def test_a_fact_follows_its_own_rule(warehouse: Database) -> None:
    crew = of(Registry.snapshot, Deletes.by_absence(), PlainSignOnMapper)
    run(crew, warehouse)
    leave(7)
    run(crew, warehouse)

    assert aboard(warehouse, FactSignOn) == set(range(EVERYBODY)) - {7}


def test_a_stream_with_a_cursor_is_read_completely_every_so_often(warehouse: Database) -> None:
    crew = of(Registry.changes, Deletes.by_absence(every="7d"))
    run(crew, warehouse)
    leave(7)
    assert run(crew, warehouse).sweeps == []
    assert 7 in aboard(warehouse)
    with warehouse.begin() as connection:
        connection.execute(state.sweep.update().values(began_at=datetime.now(UTC) - timedelta(days=6.97)))
    Registry.asked.clear()

    assert counts(run(crew, warehouse)) == ("done", EVERYBODY, 1, 1)
    assert Registry.asked == [(None, None)]
    assert 7 not in aboard(warehouse)


def test_a_full_run_looks_who_is_gone_as_well(warehouse: Database) -> None:
    crew = of(Registry.changes, Deletes.by_absence(every="7d"))
    run(crew, warehouse)
    leave(7)
    assert counts(run(crew, warehouse, full=True)) == ("done", EVERYBODY, 1, 1)


def test_who_is_missing_in_a_list_of_keys_is_closed(warehouse: Database) -> None:
    crew = of(Registry.changes, Deletes.by_ids(Registry.ids))
    run(crew, warehouse)
    leave(7, 9)
    report = run(crew, warehouse)

    assert counts(report) == ("done", EVERYBODY, 2, 2)
    assert [(it.stream, it.status, it.records) for it in report.streams] == [
        ("registry.changes", "done", EVERYBODY - 2),
        ("registry.ids", "done", EVERYBODY - 2),
    ]
    assert aboard(warehouse) == set(range(EVERYBODY)) - {7, 9}


@pytest.mark.parametrize("kind", ["postgresql", "sqlite"])
def test_who_comes_back_by_a_slow_clock_is_there(kind: str, request: pytest.FixtureRequest) -> None:
    """The deletion lies behind the last word of who is gone, and before whatever such a clock says next."""
    warehouse = Database("sqlite://") if kind == "sqlite" else request.getfixturevalue("warehouse")
    crew = of(Registry.slow, Deletes.by_ids(Registry.ids))
    now = datetime.now(UTC)
    Registry.sailors_there[8] = {"id": "8", "name": "Bea", "at": (now - timedelta(minutes=50)).isoformat()}
    run(crew, warehouse)
    leave(7, 8)
    assert counts(run(crew, warehouse)) == ("done", EVERYBODY, 2, 2)
    assert not aboard(warehouse) & {7, 8}
    for number in (7, 8):
        back = (now - timedelta(minutes=49)).isoformat()
        Registry.sailors_there[number] = {"id": str(number), "name": "Cid", "at": back}
    run(crew, warehouse)

    assert aboard(warehouse) >= {7, 8}
    warehouse.close()


def test_who_came_in_this_run_is_not_gone(warehouse: Database) -> None:
    crew = of(Registry.changes, Deletes.by_ids(Registry.ids))
    run(crew, warehouse)
    Registry.sailors_there[EVERYBODY] = sailor(EVERYBODY, day=2)
    Registry.ids_there = [{"id": str(number)} for number in range(EVERYBODY)]

    assert counts(run(crew, warehouse)) == ("done", EVERYBODY + 1, 0, 0)


def test_a_list_of_keys_that_breaks_off_closes_nobody(warehouse: Database) -> None:
    crew = of(Registry.changes, Deletes.by_ids(Registry.ids))
    Registry.sailors_there[EVERYBODY] = sailor(EVERYBODY, day=2)
    run(crew, warehouse)
    Registry.ids_there, Registry.is_broken = [{"id": "1"}], True
    report = run(crew, warehouse)

    assert (report.status, report.exit_code) == ("partial", 3)
    assert counts(report) == ("unproven", EVERYBODY + 1, EVERYBODY - 1, 0)
    assert report.sweeps[0].detail == "registry.ids could not be read: SourceUnavailable"
    assert aboard(warehouse) == set(range(EVERYBODY + 1))


def test_a_record_without_a_key_may_be_anybody(warehouse: Database) -> None:
    crew = of(Registry.snapshot, Deletes.by_absence())
    run(crew, warehouse)
    leave(7)
    Registry.sailors_there[8] = {"name": "Bo", "at": START.isoformat()}
    report = run(crew, warehouse)

    assert counts(report) == ("unproven", EVERYBODY, 2, 0)
    assert report.sweeps[0].detail == "1 records had no key that could be read, and may be anybody's"
    assert aboard(warehouse) == set(range(EVERYBODY))


def test_a_run_stops_before_it_merges_where_too_many_are_gone(warehouse: Database) -> None:
    crew = of(Registry.snapshot, Deletes.by_absence())
    run(crew, warehouse)
    leave(*range(10, 31))
    Registry.sailors_there[1] = sailor(1, name="Bo")
    stopped = run(crew, warehouse)

    assert (stopped.status, stopped.exit_code, stopped.targets) == ("failed", 1, [])
    assert stopped.streams[0].kind == "TooManyDeletions"
    assert stopped.streams[0].error == (
        "registry.snapshot: 21 of 400 members are gone from the source, which is more than 5% and 20 or"
        " 10,000, so nothing was merged: 10, 11, 12, 13, 14, …"
    )
    assert stopped.streams[0].hint == (
        "If they are gone: strandline run crew --confirm-deletes registry.snapshot; if not, look at the"
        " source."
    )
    assert aboard(warehouse) == set(range(EVERYBODY))
    assert run(crew, warehouse).status == "failed"
    confirmed = run(crew, warehouse, confirm_deletes=["registry.snapshot"])
    assert (confirmed.status, counts(confirmed)) == ("done", ("confirmed", EVERYBODY, 21, 21))
    assert aboard(warehouse) == set(range(10)) | set(range(31, EVERYBODY))


def test_a_source_that_sends_nobody_at_all_closes_nobody(warehouse: Database) -> None:
    for number in range(3, EVERYBODY):
        leave(number)
    crew = of(Registry.snapshot, Deletes.by_absence())
    run(crew, warehouse)
    leave(0, 1, 2)
    stopped = run(crew, warehouse)
    assert stopped.streams[0].error == (
        "registry.snapshot: 3 of 3 members are gone from the source, for the source sent nobody at all, so"
        " nothing was merged: 0, 1, 2"
    )

    emptied = run(of(Registry.snapshot, Deletes.by_absence(may_be_empty=True)), warehouse)
    assert (emptied.status, counts(emptied)) == ("done", ("done", 3, 3, 3))
    assert aboard(warehouse) == set()


@pytest.mark.parametrize(
    ("limits", "absent", "members", "is_exceeded"),
    [
        ({}, 20, 20, False),
        ({}, 21, 419, True),
        ({}, 21, 420, False),
        ({}, 10_000, 10**6, False),
        ({}, 10_001, 10**6, True),
        ({"share": None}, 21, 10**6, True),
        ({"count": None}, 2, 39, True),
        ({"count": None, "share": None}, 9_999, 9_999, False),
        ({"most": None}, 49_999, 10**6, False),
        ({"count": 0, "share": 0}, 1, 10**6, True),
    ],
)
def test_the_limits_are_as_declared(
    limits: dict[str, Any], absent: int, members: int, is_exceeded: bool
) -> None:
    assert Deletes.by_absence(**limits).is_exceeded(absent=absent, members=members) is is_exceeded


@pytest.mark.parametrize(
    ("wanted", "deletes", "mapper", "why"),
    [
        (Registry.changes, Deletes.by_absence, SailorMapper, "sends what has changed, so only"),
        (Registry.snapshot, lambda: Deletes.by_absence(every="soon"), SailorMapper, "'soon' is no time"),
        (Registry.snapshot, lambda: Deletes.by_absence(share=2), SailorMapper, "share lies between 0 and 1"),
        (
            Registry.snapshot,
            lambda: Deletes.by_ids(Registry.changes),
            SailorMapper,
            "and would not bring all",
        ),
        (Registry.snapshot, Deletes.by_absence, SignOnMapper, "could not be found in FactSignOn"),
        (
            Registry.snapshot,
            lambda: Deletes.by_absence(share=None, count=None, most=None),
            SailorMapper,
            "no limit at all",
        ),
    ],
)
def test_what_cannot_work_is_refused(wanted: Any, deletes: Any, mapper: Any, why: str) -> None:
    with pytest.raises(DeclarationError, match=why):
        of(wanted, deletes(), mapper)


def test_a_stream_of_keys_is_nothing_else() -> None:
    crew = of(Registry.changes, Deletes.by_ids(Registry.ids))
    with pytest.raises(DeclarationError, match=r"registry\.ids tells who is gone from one stream"):
        crew.sync(Registry.ids, IdMapper)


def test_only_what_is_looked_at_can_be_confirmed(warehouse: Database) -> None:
    with pytest.raises(DeclarationError, match=r"nobody looks who is gone from 'registry\.snapshots'"):
        run(of(Registry.snapshot, Deletes.by_absence()), warehouse, confirm_deletes=["registry.snapshots"])
