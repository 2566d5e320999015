"""dbt behind a load: what it is told, what its results become, and all that may go wrong with it."""

import json
import stat
import sys
from pathlib import Path
from typing import Any

import pytest
from sqlalchemy import make_url, select
from tests.quayside import fill, harbour

from strandline.cli.commands import status
from strandline.errors import DeclarationError
from strandline.pipeline import Pipeline, RunReport, run
from strandline.pipeline.followup import of_libpq
from strandline.pipeline.notice import of_report
from strandline.warehouse import state
from strandline.warehouse.database import Database

PASSED = {"unique_id": "test.port.is_there", "status": "pass", "failures": 0, "execution_time": 0.01}
FAILED = {"unique_id": "test.port.is_heavy", "status": "fail", "failures": 2, "message": "Got 2 results"}


@pytest.fixture
def project(tmp_path: Path) -> Path:
    """The folder of a dbt project."""
    folder = tmp_path / "dbt"
    folder.mkdir()
    return folder


def stand_in(project: Path, script: str) -> str:
    """A program in dbt's place that does this."""
    program = project / "dbt"
    program.write_text(f"#!{sys.executable}\nimport json, os, pathlib, sys, time\n{script}\n")
    program.chmod(program.stat().st_mode | stat.S_IXUSR)
    return str(program)


def saying(*results: dict[str, Any], code: int = 0) -> str:
    """The script of one that has these results."""
    return f"""
folder = pathlib.Path(os.environ["DBT_TARGET_PATH"])
folder.mkdir(exist_ok=True)
(folder / "run_results.json").write_text(json.dumps({{"results": {list(results)!r}}}))
variables = {{name: it for name, it in os.environ.items() if name.startswith("PG")}}
(folder / "told.json").write_text(json.dumps([sys.argv[1:], variables]))
sys.exit({code})
"""


def load(database: Database, pipeline: Pipeline) -> RunReport:
    fill(10, 20)
    return run(pipeline, database)


def test_dbt_runs_behind_a_load_and_is_told_of_the_warehouse(warehouse: Database, project: Path) -> None:
    pipeline = harbour()
    program = stand_in(project, saying(PASSED))
    pipeline.then_dbt(select="tag:port +calls", exclude="x", project=project, program=program, target="dev")

    report = load(warehouse, pipeline)

    assert (report.status, report.exit_code) == ("done", 0)
    words, variables = json.loads((project / "target" / "told.json").read_text())
    assert words == ["build", "--select", "tag:port", "+calls", "--exclude", "x", "--target", "dev"]
    assert variables["PGDATABASE"] == warehouse.url.database
    assert [(it.node, it.status) for it in report.dbt] == [("test.port.is_there", "pass")]


def test_a_test_that_fails_makes_the_run_partial_and_shows_in_the_status(
    warehouse: Database, project: Path
) -> None:
    pipeline = harbour()
    pipeline.then_dbt(project=project, program=stand_in(project, saying(PASSED, FAILED, code=1)))

    report = load(warehouse, pipeline)

    assert (report.status, report.exit_code) == ("partial", 3)
    notice = of_report(report)
    assert notice is not None
    assert notice.error == "test.port.is_heavy: Got 2 results"
    url = warehouse.url.render_as_string(hide_password=False)
    (told,) = status(None, database_url=url, runs=1, with_rejects=False).runs
    assert [(it["node"], it["status"], it["failures"]) for it in told["dbt"]] == [
        ("test.port.is_heavy", "fail", 2),
        ("test.port.is_there", "pass", 0),
    ]
    assert {it["status"] for it in told["streams"]} == {"done"}


def test_a_warning_of_dbts_leaves_the_run_done(warehouse: Database, project: Path) -> None:
    pipeline = harbour()
    pipeline.then_dbt(project=project, program=stand_in(project, saying({**FAILED, "status": "warn"})))
    assert load(warehouse, pipeline).status == "done"


