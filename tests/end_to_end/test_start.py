"""What the command line loads before it does anything: what it needs, and nothing that takes its time."""

import os
import re
import shutil
import subprocess
import sys
from collections.abc import Sequence
from pathlib import Path

import pytest
from tests import harbour

from strandline.testing.project import Outcome, Project

LINE = '{"id": 1, "height": 4, "at": "2026-03-01T12:00:00Z"}'

NEVER_FOR_HELP = {
    "sqlalchemy",
    "pydantic",
    "psycopg",
    "httpx",
    "rich",
    "structlog",
    "strandline.pipeline",
    "yaml",
}

NEVER_WITHOUT_NEWS = {
    "alembic",
    "authlib",
    "configparser",
    "pyarrow",
    "rich",
    "sqlite3",
    "strandline.model.calendar",
    "strandline.model.time_of_day",
    "strandline.pipeline.beside",
    "strandline.pipeline.erasure",
    "strandline.pipeline.merge",
    "strandline.pipeline.program",
    "strandline.pipeline.pruning",
    "strandline.pipeline.replay",
    "strandline.pipeline.retry",
    "strandline.sample",
    "strandline.source.airbyte",
    "strandline.source.file",
    "strandline.source.format.delimited",
    "strandline.source.graphql",
    "strandline.source.http",
    "strandline.source.oauth1",
    "strandline.source.offer",
    "strandline.source.process",
    "strandline.source.program",
    "strandline.source.sql",
    "strandline.warehouse.audit",
    "strandline.warehouse.beside",
    "strandline.warehouse.cluster",
    "strandline.warehouse.event",
    "strandline.warehouse.fact",
    "strandline.warehouse.hierarchy",
    "strandline.warehouse.inception",
    "strandline.warehouse.key",
    "strandline.warehouse.orphan",
    "strandline.warehouse.release",
    "strandline.warehouse.replay",
    "strandline.warehouse.scd",
    "strandline.warehouse.sqlite",
    "structlog",
    "unittest",
    "yaml",
}

NEVER_FOR_A_WORKER = {
    "httpx",
    "strandline.pipeline.inspection",
    "strandline.pipeline.load",
    "strandline.pipeline.running",
    "strandline.source.client",
    "strandline.warehouse.ledger",
    "strandline.warehouse.schema",
    "typer",
}

DATACLASSES = """
import sys
import strandline.pipeline.running, strandline.source.http
modules = [vars(it) for name, it in sys.modules.items() if name.startswith("strandline.")]
classes = {it for names in modules for it in names.values() if isinstance(it, type)}
made = [it for it in classes if "__dataclass_params__" in vars(it)]
print(*(it.__name__ for it in made if it.__module__.startswith("strandline.")))
"""


def loaded(outcome: Outcome) -> set[str]:
    """The modules that were loaded, by Python's own account."""
    return set(re.findall(r"^import time:.*\| *(\S+)$", outcome.stderr, re.MULTILINE))


def processor_seconds(project: Project, *arguments: str) -> float:
    """What Python takes of the processors: the least of three times, for it takes more beside others."""
    return min(_once(project, arguments) for _ in range(3))


def _once(project: Project, arguments: Sequence[str]) -> float:
    environment = os.environ | project.environment
    before = os.times()
    subprocess.run([sys.executable, *arguments], cwd=project.folder, env=environment, check=True)
    after = os.times()
    return after.children_user + after.children_system - before.children_user - before.children_system


@pytest.mark.skipif("coverage" in sys.modules, reason="what is counted takes longer")
def test_a_command_is_there_at_once(tmp_path: Path, database_url: str) -> None:
    """On two cores help takes 0.1 s and such a run 0.5 s; a machine is as slow as its imports are."""
    shutil.copy(Path(harbour.__file__), tmp_path / "pipeline.py")
    (tmp_path / "gauges.jsonl").write_text(LINE)
    project = Project(tmp_path, environment={"STRANDLINE_DATABASE_URL": database_url})
    assert project.strandline("run", "gauges").code == 0

    imports = processor_seconds(project, "-c", "import psycopg, pydantic, sqlalchemy.orm")

    assert processor_seconds(project, "-m", "strandline", "--help") < 0.6 * imports
    assert processor_seconds(project, "-m", "strandline", "run", "gauges") < 3.5 * imports


def test_help_loads_none_of_the_libraries(tmp_path: Path) -> None:
    project = Project(tmp_path, environment={"PYTHONPROFILEIMPORTTIME": "1"})
    done = project.strandline("--help")
    assert done.code == 0
    assert "backfill" in done.stdout
    assert "strandline.cli.app" in loaded(done)
    assert not loaded(done) & NEVER_FOR_HELP


def test_a_run_with_nothing_new_loads_nothing_that_merges_or_draws(tmp_path: Path, database_url: str) -> None:
    shutil.copy(Path(harbour.__file__), tmp_path / "pipeline.py")
    (tmp_path / "gauges.jsonl").write_text(LINE)
    environment = {"STRANDLINE_DATABASE_URL": database_url, "PYTHONPROFILEIMPORTTIME": "1"}
    project = Project(tmp_path, environment=environment)
    first, again = (project.strandline("run", "gauges") for _ in range(2))
    assert (first.code, again.code) == (0, 0)
    assert {"strandline.pipeline.merge", "strandline.warehouse.inception"} <= loaded(first)

    assert "strandline.pipeline.load" in loaded(again)
    assert not loaded(again) & NEVER_WITHOUT_NEWS


def test_a_worker_loads_nothing_that_reads_merges_or_draws(tmp_path: Path) -> None:
    command = [sys.executable, "-X", "importtime", "-c", "from strandline.pipeline.worker import work"]
    done = subprocess.run(command, cwd=tmp_path, capture_output=True, text=True, check=True)
    names = loaded(Outcome(done.returncode, done.stdout, done.stderr))
    assert "strandline.pipeline.desk" in names
    assert not names & NEVER_FOR_A_WORKER


def test_what_a_run_loads_has_few_dataclasses(tmp_path: Path) -> None:
    """Each takes half a millisecond to make, for Python compiles its methods; a Struct takes a fortieth of
    that. Those that are left are made by users, or told as dicts.
    """
    command = [sys.executable, "-c", DATACLASSES]
    done = subprocess.run(command, cwd=tmp_path, capture_output=True, text=True, check=True)
    assert len(done.stdout.split()) <= 50, done.stdout
