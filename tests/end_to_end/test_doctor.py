"""`strandline doctor` as a user types it: all is well, or what is not, with what to do."""

import shutil
from pathlib import Path

import pytest
from sqlalchemy import text
from tests import harbour

from strandline.testing.project import Outcome, Project
from strandline.warehouse.database import Database

LINE = '{"id": 1, "height": 4, "at": "2026-03-01T12:00:00Z"}'


@pytest.fixture
def project(tmp_path: Path, database_url: str, program: Path) -> Project:
    shutil.copy(Path(harbour.__file__), tmp_path / "pipeline.py")
    (tmp_path / "gauges.jsonl").write_text(LINE)
    return Project(tmp_path, environment={"STRANDLINE_DATABASE_URL": database_url}, program=program)


def found(outcome: Outcome, check: str) -> list[tuple[str, str]]:
    return [(it["severity"], it["message"]) for it in outcome.document["findings"] if it["check"] == check]


def test_a_project_that_is_well_is_told_so(project: Project) -> None:
    before = project.strandline("doctor")
    assert (before.code, before.stdout.splitlines()[-1]) == (0, "All is well.")

    assert project.strandline("run", "gauges").code == 0
    after = project.strandline("doctor", "--json")
    checks = [
        "versions",
        "settings",
        "database",
        "server",
        "permissions",
        "clock",
        "connections",
        "tables",
        "locks",
    ]
    assert list(dict.fromkeys(it["check"] for it in after.document["findings"])) == checks
    assert {it["severity"] for it in after.document["findings"]} <= {"ok", "info"}
    assert after.document["exit_code"] == 0
    assert len(project.strandline("doctor", "--all").stdout.splitlines()) > len(before.stdout.splitlines())


def test_settings_that_are_wrong_are_findings_among_others(project: Project) -> None:
    (project.folder / "config.yaml").write_text("harbur: {}\n")
    project.environment["STRANDLINE_WORKRES"] = "2"
    told = project.strandline("doctor", "--json")

    assert told.code == 1
    assert [it[0] for it in found(told, "settings")] == ["warning", "error"]
    assert found(told, "database")[0][0] == "ok"

    (project.folder / "config.yaml").write_text("workers: many\n")
    told = project.strandline("doctor", "--json")
    assert found(told, "database") == [("info", "it was not asked, for the settings do not say where it is")]


def test_a_warning_alone_ends_with_3(project: Project) -> None:
    project.environment["STRANDLINE_WORKRES"] = "2"
    told = project.strandline("doctor")

    assert told.code == 3
    assert told.stdout.splitlines()[-1] == "1 warning."


def test_a_database_that_does_not_answer_is_a_finding(project: Project) -> None:
    project.environment["STRANDLINE_DATABASE_URL"] = "postgresql://me:canary@127.0.0.1:1/none"
    told = project.strandline("doctor")

    assert told.code == 1
    assert "error    database" in told.stdout
    assert "Connection refused" in told.stdout
    assert "canary" not in told.stdout + told.stderr


def test_without_a_database_none_is_made(project: Project) -> None:
    del project.environment["STRANDLINE_DATABASE_URL"]
    told = project.strandline("doctor", "--json")

    assert told.code == 0
    assert found(told, "database")[0][0] == "info"
    assert found(told, "disk")[0][0] in ("ok", "warning")
    assert not (project.folder / ".strandline").exists()


def test_tables_that_differ_from_the_models_are_told_with_what_to_type(
    project: Project, database_url: str
) -> None:
    assert project.strandline("run", "gauges").code == 0
    project.edit("pipeline.py", "class DimGauge(Dimension):", "class DimGauge(Dimension):  # changed")
    module = project.folder / "pipeline.py"
    module.write_text(module.read_text().replace("height: Mapped[int]", "height: Mapped[str]", 1))
    told = project.strandline("doctor")

    assert told.code == 1
    assert "error    tables" in told.stdout
    assert "ALTER TABLE" in told.stdout


def test_migrations_that_are_pending_are_told(project: Project, database_url: str) -> None:
    assert project.strandline("migrate", "init").code == 0
    assert project.strandline("migrate", "revision", "-m", "the beginning").code == 0
    told = project.strandline("doctor", "--json")
    assert told.code == 1
    ((severity, message),) = found(told, "migrations")
    assert (severity, message.rpartition(": ")[2]) == ("error", "the beginning")

    assert project.strandline("migrate", "upgrade").code == 0
    told = project.strandline("doctor", "--json")
    assert [it[0] for it in found(told, "migrations")] == ["ok"]
    assert found(told, "permissions")


def test_a_migration_that_goes_on_is_told_from_one_that_was_broken_off(
    project: Project, database_url: str
) -> None:
    for words in (("init",), ("revision", "-m", "the beginning"), ("upgrade",)):
        assert project.strandline("migrate", *words).code == 0
    database = Database(database_url)
    columns = "revision, number, is_upgrade, what"
    step = f"INSERT INTO strandline.migration_step ({columns}) VALUES ('r', {{}}, true, {{}})"
    with database.begin() as connection:
        connection.execute(text(step.format(1, "'view v'")))
        connection.execute(text(step.format(2, "'column c'")))
    told = project.strandline("doctor", "--json")
    assert ("error", "revision r was broken off in step 2, column c") in found(told, "migrations")

    with database.connect() as connection:
        connection.execute(text("SELECT pg_advisory_lock(hashtextextended('strandline:migration', 0))"))
        pid = connection.scalar(text("SELECT pg_backend_pid()"))
        connection.commit()
        told = project.strandline("doctor", "--json")
    database.close()
    going = f"revision r is being applied, in step 2, column c (session {pid})"
    assert found(told, "migrations") == [("info", going)]


def test_a_stream_that_is_held_is_told_with_its_session(project: Project, database_url: str) -> None:
    assert project.strandline("run", "gauges").code == 0
    database = Database(database_url)
    with database.connect() as connection:
        name = "strandline:stream:harbour.gauges"
        connection.execute(text("SELECT pg_advisory_lock(hashtextextended(:name, 0))"), {"name": name})
        pid = connection.scalar(text("SELECT pg_backend_pid()"))
        connection.commit()
        ((severity, message),) = found(project.strandline("doctor", "--json"), "locks")
    database.close()

    assert severity == "ok"
    assert message.startswith(f"harbour.gauges is being read (session {pid}, strandline, at ")
