"""A plan tells what the next run does, changes nothing, and may be made beside a run."""

from __future__ import annotations

import threading
from collections.abc import Iterator, Mapping, Sequence
from contextlib import ExitStack, contextmanager
from typing import Any

import pytest
from sqlalchemy import String, text
from sqlalchemy.orm import Mapped
from tests.hotel import Booking, BookingGuest, Guest, Till, TillStay, guest, hotel, stay
from tests.integration.test_aggregate import BERTHS, STAYS, Harbour, groups
from tests.integration.test_aggregate import harbour as moorings

from strandline.errors import DeclarationError
from strandline.model import Dimension, Mapper, attribute, field
from strandline.pipeline import Pipeline, Rejects, run, unique
from strandline.pipeline.opening import open_sources
from strandline.pipeline.plan.outlook import Outlook
from strandline.pipeline.plan.plan import plan
from strandline.pipeline.report import Silence
from strandline.pipeline.running import Run
from strandline.source import Source
from strandline.warehouse import lock
from strandline.warehouse.database import Database

Given = dict[str, Any]


class DimTier(Dimension):
    """A guest by nothing but the tier, declared long after guests have come."""

    tier_name: Mapped[str] = attribute(String(10), scd=2)


class BookingTier(Mapper[Guest, DimTier]):
    """Tiers."""

    tier_name = field("tier", default="new")


def sources(*records: Given) -> dict[str, Source]:
    """A record with a night is a stay."""
    stays = [it for it in records if "night" in it]
    return {
        "booking": Booking(*(it for it in records if "night" not in it)),
        "till": Till(*stays),
    }


def read(database: Database, pipeline: Pipeline, *records: Given) -> None:
    """A run that is killed when it has read, before it merges."""
    read_from(database, pipeline, sources(*records))


def read_from(database: Database, pipeline: Pipeline, given: Mapping[str, Source]) -> None:
    with ExitStack() as opened, database.connect() as connection:
        ready = open_sources(pipeline.sources, given, opened, database=database)
        one_run = Run(pipeline, database, connection, Silence())
        one_run.prepare()
        with one_run.recorded():
            one_run.read_all(ready)


def everything(database: Database) -> dict[str, list[str]]:
    """All rows of all tables, and where all sequences stand."""
    named = text("""
        SELECT format('%I.%I', n.nspname, c.relname), c.relkind::text
        FROM pg_class AS c JOIN pg_namespace AS n ON n.oid = c.relnamespace
        WHERE c.relkind IN ('r', 'p', 'v', 'S', 'i') AND n.nspname NOT LIKE 'pg_%'
            AND n.nspname <> 'information_schema'
        ORDER BY 1
    """)
    with database.connect() as connection:
        found = {}
        for name, kind in connection.execute(named).all():
            rows = text(f"SELECT t::text FROM {name} AS t ORDER BY 1")
            if kind == "S":
                rows = text(f"SELECT (last_value, is_called)::text FROM {name}")
            found[name] = [] if kind in "iv" else list(connection.scalars(rows))
    return found


SHARED = ("warehouse.dim_audit_audit_key_seq", "strandline.reject_reject_id_seq")
"""The numbers of loads and of rejects, which others may take at the same time: these get gaps."""


@contextmanager
def unchanged(database: Database, *, but: Sequence[str] = ()) -> Iterator[None]:
    before = everything(database)
    yield
    after = everything(database)
    assert list(after) == list(before)
    assert [it for it in before if before[it] != after[it] and it not in but] == []


def planned(database: Database, pipeline: Pipeline) -> Outlook:
    """The plan, of which nothing stays."""
    with unchanged(database, but=SHARED):
        return plan(pipeline, database)


def test_before_the_first_run_it_tells_the_tables_and_makes_none(warehouse: Database) -> None:
    outlook = planned(warehouse, hotel)

    told = "\n".join(outlook.statements)
    assert "CREATE TABLE warehouse.dim_visitor" in told
    assert "CREATE INDEX ix_fact_stay_guest_key_night" in told
    assert "CREATE VIEW raw.booking_guests_json" in told
    assert outlook.stages == ["staging.booking_guests__dim_visitor", "staging.till_stays__fact_stay"]
    assert [(it.stream, it.mark, it.reads) for it in outlook.streams] == [
        ("booking.guests", None, "everything, from its beginning"),
        ("till.stays", None, "everything, from its beginning"),
    ]
    assert outlook.exit_code == 0


def test_when_all_is_merged_there_is_nothing_to_do(warehouse: Database) -> None:
    run(hotel, warehouse, sources=sources(guest("new", 1), stay("s1", 2)))
    outlook = planned(warehouse, hotel)

    assert (outlook.statements, outlook.stages, outlook.samples) == ([], [], [])
    assert {it.status for it in outlook.targets} == {"nothing"}


