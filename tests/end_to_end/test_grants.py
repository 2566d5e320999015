"""`strandline grants`: what an owner, a loader and a reader may do, tried by connecting as each of them."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import psycopg
import pytest
from tests.guarded import PASSWORD, Server
from tests.marina import Harbour

DATABASE = "marina"
USERS = ("deploy", "etl", "report")


class Marina(Harbour):
    """The project, with users of its own on a server that asks for passwords."""

    def __init__(self, folder: Path, server: Server, *, program: Path) -> None:
        self.server = server
        super().__init__(folder, server.url(user="postgres", database=DATABASE), program=program)
        for user in USERS:
            self.do(f"CREATE ROLE {user} LOGIN PASSWORD '{PASSWORD}'")

    def do(self, statement: str, user: str = "postgres") -> list[tuple[Any, ...]]:
        """Type it in psql, as this user."""
        with psycopg.connect(self.server.url(user=user, database=DATABASE), autocommit=True) as connection:
            cursor = connection.execute(statement.encode())
            return cursor.fetchall() if cursor.description else []

    def become(self, user: str) -> None:
        """Type commands as this user from now on."""
        url = self.server.url(user=user, database=DATABASE)
        self.project.environment["STRANDLINE_DATABASE_URL"] = url

    def grant(self) -> None:
        """As somebody does who may: everybody gets what is theirs."""
        self.become("postgres")
        words = ("--owner", "deploy", "--loader", "etl", "--reader", "report")
        self.type("grants", "--apply", *words)

    def refuses(self, statement: str, user: str) -> bool:
        """Whether the user may not."""
        try:
            self.do(statement, user)
        except psycopg.errors.InsufficientPrivilege:
            return True
        return False

    def close(self) -> None:
        """Leave nothing on the server."""
        self.database.close()
        roles = [it for (it,) in self.do("SELECT rolname FROM pg_roles WHERE rolname !~ '^(pg_|postgres$)'")]
        self.server.execute(f"DROP DATABASE {DATABASE} WITH (FORCE)", database="postgres")
        for it in roles:
            self.server.execute(f"DROP ROLE {it}", database="postgres")


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Server]:
    """The server of this module's tests."""
    server = Server(tmp_path_factory.mktemp("server"))
    server.start()
    yield server
    server.stop()


@pytest.fixture
def marina(tmp_path: Path, server: Server, program: Path) -> Iterator[Marina]:
    """With a database in which nothing is."""
    server.execute(f"CREATE DATABASE {DATABASE}", database="postgres")
    made = Marina(tmp_path, server, program=program)
    yield made
    made.close()


def test_the_owner_migrates_the_loader_loads_and_the_reader_reads(marina: Marina) -> None:
    marina.type("migrate", "init")
    marina.grant()
    marina.become("deploy")
    marina.type("migrate", "revision", "-m", "the beginning")
    marina.type("migrate", "upgrade")
    assert marina.refuses("UPDATE strandline.alembic_version SET version_num = 'x'", "etl")
    assert marina.refuses("DELETE FROM strandline.migration_step", "etl")
    marina.become("etl")
    report = marina.type("run", "yacht", "--json").document
    assert [it["target"] for it in report["targets"]] == ["DimRenter", "FactRent"]
    assert marina.type("run", "yacht", "--json").document["targets"] == []
    marina.type("doctor", "--json")
    marina.type("replay", "yacht")
    marina.edit("attribute(String(40), scd=2)", "attribute(String(50), scd=2)")
    marina.become("deploy")
    marina.type("migrate", "revision", "-m", "longer")
    marina.type("migrate", "upgrade")
    marina.become("etl")
    marina.type("run", "yacht", "--full")
    assert (
        "permission denied" in marina.type("migrate", "downgrade", "-1", "--allow-destructive", code=1).error
    )
    assert len(marina.do("SELECT * FROM warehouse.dim_renter_current WHERE renter_key > 0", "report")) == 2
    assert len(marina.do("SELECT * FROM warehouse.fact_rent", "report")) == 2


