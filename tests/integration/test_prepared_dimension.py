"""Days and minutes in the database: filled by a run, corrected when their declaration changes."""

from datetime import date, datetime

import pytest
from pydantic import AwareDatetime
from sqlalchemy import String, text
from sqlalchemy.orm import Mapped
from tests.memory import Given, pages

from strandline.model import (
    Calendar,
    Fact,
    Mapper,
    Span,
    TimeOfDay,
    Weeks,
    event_time,
    field,
    grain,
    references,
)
from strandline.pipeline import Pipeline, run
from strandline.source import Pages, Record, Source, stream
from strandline.testing import assert_drawn
from strandline.warehouse.database import Database

SPAN = Span(date(2026, 1, 1), date(2026, 3, 31))


class Ring(Record):
    """The bell rings."""

    id: str
    at: AwareDatetime | None = None


class Bell(Source):
    """A bell."""

    def __init__(self, *rings: Given) -> None:
        super().__init__()
        self.rings = rings

    @stream(Ring, key="id")
    def rung(self) -> Pages:
        """What it was given."""
        return pages(self.rings)


class DimDay(Calendar):
    """Days of a quarter."""

    span = SPAN


class DimMinute(TimeOfDay):
    """Minutes."""


class FactRing(Fact):
    """One row a ring."""

    ring_id: Mapped[str] = grain(String(5))
    rung_at: Mapped[datetime | None] = event_time()
    day_key: Mapped[int] = references(DimDay, on="rung_at", zone="Europe/Berlin")
    minute_key: Mapped[int] = references(DimMinute, on="rung_at", zone="Europe/Berlin")


class BellRing(Mapper[Ring, FactRing]):
    """Rings."""

    ring_id = field("id")
    rung_at = field("at")


bell = Pipeline("bell")
bell.sync(Bell.rung, BellRing)


def load(database: Database, *rings: Given) -> None:
    """One run."""
    assert run(bell, database, sources={"bell": Bell(*rings)}).status == "done"


@pytest.fixture(autouse=True)
def _declared_anew() -> None:
    DimDay.cover(SPAN)


def test_a_fact_finds_day_and_minute_as_the_clocks_of_its_zone_show_them(warehouse: Database) -> None:
    load(warehouse, {"id": "late", "at": "2026-01-31T23:05:59Z"}, {"id": "never"})

    with warehouse.connect() as connection:
        assert_drawn(
            connection,
            text("""
                SELECT ring_id, date_name, time_name, part_of_day FROM warehouse.fact_ring
                JOIN warehouse.dim_day ON date_key = day_key
                JOIN warehouse.dim_minute ON time_key = minute_key
            """),
            """
            | ring_id | date_name       | time_name      | part_of_day |
            | late    | 1 February 2026 | 00:05          | night       |
            | never   | Not applicable  | Not applicable |             |
            """,
        )


def test_another_declaration_corrects_the_rows_and_the_same_one_writes_nothing(warehouse: Database) -> None:
    load(warehouse)
    versions = text("SELECT date_key, xmin::text FROM warehouse.dim_day ORDER BY 1")
    with warehouse.connect() as connection:
        before = connection.execute(versions).all()
    load(warehouse)
    with warehouse.connect() as connection:
        assert connection.execute(versions).all() == before

    DimDay.cover(SPAN, fiscal=Weeks("4-4-5", ends="sunday"), holidays={date(2026, 1, 1): "New Year's Day"})
    load(warehouse)
    with warehouse.connect() as connection:
        assert_drawn(
            connection,
            text("""
                SELECT full_date, fiscal_year, fiscal_period, fiscal_week, holiday_name, is_workday
                FROM warehouse.dim_day WHERE day_of_month = 1
            """),
            """
            | full_date  | fiscal_year | fiscal_period | fiscal_week | holiday_name   | is_workday |
            | 2026-01-01 | 2026        | 1             | 1           | New Year's Day | false      |
            | 2026-02-01 | 2026        | 2             | 5           |                | false      |
            | 2026-03-01 | 2026        | 3             | 9           |                | false      |
            """,
        )


def test_rows_that_somebody_has_deleted_come_back(warehouse: Database) -> None:
    load(warehouse)
    with warehouse.begin() as connection:
        connection.execute(text("DELETE FROM warehouse.dim_minute WHERE hour = 3"))
    load(warehouse)

    with warehouse.connect() as connection:
        assert connection.scalar(text("SELECT count(*) FROM warehouse.dim_minute")) == 1442


@pytest.mark.parametrize("zone", ["Europe/Berlin", "America/New_York", "Australia/Lord_Howe", "Asia/Kolkata"])
def test_days_and_minutes_are_those_that_postgresql_finds_in_the_zone(warehouse: Database, zone: str) -> None:
    """Two years with their changes of clocks, by half an hour too, every 17 minutes."""
    moments = text("""
        SELECT moment, to_char(moment AT TIME ZONE :zone, 'YYYYMMDD')::int,
               to_char(moment AT TIME ZONE :zone, 'HH24MI')::int
        FROM generate_series('2021-01-01Z'::timestamptz, '2022-12-30Z', interval '17 minutes') AS moment
    """)
    with warehouse.connect() as connection:
        expected = connection.execute(moments, {"zone": zone}).all()
    DimDay.cover(Span(date(2020, 12, 31), date(2022, 12, 31)))
    day, minute = DimDay.finder(zone=zone), DimMinute.finder(zone=zone)

    assert [(at, day(at), minute(at)) for at, _, _ in expected] == [tuple(row) for row in expected]
