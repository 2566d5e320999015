"""Whose record it is and when it counts: spellings of a key, ties at one instant, times that lie ahead."""

from datetime import UTC, datetime, timedelta
from itertools import permutations
from typing import Any, ClassVar

import pytest
from pydantic import AwareDatetime
from sqlalchemy import Connection, String, select, text
from sqlalchemy.orm import Mapped
from tests.memory import Given, pages

from strandline import natural_key
from strandline.errors import DeclarationError
from strandline.model import Dimension, Fact, Mapper, attribute, degenerate, field, grain, references
from strandline.natural_key import NaturalKeys
from strandline.pipeline import Pipeline, RunReport, run
from strandline.source import Pages, Record, Source, stream
from strandline.testing import assert_drawn
from strandline.warehouse.database import Database


class Member(Record):
    """A member, as the club's system spells the id: sometimes so, sometimes so."""

    id: str | int
    at: AwareDatetime
    level: str | None = None
    edition: int | None = None


class Ride(Record):
    """A ride of a member."""

    id: str
    at: AwareDatetime
    member: str | int | None = None
    state: str = "booked"
    edition: int | None = None


class Club(Source):
    """Members and rides; the ids of its database know neither case nor spaces."""

    natural_keys: ClassVar[NaturalKeys] = NaturalKeys(ignore_case=True, ignore_spaces=True)

    def __init__(self, *, members: tuple[Given, ...] = (), rides: tuple[Given, ...] = ()) -> None:
        super().__init__()
        self.member_records, self.ride_records = members, rides

    @stream(Member, key="id", effective_at="at", tie_break="edition", deleted="gone")
    def members(self) -> Pages:
        """What it was given."""
        return pages(self.member_records)

    @stream(Ride, key="id", effective_at="at", tie_break="edition", deleted="gone")
    def rides(self) -> Pages:
        """What it was given."""
        return pages(self.ride_records)


class DimRider(Dimension):
    """A rider."""

    level: Mapped[str | None] = attribute(String(10), scd=2)


class FactRide(Fact):
    """One row a ride."""

    ride_id: Mapped[str] = grain(String(20))
    rider_key: Mapped[int] = references(DimRider)
    state: Mapped[str] = degenerate(String(10))


class ClubRider(Mapper[Member, DimRider]):
    """Members."""

    level = field("level")


class ClubRide(Mapper[Ride, FactRide]):
    """Rides."""

    ride_id = field("id")
    rider_key = field("member")
    state = field("state")


club = Pipeline("club")
club.sync(Club.members, ClubRider)
club.sync(Club.rides, ClubRide)

AT = datetime(2026, 1, 1, tzinfo=UTC).isoformat()


def load(warehouse: Database, *, members: tuple[Given, ...] = (), rides: tuple[Given, ...] = ()) -> RunReport:
    """One run of the club's pipeline."""
    return run(club, warehouse, sources={"club": Club(members=members, rides=rides)})


def riders(connection: Connection) -> list[tuple[Any, ...]]:
    """Who there is, and at which level."""
    table = DimRider.table().c
    query = select(table.source_id, table.level).where(table.rider_key > 0).order_by(table.source_id)
    return [tuple(row) for row in connection.execute(query)]


def test_spellings_that_a_source_means_as_one_are_one_member(warehouse: Database) -> None:
    """Case, spaces and the type of a number; in its records, its deletions and its references."""
    report = load(
        warehouse,
        members=(
            {"id": "Ada ", "at": AT, "level": "gold"},
            {"id": 7, "at": AT, "level": "new"},
            {"id": "ADA", "at": "2026-02-01T00:00:00Z", "gone": True},
        ),
        rides=tuple(
            {"id": f"r{number}", "at": AT, "member": member}
            for number, member in enumerate(["ada", " ADA", "7", 7, "7 "])
        ),
    )

    assert report.status == "done", report
    with warehouse.connect() as connection:
        assert riders(connection) == [("7", "new"), ("ada", "gold")]
        assert_drawn(
            connection,
            text("""
                SELECT f.ride_id, d.source_id AS rider, d.is_deleted FROM warehouse.fact_ride f
                JOIN warehouse.dim_rider d USING (rider_key) ORDER BY 1
            """),
            """
            | ride_id | rider | is_deleted |
            | r0      | ada   | true |
            | r1      | ada   | true |
            | r2      | 7     | false |
            | r3      | 7     | false |
            | r4      | 7     | false |
            """,
        )


def test_a_fact_of_which_the_key_is_spelled_differently_is_one_row_and_is_deleted(
    warehouse: Database,
) -> None:
    """Its grain is as the last record spells it, and its row is found in whatever spelling."""
    spelled = [{"id": "R1 ", "at": AT}, {"id": "r1", "at": "2026-02-01T00:00:00Z", "state": "done"}]
    found = text("SELECT ride_id, state, source_id FROM warehouse.fact_ride")
    for number, ride in enumerate(spelled, 1):
        load(warehouse, rides=(ride,))
        with warehouse.connect() as connection:
            assert connection.execute(found).all() == [(ride["id"], ride.get("state", "booked"), "r1")], (
                number
            )
    report = load(warehouse, rides=({"id": " R1", "at": "2026-03-01T00:00:00Z", "gone": True},))

    assert report.targets[-1].counts["deleted"] == 1
    with warehouse.connect() as connection:
        assert connection.execute(found).all() == []


