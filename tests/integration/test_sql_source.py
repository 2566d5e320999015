"""Databases as sources: PostgreSQL and SQLite, by table and by query, with nothing rounded or left out."""

import json
from collections.abc import Iterator, Sequence
from datetime import UTC, date, datetime, timedelta
from pathlib import Path
from typing import Annotated, Any, ClassVar

import pytest
from hypothesis import given
from hypothesis import strategies as st
from pydantic import AwareDatetime, Field, SecretStr
from sqlalchemy import Date, Engine, Integer, column, create_engine, select, table, text
from tests.effort import cases

from strandline.errors import (
    DeclarationError,
    SourceUnavailable,
    StrandlineError,
    UnexpectedResponse,
)
from strandline.source import Cursor, Page, Pages, Record, Retry, SourceSettings, SqlSource, Zone, stream
from strandline.warehouse.database import Database


class Customer(Record):
    """A customer as the ERP keeps it."""

    number: int = Field(alias="no")
    updated_at: AwareDatetime | None = None


class Local(Record):
    """One whose times are those of a clock in Berlin."""

    number: int = Field(alias="no")
    updated_at: Annotated[datetime, Zone("Europe/Berlin")]


class Versioned(Record):
    """One with a binary version."""

    number: int = Field(alias="no")
    version: str


class Day(Record):
    """One that changes by the day."""

    number: int = Field(alias="no")
    updated_at: date


class ErpSettings(SourceSettings):
    """STRANDLINE_ERP__URL."""

    url: SecretStr


class Erp(SqlSource):
    """A database, and how much of it is asked for at a time."""

    settings: ErpSettings
    retry: ClassVar[Retry] = Retry(attempts=2, wait_initial=timedelta(milliseconds=10))
    size: ClassVar[int] = 10_000
    asked: ClassVar[str] = "SELECT * FROM customers ORDER BY no"
    options: ClassVar[dict[str, Any]] = {}

    @stream(Customer, key="number")
    def customers(self) -> Pages:
        """All, in the order of their numbers."""
        return self.table("customers", size=self.size, **self.options)

    @stream(Customer, key="number", cursor=Cursor("updated_at"))
    def changed(self, since: datetime | None, until: datetime | None) -> Pages:
        """Those that have changed between."""
        return self.table("customers", since=since, until=until, size=self.size, **self.options)

    @stream(Local, key="number", cursor=Cursor("updated_at"))
    def local(self, since: datetime | None, until: datetime | None) -> Pages:
        """The same, by a clock on the wall."""
        return self.table("customers", since=since, until=until)

    @stream(Versioned, key="number", cursor=Cursor("version"))
    def versioned(self, since: str | None) -> Pages:
        """Behind a version."""
        return self.table("customers", since=since, size=self.size)

    @stream(Day, key="number", cursor=Cursor("updated_at"))
    def daily(self, since: date | None, until: date | None) -> Pages:
        """By the day, as somebody's model of the table has it."""
        days = table("customers", column("no", Integer), column("updated_at", Date))
        return self.query(select(days), since=since, until=until, at_once=False, size=1)

    @stream(Customer, key="number")
    def queried(self) -> Pages:
        """What a query says."""
        return self.query(self.asked, size=self.size, **self.options)

    @stream(Customer, key="number")
    def selected(self) -> Pages:
        """What a select says."""
        there = table("customers", column("no"))
        return self.query(select(there).where(there.c.no > 1), size=self.size, **self.options)


@pytest.fixture
def postgresql(warehouse: Database) -> Engine:
    """A PostgreSQL that is read."""
    return warehouse.engine


@pytest.fixture
def sqlite(tmp_path: Path) -> Iterator[Engine]:
    """An SQLite that is read."""
    engine = create_engine(f"sqlite:///{tmp_path / 'erp.db'}")
    yield engine
    engine.dispose()


@pytest.fixture(params=["postgresql", "sqlite"])
def engine(request: pytest.FixtureRequest) -> Engine:
    """One after the other."""
    found: Engine = request.getfixturevalue(request.param)
    return found


def fill(engine: Engine, *statements: str) -> None:
    with engine.begin() as connection:
        for statement in statements:
            connection.execute(text(statement))


