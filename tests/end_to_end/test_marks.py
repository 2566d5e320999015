"""`strandline marks` as a user types it."""

import json
import shutil
from pathlib import Path

import pytest
from tests import harbour

from strandline.testing.project import Project

LINE = '{"id": 1, "height": 4, "at": "2026-03-01T12:00:00Z"}'
MARK = "datetime:2026-03-01T12:00:00+00:00"


@pytest.fixture
def project(tmp_path: Path, database_url: str) -> Project:
    """A project that has run once."""
    shutil.copy(Path(harbour.__file__), tmp_path / "pipeline.py")
    (tmp_path / "gauges.jsonl").write_text(LINE)
    project = Project(tmp_path, environment={"STRANDLINE_DATABASE_URL": database_url})
    assert project.strandline("marks", "list").stdout == "No marks: no stream with a cursor has been read.\n"
    assert project.strandline("run", "gauges").code == 0
    return project


def asked(project: Project) -> str:
    assert project.strandline("run", "gauges").code == 0
    return (project.folder / "asked.txt").read_text()


def test_a_mark_that_is_set_by_hand_is_where_the_next_run_begins(project: Project) -> None:
    (listed,) = project.strandline("marks", "list", "--json").document["marks"]
    assert (listed["stream"], listed["mark"], listed["run_id"]) == ("harbour.gauges", MARK, 1)

    back = project.strandline(
        "marks", "set", "harbour.gauges", "2026-02-01T00:00:00+02:00", "--reason", "gauge 7 was silent"
    )
    assert back.stdout == "harbour.gauges: 2026-03-01 12:00:00 → 2026-01-31 22:00:00\n"
    assert back.stderr == ""
    assert "by hand" in project.strandline("marks", "list").stdout
    assert asked(project) == "2026-01-31 22:00:00+00:00"

    none = project.strandline("marks", "set", "harbour.gauges", "--none", "--reason", "once more")
    assert none.stdout == "harbour.gauges: 2026-03-01 12:00:00 → none\n"
    assert "its beginning" in project.strandline("marks", "show", "harbour.gauges").stdout
    assert asked(project) == "None"

    found = project.strandline("marks", "show", "harbour.gauges", "--json").document
    assert found["mark"] == MARK
    assert [(it["before"], it["after"], it["reason"]) for it in found["changes"]] == [
        (MARK, None, "once more"),
        (MARK, "datetime:2026-01-31T22:00:00+00:00", "gauge 7 was silent"),
    ]


def test_who_moves_a_mark_forward_is_told_what_is_left_out(project: Project) -> None:
    done = project.strandline(
        "marks", "set", "harbour.gauges", "2026-04-01T00:00:00Z", "--reason", "the rest is in another system"
    )
    assert done.code == 0
    assert "not read, but by strandline run NAME --full: harbour.gauges" in done.stderr


def test_exported_marks_are_set_again_all_of_them_or_none(project: Project) -> None:
    exported = project.strandline("marks", "export")
    assert exported.document == {"marks": {"harbour.gauges": MARK}}
    (project.folder / "marks.json").write_text(exported.stdout)
    why = ("--reason", "moved to a new warehouse")
    project.strandline("marks", "set", "harbour.gauges", "--none", *why)
    assert project.strandline("marks", "import", "marks.json", *why, "--json").document == {
        "marks": [{"stream": "harbour.gauges", "before": None, "after": MARK, "is_forward": True}]
    }

    beside = {"harbour.gauges": "datetime:2020-01-01T00:00:00+00:00", "harbour.wrecks": "int:1"}
    (project.folder / "marks.json").write_text(json.dumps({"marks": beside}))
    refused = project.strandline("marks", "import", "marks.json", *why)
    assert refused.code == 2
    assert "no pipeline here reads 'harbour.wrecks'" in refused.error
    assert project.strandline("marks", "export").document == {"marks": {"harbour.gauges": MARK}}


def test_what_cannot_be_set_is_a_usage_error(project: Project) -> None:
    refused = project.strandline("marks", "set", "harbour.gauges", "yesterday", "--reason", "x")
    assert refused.code == 2
    assert "typed as in 2026-03-01T00:00:00Z" in refused.error
    assert project.strandline("marks", "show", "harbour.gauge").code == 2
