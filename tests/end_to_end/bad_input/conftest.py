"""The project, its API and a PostgreSQL that can be mistreated, for every test of bad input."""

from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
from sqlalchemy import text

from strandline.testing import ScriptedApi
from strandline.testing.project import Project
from strandline.warehouse.database import Database

TOKEN = "canary-7f3a/b+c d"
FIRST_DAY = datetime(2026, 3, 1, tzinfo=UTC)

TOLD = """
    SELECT coalesce(string_agg(told, ' '), '') FROM (
        SELECT run::text FROM strandline.run
        UNION ALL SELECT run_stream::text FROM strandline.run_stream
        UNION ALL SELECT request::text FROM strandline.request
    ) AS ledger (told)
"""


@pytest.fixture
def records() -> list[dict[str, str]]:
    """What the CRM knows: 25 customers, so three pages."""
    return [
        {
            "id": f"C-{number}",
            "name": f"Customer {number}",
            "segment": "retail" if number % 2 else "wholesale",
            "updatedAt": (FIRST_DAY + timedelta(days=number)).isoformat(),
        }
        for number in range(1, 26)
    ]


@pytest.fixture
def api(records: list[dict[str, str]]) -> Iterator[ScriptedApi]:
    """The CRM."""
    with ScriptedApi() as api:
        api.serve("/customers", records, page_size=10, since_field="updatedAt")
        yield api


@pytest.fixture
def project(tmp_path: Path, api: ScriptedApi, database_url: str, program: Path) -> Iterator[Project]:
    """The user's folder. Whatever its commands say has neither a traceback nor a secret in it."""
    environment = {
        "STRANDLINE_DATABASE_URL": database_url,
        "STRANDLINE_APP": "crm",
        "STRANDLINE_CRM__BASE_URL": api.url,
        "STRANDLINE_CRM__TOKEN": TOKEN,
    }
    project = Project(tmp_path, environment=environment, program=program)
    project.add(Path(__file__).with_name("crm.py"))
    yield project
    for outcome in project.outcomes:
        assert "Traceback" not in outcome.stdout + outcome.stderr
        assert TOKEN not in outcome.stdout + outcome.stderr


@pytest.fixture
def warehouse(database_url: str) -> Iterator[Database]:
    """The warehouse that the project fills; its ledger has no secret in it."""
    database = Database(database_url)
    yield database
    with database.begin() as connection:
        assert TOKEN not in connection.execute(text(TOLD)).scalar_one()
    database.close()