def opened(engine: Engine, **given: Any) -> Erp:
    """A source that reads it, with these of its options."""
    settings = ErpSettings(url=SecretStr(engine.url.render_as_string(hide_password=False)))
    erp: type[Erp] = type("Erp", (Erp,), given)
    return erp(settings=settings)


def read(engine: Engine, name: str = "customers", *bounds: Any, **given: Any) -> list[Page]:
    with opened(engine, **given) as erp:
        return list(getattr(type(erp), name).read(erp, *bounds))


def records(pages: Sequence[Page]) -> list[bytes]:
    return [it for page in pages for it in page.records]


def numbers(pages: Sequence[Page]) -> list[Any]:
    return [json.loads(it)["no"] for it in records(pages)]


def test_a_row_of_postgresql_is_told_exactly(postgresql: Engine) -> None:
    fill(
        postgresql,
        """CREATE TABLE customers AS SELECT 1 AS no, 12345678901234567.890::numeric AS credit,
            0.1::float8 AS rate, 'NaN'::float8 AS nothing, '2026-03-01 12:00:00.5+01'::timestamptz AS moment,
            '2026-03-01 12:00'::timestamp AS local, 'infinity'::timestamptz AS ever,
            '2026-03-01'::date AS day, '\\x00ff'::bytea AS "by""tes",
            '{"a": 1.0,  "a": 2}'::json AS document, '[1.10]'::jsonb AS other,
            ARRAY[1, NULL] AS list, 'ü😀'::text AS name, '00000000-0000-0000-0000-000000000001'::uuid AS id,
            true AS yes, NULL::int AS none, '1 day 2 hours'::interval AS span""",
    )
    fill(postgresql, "SET timezone = 'Asia/Tokyo'", "SET datestyle = 'German'")

    (record,) = records(read(postgresql))

    assert record.decode() == (
        '{"no":1,"credit":12345678901234567.890,"rate":0.1,"nothing":"NaN",'
        '"moment":"2026-03-01T11:00:00.5+00:00","local":"2026-03-01T12:00:00","ever":"infinity",'
        '"day":"2026-03-01","by\\"tes":"00ff","document":{"a": 1.0,  "a": 2},"other":[1.10],'
        '"list":[1,null],"name":"ü😀","id":"00000000-0000-0000-0000-000000000001",'
        '"yes":true,"none":null,"span":"P1DT2H"}'
    )


def test_a_row_of_sqlite_is_told_exactly(sqlite: Engine) -> None:
    fill(
        sqlite,
        "CREATE TABLE customers (no INTEGER, rate FLOAT, far REAL, bytes BLOB, name TEXT, at DATETIME)",
        "INSERT INTO customers VALUES (9007199254740993, 0.1, 9e999, x'00ff', 'ü😀', '2026-03-01 12:00')",
    )

    (record,) = records(read(sqlite))

    assert record.decode() == (
        '{"no":9007199254740993,"rate":0.1,"far":Infinity,"bytes":"00ff","name":"ü😀",'
        '"at":"2026-03-01 12:00"}'
    )


def test_a_query_and_a_select_are_read_in_one_go(engine: Engine) -> None:
    fill(engine, "CREATE TABLE customers (no INTEGER)", "INSERT INTO customers VALUES (1), (2), (3)")

    assert numbers(read(engine, "selected")) == [2, 3]
    pages = read(engine, "queried", asked="SELECT * FROM customers WHERE no < :most ORDER BY no DESC;",
                 options={"parameters": {"most": 3}}, size=1)  # fmt: skip
    assert numbers(pages) == [2, 1]
    assert [page.number for page in pages] == [1, 2]
    assert "rows 2 to 2" in pages[1].request
    (page,) = read(engine, "queried", options={"at_once": False})
    assert page.records == records(read(engine))


def test_a_table_without_rows_is_one_empty_page(engine: Engine) -> None:
    fill(engine, "CREATE TABLE customers (no INTEGER)")

    (page,) = read(engine)

    assert page.records == []


def test_columns_can_be_left_out_and_rows_too(engine: Engine) -> None:
    fill(
        engine,
        "CREATE TABLE customers (no INTEGER, secret TEXT)",
        "INSERT INTO customers VALUES (1, 'x'), (2, 'y')",
    )

    options = {"columns": ["no"], "where": "no > 1"}

    assert records(read(engine, options=options)) == [b'{"no":2}']


