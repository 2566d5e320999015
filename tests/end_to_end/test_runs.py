"""`strandline runs` as a user types it: what has run, how it ended, and what is going on."""

import shutil
from pathlib import Path

import pytest
from sqlalchemy import text
from tests import harbour

from strandline.testing.project import Project
from strandline.warehouse.database import Database

LINE = '{"id": 1, "height": 4, "at": "2026-03-01T12:00:00Z"}'


@pytest.fixture
def project(tmp_path: Path, database_url: str, program: Path) -> Project:
    shutil.copy(Path(harbour.__file__), tmp_path / "pipeline.py")
    (tmp_path / "gauges.jsonl").write_text(LINE)
    return Project(tmp_path, environment={"STRANDLINE_DATABASE_URL": database_url}, program=program)


def test_the_history_of_runs_is_a_line_each(project: Project) -> None:
    assert project.strandline("runs").stdout == "No run yet: strandline run NAME.\n"
    for _ in range(2):
        assert project.strandline("run", "gauges").code == 0
    (project.folder / "gauges.jsonl").write_text("{")
    assert project.strandline("run", "gauges").code != 0

    shown = [line.split() for line in project.strandline("runs").stdout.splitlines()]
    assert shown[0][:5] == ["run", "pipeline", "kind", "status", "started"]
    assert [(it[0], it[1], it[3]) for it in shown[1:]] == [
        ("3", "gauges", "failed"),
        ("2", "gauges", "done"),
        ("1", "gauges", "done"),
    ]
    newest, *_ = project.strandline("runs", "gauges", "--limit", "1", "--json").document["runs"]
    assert newest["error"].startswith("Expecting property name")
    assert len(project.strandline("runs", "--limit", "1", "--json").document["runs"]) == 1
    assert project.strandline("runs", "--json").document["runs"][-1]["stored"] == 1


def test_a_run_that_nobody_is_at_has_crashed_and_another_is_going_on(
    project: Project, database_url: str
) -> None:
    assert project.strandline("run", "gauges").code == 0
    database = Database(database_url)
    begun = (
        "INSERT INTO strandline.run (pipeline, status, strandline_version) VALUES ('gauges', 'running', '1')"
    )
    with database.connect() as connection:
        for _ in range(2):
            connection.execute(text(begun))
        connection.commit()
        connection.execute(text("SELECT pg_advisory_lock(hashtextextended('strandline:run:3', 0))"))
        found = project.strandline("runs", "--json").document["runs"]
    database.close()

    assert [(it["run_id"], it["status"]) for it in found] == [(3, "running"), (2, "crashed"), (1, "done")]
    assert found[0]["seconds"] >= 0
    assert found[1]["seconds"] is None


def test_a_pipeline_that_never_ran_is_told_with_those_that_did(project: Project) -> None:
    assert project.strandline("run", "gauges").code == 0
    refused = project.strandline("runs", "gauge")

    assert refused.code == 2
    assert "There were: gauges." in refused.error
