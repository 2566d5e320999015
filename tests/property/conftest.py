"""What property tests can ask for: both databases, one after the other, each for all cases of a module."""

from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, contextmanager

import pytest
from sqlalchemy import URL

from strandline.testing import postgres
from strandline.warehouse.database import Database


@contextmanager
def _warehouse(request: pytest.FixtureRequest, kind: str) -> Iterator[Database]:
    if kind == "sqlite":
        database = Database("sqlite://")
        yield database
        database.close()
        return
    server: URL = request.getfixturevalue("postgres_server")
    with postgres.copy(server, request.getfixturevalue("warehouse_template")) as url:
        database = Database(url)
        yield database
        database.close()


@pytest.fixture(scope="module", params=["postgresql", "sqlite"])
def both(request: pytest.FixtureRequest) -> Iterator[Database]:
    """A warehouse in PostgreSQL, and another one in SQLite."""
    with _warehouse(request, request.param) as database:
        yield database


@pytest.fixture(scope="module", params=["postgresql", "sqlite"])
def fresh(request: pytest.FixtureRequest) -> Callable[[], AbstractContextManager[Database]]:
    """New warehouses, as many as are asked for, of the one kind and then of the other."""
    return lambda: _warehouse(request, request.param)


@pytest.fixture(scope="module")
def another(request: pytest.FixtureRequest, both: Database) -> Iterator[Database]:
    """Another warehouse of the same kind."""
    with _warehouse(request, both.engine.dialect.name) as database:
        yield database