@given(
    rows=st.lists(st.tuples(st.none() | st.integers(1, 3), st.none() | st.integers(1, 4)), max_size=9),
    size=st.integers(1, 4),
    at_once=st.booleans(),
)
@cases(30)
def test_every_row_comes_whatever_ties_and_gaps_there_are(
    tmp_path_factory: pytest.TempPathFactory,
    rows: list[tuple[int | None, int | None]],
    size: int,
    at_once: bool,
) -> None:
    """Neither key nor cursor has to be unique or filled; `name` tells rows apart that are alike in both."""
    engine = create_engine(f"sqlite:///{tmp_path_factory.mktemp('erp') / 'erp.db'}")
    fill(engine, "CREATE TABLE customers (no INTEGER, updated_at TEXT, name INTEGER)")
    with engine.begin() as connection:
        for name, (no, day) in enumerate(rows):
            at = None if day is None else f"2026-03-0{day}T00:00:00Z"
            put = "INSERT INTO customers VALUES (:no, :at, :name)"
            connection.execute(text(put), {"no": no, "at": at, "name": name})
    since = datetime(2026, 3, 2, tzinfo=UTC)
    wanted = [name for name, (_, day) in enumerate(rows) if day is None or day >= 2]

    for stream_name, bounds in (("customers", ()), ("changed", (since,))):
        found = records(read(engine, stream_name, *bounds, size=size, options={"at_once": at_once}))
        expected = wanted if bounds else list(range(len(rows)))
        assert sorted(json.loads(it)["name"] for it in found) == expected
    engine.dispose()


def test_what_lies_between_is_read_in_order(engine: Engine) -> None:
    kind = "timestamptz" if engine.dialect.name == "postgresql" else "TEXT"
    fill(
        engine,
        f"CREATE TABLE customers (no INTEGER PRIMARY KEY, updated_at {kind})",
        """INSERT INTO customers VALUES (1, '2026-03-04 00:00:00+00:00'), (2, '2026-03-03 00:00:00+00:00'),
            (3, '2026-03-02 00:00:00+00:00'), (4, '2026-03-03 00:00:00+00:00'), (5, NULL)""",
    )
    bounds = datetime(2026, 3, 3, tzinfo=UTC), datetime(2026, 3, 4, tzinfo=UTC)

    pages = read(engine, "changed", *bounds, size=2)

    assert numbers(pages) == [2, 4, 1, 5]
    assert (
        ": customers, updated_at >= 2026-03-03 00:00:00+00:00, updated_at <= 2026-03-04" in pages[0].request
    )
    assert pages[1].request.endswith(", from 2026-03-03 00:00:00+00 4 on" if kind != "TEXT" else " 4 on")
    assert "those without cursor or key" in pages[-1].request
    assert "@" not in pages[0].request


def test_days_are_compared_as_days(engine: Engine) -> None:
    fill(
        engine,
        "CREATE TABLE customers (no INTEGER PRIMARY KEY, updated_at DATE NOT NULL)",
        "INSERT INTO customers VALUES (1, '2026-03-01'), (2, '2026-03-03'), (3, '2026-03-03')",
    )

    fill(engine, "INSERT INTO customers VALUES (4, '2026-03-04')")
    pages = read(engine, "daily", date(2026, 3, 2), date(2026, 3, 3))

    assert records(pages) == [b'{"no":%d,"updated_at":"2026-03-03"}' % it for it in (2, 3)]


def test_a_mark_is_asked_for_on_the_clock_of_the_column(postgresql: Engine) -> None:
    """At 03:00 of the summer's last day clocks go back to 02:00: what comes then has the times of before."""
    fill(
        postgresql,
        "CREATE TABLE customers (no int PRIMARY KEY, updated_at timestamp NOT NULL)",
        """INSERT INTO customers VALUES (1, '2026-07-01 11:59'), (2, '2026-07-01 12:00'),
            (3, '2026-10-25 01:10'), (4, '2026-10-25 02:10'), (5, '2026-10-25 02:50')""",
    )

    noon = datetime(2026, 7, 1, 10, 0, tzinfo=UTC)
    assert numbers(read(postgresql, "local", noon, noon)) == [2]
    assert numbers(read(postgresql, "local", datetime(2026, 10, 25, 0, 50, tzinfo=UTC))) == [4, 5]


