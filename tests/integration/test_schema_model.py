"""What a model becomes in the database: names, comments, constraints, members, days; and what differs."""

from collections.abc import Iterator
from datetime import UTC, date, datetime
from decimal import Decimal
from typing import Any

import pytest
import sqlalchemy as sa
from pydantic import AwareDatetime
from sqlalchemy import text
from sqlalchemy.exc import IntegrityError
from sqlalchemy.orm import Mapped
from tests.memory import Given, pages

from strandline.errors import SchemaOutOfDate
from strandline.model import (
    Calendar,
    Dimension,
    Fact,
    Mapper,
    Money,
    Span,
    attribute,
    event_time,
    field,
    grain,
    measure,
    references,
)
from strandline.pipeline import Pipeline, RunReport, run
from strandline.settings import Schemas
from strandline.source import Pages, Record, Source, stream
from strandline.testing import assert_drawn
from strandline.warehouse.database import Database

AT = datetime(2026, 1, 5, 12, tzinfo=UTC)


class Thing(Record):
    """A thing with something of every type."""

    id: str
    at: AwareDatetime = AT
    group: str | None = "all"
    owner: str | None = None
    amount: Decimal | None = None


class Store(Source):
    """Things and their sales."""

    def __init__(self, *things: Given) -> None:
        super().__init__()
        self.things = things

    @stream(Thing, key="id", effective_at="at")
    def stock(self) -> Pages:
        """What it was given."""
        return pages(self.things)

    @stream(Thing, key="id", effective_at="at")
    def sold(self) -> Pages:
        """What it was given."""
        return pages(self.things)


class DimThing(Dimension):
    """A thing; this is the table's comment.

    And this is not.
    """

    group: Mapped[str] = attribute(sa.String(20), scd=2, comment="Where it belongs")
    order: Mapped[str | None] = attribute(sa.String(5))
    user: Mapped[str] = attribute(sa.String(5))


class Tide(Calendar):
    """A short calendar."""

    span = Span(date(2026, 1, 1), date(2026, 1, 10))


class FactSold(Fact):
    """One row a sale."""

    thing_id: Mapped[str] = grain(sa.String(20))
    sold_at: Mapped[datetime] = event_time()
    thing_key: Mapped[int] = references(DimThing)
    sold_date_key: Mapped[int] = references(Tide, on="sold_at", zone="Europe/Berlin")
    amount: Mapped[Decimal | None] = measure(Money)


class StoreThing(Mapper[Thing, DimThing]):
    """Things."""

    group = field("group")
    order = field("id")
    user = field("owner", default="who")


class StoreSold(Mapper[Thing, FactSold]):
    """Sales."""

    thing_id = field("id")
    sold_at = field("at")
    thing_key = field("owner")
    amount = field("amount")


def load(database: Database, *things: Given, facts: bool = True) -> RunReport:
    """One run of everything."""
    pipeline = Pipeline("store")
    pipeline.sync(Store.stock, StoreThing)
    if facts:
        pipeline.sync(Store.sold, StoreSold)
    report = run(pipeline, database, sources={"store": Store(*things)})
    assert report.exit_code in (0, 3), report.streams
    return report


def test_tables_and_columns_carry_what_the_model_says_of_them(warehouse: Database) -> None:
    load(warehouse)
    comments = text("""
        SELECT coalesce(a.attname, 'the table') AS column, d.description
        FROM pg_description d
        LEFT JOIN pg_attribute a ON a.attrelid = d.objoid AND a.attnum = d.objsubid AND a.attnum > 0
        WHERE d.objoid = 'warehouse.dim_thing'::regclass
        AND coalesce(a.attname, 'group') IN ('group', 'thing_key')
    """)
    with warehouse.connect() as connection:
        assert_drawn(
            connection,
            comments,
            """
            | column    | description                                     |
            | the table | A thing; this is the table's comment.           |
            | group     | Where it belongs                                |
            | thing_key | Surrogate key: one a version                    |
            """,
        )


