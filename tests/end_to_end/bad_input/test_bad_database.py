"""A database that refuses, is full, only reads or goes away: told with what to type next, nothing lost."""

import os
import random
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from pathlib import Path

import pytest
from tests.guarded import OWNER, PASSWORD, Server

from strandline.testing import ScriptedApi
from strandline.testing.project import Outcome, Project
from strandline.testing.server import ReceivedRequest, Response

OURS = "raw, staging, warehouse, analytics, strandline"


@pytest.fixture(scope="module")
def running(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Server]:
    """The server of this module's tests."""
    server = Server(tmp_path_factory.mktemp("server"))
    server.start()
    server.execute(f"CREATE ROLE {OWNER} LOGIN PASSWORD '{PASSWORD}'", database="postgres")
    yield server
    server.stop()


@pytest.fixture
def server(running: Server, project: Project) -> Iterator[Server]:
    """The server with an empty database `shop`, which the project uses and its user owns."""
    running.execute(f"CREATE DATABASE shop OWNER {OWNER}", database="postgres")
    project.environment["STRANDLINE_DATABASE_URL"] = running.url()
    yield running
    running.execute("DROP DATABASE shop WITH (FORCE)", database="postgres")
    assert not any(PASSWORD in outcome.stdout + outcome.stderr for outcome in project.outcomes)


def assert_failed(outcome: Outcome, *words: str) -> None:
    """It failed, said why and what to do."""
    assert outcome.code == 1
    assert outcome.error.count("error: ") == outcome.error.count("  hint: ") == 1
    for word in words:
        assert word in outcome.error


def assert_mended(outcome: Outcome, server: Server, *, customers: int = 25) -> None:
    """The next run did everything, once."""
    assert outcome.code == 0
    assert server.count("raw.crm_customers") == customers
    assert server.count("warehouse.dim_customer WHERE customer_key > 0") == customers
    assert server.count("strandline.read_mark") == 1


def what_to_type(outcome: Outcome) -> str:
    return outcome.error.partition("in psql as its owner: ")[2]


def test_a_wrong_password_is_told_without_any_password(project: Project, server: Server) -> None:
    project.environment["STRANDLINE_DATABASE_URL"] = server.url(password="canary-wrong")
    refused = project.strandline("run", "crm")

    assert_failed(refused, f"app:***@127.0.0.1:{server.port}/shop", 'failed for user "app"', "--database-url")
    assert "canary" not in refused.stderr

    project.environment["STRANDLINE_DATABASE_URL"] = server.url()
    assert_mended(project.strandline("run", "crm"), server)


def test_a_database_that_does_not_exist_is_told_with_how_to_create_it(
    project: Project, server: Server
) -> None:
    project.environment["STRANDLINE_DATABASE_URL"] = server.url(database="shpo")
    refused = project.strandline("run", "crm")

    assert_failed(refused, 'database "shpo" does not exist', "createdb shpo", "--database-url")


@pytest.mark.parametrize(
    ("url", "said"),
    [
        ("postgresql://app:canary@127.0.0.1:1/shop", "port 1 failed: Connection refused"),
        ("postgresql://127.0.0.1:1/shop?user=app&password=canary", "port 1 failed: Connection refused"),
        ("postgresql://app:canary@nowhere.invalid/shop", "nowhere.invalid"),
    ],
    ids=["nobody listens", "password as a parameter", "no such host"],
)
def test_a_server_that_is_not_there_is_named(project: Project, url: str, said: str) -> None:
    project.environment["STRANDLINE_DATABASE_URL"] = url
    refused = project.strandline("run", "crm")

    assert_failed(refused, said, "--database-url (STRANDLINE_DATABASE_URL)", "PostgreSQL is running there")
    assert "canary" not in refused.stderr


@pytest.mark.parametrize(
    ("url", "said"),
    [
        ("postgresql://app:can@ry@127.0.0.1/shop", "more than one @"),
        ("", "cannot be read"),
    ],
    ids=["unescaped password", "empty"],
)
def test_a_url_that_is_none_is_not_quoted(project: Project, url: str, said: str) -> None:
    """Whatever part of it could be the password. An empty one does not mean the embedded PostgreSQL."""
    refused = project.strandline("run", "crm", "--database-url", url)

    assert refused.code == 2
    assert refused.error.startswith("error: database URL: ")
    assert said in refused.error
    assert "postgresql://user:password@host:5432/database" in refused.error
    assert not any(part in refused.stderr for part in ("canary", "ry@127"))
    assert not (project.folder / ".strandline").exists()


def test_a_user_who_may_not_create_schemas_is_told_what_to_grant(project: Project, server: Server) -> None:
    """And it works when it is typed."""
    server.execute("ALTER DATABASE shop OWNER TO postgres")
    refused = project.strandline("run", "crm")

    assert_failed(refused, "permission denied for database shop")
    statement = what_to_type(refused)
    assert statement == 'GRANT CREATE ON DATABASE "shop" TO "app";'

    server.execute(statement)
    assert_mended(project.strandline("run", "crm"), server)


