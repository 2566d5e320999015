"""Expectations of a table that a merge into another one has touched: keys that move, members that go."""

from collections.abc import Iterator
from typing import Any

import pytest
from sqlalchemy import text
from tests import expected
from tests.expected import Buyer, DimPatron, FactOuting, Kiosk, KioskPurchase, record
from tests.hotel import Booking, BookingGuest, FactStay, Till, TillStay, guest, stay
from tests.property.club import Club, ClubPerson, ClubProfile, DimPerson

from strandline.model import Mapper, field
from strandline.model.expectation import Expectation
from strandline.pipeline import Pipeline, RunReport, holds, refers, run, unique
from strandline.pipeline.expectation import Severity
from strandline.pipeline.replay import replay
from strandline.warehouse.database import Database

KEYS = "SELECT stay_id, guest_key, resident_key FROM warehouse.fact_stay ORDER BY stay_id"
MEMBERS = "SELECT version, is_current, is_deleted FROM warehouse.dim_visitor WHERE visitor_key > 0"


@pytest.fixture(params=["postgresql", "sqlite"])
def either(request: pytest.FixtureRequest) -> Iterator[Database]:
    """A warehouse in PostgreSQL, and another one in SQLite."""
    if request.param == "postgresql":
        yield request.getfixturevalue("warehouse")
        return
    database = Database("sqlite://")
    yield database
    database.close()


def hotel(*expectations: Expectation, severity: Severity = "warn") -> Pipeline:
    pipeline = Pipeline("hotel")
    pipeline.sync(Booking.guests, BookingGuest)
    pipeline.sync(Till.stays, TillStay)
    if expectations:
        pipeline.expect(FactStay, *expectations, severity=severity)
    return pipeline


def load(database: Database, pipeline: Pipeline, *records: dict[str, Any]) -> RunReport:
    stays = [it for it in records if "night" in it]
    guests = [it for it in records if "night" not in it]
    return run(pipeline, database, sources={"booking": Booking(*guests), "till": Till(*stays)})


def broken(report: RunReport) -> list[tuple[str, str, str, list[str]]]:
    """What has not passed: by the stream that was merged, whose expectation, and the natural keys."""
    return [
        (it.stream, it.target, it.name, [sample["key"] for sample in it.samples])
        for it in report.expectations
        if it.status != "passed"
    ]


def read(database: Database, query: str) -> list[tuple[Any, ...]]:
    with database.connect() as connection:
        return [tuple(row) for row in connection.execute(text(query))]


def test_a_merge_that_takes_the_key_of_a_fact_is_rolled_back_where_the_fact_must_have_one(
    either: Database,
) -> None:
    pipeline = hotel(refers("resident_key"), severity="fail")
    load(either, pipeline, guest("silver", 10), stay("early", 12), stay("late", 20))
    before = read(either, KEYS), read(either, MEMBERS)
    report = load(either, pipeline, guest("", 15, gone=True))

    assert (report.status, report.exit_code) == ("failed", 1)
    assert broken(report) == [("booking.guests", "FactStay", "refers(resident_key)", ["late"])]
    assert report.streams[0].error == (
        "booking.guests: DimVisitor was not merged: FactStay: refers(resident_key): nobody who is known by"
        " resident_key in 1 row: till:late"
    )
    assert "strandline status --expectations" in str(report.streams[0].hint)
    assert (read(either, KEYS), read(either, MEMBERS)) == before
    assert read(either, "SELECT status, failing FROM strandline.expectation WHERE run_id = 2") == [
        ("failed", 1)
    ]


def test_facts_that_come_to_share_a_key_are_seen_when_a_correction_moves_them(either: Database) -> None:
    pipeline = hotel(unique("guest_key"))
    load(either, pipeline, guest("silver", 10), guest("gold", 20), stay("one", 12), stay("two", 22))
    report = load(either, pipeline, guest("silver", 20, n=1))

    assert read(either, KEYS)[0][1] == read(either, KEYS)[1][1]
    assert broken(report) == [("booking.guests", "FactStay", "unique(guest_key)", ["one", "two"])]
    assert (report.status, report.exit_code) == ("partial", 3)


