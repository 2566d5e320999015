"""Sources that a program reads, as a user runs them: what it offers, and Ctrl-C."""

import json
import os
import shutil
import signal
import sys
import time
from pathlib import Path

import pytest
from tests import tap
from tests.dockyard import TAPS, singer

from strandline.testing.project import Project

PIPELINE = '''
"""A project of a user."""

from sqlalchemy.orm import Mapped

from strandline import Dimension, Mapper, Pages, Pipeline, Record, attribute, field, stream
from strandline.source import ProgramSettings, SingerSource


class ErpSettings(ProgramSettings):
    notes: str
    discovers: list[str]
    says: list[str]
    ends: str = ""


class Vessel(Record):
    id: int
    name: str | None = None


class Erp(SingerSource):
    settings: ErpSettings

    @stream(Vessel, key="id")
    def ships(self, since: str | None) -> Pages:
        return self.pages("ships", since)


class DimVessel(Dimension):
    """A ship."""

    vessel_name: Mapped[str | None] = attribute()


class ErpVessel(Mapper[Vessel, DimVessel]):
    """Ships."""

    vessel_name = field("name")


ships = Pipeline("ships")
ships.sync(Erp.ships, ErpVessel)
'''


@pytest.fixture
def project(tmp_path: Path, database_url: str, program: Path) -> Project:
    """A project whose tap sends two ships and a state."""
    shutil.copy(tap.__file__, tmp_path)
    (tmp_path / "pipeline.py").write_text(PIPELINE)
    says = [singer('{"id": 1, "name": "Ada"}'), singer('{"id": 2}'), '{"type": "STATE", "value": 2}']
    environment = {
        "STRANDLINE_DATABASE_URL": database_url,
        "STRANDLINE_ERP__COMMAND": f"{sys.executable} -I tap.py",
        "STRANDLINE_ERP__NOTES": "notes.jsonl",
        "STRANDLINE_ERP__DISCOVERS": json.dumps(TAPS.split("\n")),
        "STRANDLINE_ERP__SAYS": json.dumps(says),
    }
    return Project(tmp_path, environment=environment, program=program)


def test_a_tap_is_asked_what_it_has_and_read_from_its_state_on(project: Project) -> None:
    drafted = project.strandline("discover", "pipeline:Erp", "harbour-ships").stdout
    assert "class HarbourShips(Record):" in drafted
    assert '    @stream(HarbourShips, key="id", deleted="_sdc_deleted_at")' in drafted
    listed = project.strandline("discover", "pipeline:Erp", "--json").document
    assert [(it["name"], it["key"]) for it in listed["streams"]] == [
        ("harbour-boats", []),
        ("harbour-ships", ["id"]),
    ]
    unknown = project.strandline("discover", "pipeline:Erp", "harbour-ship")
    assert unknown.code == 2
    assert "Did you mean 'harbour-ships'?" in unknown.error
    assert "no SingerSource or AirbyteSource" in project.strandline("discover", "pipeline:Erq").error

    assert project.strandline("run", "ships").code == 0
    assert project.strandline("marks", "export").document == {"marks": {"erp.ships": "state:2"}}
    assert project.strandline("run", "ships", "--json").document["streams"][0]["mark_before"] == "state:2"


def test_ctrl_c_leaves_no_process(project: Project) -> None:
    project.environment["STRANDLINE_ERP__ENDS"] = "hangs"
    run = project.start("run", "ships")
    notes = project.folder / "notes.child"
    while run.poll() is None and not notes.exists():
        time.sleep(0.02)
    run.send_signal(signal.SIGTERM)
    assert project.finish(run).code == 1
    started = [json.loads(it)["pid"] for it in (project.folder / "notes.jsonl").read_text().splitlines()]
    deadline = time.monotonic() + 10
    while any(map(is_there, [*started, int(notes.read_text())])) and time.monotonic() < deadline:
        time.sleep(0.02)
    assert [pid for pid in [*started, int(notes.read_text())] if is_there(pid)] == []


def is_there(pid: int) -> bool:
    """Whether the process is there, if only as one that nobody has waited for."""
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return False
    return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0] != "Z"