NINTH = "2026-01-09T00:00:00Z"

HISTORIES: list[tuple[list[Given], list[Given]]] = [
    ([], [guest("new", 1), stay("s1", 2)]),
    ([guest("new", 1), stay("s1", 3)], [guest("gold", 2), stay("s1", 3, price=7, at=NINTH)]),
    (
        [guest("new", 1), stay("s1", 9)],
        [guest("gold", 5), guest("black", 7), {**guest("new", 2), "id": "bob"}],
    ),
    (
        [guest("new", 5), stay("s1", 9)],
        [guest("early", 1), guest("late", 8, gone=True), stay("s2", 9, guest="eve")],
    ),
    ([stay("s1", 2), stay("s2", 3, friend="bob")], [guest("new", 1), stay("s1", 2, gone=True, at=NINTH)]),
]


@pytest.mark.parametrize(("before", "then"), HISTORIES)
def test_what_it_counts_is_what_the_next_run_does(
    warehouse: Database, before: list[Given], then: list[Given]
) -> None:
    if before:
        assert run(hotel, warehouse, sources=sources(*before)).status == "done"
    read(warehouse, hotel, *then)
    outlook = planned(warehouse, hotel)
    report = run(hotel, warehouse, sources=sources())

    told = {it.target: it.counts for it in outlook.targets if it.status == "merge"}
    assert told == {it.target: it.counts for it in report.targets}
    assert told


def test_aggregates_are_planned_as_a_run_builds_them(warehouse: Database) -> None:
    read_from(warehouse, moorings, {"harbour": Harbour(berths=BERTHS, stays=STAYS)})
    first = planned(warehouse, moorings)
    report = run(moorings, warehouse, sources={"harbour": Harbour()})
    later_stay = {"id": "1", "berth": "b2", "fee": "2", "at": "2026-01-06T00:00:00Z"}
    read_from(warehouse, moorings, {"harbour": Harbour(stays=(later_stay,))})
    later = planned(warehouse, moorings)

    built = {"AggAbove": 2, "AggMooring": 2, "AggQuarter": 1}
    assert first.aggregates == built == {it: n for it, n in groups(report).items() if it in built}
    assert later.aggregates == {}
    assert {it.target: it.counts.get("groups") for it in later.targets}["FactMooring"] == 4


def test_it_tells_rows_by_table_values_and_locks(warehouse: Database) -> None:
    run(hotel, warehouse, sources=sources(guest("new", 1), stay("s1", 3)))
    read(warehouse, hotel, guest("gold", 2))
    outlook = planned(warehouse, hotel)

    (target,) = [it for it in outlook.targets if it.status == "merge"]
    assert (target.entries, target.counts["versions"], target.counts["closed"]) == (1, 1, 1)
    assert target.writes["warehouse.dim_visitor"] == {"inserted": 1, "updated": 1, "deleted": 0}
    assert ("tier", None, "gold") in [(it["column"], it["before"], it["after"]) for it in outlook.samples]
    locks = {(it.step, it.mode): it.on for it in outlook.locks}
    assert locks["merge DimVisitor", "advisory, exclusive"] == "DimVisitor, FactStay"
    assert "warehouse.dim_visitor" in locks["merge DimVisitor", "ROW EXCLUSIVE"]
    assert locks["read booking.guests", "advisory, exclusive"] == "stream booking.guests"


def test_quickly_it_only_counts_entries(warehouse: Database) -> None:
    read(warehouse, hotel, guest("new", 1), guest("gold", 2), stay("s1", 3))
    with unchanged(warehouse):
        outlook = plan(hotel, warehouse, is_quick=True)

    assert [(it.target, it.entries, it.status) for it in outlook.targets] == [
        ("DimVisitor", 2, "counted"),
        ("FactStay", 1, "counted"),
    ]


def test_a_dimension_that_is_declared_later_is_planned_out_of_the_raw_log(warehouse: Database) -> None:
    run(hotel, warehouse, sources=sources(guest("new", 1), guest("gold", 2)))
    more = Pipeline("more")
    more.sync(Booking.guests, BookingGuest)
    more.sync(Booking.guests, BookingTier)
    outlook = planned(warehouse, more)

    assert any("CREATE TABLE warehouse.dim_tier" in it for it in outlook.statements)
    told = {it.target: it for it in outlook.targets}
    assert told["DimVisitor"].status == "nothing"
    assert (told["DimTier"].counts["members"], told["DimTier"].counts["versions"]) == (1, 2)