def test_a_binary_version_is_a_mark(engine: Engine) -> None:
    kind, mark = ("bytea", "'\\x{}'") if engine.dialect.name == "postgresql" else ("BLOB", "x'{}'")
    values = ", ".join(f"({no}, {mark.format(f'{no * 100:016x}')})" for no in range(1, 5))
    fill(
        engine,
        f"CREATE TABLE customers (no INTEGER PRIMARY KEY, version {kind} NOT NULL)",
        f"INSERT INTO customers VALUES {values}",
    )

    pages = read(engine, "versioned", f"{200:016x}", size=2)

    assert numbers(pages) == [2, 3, 4]
    assert Erp.versioned.parse(records(pages)[0]).model_dump()["version"] == "00000000000000c8"


def test_a_connection_that_is_lost_between_two_chunks_is_made_again(postgresql: Engine) -> None:
    fill(
        postgresql,
        "CREATE TABLE customers (no int PRIMARY KEY)",
        "INSERT INTO customers SELECT generate_series(1, 9)",
    )
    others = "SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE pid <> pg_backend_pid()"
    found: list[bytes] = []

    with opened(postgresql, size=3, retry=Retry(attempts=3, wait_initial=timedelta(milliseconds=10))) as erp:
        for page in Erp.customers.read(erp):
            found += page.records
            fill(postgresql, f"{others} AND datname = current_database()")

    assert len(found) == 9


@pytest.mark.parametrize(
    ("given", "kind", "said", "hint"),
    [
        ({"name": "missing"}, UnexpectedResponse, "there is no table of that name", "schema.table"),
        ({"asked": "SELECT nothing FROM customers"}, UnexpectedResponse, "nothing", "query"),
        ({"asked": "INSERT INTO customers VALUES (2) RETURNING no"}, UnexpectedResponse, "syntax", "query"),
        (
            {"asked": "SELECT 1 AS number", "options": {"at_once": False}},
            UnexpectedResponse,
            "no column 'no', which is the stream's key",
            "alias",
        ),
    ],
)  # fmt: skip
def test_what_a_database_refuses_is_told(
    engine: Engine, given: dict[str, Any], kind: type[StrandlineError], said: str, hint: str
) -> None:
    fill(engine, "CREATE TABLE customers (no INTEGER)", "INSERT INTO customers VALUES (1)")
    if "name" in given:
        fill(engine, "DROP TABLE customers")

    with pytest.raises(kind) as caught:
        read(
            engine,
            "customers" if "name" in given else "queried",
            **{k: v for k, v in given.items() if k != "name"},
        )

    assert said in caught.value.message
    assert hint in (caught.value.hint or "")
    assert caught.value.message.startswith("erp.")


def test_two_columns_of_one_name_are_refused(postgresql: Engine) -> None:
    with pytest.raises(UnexpectedResponse, match="more than one column is called 'no'"):
        read(postgresql, "queried", asked="SELECT 1 AS no, 2 AS no")


def test_a_query_that_writes_is_refused(postgresql: Engine) -> None:
    fill(postgresql, "CREATE TABLE customers (no int)", "CREATE SEQUENCE counted")
    with pytest.raises(UnexpectedResponse, match="read-only transaction"):
        read(postgresql, "queried", asked="SELECT nextval('counted') AS no")


@pytest.mark.parametrize(
    ("url", "kind", "said"),
    [
        ("postgresql://me:hunter2@127.0.0.1:1/erp", SourceUnavailable, "refused"),
        ("who knows hunter2", DeclarationError, "no URL of a database"),
        ("postgresql://me@127.0.0.1:1/erp?sslpassword=hunter2", SourceUnavailable, "refused"),
        ("mysql+aiomysql://me:hunter2@127.0.0.1/erp", DeclarationError, "needs the package aiomysql"),
        ("nosuch://me:hunter2@127.0.0.1/erp", DeclarationError, "does not know nosuch"),
    ],
)
def test_a_url_that_leads_nowhere_is_told_without_its_password(
    url: str, kind: type[StrandlineError], said: str
) -> None:
    with pytest.raises(kind) as caught, Erp(settings=ErpSettings(url=SecretStr(url))) as erp:
        list(Erp.customers.read(erp))

    assert said in caught.value.message
    assert "hunter2" not in f"{caught.value.message} {caught.value.hint}"
