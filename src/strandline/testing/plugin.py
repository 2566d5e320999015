"""The pytest plugin: a warehouse per test, in an embedded PostgreSQL or in that of `--database-url`.

warehouse           a Database with the tables that `warehouse_schema` makes, for this test alone
empty_warehouse     a Database of this test's own with nothing in it, not even tables: for migrations
database_url        its URL, for programs that are started
warehouse_schema    override it in your conftest.py: it gets a Database and creates what your tests need, once
postgres_server     the URL of the session's server
"""

import importlib.metadata
import platform
from collections.abc import Callable, Iterator

import pytest
from sqlalchemy import URL, make_url

from strandline.testing import postgres
from strandline.warehouse.database import Database

SHOWN = ("SQLAlchemy", "psycopg", "pydantic")


def pytest_addoption(parser: pytest.Parser) -> None:
    """Add `--database-url`."""
    parser.getgroup("strandline").addoption(
        "--database-url",
        metavar="URL",
        help="run on this PostgreSQL, as a user who may create databases, not on an embedded one",
    )


def pytest_report_header(config: pytest.Config) -> str:
    """Say on which versions the tests run."""
    url = config.getoption("--database-url")
    server = postgres.version(_given(url)) if url else f"{postgres.embedded_version()} (embedded)"
    versions = [f"{name} {importlib.metadata.version(name)}" for name in SHOWN]
    return ", ".join([f"Python {platform.python_version()}", f"PostgreSQL {server}", *versions])


@pytest.fixture(scope="session")
def postgres_server(request: pytest.FixtureRequest) -> Iterator[URL]:
    """The URL of a PostgreSQL server that serves all tests of this session."""
    given = request.config.getoption("--database-url")
    if given:
        yield _given(given)
    else:
        with postgres.temporary_server() as url:
            yield url


@pytest.fixture(scope="session")
def warehouse_schema() -> Callable[[Database], None]:
    """Nothing is created here; override this fixture with a function that creates your tables."""
    return lambda database: None


@pytest.fixture(scope="session")
def warehouse_template(postgres_server: URL, warehouse_schema: Callable[[Database], None]) -> Iterator[str]:
    """The name of the database that every test gets a copy of."""

    def build(url: URL) -> None:
        database = Database(url)
        try:
            warehouse_schema(database)
        finally:
            database.close()

    with postgres.template(postgres_server, build) as name:
        yield name


@pytest.fixture
def database_url(postgres_server: URL, warehouse_template: str) -> Iterator[str]:
    """The URL of a database of this test's own, with its password."""
    with postgres.copy(postgres_server, warehouse_template) as url:
        yield url.render_as_string(hide_password=False)


@pytest.fixture
def warehouse(database_url: str) -> Iterator[Database]:
    """A warehouse of this test's own."""
    database = Database(database_url)
    yield database
    database.close()


@pytest.fixture
def empty_warehouse(postgres_server: URL) -> Iterator[Database]:
    """A database of this test's own in which nothing is, for what makes its tables itself."""
    with postgres.copy(postgres_server, "template0") as url:
        database = Database(url)
        yield database
        database.close()


def _given(url: str) -> URL:
    return make_url(url).set(drivername="postgresql+psycopg")
