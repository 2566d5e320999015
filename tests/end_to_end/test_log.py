"""What a run says while it works: for people on a terminal, as JSON elsewhere, and never a secret."""

import json
import os
import shutil
from pathlib import Path
from typing import Any

import pytest
from tests import lamplight
from tests.documentation import Terminal

from strandline.testing.project import Outcome, Project

TOKEN = "canary/7f3a b"


@pytest.fixture
def project(tmp_path: Path, database_url: str, program: Path) -> Project:
    shutil.copy(Path(lamplight.__file__), tmp_path / "pipeline.py")
    environment = {"STRANDLINE_DATABASE_URL": database_url, "STRANDLINE_QUAY__TOKEN": TOKEN}
    return Project(tmp_path, environment=environment, program=program)


def run(project: Project, **settings: str) -> Outcome:
    project.environment |= {f"STRANDLINE_LOG__{name.upper()}": it for name, it in settings.items()}
    done = project.strandline("run", "lamps")
    assert done.code == 0
    assert not any(it in done.stderr for it in ("canary", "ada@sea", "Ada"))
    return done


def lines(outcome: Outcome) -> list[dict[str, Any]]:
    """Those that are JSON."""
    return [json.loads(it) for it in outcome.stderr.splitlines() if it.startswith("{")]


def test_elsewhere_than_on_a_terminal_every_line_is_a_document_with_its_run(project: Project) -> None:
    said = lines(run(project))

    assert [(it["level"], it["event"]) for it in said] == [
        ("info", "lamp lit"),
        ("warning", "no oil from ***"),
        ("error", "spilt"),
    ]
    assert said[0]["by"] == {"keeper_mail": "***", "Nickname": "***"}
    assert said[0]["token"] == "***"
    assert (said[1]["logger"], said[2]["error"]) == ("oil", "ValueError: not ***")
    for line in said:
        assert (line["pipeline"], line["run_id"], line["stream"]) == ("lamps", 1, "quay.lamps")
        assert line["timestamp"].endswith("Z")


def test_json_that_was_asked_for_leaves_no_other_line(project: Project) -> None:
    done = run(project, format="json")

    assert len(lines(done)) == len(done.stderr.splitlines())
    assert [it["event"] for it in lines(done)[-3:]] == ["read", "merging", "run ended"]
    assert {it["run_id"] for it in lines(done)} == {1}
    assert lines(done)[-3] | {"timestamp": ""} == {
        "event": "read",
        "level": "info",
        "timestamp": "",
        "pipeline": "lamps",
        "run_id": 1,
        "stream": "quay.lamps",
        "status": "done",
        "seconds": lines(done)[-3]["seconds"],
        "records": 1,
        "stored": 1,
    }


def test_errors_are_lines_of_it_too(project: Project) -> None:
    project.environment["STRANDLINE_LOG__FORMAT"] = "json"
    (line,) = lines(project.strandline("run", "nothing"))

    assert (line["level"], line["kind"]) == ("error", "DeclarationError")
    assert line["hint"].startswith("There are: lamps.")


def test_who_looks_for_a_fault_hears_batches_and_statements_without_what_was_sent(project: Project) -> None:
    said = lines(run(project, level="debug"))

    stored = [it for it in said if it["event"] == "stored"]
    assert [(it["batch"], it["records"]) for it in stored] == [(1, 1)]
    statements = [it for it in said if it.get("logger", "").startswith("sqlalchemy.engine")]
    assert any("INSERT INTO strandline.run" in it["event"] for it in statements)
    assert any("parameters hidden" in it["event"] for it in statements)
    assert any(it.get("batch") == 1 for it in statements)
    assert "oil is low" in [it["event"] for it in said]


def test_a_level_leaves_out_what_lies_below_and_a_library_may_have_its_own(project: Project) -> None:
    assert [it["event"] for it in lines(run(project, level="error"))] == ["spilt"]
    assert [it["event"] for it in lines(run(project, loggers='{"oil": "info"}'))] == [
        "no oil from ***",
        "a lot of oil",
        "spilt",
    ]


def test_a_level_that_is_none_is_refused(project: Project) -> None:
    project.environment["STRANDLINE_LOG__LEVEL"] = "loud"
    refused = project.strandline("status")

    assert refused.code == 2
    assert "STRANDLINE_LOG__LEVEL: Input should be 'debug', 'info', 'warning' or 'error'" in refused.error


def test_people_on_a_terminal_read_lines(project: Project, tmp_path: Path) -> None:
    environment = {**os.environ, **project.environment, "NO_COLOR": "1", "COLUMNS": "200"}
    terminal = Terminal(f"{project.program[0]} run lamps", tmp_path, environment)
    code, shown = terminal.finish()
    terminal.close()

    assert code == 0
    assert "lamp lit" in shown
    assert "token=***" in shown
    assert "run_id=1" in shown
    assert '"event"' not in shown
    assert "canary" not in shown


def test_a_program_that_has_set_structlog_up_keeps_its_own_way(project: Project) -> None:
    """Also where that speaks by the logging of Python, which is what we listen to."""
    project.edit(
        "pipeline.py",
        "class Lamp(Record):",
        "structlog.configure(\n"
        "    processors=[structlog.processors.KeyValueRenderer()],\n"
        "    logger_factory=structlog.stdlib.LoggerFactory(),\n"
        ")\n\n\n"
        "class Lamp(Record):",
    )
    project.environment["STRANDLINE_LOG__LOGGERS"] = '{"pipeline": "info", "strandline": "info"}'
    done = project.strandline("run", "lamps")

    assert done.code == 0
    assert "event='lamp lit'" in done.stderr
    assert "no oil from ***" in done.stderr.splitlines()
    assert lines(done) == []


def test_workers_speak_as_their_run_does(project: Project) -> None:
    """A mapper says something in a process of its own."""
    project.edit(
        "pipeline.py",
        '    keeper_mail = field("mail")\n',
        "    def keeper_mail(self, record: Lamp) -> str:\n"
        '        """Say it."""\n'
        '        said = {"keeper_mail": record.mail, "by": "canary/7f3a b", "pid": os.getpid()}\n'
        '        structlog.get_logger().info("mapped", **said)\n'
        "        return record.mail\n",
    )
    project.edit("pipeline.py", "import logging\n", "import logging\nimport os\n")
    process = project.start("run", "lamps", "--workers", "1")
    done = project.finish(process)

    assert done.code == 0
    (said,) = [it for it in lines(done) if it["event"] == "mapped"]
    assert (said["keeper_mail"], said["by"], said["run_id"], said["stream"]) == (
        "***",
        "***",
        1,
        "quay.lamps",
    )
    assert said["pid"] != process.pid