def test_constraints_and_indexes_are_called_by_one_convention(warehouse: Database) -> None:
    load(warehouse)
    names = text("""
        SELECT conname FROM pg_constraint
        WHERE conrelid IN ('warehouse.dim_thing'::regclass, 'warehouse.fact_sold'::regclass)
        AND contype <> 'n'
        UNION SELECT indexname FROM pg_indexes
        WHERE schemaname = 'warehouse' AND tablename IN ('dim_thing', 'fact_sold')
    """)
    with warehouse.connect() as connection:
        assert set(connection.scalars(names)) == {
            "ck_dim_thing_current",
            "ck_dim_thing_required",
            "ck_dim_thing_validity",
            "ix_dim_thing_source_id_source_system_valid_from",
            "ix_fact_sold_thing_key_sold_at",
            "pk_dim_thing",
            "pk_fact_sold",
            "uq_dim_thing_latest",
        }


def test_schemas_may_have_other_names(database_url: str) -> None:
    schemas = Schemas(raw="bronze", staging="tmp", warehouse="Gold Star", analytics="marts", strandline="ops")
    database = Database(database_url, schemas=schemas)
    before = _schemas(database)
    load(database, {"id": "a", "owner": "a"})
    with database.connect() as connection:
        assert connection.scalar(text('SELECT count(*) FROM "Gold Star".fact_sold WHERE thing_key > 0')) == 1
        assert connection.scalar(text("SELECT count(*) FROM bronze.store_stock")) == 1
        assert connection.scalar(text("SELECT count(*) FROM ops.run_target")) == 2
    assert _schemas(database) - before == {"bronze", "tmp", "Gold Star", "marts", "ops"}
    assert load(database, {"id": "a", "owner": "a"}).targets == []
    database.close()


def _schemas(database: Database) -> set[str]:
    with database.connect() as connection:
        return set(
            connection.scalars(text("SELECT nspname FROM pg_namespace WHERE nspname !~ '^pg_temp|^pg_toast'"))
        )


def test_unknown_and_not_applicable_are_there_from_the_beginning(warehouse: Database) -> None:
    load(warehouse)
    with warehouse.connect() as connection:
        assert_drawn(
            connection,
            DimThing,
            """
            | thing_key | thing_durable_key | group          | user  | order | source_system | valid_from |
            | -1        | -1                | Unknown        | Unkno | ∅     | strandline    | 1900-01-01 |
            | -2        | -2                | Not applicable | Not a | ∅     | strandline    | 1900-01-01 |
            """,
        )
        assert_drawn(
            connection,
            sa.select(Tide).where(Tide.date_key < 0),
            """
            | date_key | date_name      | full_date |
            | -1       | Unknown        | ∅         |
            | -2       | Not applicable | ∅         |
            """,
        )


ROW = {
    "thing_durable_key": 1,
    "version": 1,
    "valid_from": AT,
    "is_current": True,
    "is_inferred": False,
    "is_deleted": False,
    "group": "g",
    "user": "u",
    "created_at": AT,
    "updated_at": AT,
    "synced_at": AT,
    "source_system": "store",
    "source_id": "a",
    "schema_version": 1,
    "run_id": 1,
}


@pytest.mark.parametrize(
    ("rows", "constraint"),
    [
        ([{}, {"valid_from": AT.replace(year=2027)}], "uq_dim_thing_latest"),
        ([{"is_current": False, "valid_to": AT}], "ck_dim_thing_validity"),
        ([{"is_current": False}], "ck_dim_thing_current"),
        ([{"is_deleted": True}], "ck_dim_thing_current"),
        ([{"group": None}], "ck_dim_thing_required"),
        ([{"user": None}], "ck_dim_thing_required"),
        ([{}, {"is_current": False, "valid_to": AT.replace(year=2027)}], "ix_dim_thing_source_id"),
    ],
)
def test_the_database_itself_keeps_a_dimension_right(
    warehouse: Database, rows: list[dict[str, Any]], constraint: str
) -> None:
    """Promise 4, by constraint and not by hope."""
    load(warehouse)
    statements = [_insert(row) for row in rows]
    with warehouse.engine.connect() as connection:
        for statement in statements[:-1]:
            connection.execute(statement)
        with pytest.raises(IntegrityError, match=constraint):
            connection.execute(statements[-1])


def _insert(row: dict[str, Any]) -> sa.Insert:
    return sa.insert(DimThing.table()).values(**{**ROW, **row})