@pytest.mark.parametrize(
    ("script", "said", "hint"),
    [
        (None, "cannot be started: No such file", "uv tool install"),
        ("print('Boom: profile'); sys.exit(2)", "ended with 2 and left no run_results.json\n    Boom", "cd "),
        ("os.kill(os.getpid(), 9)", "ended with -9 and left no run_results.json", "cd "),
        (
            saying(PASSED).replace("json.dumps({", "str({"),
            "is nothing that dbt writes: JSONDecodeError",
            "1.8",
        ),
        (saying({"status": "pass"}), "is nothing that dbt writes: KeyError", "1.8"),
        (saying(PASSED, code=2), "it ended with 2", "run_results.json"),
    ],
    ids=["missing", "usage", "killed", "no JSON", "no results", "crashed behind its results"],
)
def test_what_fails_of_dbt_itself_makes_the_run_partial(
    warehouse: Database, project: Path, script: str | None, said: str, hint: str
) -> None:
    (project / "target").mkdir()
    (project / "target" / "run_results.json").write_text('{"results": []}')  # of another time
    pipeline = harbour()
    program = "no-such-dbt" if script is None else stand_in(project, script)
    pipeline.then_dbt(project=project, program=program)

    report = load(warehouse, pipeline)

    (told,) = report.dbt
    assert report.exit_code == 3
    assert (told.node, told.status) == ("dbt build", "error")
    assert said in (told.message or "")
    assert hint in (told.hint or "")
    with warehouse.begin() as connection:
        assert connection.scalar(select(state.dbt_result.c.message)) == told.message
    assert {it.status for it in report.streams} == {"done"}


def test_a_folder_that_is_not_there_is_told(warehouse: Database, tmp_path: Path) -> None:
    pipeline = harbour()
    pipeline.then_dbt(project=tmp_path / "nowhere")
    (told,) = load(warehouse, pipeline).dbt
    assert "there is no folder" in (told.message or "")


def test_behind_a_run_that_has_failed_dbt_does_nothing(warehouse: Database, project: Path) -> None:
    pipeline = harbour()
    pipeline.then_dbt(project=project, program=stand_in(project, saying(PASSED)))
    fill()  # nothing has come, and something is expected to be fresh
    report = run(pipeline, warehouse)
    assert (report.status, report.dbt) == ("failed", [])
    assert not (project / "target").exists()


def test_what_dbt_is_asked_twice_is_told_apart(warehouse: Database, project: Path) -> None:
    pipeline = harbour()
    program = stand_in(project, saying(PASSED))
    for command in ("snapshot", "test"):
        pipeline.then_dbt(command=command, project=project, program=program)
    assert len(load(warehouse, pipeline).dbt) == 2
    with warehouse.begin() as connection:
        steps = connection.scalars(select(state.dbt_result.c.step).order_by(state.dbt_result.c.step))
        assert list(steps) == [1, 2]


def test_what_dbt_is_not_asked_is_refused() -> None:
    with pytest.raises(DeclarationError, match="not asked that"):
        harbour().then_dbt(command="docs")  # type: ignore[arg-type]
    with pytest.raises(DeclarationError, match="names no program"):
        harbour().then_dbt(program=" ")


@pytest.mark.parametrize(
    ("url", "variables"),
    [
        (
            "postgresql://me:secret@db.example.com:6000/dw?sslmode=require",
            "PGHOST=db.example.com PGPORT=6000 PGUSER=me PGPASSWORD=secret PGDATABASE=dw PGSSLMODE=require",
        ),
        ("postgresql://me@/dw?host=/run/pg", "PGHOST=/run/pg PGPORT=5432 PGUSER=me PGDATABASE=dw"),
        ("sqlite:///dw.db", ""),
    ],
)
def test_the_warehouse_is_told_by_the_variables_of_libpq(url: str, variables: str) -> None:
    assert " ".join(f"{name}={it}" for name, it in of_libpq(make_url(url)).items()) == variables