def test_tables_that_differ_stop_a_run_and_the_plan_says_so(warehouse: Database) -> None:
    run(hotel, warehouse, sources=sources(guest("new", 1)))
    with warehouse.begin() as connection:
        connection.execute(text("ALTER TABLE warehouse.fact_stay DROP COLUMN price"))
    outlook = planned(warehouse, hotel)

    assert outlook.problem is not None
    assert "fact_stay.price is not there" in outlook.problem.message
    assert "ALTER TABLE warehouse.fact_stay ADD COLUMN price" in (outlook.problem.hint or "")
    assert [it.stream for it in outlook.streams] == ["booking.guests", "till.stays"]
    assert outlook.exit_code == 1


def test_a_merge_that_would_fail_is_told_and_the_others_are_planned(warehouse: Database) -> None:
    strict = Pipeline("strict")
    strict.sync(Booking.guests, BookingGuest, rejects=Rejects(count=0, share=0))
    strict.sync(Till.stays, TillStay)
    read(warehouse, hotel, guest("new", 1), guest("far too long for a tier", 2), stay("s1", 3))
    outlook = planned(warehouse, strict)

    by_target = {it.target: it for it in outlook.targets}
    problem = by_target["DimVisitor"].problem
    assert problem is not None
    assert "1 of 2 entries would be rejected" in problem.message
    assert by_target["DimVisitor"].status == "fail"
    assert by_target["FactStay"].status == "merge"
    assert outlook.exit_code == 1


def test_what_is_expected_is_looked_at(warehouse: Database) -> None:
    picky = Pipeline("picky")
    picky.sync(Booking.guests, BookingGuest)
    picky.expect(BookingGuest.model, unique("tier"))  # type: ignore[arg-type]  # a dimension
    read(warehouse, hotel, guest("new", 1), {**guest("new", 2), "id": "bob"})
    (target,) = planned(warehouse, picky).targets

    assert target.status == "fail"
    assert target.problem is not None
    assert "the same tier in 2 rows" in target.problem.message


def test_it_waits_for_a_merge_no_longer_than_it_is_patient(warehouse: Database) -> None:
    read(warehouse, hotel, guest("new", 1))
    with warehouse.begin() as merging:
        lock.share_and_take(merging, shared=(), exclusive=["FactStay"])
        outlook = plan(hotel, warehouse, patience=0.2)

    busy = {it.target: it for it in outlook.targets}["DimVisitor"]
    assert busy.status == "busy"
    assert outlook.exit_code == 0


def test_a_stream_that_is_being_read_is_told(warehouse: Database) -> None:
    run(hotel, warehouse, sources=sources(guest("new", 1)))
    with warehouse.begin() as reading:
        lock.hold_stream(reading, "booking.guests")
        outlook = plan(hotel, warehouse)
        lock.release_all(reading)

    told = {it.stream: it.held_by for it in outlook.streams}
    assert "PostgreSQL session" in (told["booking.guests"] or "")
    assert told["till.stays"] is None


def test_runs_and_plans_at_once_leave_what_runs_alone_leave(warehouse: Database) -> None:
    """Plans in a loop, while runs bring in one batch after the other."""
    read(warehouse, hotel, guest("new", 1))
    ended, failures = threading.Event(), list[BaseException]()
    looked = 0

    def keep_planning() -> None:
        nonlocal looked
        while not ended.is_set():
            try:
                plan(hotel, warehouse)
            except BaseException as error:  # noqa: BLE001  # told below, in the thread of the test
                failures.append(error)
                return
            looked += 1

    planner = threading.Thread(target=keep_planning)
    planner.start()
    for at in range(2, 12):
        records = [{**guest(f"t{at}", at), "id": f"g{number}"} for number in range(at)]
        stays = [stay(f"s{at}-{number}", at, guest=f"g{number}") for number in range(at)]
        assert run(hotel, warehouse, sources=sources(*records, *stays)).status == "done"
    ended.set()
    planner.join()

    assert failures == []
    assert looked > 0
    with warehouse.connect() as connection:
        versions = text("SELECT count(*) FROM warehouse.dim_visitor WHERE visitor_key > 0")
        assert connection.scalar(versions) == 1 + sum(range(2, 12))
        pointed = text(
            "SELECT count(*) FROM warehouse.fact_stay JOIN warehouse.dim_visitor ON visitor_key = guest_key"
        )
        assert connection.scalar(pointed) == sum(range(2, 12))


def test_sqlite_has_no_plan() -> None:
    with pytest.raises(DeclarationError, match="SQLite is for tests"):
        plan(hotel, Database("sqlite://"))
