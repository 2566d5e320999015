"""What every test can ask for: the kit that users get, with our own tables in the template."""

import gc
import os
import sys
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from hypothesis import Phase, settings
from sqlalchemy import URL
from tests import elsewhere, warm

from strandline.secrecy import KNOWN
from strandline.testing import create_tables
from strandline.warehouse.database import Database

pytest_plugins = ["strandline.testing.plugin"]

# What pytest makes of our modules and of Hypothesis is kept: it takes each process seconds to make it again.
KEEPS_NOTHING = sys.dont_write_bytecode
sys.dont_write_bytecode = False

# For those who want to know whether a test fails, and not with which smallest example: see tests/mutation.
settings.register_profile("first_failure", phases=[Phase.explicit, Phase.generate])


def pytest_collection_finish(session: pytest.Session) -> None:
    """A module of a test's own may be edited twice in a second, which Python would not notice.

    Whatever is there stays: to look for garbage among all modules and tests takes a second each time.
    """
    sys.dont_write_bytecode = KEEPS_NOTHING
    gc.freeze()


def pytest_report_header() -> str:
    """Say which programs POSTGRES_BIN names."""
    given = os.environ.get(elsewhere.VARIABLE)
    return f"{elsewhere.VARIABLE}={given}: the tests run on that PostgreSQL" if given else ""


@pytest.fixture(scope="session")
def postgres_server(request: pytest.FixtureRequest) -> Iterator[URL]:
    """The kit's server, or one of the programs that POSTGRES_BIN names."""
    if os.environ.get(elsewhere.VARIABLE) and not request.config.getoption("--database-url"):
        with elsewhere.temporary_server() as url:
            yield url
    else:
        yield request.getfixturevalue("postgres_server")  # that of the plugin


@pytest.fixture(autouse=True)
def secrets_of_its_own() -> Iterator[None]:
    """What one test holds for a secret is not hidden in what another reads."""
    with KNOWN.forgetting():
        yield


@pytest.fixture(scope="session")
def warehouse_schema() -> Callable[[Database], None]:
    """Every test's database has strandline's own tables, and no model's."""
    return create_tables()


@pytest.fixture(scope="session")
def program(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Path]:
    """The command `strandline`, which starts at once; for a `Project`, or on a PATH."""
    with warm.program(tmp_path_factory.mktemp("bin")) as program:
        yield program
