"""What is not well with a server is found, with what to type; the server says of itself what a test wants.

Functions of PostgreSQL that a check asks have others before them in the search path where the real answer
cannot be had: a clock that is wrong, a version that is too new, a server with four connections.
"""

import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager

import pytest
from sqlalchemy import Connection, text

from strandline.warehouse import health
from strandline.warehouse.database import Database
from strandline.warehouse.health import Finding

SETTING = """
    CREATE FUNCTION odd.current_setting(text) RETURNS text LANGUAGE sql AS
    $$ SELECT CASE $1 WHEN '{name}' THEN '{value}' ELSE pg_catalog.current_setting($1) END $$
"""
CLOCK = """
    CREATE FUNCTION odd.clock_timestamp() RETURNS timestamptz LANGUAGE sql AS
    $$ SELECT pg_catalog.clock_timestamp() + interval '{apart}' $$
"""


@contextmanager
def odd(database: Database, function: str) -> Iterator[Connection]:
    """A session in which the server answers otherwise."""
    with database.connect() as connection:
        connection.execute(text("CREATE SCHEMA odd"))
        connection.execute(text(function))
        connection.execute(text("SET search_path = odd, pg_catalog, public"))
        yield connection
        connection.rollback()


def worst(findings: list[Finding]) -> list[tuple[str, str]]:
    return [(it.severity, it.message) for it in findings if it.severity not in ("ok", "info")]


def test_a_server_that_is_well_has_no_finding_but_what_it_is(warehouse: Database) -> None:
    with warehouse.begin() as connection:
        found = [
            *health.server(connection),
            *health.speed(connection),
            *health.rights(warehouse, connection, is_migrated=False),
            health.clock(connection),
            health.connections(connection),
            *health.runs(warehouse, connection, ["crm.customers"]),
            *health.waiting(connection),
        ]

    assert {it.severity for it in found} == {"ok"}
    assert found[0].message.startswith("PostgreSQL ")
    assert all(it.remedy is None for it in found)
    assert [it.message for it in found if it.check == "permissions"] == [
        f"schema {name} may be used" for name in warehouse.schemas.model_dump().values()
    ]


@pytest.mark.parametrize(
    ("name", "value", "severity", "told"),
    [
        ("server_version_num", "130008", "error", "PostgreSQL 13 is too old"),
        ("server_version_num", "190001", "info", "PostgreSQL 19 is newer than those that were tried"),
        ("server_encoding", "SQL_ASCII", "error", "its encoding is SQL_ASCII"),
        ("transaction_read_only", "on", "error", "it is set to read only, and cannot be written"),
    ],
)
def test_what_a_server_cannot_do_is_told(
    warehouse: Database, name: str, value: str, severity: str, told: str
) -> None:
    with odd(warehouse, SETTING.format(name=name, value=value)) as connection:
        found = list(health.server(connection))

    assert [it.severity for it in found] == ["ok", severity]
    assert told in found[1].message
    assert found[1].remedy


@pytest.mark.parametrize(
    ("name", "value", "told", "typed"),
    [
        ("wal_compression", "pglz", "it compresses its log with pglz", "SET wal_compression = off;"),
        ("wal_compression", "on", "it compresses its log with pglz", "SET wal_compression = off;"),
        ("random_page_cost", "4", "it expects a disk that turns", "SET random_page_cost = 1.1;"),
    ],
)
def test_a_setting_that_makes_merges_slow_is_told_with_a_better_one(
    warehouse: Database, name: str, value: str, told: str, typed: str
) -> None:
    with odd(warehouse, SETTING.format(name=name, value=value)) as connection:
        (found,) = health.speed(connection)

    assert (found.check, found.severity) == ("server", "info")
    assert told in found.message
    assert typed in (found.remedy or "")


@pytest.mark.parametrize(
    ("apart", "severity", "told"),
    [
        ("1 second", "ok", "s apart"),
        ("10 seconds", "warning", " s ahead of this machine's"),
        ("-10 minutes", "error", " s behind this machine's"),
    ],
)
def test_clocks_that_are_apart_are_told(warehouse: Database, apart: str, severity: str, told: str) -> None:
    with odd(warehouse, CLOCK.format(apart=apart)) as connection:
        found = health.clock(connection)

    assert found.severity == severity
    assert told in found.message


@pytest.mark.parametrize(("most", "severity"), [(100_000, "ok"), (3, "error")])
def test_connections_that_are_nearly_taken_are_told(warehouse: Database, most: int, severity: str) -> None:
    with odd(warehouse, SETTING.format(name="max_connections", value=str(most))) as connection:
        found = health.connections(connection)

    assert found.severity == severity
    assert "connections are taken" in found.message


@pytest.fixture
def stranger(warehouse: Database) -> Iterator[str]:
    """A role that may do nothing yet."""
    name = f"stranger_{warehouse.url.database}"
    with warehouse.begin() as connection:
        connection.execute(text(f"CREATE ROLE {name}"))
        connection.execute(text(f"REVOKE TEMPORARY ON DATABASE {warehouse.url.database} FROM public"))
    yield name
    with warehouse.begin() as connection:
        connection.execute(text(f"DROP OWNED BY {name}"))
        connection.execute(text(f"DROP ROLE {name}"))


def rights_of(role: str, warehouse: Database, *, is_migrated: bool = False) -> list[Finding]:
    with warehouse.begin() as connection:
        connection.execute(text(f"SET LOCAL ROLE {role}"))
        return list(health.rights(warehouse, connection, is_migrated=is_migrated))


