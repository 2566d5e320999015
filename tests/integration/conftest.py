"""What tests of repositories and of the unit of work share."""

from collections.abc import Iterator

import pytest
from tests.pier import prepare

from strandline.warehouse import Memory
from strandline.warehouse.database import Database


@pytest.fixture(params=["postgresql", "sqlite", "memory"])
def store(request: pytest.FixtureRequest) -> Iterator[Database | Memory]:
    """A place for rows, of each kind."""
    if request.param == "memory":
        yield Memory()
        return
    found = request.getfixturevalue("warehouse") if request.param == "postgresql" else Database("sqlite://")
    prepare(found)
    yield found
    found.close()