def test_a_table_that_differs_is_told_with_the_statement_that_mends_it(warehouse: Database) -> None:
    load(warehouse, {"id": "a", "owner": "a"})
    with warehouse.begin() as connection:
        connection.execute(text('ALTER TABLE warehouse.dim_thing DROP COLUMN "order"'))
        connection.execute(text('ALTER TABLE warehouse.dim_thing ALTER COLUMN "user" TYPE varchar(9)'))
        connection.execute(text("ALTER TABLE warehouse.fact_sold ALTER COLUMN amount TYPE text"))
        connection.execute(text("ALTER TABLE strandline.reject DROP COLUMN rule"))
    with pytest.raises(SchemaOutOfDate) as caught:
        load(warehouse)

    message, hint = caught.value.message, str(caught.value.hint)
    assert "dim_thing.order is not there" in message
    assert "dim_thing.user is character varying(9), and its model says character varying(5)" in message
    assert "fact_sold.amount is text, and its model says numeric(18,2)" in message
    with warehouse.begin() as connection:
        connection.execute(text(hint.partition(": ")[2]))
    assert load(warehouse, {"id": "a", "owner": "a"}).exit_code == 0


def test_a_staging_table_that_differs_is_simply_made_again(warehouse: Database) -> None:
    load(warehouse, {"id": "a"})
    with warehouse.begin() as connection:
        connection.execute(text("ALTER TABLE staging.store_stock__dim_thing DROP COLUMN is_deleted"))

    assert load(warehouse, {"id": "b"}).exit_code == 0


@pytest.fixture
def tide() -> Iterator[None]:
    """The calendar's span is put back afterwards."""
    before = Tide.span
    yield
    Tide.cover(before)


def test_a_calendar_is_widened_and_corrected_and_otherwise_left_alone(
    warehouse: Database, tide: None
) -> None:
    load(warehouse)
    narrow = _days(warehouse)
    assert len(narrow) == 12
    load(warehouse)
    assert _days(warehouse) == narrow

    Tide.cover(Span(date(2025, 12, 30), date(2026, 1, 12)))
    load(warehouse)
    wide = _days(warehouse)
    assert len(wide) == 16
    assert {day: wide[day] for day in narrow} == narrow, "a day that was there is not written again"

    Tide.cover(Span(date(2025, 12, 30), date(2026, 1, 12), fiscal_start_month=10))
    load(warehouse)
    with warehouse.connect() as connection:
        assert_drawn(
            connection,
            sa.select(Tide).where(Tide.date_key.in_([20251230, 20260101])),
            """
            | date_key | iso_year | iso_week | day_name | fiscal_year | fiscal_quarter | fiscal_period |
            | 20251230 | 2026     | 1        | Tuesday  | 2026        | 1              | 3             |
            | 20260101 | 2026     | 1        | Thursday | 2026        | 2              | 4             |
            """,
        )


def _days(database: Database) -> dict[int, str]:
    with database.connect() as connection:
        return dict(map(tuple, connection.execute(text("SELECT date_key, xmin::text FROM warehouse.tide"))))


def test_a_calendar_of_one_day_is_left_alone_too(warehouse: Database, tide: None) -> None:
    Tide.cover(Span(date(2026, 1, 1), date(2026, 1, 1)))
    load(warehouse)
    once = _days(warehouse)
    load(warehouse)

    assert _days(warehouse) == once


def test_a_fact_falls_on_the_day_of_the_declared_zone_or_is_rejected(warehouse: Database) -> None:
    """Half past eleven in the evening UTC is the next day in Berlin; outside the calendar is no day."""
    load(
        warehouse,
        {"id": "late", "at": "2026-01-03T23:30:00Z"},
        {"id": "out", "at": "2025-01-01T00:00:00Z"},
    )
    with warehouse.connect() as connection:
        assert_drawn(
            connection,
            FactSold,
            """
            | thing_id | sold_date_key | thing_key |
            | late     | 20260104      | -2        |
            """,
        )
        assert_drawn(
            connection,
            text("SELECT source_id, field, reason FROM strandline.reject"),
            """
            | source_id | field         | reason |
            | out       | sold_date_key | StoreSold.sold_date_key: 2025-01-01 lies outside Tide (2026-01-01 to 2026-01-10); widen it with Tide.cover(...) |
            """,  # noqa: E501  # drawn as it is
        )