def test_only_facts_whose_keys_have_moved_are_looked_at(either: Database) -> None:
    """The other one is as wrong, and was there before anything was expected."""
    load(either, hotel(), guest("silver", 10), stay("stays", 12), stay("moves", 22))
    report = load(either, hotel(holds("is dear", FactStay.price > 5)), guest("gold", 20))

    assert broken(report) == [("booking.guests", "FactStay", "holds(is dear)", ["moves"])]


def test_a_fact_that_points_at_somebody_of_whom_nothing_is_left_is_seen(either: Database) -> None:
    """Its row is as it was: the member is known only by the key now."""
    pipeline = hotel(refers("guest_key"), holds("is dear", FactStay.price > 5))
    first = load(either, pipeline, guest("silver", 10), stay("one", 12, price=9))
    report = load(either, pipeline, guest("", 10, gone=True))

    assert broken(first) == []
    assert broken(report) == [("booking.guests", "FactStay", "refers(guest_key)", ["one"])]


def test_what_a_merge_tells_of_two_tables_is_told_of_each_once(either: Database) -> None:
    pipeline = hotel(holds("is dear", FactStay.price > 5), unique("guest_key"))
    load(either, pipeline, guest("silver", 10), stay("one", 12, price=9))
    report = load(either, pipeline, guest("gold", 11), stay("two", 22, price=9))
    ledger = "SELECT stream, name, status FROM strandline.expectation WHERE run_id = 2 ORDER BY 1, 2"

    assert broken(report) == [("till.stays", "FactStay", "unique(guest_key)", ["one", "two"])]
    assert read(either, ledger) == [
        ("till.stays", "holds(is dear)", "passed"),
        ("till.stays", "unique(guest_key)", "failed" if report.status == "failed" else "warned"),
    ]


def test_a_fact_that_waited_is_looked_at_when_another_has_its_member_inferred(either: Database) -> None:
    kiosk, source = expected.pipeline(), Kiosk()
    kiosk.expect(FactOuting, holds("nobody helps", FactOuting.helper_key < 0), severity="warn")
    first = expected.load(either, kiosk, source, purchases=[record("p", helper="b")])
    second = expected.load(either, kiosk, source, purchases=[record("q", buyer="b")])

    assert broken(first) == []
    assert broken(second) == [("kiosk.purchases", "FactOuting", "holds(nobody helps)", ["p"])]


class Choosy(Mapper[Buyer, DimPatron]):
    """The kiosk's buyers, but for b."""

    segment = field("segment")
    visits = field("visits")

    def email(self, record: Buyer) -> str | None:
        """Refuses b."""
        if record.id == "b":
            raise ValueError("who is b?")
        return record.email


def test_a_fact_that_a_replay_lets_wait_again_is_seen(either: Database) -> None:
    """The mapper refuses the member now, so it goes."""
    kiosk, source = expected.pipeline(), Kiosk()
    expected.load(either, kiosk, source, buyers=[record("b")], purchases=[record("p", 1, helper="b")])
    mended = Pipeline("kiosk")
    mended.sync(Kiosk.buyers, Choosy)
    mended.sync(Kiosk.purchases, KioskPurchase)
    mended.expect(FactOuting, refers("helper_key"), severity="warn")
    report = replay(mended, either, models=["DimPatron"])

    assert broken(report) == [("kiosk.buyers", "FactOuting", "refers(helper_key)", ["p"])]


def test_a_base_is_looked_at_when_the_history_of_its_mini_dimension_is_merged(either: Database) -> None:
    pipeline = Pipeline("club")
    pipeline.sync(Club.persons, ClubPerson)
    pipeline.sync(Club.persons, ClubProfile)
    profile = DimPerson.table().c.person_profile_key
    pipeline.expect(DimPerson, holds("has no profile", profile < 0), severity="warn")
    source = Club()
    source.person_records = [b'{"id": "a", "at": "2026-01-01T00:00:00Z", "name": "A", "age": 5}']
    report = run(pipeline, either, sources={"club": source})

    assert [it[1:] for it in broken(report)] == [("DimPerson", "holds(has no profile)", ["a"])]
