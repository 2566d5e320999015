"""What every test can ask for: the kit that users get, with our own tables in the template."""

from collections.abc import Callable

import pytest

from strandline.warehouse import schema
from strandline.warehouse.database import Database

pytest_plugins = ["strandline.testing.plugin"]


@pytest.fixture(scope="session")
def warehouse_schema() -> Callable[[Database], None]:
    """Every test's database has strandline's own tables, and no model's."""

    def create(database: Database) -> None:
        with database.begin() as connection:
            schema.prepare(database, connection, models=[], others=[])

    return create
