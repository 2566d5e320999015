"""`strandline marks` and `strandline backfill` as a user types them."""

import json
import shutil
from pathlib import Path

import pytest
from tests import harbour

from strandline.testing.project import Project

LINE = '{"id": 1, "height": 4, "at": "2026-03-01T12:00:00Z"}'
MARK = "datetime:2026-03-01T12:00:00+00:00"


@pytest.fixture
def project(tmp_path: Path, database_url: str, program: Path) -> Project:
    """A project that has run once."""
    shutil.copy(Path(harbour.__file__), tmp_path / "pipeline.py")
    (tmp_path / "gauges.jsonl").write_text(LINE)
    project = Project(tmp_path, environment={"STRANDLINE_DATABASE_URL": database_url}, program=program)
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


def test_a_backfill_that_was_killed_goes_on_behind_its_last_piece(project: Project) -> None:
    levels = [f'{{"id": {it}, "height": {it}, "at": "2026-02-0{it}T00:00:00Z"}}' for it in range(1, 7)]
    (project.folder / "gauges.jsonl").write_text("\n".join(levels))
    (project.folder / "killed.txt").write_text("04")
    (project.folder / "windows.txt").unlink()
    wanted = ("backfill", "harbour.gauges", "--from", "2026-02-01", "--to", "2026-02-06", "--chunk", "day")
    assert project.strandline(*wanted).code == -9
    (project.folder / "killed.txt").unlink()

    report = project.strandline(*wanted, "--json").document
    windows = [f"0{it} 00 to 0{it + 1} 00" for it in (1, 2, 3, 3, 4, 5)]
    assert (project.folder / "windows.txt").read_text().splitlines() == windows
    assert (report["kind"], report["status"]) == ("backfill", "done")
    (told,) = report["streams"]
    assert (told["resumed"], told["mark_after"]) == (3, MARK)
    assert project.strandline("marks", "export").document == {"marks": {"harbour.gauges": MARK}}
    counted = project.strandline("status", "--json").document["runs"][0]
    assert counted["targets"][0]["counts"]["members"] == 6 - 1  # the first of them was there


def test_a_backfill_tells_what_it_cannot_read(project: Project) -> None:
    refused = project.strandline("backfill", "harbour.gauges", "--from", "2026-02-01", "--chunk", "month")
    assert refused.code == 2
    assert "--chunk: 'month' is neither a time nor a number" in refused.error
