"""What property tests can ask for: both databases, one after the other, each for all cases of a module."""

from collections.abc import Iterator

import pytest
from sqlalchemy import URL

from strandline.testing import postgres
from strandline.warehouse.database import Database


@pytest.fixture(scope="module", params=["postgresql", "sqlite"])
def both(request: pytest.FixtureRequest) -> Iterator[Database]:
    """A warehouse in PostgreSQL, and another one in SQLite."""
    if request.param == "sqlite":
        database = Database("sqlite://")
        yield database
        database.close()
        return
    server: URL = request.getfixturevalue("postgres_server")
    with postgres.copy(server, request.getfixturevalue("warehouse_template")) as url:
        database = Database(url)
        yield database
        database.close()
