"""Servers that nobody here wrote, installed as their folders lock them; `make test-servers`."""

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest
from benchmarks.peers.environment import prepared
from sqlalchemy import URL
from tests.documentation import ROOT
from tests.servers.directus import server as directus
from tests.servers.tryton import server as tryton

from strandline.testing import postgres

FOLDER = Path(__file__).parent
KEPT = ROOT / ".servers"


@pytest.fixture(scope="session")
def tryton_url(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    """Where a Tryton runs that serves all tests of this session."""
    programs = prepared("tryton", folder=FOLDER, kept=KEPT)
    with tryton.server(programs, tmp_path_factory.mktemp("tryton")) as url:
        yield url


@contextmanager
def _directus(folder: Path, postgres_server: URL) -> Iterator[str]:
    try:
        installed = directus.installed(KEPT / "directus")
    except directus.Missing as missing:
        pytest.skip(str(missing))
    with (
        postgres.copy(postgres_server, "template0") as database,
        directus.server(installed, folder, database) as url,
    ):
        yield url


@pytest.fixture(scope="session")
def directus_url(tmp_path_factory: pytest.TempPathFactory, postgres_server: URL) -> Iterator[str]:
    """Where a Directus runs that serves all tests of this session, on their PostgreSQL."""
    with _directus(tmp_path_factory.mktemp("directus"), postgres_server) as url:
        yield url


@pytest.fixture
def new_directus_url(tmp_path: Path, postgres_server: URL) -> Iterator[str]:
    """Where one runs in which there is nothing yet."""
    with _directus(tmp_path, postgres_server) as url:
        yield url
