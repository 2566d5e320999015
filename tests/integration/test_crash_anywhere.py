"""What `crash_anywhere` finds, and what it says, of a pipeline in a module of the test's own."""

import re
from collections.abc import Iterator
from pathlib import Path

import pytest

from strandline.errors import DeclarationError
from strandline.testing import crash_anywhere
from strandline.warehouse.database import Database

MODULE = '''
"""Tools in memory, two a page, in the order of their changes."""

import json
import os
import time
from datetime import UTC, datetime, timedelta

from pydantic import AwareDatetime
from sqlalchemy import String
from sqlalchemy.orm import Mapped

from strandline import Cursor, Dimension, Mapper, Pages, Pipeline, Record, attribute, field, run, stream
from strandline.source import Page, Source


class Tool(Record):
    id: str
    name: str
    at: AwareDatetime


SENT = [{"id": f"T-{it}", "name": f"tool {it}", "at": f"2026-03-01T00:0{it // 3}:00Z"} for it in range(7)]


class Box(Source):
    skips = False

    @stream(Tool, key="id", cursor=Cursor("at", ordered=True))
    def tools(self, since: datetime | None) -> Pages:
        sent = SENT[: int(os.environ.get("TOOLS", "7"))]
        if since is not None:
            sent = [it for it in sent if datetime.fromisoformat(it["at"]) >= since + timedelta(self.skips)]
        for at in range(0, len(sent), 2):
            records = [json.dumps(it).encode() for it in sent[at : at + 2]]
            yield Page(records, 1 + at // 2, "box", status=200, fetched_at=datetime.now(UTC), size=9)


class HastyBox(Box):
    name = "box"
    skips = True


class DimBoxTool(Dimension):
    """A tool."""

    tool_name: Mapped[str] = attribute(String(40), scd=2)


class BoxTool(Mapper[Tool, DimBoxTool]):
    tool_name = field("name")


class TimedTool(Mapper[Tool, DimBoxTool]):
    def tool_name(self, record: Tool) -> str:
        return f"{time.time_ns()}"


def pipeline(source, mapper):
    made = Pipeline("tools")
    made.sync(source.streams()["tools"], mapper)
    return made


tools = pipeline(Box, BoxTool)
hasty = pipeline(HastyBox, BoxTool)
timed = pipeline(Box, TimedTool)


def function(database):
    return run(tools, database).exit_code


def failing(database):
    return 1


def broken(database):
    raise RuntimeError("nobody has foreseen this")
'''


@pytest.fixture
def box(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    (tmp_path / "toolbox.py").write_text(MODULE)
    monkeypatch.chdir(tmp_path)
    return tmp_path


@pytest.fixture
def files(box: Path) -> Iterator[Database]:
    """A warehouse in SQLite's files: nobody has to wait for it to notice a crash."""
    database = Database(f"sqlite:///{box}/warehouse.db")
    yield database
    database.close()


def test_nothing_is_found_where_nothing_is_wrong(box: Path, warehouse: Database) -> None:
    first = crash_anywhere("toolbox:tools", warehouse, kills=4, seed=1)
    assert len(first) == 4
    assert all(re.fullmatch(r"day 1, (page|statement|commit) \d+", it) for it in first)
    with warehouse.begin() as connection:
        assert not connection.dialect.has_table(connection, "dim_box_tool", schema="warehouse")


def test_the_runs_of_all_days_are_killed(files: Database) -> None:
    days = [lambda: {"TOOLS": "3"}, lambda: {"TOOLS": "7"}]
    tried = crash_anywhere("toolbox:tools", files, days=days, kills=5)
    assert [it.partition(",")[0] for it in tried] == ["day 1"] * 3 + ["day 2"] * 2


def test_what_a_crash_has_lost_is_told_and_can_be_tried_again(files: Database) -> None:
    with pytest.raises(AssertionError, match="toolbox:hasty: killed at day 1") as failed:
        crash_anywhere("toolbox:hasty", files, kills=14)
    told = str(failed.value)
    assert "raw.box_tools, T-" in told or "dim_box_tool, box:T-" in told
    assert "is missing" in told
    spot = re.search(r"to try it again: at='(.+)'", told)
    assert spot is not None
    with pytest.raises(AssertionError, match=f"killed at {spot[1]}"):
        crash_anywhere("toolbox:hasty", files, at=spot[1])


def test_a_function_will_do(files: Database) -> None:
    assert len(crash_anywhere("toolbox:function", files, kills=2)) == 2


def test_queries_are_compared_too(files: Database) -> None:
    queries = {"runs": "SELECT count(*) FROM strandline.run"}
    with pytest.raises(AssertionError, match=r"runs, row 1: count.* should be 1 and is 2"):
        crash_anywhere("toolbox:tools", files, kills=14, queries=queries)


def test_undisturbed_runs_that_differ_are_told_as_such(files: Database) -> None:
    with pytest.raises(AssertionError, match=r"timed: two undisturbed runs differ\n  dim_box_tool, box:T-0"):
        crash_anywhere("toolbox:timed", files, kills=1)


@pytest.mark.parametrize(
    ("what", "told"),
    [
        ("toolbox:failing", "toolbox:failing: day 1 does not end well"),
        ("toolbox:broken", "toolbox:broken: day 1 does not end well: its standard error tells why"),
    ],
)
def test_a_run_that_fails_undisturbed_is_told(
    files: Database, what: str, told: str, capfd: pytest.CaptureFixture[str]
) -> None:
    with pytest.raises(AssertionError, match=told):
        crash_anywhere(what, files)
    assert ("RuntimeError: nobody has foreseen this" in capfd.readouterr().err) == (what == "toolbox:broken")


@pytest.mark.parametrize(
    ("what", "options", "told"),
    [
        ("toolbox", {}, "'toolbox' is neither a pipeline nor a function"),
        ("toolbox:nothing", {}, "'toolbox:nothing' is neither a pipeline nor a function"),
        ("boxtool:tools", {}, "'boxtool:tools' cannot be imported: No module named 'boxtool'"),
        ("toolbox:tools", {"at": "there"}, "at='there' is no point of a run"),
        ("toolbox:tools", {"at": "day 1, commit 999"}, "no run comes to day 1, commit 999"),
    ],
)
def test_what_cannot_be_tried_is_told(files: Database, what: str, options: dict[str, str], told: str) -> None:
    with pytest.raises(DeclarationError, match=told):
        crash_anywhere(what, files, **options)  # type: ignore[arg-type]


def test_a_warehouse_in_memory_is_an_error(box: Path) -> None:
    with pytest.raises(DeclarationError, match="a warehouse in memory cannot be seen"):
        crash_anywhere("toolbox:tools", Database("sqlite://"))