READER_MAY_NOT = (
    "INSERT INTO warehouse.fact_rent DEFAULT VALUES",
    "UPDATE warehouse.dim_renter SET renter_name = 'x'",
    "DELETE FROM warehouse.fact_rent",
    "TRUNCATE warehouse.fact_rent",
    "CREATE TABLE warehouse.mine (a int)",
    "SELECT * FROM raw.yacht_customers",
    "SELECT * FROM raw.yacht_customers_json",
    "SELECT * FROM strandline.run",
    "SELECT * FROM strandline.credential",
    "CREATE TABLE staging.mine (a int)",
    "CREATE SCHEMA mine",
)
LOADER_MAY_NOT = (
    "DELETE FROM raw.yacht_customers",
    "UPDATE raw.yacht_customers SET payload = '{}'",
    "TRUNCATE raw.yacht_customers",
    "DROP TABLE raw.yacht_customers",
    "ALTER TABLE warehouse.dim_renter ADD COLUMN a int",
    "DROP VIEW warehouse.dim_renter_current",
    "TRUNCATE warehouse.fact_rent",
    "CREATE TABLE warehouse.mine (a int)",
    "UPDATE strandline.alembic_version SET version_num = 'x'",
    "DELETE FROM strandline.migration_step",
    "CREATE SCHEMA mine",
)


def test_nobody_may_do_more(marina: Marina) -> None:
    marina.begin()
    marina.grant()
    marina.become("etl")
    marina.type("run", "yacht")
    for statement in READER_MAY_NOT:
        assert marina.refuses(statement, "report"), statement
    for statement in LOADER_MAY_NOT:
        assert marina.refuses(statement, "etl"), statement
    marina.do(f"CREATE ROLE stranger LOGIN PASSWORD '{PASSWORD}'")
    assert marina.refuses("SELECT * FROM warehouse.fact_rent", "stranger")


def test_what_is_made_later_is_theirs_as_well(marina: Marina) -> None:
    marina.begin()
    marina.grant()
    marina.edit(
        "yacht = Pipeline",
        '''class DimBerth(Dimension):
    """A place to lie at."""

    berth_name: Mapped[str] = attribute(String(40))


class YachtBerth(Mapper[Customer, DimBerth]):
    """Where they lie."""

    berth_name = field("name")


yacht = Pipeline''',
    )
    marina.edit("yacht.sync(Yacht.rents, YachtRent)", "yacht.sync(Yacht.rents, YachtBerth)")
    marina.become("deploy")
    marina.type("migrate", "revision", "-m", "berths")
    marina.type("migrate", "upgrade")
    marina.become("etl")
    marina.type("run", "yacht")
    assert len(marina.do("SELECT * FROM warehouse.dim_berth_current WHERE berth_key > 0", "report")) == 2
    assert marina.refuses("DELETE FROM warehouse.dim_berth", "report")


CORRECTIONS = """
    SELECT DISTINCT table_name || '.' || column_name FROM information_schema.column_privileges
    WHERE grantee = 'marina_loader' AND privilege_type = 'UPDATE' AND table_schema = 'raw' ORDER BY 1
"""


def test_a_stream_that_is_added_later_is_replayed_without_another_grant(marina: Marina) -> None:
    marina.begin()
    marina.grant()
    before = marina.ask(CORRECTIONS)
    marina.edit(
        "class DimRenter(",
        '''class Other(Yacht):
    """The same, by another name."""

    @stream(Customer, key="id", effective_at="since", tie_break="since")
    def renters(self) -> Pages:
        """Every line of the file."""
        yield lines()


class DimRenter(''',
    )
    text = (marina.project.folder / "pipeline.py").read_text() + "yacht.sync(Other.renters, YachtRenter)\n"
    (marina.project.folder / "pipeline.py").write_text(text)
    marina.become("deploy")
    marina.type("migrate", "revision", "-m", "others")
    marina.type("migrate", "upgrade")
    marina.become("etl")
    new = [it for (it,) in marina.ask(CORRECTIONS) if (it,) not in before]
    assert new == [f"other_renters.{it}" for it in ("effective_at", "source_id", "tie_break")]
    marina.type("run", "yacht")
    marina.type("replay", "yacht")
    assert marina.type("doctor").stdout.splitlines()[-1] == "All is well."
    assert marina.refuses("UPDATE raw.other_renters SET payload = '{}'", "etl")


def test_doctor_says_that_a_migration_makes_the_schemas(marina: Marina) -> None:
    marina.type("migrate", "init")
    marina.type("migrate", "revision", "-m", "the beginning")
    messages = [it["message"] for it in marina.type("doctor", "--json", code=1).document["findings"]]
    assert "schema raw is not there yet; the first migration makes it" in messages