def test_a_key_of_spaces_alone_is_no_key(warehouse: Database) -> None:
    report = load(warehouse, members=({"id": "  ", "at": AT},))

    assert report.streams[0].rejected == 1
    with warehouse.connect() as connection:
        rule = connection.scalar(text("SELECT rule FROM strandline.reject"))
    assert rule == "natural_key"


@pytest.mark.parametrize(
    ("keys", "value", "text"),
    [
        (NaturalKeys(), " A", " A"),
        (NaturalKeys(ignore_case=True), " STRASSE", " strasse"),
        (NaturalKeys(ignore_case=True), "Straße", "strasse"),
        (NaturalKeys(ignore_spaces=True), "\tA b\u00a0", "A b"),
        (NaturalKeys(ignore_case=True, ignore_spaces=True), ("A ", 1), '["a","1"]'),
        (NaturalKeys(ignore_spaces=True), ("A", " "), None),
        (NaturalKeys(ignore_case=True), None, None),
    ],
)
def test_a_rule_gives_all_spellings_of_a_key_one_text(
    keys: NaturalKeys, value: object, text: str | None
) -> None:
    assert keys.encode(value) == text
    assert NaturalKeys().encode(value) == natural_key.encode(value)


@pytest.mark.parametrize("order", list(permutations(range(3))))
@pytest.mark.parametrize("apart", [False, True])
def test_of_records_at_one_instant_that_with_the_highest_tie_break_stands(
    warehouse: Database, order: tuple[int, ...], apart: bool
) -> None:
    """Of members and of facts, in one run and in three, whatever comes first; none counts least."""
    editions = (("first", None), ("third", 3), ("second", 2))
    said = [editions[place] for place in order]
    members = tuple({"id": "ada", "at": AT, "level": name, "edition": number} for name, number in said)
    rides = tuple({"id": "r", "at": AT, "state": name, "edition": number} for name, number in said)
    for cut in (slice(0, 1), slice(1, 2), slice(2, 3)) if apart else (slice(0, 3),):
        assert load(warehouse, members=members[cut], rides=rides[cut]).status == "done"

    with warehouse.connect() as connection:
        assert riders(connection) == [("ada", "third")]
        assert connection.scalar(select(FactRide.state)) == "third"
        assert connection.scalar(text("SELECT count(*) FROM raw.club_members")) == 3


def test_a_deletion_loses_the_tie_against_a_higher_edition(warehouse: Database) -> None:
    load(warehouse, members=({"id": "ada", "at": AT, "level": "x", "edition": 2},))
    load(warehouse, members=({"id": "ada", "at": AT, "gone": True, "edition": 1},))

    with warehouse.connect() as connection:
        assert connection.scalar(select(DimRider.is_current).where(DimRider.key > 0)) is True


def test_a_tie_break_without_an_order_is_refused() -> None:
    class Named(Record):
        id: str
        at: AwareDatetime
        name: str

    with pytest.raises(DeclarationError, match=r"tie_break 'name' is a str, of which nobody can say") as told:

        class Wrong(Source):
            @stream(Named, key="id", effective_at="at", tie_break="name")
            def things(self) -> Pages:
                """None."""
                return pages(())

    assert told.value.hint == "A tie-break is an int, a date or a datetime."


def test_what_takes_effect_in_the_future_is_a_reject_with_the_way_to_allow_it(warehouse: Database) -> None:
    """A day ahead is let pass, as clocks and zones differ; deletions are held to it as well."""
    now = datetime.now(UTC)
    soon, far = (now + timedelta(hours=20)).isoformat(), (now + timedelta(days=3)).isoformat()
    report = load(
        warehouse,
        members=(
            {"id": "near", "at": soon, "level": "x"},
            {"id": "far", "at": far, "level": "x"},
            {"id": "near", "at": far, "gone": True},
        ),
    )

    assert (report.status, report.streams[0].rejected) == ("partial", 2)
    with warehouse.connect() as connection:
        assert riders(connection) == [("near", "x")]
        reasons = connection.scalars(text("SELECT reason FROM strandline.reject WHERE rule = 'future'")).all()
    assert len(reasons) == 2
    assert all("lies in the future, more than 1 day, 0:00:00 after it was read" in it for it in reasons)


def test_a_source_that_announces_changes_may_say_so(warehouse: Database) -> None:
    class Planner(Source):
        def __init__(self, *members: Given) -> None:
            super().__init__()
            self.records = members

        @stream(Member, key="id", effective_at="at", future=None)
        def members(self) -> Pages:
            """What it was given."""
            return pages(self.records)

    plan = Pipeline("plan")
    plan.sync(Planner.members, ClubRider)
    record = {"id": "ada", "at": "2999-01-01T00:00:00Z", "level": "x"}
    assert run(plan, warehouse, sources={"planner": Planner(record)}).status == "done"

    with warehouse.connect() as connection:
        assert riders(connection) == [("ada", "x")]