@pytest.mark.parametrize("table", ["raw.crm_customers", "warehouse.dim_customer"])
def test_a_user_who_may_not_insert_is_told_what_to_grant(
    project: Project, server: Server, records: list[dict[str, str]], api: ScriptedApi, table: str
) -> None:
    """Once the tables are another's, say a deployment's. Neither mark moves until the grant is typed."""
    assert project.strandline("run", "crm").code == 0
    server.execute(f"ALTER TABLE {table} OWNER TO postgres; GRANT SELECT, UPDATE, DELETE ON {table} TO app")
    api.serve("/customers", [*records, {**records[0], "id": "C-26"}], page_size=10)
    refused = project.strandline("run", "crm")

    assert_failed(refused, "permission denied for", table.partition(".")[2])
    statements = what_to_type(refused)
    assert f'GRANT ALL ON ALL TABLES IN SCHEMA {OURS} TO "app";' in statements
    assert server.count("warehouse.dim_customer WHERE customer_key > 0") == 25

    server.execute(statements)
    assert_mended(project.strandline("run", "crm"), server, customers=26)


def test_a_replica_is_told_from_a_server_that_writes(project: Project, server: Server) -> None:
    server.execute("ALTER ROLE app IN DATABASE shop SET default_transaction_read_only = on")
    refused = project.strandline("run", "crm")

    assert_failed(refused, "read-only transaction", "replica", "--database-url")

    server.execute("ALTER ROLE app IN DATABASE shop RESET default_transaction_read_only")
    assert_mended(project.strandline("run", "crm"), server)


def test_a_server_that_goes_away_in_the_middle_of_a_run_loses_nothing(
    project: Project, server: Server, api: ScriptedApi, records: list[dict[str, str]]
) -> None:
    """It stops while the second page is on its way."""
    customers = api.serve("/all", records, page_size=10)

    def answer(request: ReceivedRequest) -> Response:
        if request.number == 2:
            server.stop()
        return Response(customers.page(request.query, url=api.url).body)

    api.respond("/customers", answer)
    failed = project.strandline("run", "crm")
    server.start()

    assert_failed(failed, f"@127.0.0.1:{server.port}/shop", "run again")
    assert_mended(project.strandline("run", "crm"), server)
    assert server.execute("SELECT status FROM strandline.run ORDER BY run_id") == [("crashed",), ("done",)]


def bulky(records: list[dict[str, str]], *, bytes_each: int) -> list[dict[str, str]]:
    """With a field of noise, which no compression makes small."""
    noise = random.Random(7)
    return [{**record, "notes": noise.randbytes(bytes_each // 2).hex()} for record in records]


@pytest.fixture
def small_disk(server: Server) -> Iterator[Path]:
    """A disk of 24 MB that the database lies on; its server's log and settings do not."""
    # Not in pytest's folder, which only its owner may pass.
    folder = Path(tempfile.mkdtemp(prefix="strandline-small-disk-"))
    mounted = sys.platform == "linux" and os.geteuid() == 0 and shutil.which("mount") is not None
    options = f"size=24m,mode=0700,uid={server.account.user if server.account else os.getuid()}"
    if mounted:
        mount = ["mount", "-t", "tmpfs", "-o", options, "tmpfs", str(folder)]
        mounted = subprocess.run(mount, check=False, capture_output=True).returncode == 0
    if not mounted:
        folder.rmdir()
        pytest.skip("a small disk cannot be mounted here: it needs Linux, root and CAP_SYS_ADMIN")
    server.execute(f"CREATE TABLESPACE small LOCATION '{folder}'", database="postgres")
    server.execute("ALTER DATABASE shop SET TABLESPACE small", database="postgres")
    yield folder
    server.execute("ALTER DATABASE shop SET TABLESPACE pg_default", database="postgres")
    server.execute("DROP TABLESPACE small", database="postgres")
    subprocess.run(["umount", str(folder)], check=True)
    folder.rmdir()


def test_a_disk_that_fills_up_during_copy_loses_nothing(
    project: Project, server: Server, api: ScriptedApi, records: list[dict[str, str]], small_disk: Path
) -> None:
    api.serve("/customers", bulky(records, bytes_each=1_000_000), page_size=10)
    failed = project.strandline("run", "crm")

    assert_failed(failed, f"@127.0.0.1:{server.port}/shop", "No space left on device", "Free some space")
    assert server.count("raw.crm_customers") == server.count("strandline.read_mark") == 0
    assert server.execute("SELECT status FROM strandline.run") == [("failed",)]

    remount = ["mount", "-o", "remount,size=128m", str(small_disk)]
    subprocess.run(remount, check=True)
    assert_mended(project.strandline("run", "crm"), server)


def test_a_quota_that_is_reached_during_copy_loses_nothing(
    project: Project, server: Server, api: ScriptedApi, records: list[dict[str, str]]
) -> None:
    """Needs no root: no file of the server may grow beyond 20 MB; those of its log have 16 MB each.

    A part of the records fits and stays stored; the mark does not know of it.
    """
    server.stop("fast")
    server.start(largest_file=20 << 20)
    api.serve("/customers", bulky(records, bytes_each=1_000_000), page_size=10)
    failed = project.strandline("run", "crm")

    assert_failed(failed, f"@127.0.0.1:{server.port}/shop", "File too large", "Free some space")
    assert server.count("warehouse.dim_customer WHERE customer_key > 0") == 0
    assert server.count("strandline.read_mark") == 0

    server.stop("fast")
    server.start()
    assert_mended(project.strandline("run", "crm"), server)
