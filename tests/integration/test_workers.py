"""Workers: whoever cannot help is told of, and whoever dies ends the run with what is stored kept."""

import os
import subprocess
import sys
from collections.abc import Iterator
from datetime import datetime
from pathlib import Path

import pytest
from sqlalchemy import text
from tests.memory import Given, pages
from tests.workshop import DimTool, Tool, Workshop, tool, workshop

from strandline.model import Mapper, field
from strandline.pipeline import Pipeline, RunReport, run
from strandline.pipeline.load import Load
from strandline.source import Cursor, Pages, Source, stream
from strandline.warehouse.database import Database


class Shelf(Source):
    """Tools that come in the order of their changes, it says."""

    def __init__(self, *batches: list[Given]) -> None:
        super().__init__()
        self.batches = batches

    @stream(Tool, key="id", cursor=Cursor("changed", ordered=True))
    def tools(self, since: datetime | None) -> Pages:
        """What it was given."""
        return pages(*self.batches)


class ShelfTool(Mapper[Tool, DimTool]):
    """Tools."""

    label = field("label")
    weight = field("weight")


shelf = Pipeline("shelf")
shelf.sync(Shelf.tools, ShelfTool)


@pytest.fixture(autouse=True)
def small_chunks() -> Iterator[None]:
    """A chunk a page, so that tests need few records."""
    before, Load.chunk_records = Load.chunk_records, 4
    yield
    Load.chunk_records = before


def load(database: Database, records: list[Given], *, workers: int) -> RunReport:
    """One run with these."""
    return run(workshop, database, sources={"workshop": Workshop(records)}, workers=workers)


def test_a_worker_that_dies_ends_the_run_and_nothing_is_lost(warehouse: Database) -> None:
    records: list[Given] = [tool(number, label="hammer" if number > 4 else "saw") for number in range(40)]
    report = load(warehouse, records, workers=1)

    assert report.streams[0].kind == "WorkerDied"
    assert "exit code 7" in (report.streams[0].error or "")
    assert "--workers 0" in (report.streams[0].hint or "")
    again = load(warehouse, records, workers=0)
    assert again.status == "done"
    with warehouse.connect() as connection:
        assert connection.scalar(text("SELECT count(*) FROM raw.workshop_tools")) == 40
        assert connection.scalar(text("SELECT count(*) FROM warehouse.dim_tool WHERE tool_key > 0")) == 40


def test_records_out_of_order_are_found_across_pages(warehouse: Database) -> None:
    """Each page is in order, and whoever takes it apart sees nothing wrong."""
    source = Shelf([tool(1), tool(2)], [tool(5), tool(6)], [tool(3), tool(4)])
    report = run(shelf, warehouse, sources={"shelf": source}, workers=1)

    assert report.streams[0].kind == "OrderBroken"
    with warehouse.connect() as connection:
        assert connection.scalar(text("SELECT mark FROM strandline.read_mark")) is None


SCRIPT = """
import sys
from tests.workshop import IS_WORKER, DimTool, Tool, Workshop, tool
from strandline.model import Mapper, field
from strandline.pipeline import Pipeline, run
from strandline.warehouse.database import Database

if IS_MODULE and IS_WORKER:
    raise RuntimeError("no workers here")

class ScriptTool(Mapper[Tool, DimTool]):
    label = field("label")
    weight = field("weight")

script = Pipeline("script")
script.sync(Workshop.tools, ScriptTool)

def main(url):
    database = Database(url)
    records = [tool(number) for number in range(40)]
    print(run(script, database, sources={"workshop": Workshop(records)}, workers=1).streams[0].stored)
    database.close()
"""


def said(*arguments: str) -> subprocess.CompletedProcess[str]:
    """What a Python says to these arguments."""
    environment = {**os.environ, "PYTHONPATH": os.getcwd()}
    command = [sys.executable, *arguments]
    return subprocess.run(command, check=False, capture_output=True, text=True, env=environment, timeout=60)


def test_a_script_that_declares_its_mappers_itself_does_everything_itself(
    database_url: str, tmp_path: Path
) -> None:
    """It has no `if __name__ == "__main__":` either, and is not run twice."""
    script = tmp_path / "script.py"
    script.write_text(f"IS_MODULE = False\n{SCRIPT}\nmain(sys.argv[1])\n")
    done = said(str(script), database_url)
    assert (done.stdout, done.stderr) == ("40\n", "")


def test_a_module_that_a_worker_cannot_import_is_told_of(database_url: str, tmp_path: Path) -> None:
    (tmp_path / "script_module.py").write_text(f"IS_MODULE = True\n{SCRIPT}\n")
    start = f"import sys; sys.path.insert(0, {str(tmp_path)!r}); import script_module as it"
    done = said("-c", f"{start}; it.main({database_url!r})")
    assert done.stdout == "40\n"
    assert "no workers here" in done.stderr
