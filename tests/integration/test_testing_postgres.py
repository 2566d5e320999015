"""The test kit gives every test a database of its own and leaves no server behind."""

import subprocess
import sys
import time
from pathlib import Path

import pytest
from sqlalchemy import URL, Connection, text

from strandline.testing import postgres
from strandline.testing.drawn import assert_drawn
from strandline.warehouse import embedded
from strandline.warehouse.database import Database


@pytest.mark.parametrize("attempt", [1, 2])
def test_what_one_test_commits_another_does_not_see(warehouse: Database, attempt: int) -> None:
    with warehouse.begin() as connection:
        connection.execute(text("CREATE TABLE mine AS SELECT 1 AS one"))

    with warehouse.begin() as connection:
        assert_drawn(connection, text("SELECT * FROM mine"), "| one |\n| 1 |")


def test_a_database_is_dropped_although_somebody_is_connected(postgres_server: URL) -> None:
    with postgres.template(postgres_server, lambda url: None) as template:
        with postgres.copy(postgres_server, template) as url:
            left_open = Database(url)
            with left_open.connect() as connection:
                name = connection.scalar(text("SELECT current_database()"))
        left_open.close()

    assert name not in databases(postgres_server)


def databases(server: URL) -> set[str]:
    database = Database(server)
    with database.connect() as connection:
        names = set(connection.scalars(text("SELECT datname FROM pg_database")))
    database.close()
    return names


def test_a_template_is_filled_once_and_copied(postgres_server: URL) -> None:
    def build(url: URL) -> None:
        database = Database(url)
        with database.begin() as connection:
            connection.execute(text("CREATE TABLE filled AS SELECT 7 AS seven"))
        database.close()

    with (
        postgres.template(postgres_server, build) as template,
        postgres.copy(postgres_server, template) as url,
    ):
        database = Database(url)
        with database.connect() as connection:
            assert seven(connection) == 7
        database.close()


def seven(connection: Connection) -> object:
    return connection.scalar(text("SELECT seven FROM filled"))


SESSION = """
import time
from strandline.testing import postgres
with postgres.temporary_server() as url:
    print(url.query["host"], flush=True)
    {then}
"""


@pytest.mark.parametrize("then", ["pass", "time.sleep(600)"], ids=["ended", "killed"])
def test_the_server_of_a_session_ends_with_it(then: str) -> None:
    program = SESSION.format(then=then)
    with subprocess.Popen([sys.executable, "-c", program], stdout=subprocess.PIPE, text=True) as session:
        assert session.stdout is not None
        folder = Path(session.stdout.readline().strip()).parents[1]
        assert folder.name.startswith("strandline-test-")
        if then != "pass":
            session.kill()

    deadline = time.monotonic() + 20
    while folder.exists() and time.monotonic() < deadline:
        time.sleep(0.02)
    assert not folder.exists()
    assert embedded.running(folder) is None


def test_the_report_header_says_which_versions(pytestconfig: pytest.Config) -> None:
    header = pytestconfig.hook.pytest_report_header(config=pytestconfig, start_path=Path(), startdir=None)

    assert any("PostgreSQL" in str(line) and "SQLAlchemy" in str(line) for line in header)