def test_doctor_names_the_tables_on_which_rights_are_missing(marina: Marina) -> None:
    marina.begin()
    marina.grant()
    marina.do("REVOKE UPDATE (source_id) ON raw.yacht_rents FROM marina_loader")
    marina.do("REVOKE INSERT ON warehouse.dim_renter FROM marina_loader")
    marina.become("etl")
    told = marina.type("doctor", "--json", code=1).document["findings"]
    found = [it for it in told if it["check"] == "permissions" and it["remedy"]]
    assert [(it["severity"], it["message"]) for it in found] == [
        ("warning", "schema raw: a replay may not correct keys and times of yacht_rents"),
        ("error", "schema warehouse: dim_renter may not be read and written"),
    ]
    assert "strandline grants --apply" in found[0]["remedy"]


def test_without_migrations_the_owner_runs(marina: Marina) -> None:
    """What a superuser has made before becomes the owner's."""
    marina.type("run", "yacht")
    marina.grant()
    told = marina.project.strandline("grants", "--apply").stdout
    assert "run as marina_owner, for runs make the tables here" in told
    marina.become("deploy")
    marina.project.edit("records.jsonl", '"Birch"', '"Beech"')
    marina.type("run", "yacht", "--full")
    owners = (
        "SELECT DISTINCT tableowner FROM pg_tables WHERE schemaname IN ('raw', 'warehouse', 'strandline')"
    )
    assert marina.ask(owners) == [("marina_owner",)]
    assert marina.do("SELECT count(*) FROM warehouse.dim_renter WHERE renter_name = 'Beech'", "report")
    assert marina.refuses("DELETE FROM warehouse.dim_renter", "report")


def test_what_is_printed_is_what_is_applied_and_twice_is_once(marina: Marina) -> None:
    marina.begin()
    printed = marina.type("grants", "--prefix", "x").stdout
    assert printed.startswith("BEGIN;\nSET LOCAL lock_timeout = '2s';\nCREATE ROLE ")
    assert printed.endswith("COMMIT;\n")
    assert marina.ask("SELECT count(*) FROM pg_roles WHERE rolname LIKE 'x%'") == [(0,)]
    marina.do(printed)
    rights = "SELECT nspname, nspacl::text FROM pg_namespace UNION SELECT relname, relacl::text FROM pg_class"
    first = sorted(marina.ask(rights), key=str)
    again = marina.type("grants", "--prefix", "x", "--apply", "--json").document
    assert again["is_applied"]
    assert not [it for it in again["statements"] if it.startswith(("CREATE", "ALTER TABLE", "ALTER SCHEMA"))]
    assert sorted(marina.ask(rights), key=str) == first


def test_what_was_granted_besides_is_taken_away(marina: Marina) -> None:
    marina.begin()
    marina.grant()
    marina.do("GRANT SELECT ON raw.yacht_customers TO marina_reader")
    marina.do("GRANT USAGE ON SCHEMA raw TO marina_reader")
    assert marina.do("SELECT * FROM raw.yacht_customers", "report") == []
    marina.grant()
    assert marina.refuses("SELECT * FROM raw.yacht_customers", "report")


def test_a_user_with_createrole_who_owns_the_database_can_apply_it(marina: Marina) -> None:
    marina.do(f"CREATE ROLE admin LOGIN CREATEROLE PASSWORD '{PASSWORD}'")
    marina.do(f"ALTER DATABASE {DATABASE} OWNER TO admin")
    marina.become("admin")
    marina.begin()
    marina.type("grants", "--apply")
    marina.do("GRANT marina_loader TO etl")
    marina.become("etl")
    marina.type("run", "yacht")
    marina.do("ALTER ROLE admin NOCREATEROLE")
    marina.become("admin")
    refused = marina.type("grants", "--apply", "--prefix", "y", code=1).error
    assert "permission denied to create role" in refused
    assert "or a user with CREATEROLE" in refused


def test_users_who_are_not_there_and_names_that_are_too_long_are_told(marina: Marina) -> None:
    refused = marina.type("grants", "--reader", "nobody_here", code=2).error
    assert "there is no user nobody_here" in refused
    assert "CREATE ROLE nobody_here LOGIN" in refused
    assert "63 bytes at most" in marina.type("grants", "--prefix", "x" * 60, code=2).error
    assert "SQLite has no roles" in marina.type("grants", "--database-url", "sqlite:///x.db", code=2).error