def test_what_is_not_permitted_is_told_with_statements_that_mend_it(
    warehouse: Database, stranger: str
) -> None:
    """Typed one after the other until nothing is missing."""
    typed: list[str] = []
    while lacking := [it for it in rights_of(stranger, warehouse) if it.severity == "error"]:
        with warehouse.begin() as connection:
            for it in lacking:
                assert it.remedy is not None
                connection.execute(text(it.remedy.removeprefix("Type in psql as its owner: ")))
                typed.append(it.remedy)
        assert len(typed) == len(set(typed))

    assert typed
    assert {it.severity for it in rights_of(stranger, warehouse)} == {"ok"}


def test_a_schema_that_is_missing_is_made_by_who_may(warehouse: Database, stranger: str) -> None:
    with warehouse.begin() as connection:
        connection.execute(text("DROP SCHEMA analytics"))
    missing = [it for it in rights_of(stranger, warehouse) if "analytics" in it.message]
    assert [(it.severity, it.message) for it in missing] == [
        ("error", "schema analytics is not there, and may not be made")
    ]
    with warehouse.begin() as connection:
        connection.execute(text(f"GRANT CREATE ON DATABASE {warehouse.url.database} TO {stranger}"))
    missing = [it for it in rights_of(stranger, warehouse) if "analytics" in it.message]
    assert [it.severity for it in missing] == ["info"]


def test_where_migrations_make_the_tables_a_run_needs_no_right_to(warehouse: Database, stranger: str) -> None:
    with warehouse.begin() as connection:
        for schema in warehouse.schemas.model_dump().values():
            connection.execute(text(f"GRANT USAGE ON SCHEMA {schema} TO {stranger}"))

    lacking = [
        it.message for it in rights_of(stranger, warehouse, is_migrated=True) if it.severity == "error"
    ]
    assert "schema staging: CREATE is missing" in lacking
    assert not [it for it in lacking if "CREATE" in it and "staging" not in it]


BEGUN = "INSERT INTO strandline.run (pipeline, status, strandline_version) VALUES ('sales', 'running', '1')"


def held(connection: Connection, name: str) -> None:
    connection.execute(
        text("SELECT pg_advisory_lock(hashtextextended('strandline:' || :name, 0))"), {"name": name}
    )
    connection.commit()


def test_who_holds_a_stream_is_told_and_when_it_is_forgotten_how_to_end_it(warehouse: Database) -> None:
    with warehouse.connect() as holder:
        held(holder, "stream:crm.customers")
        pid = holder.scalar(text("SELECT pg_backend_pid()"))
        holder.commit()
        with warehouse.begin() as connection:
            (found,) = health.runs(warehouse, connection, ["crm.customers"])
        assert found.severity == "ok"
        assert f"crm.customers is being read (session {pid}, strandline, at " in found.message

        with odd(warehouse, CLOCK.format(apart="3 hours")) as later:
            (found,) = health.runs(warehouse, later, ["crm.customers"])
        assert (found.severity, found.message.rpartition(", ")[2]) == (
            "warning",
            "and has done nothing for 3 h",
        )
        assert found.remedy is not None
        statement = found.remedy.partition("in psql: ")[2]
        assert statement == f"SELECT pg_terminate_backend({pid});"
        with warehouse.begin() as connection:
            connection.execute(text(statement))
            time.sleep(0.2)
            assert list(health.runs(warehouse, connection, ["crm.customers"])) == []
        holder.invalidate()


def test_runs_that_go_on_and_runs_that_have_ended_without_a_word_are_told_apart(warehouse: Database) -> None:
    with warehouse.connect() as holder:
        holder.execute(text(BEGUN))
        holder.execute(text(BEGUN))
        held(holder, "run:2")
        held(holder, "stream:crm.customers")
        with warehouse.begin() as connection:
            found = list(health.runs(warehouse, connection, ["crm.customers"]))

    assert [it.severity for it in found] == ["info", "ok"]
    assert "run 1 of sales" in found[0].message
    assert found[0].message.endswith("has ended without a word")
    assert "run 2 of sales" in found[1].message
    assert "is going on (session" in found[1].message


def test_who_waits_for_whom_is_told(warehouse: Database) -> None:
    with warehouse.connect() as holder, warehouse.connect() as waiter:
        holder.execute(text("LOCK TABLE strandline.run"))
        pids = [it.scalar(text("SELECT pg_backend_pid()")) for it in (holder, waiter)]
        thread = threading.Thread(target=lambda: waiter.execute(text("LOCK TABLE strandline.run")))
        thread.start()
        found: list[Finding] = []
        for _ in range(100):
            with warehouse.begin() as connection:
                found = list(health.waiting(connection))
            if found:
                break
            time.sleep(0.05)
        holder.rollback()
        thread.join()

    assert f"session {pids[1]} has been waiting for a lock of session {pids[0]} for " in found[0].message
    assert found[0].remedy == f"Wait for it, or type in psql: SELECT pg_terminate_backend({pids[0]});"


def test_a_transaction_that_was_forgotten_is_told(warehouse: Database) -> None:
    with warehouse.connect() as holder:
        pid = holder.scalar(text("SELECT pg_backend_pid()"))
        with odd(warehouse, CLOCK.format(apart="20 minutes")) as later:
            (found,) = health.waiting(later)

    assert found.message.startswith(f"session {pid} has been idle in transaction for 20 min")
    assert found.severity == "warning"
