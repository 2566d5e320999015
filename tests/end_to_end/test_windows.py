"""A Python without what POSIX has alone, as Windows' is: what works there, and what says why it does not.

What is tried is that nothing asks for what is not there. A real Windows is not tried.
"""

import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest
from tests import harbour

from strandline.testing.project import Outcome, Project

pytestmark = pytest.mark.skipif(sys.platform != "linux", reason="what stands for Windows' locks is Linux's")

PYTHON = Path(__file__).parents[1] / "windows" / "python.py"
LINE = '{"id": 1, "height": 4, "at": "2026-03-01T12:00:00Z"}'

EVERY_MODULE = """
import importlib, pkgutil, strandline
for it in pkgutil.walk_packages(strandline.__path__, "strandline."):
    if not it.name.endswith("__main__"):
        importlib.import_module(it.name)
        print(it.name)
"""

TAKES_A_TURN = """
import sys, time
from pathlib import Path
from strandline.source.turn import Board
from strandline.source.vault import FileVault

board, vault = Board(Path("rates/crm-1")), FileVault(Path("credentials"))
for _ in range(100):
    with board.changing() as turns:
        number = turns.free_at
        time.sleep(0.0005)
        turns.free_at = number + 1
with vault.locked("crm"):
    number = int(vault.load("crm") or 0)
    time.sleep(0.2)
    vault.save("crm", str(number + 1).encode())
print(board._file, board.read().free_at, vault.load("crm"))
"""

READS_A_PROGRAM = """
import sys
from strandline.errors import SourceUnavailable
from strandline.source.process import Process

def begin(code, patience):
    return Process([sys.executable, "-c", code], name="tap", heard=print, patience=patience)

MANY = "import sys; [print('x' * 50_000, it) for it in range(100)]; print('end', file=sys.stderr)"
speaks = begin(MANY, 60)
print(sum(len(it) for it in speaks.lines()), speaks.result())
speaks.end()
hangs = begin("import time; print('first', flush=True); time.sleep(600)", 0.5)
try:
    for line in hangs.lines():
        print(line)
except SourceUnavailable as error:
    print(error.message)
finally:
    hangs.end()
print(hangs._process.returncode)
"""


class Windows(Project):
    """A project whose commands run in such a Python."""

    def __init__(self, folder: Path, **environment: str) -> None:
        shutil.copy(Path(harbour.__file__), folder / "pipeline.py")
        (folder / "gauges.jsonl").write_text(LINE)
        super().__init__(folder, environment=environment)
        self.program = [sys.executable, str(PYTHON), "-m", "strandline"]

    def begin(self, code: str) -> "subprocess.Popen[str]":
        """Start Python code there."""
        (self.folder / "code.py").write_text(code)
        return subprocess.Popen(
            [sys.executable, str(PYTHON), "code.py"],
            cwd=self.folder,
            env={**os.environ, **self.environment},
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
        )

    def python(self, code: str) -> str:
        """What the code says."""
        process = self.begin(code)
        out, error = process.communicate(timeout=60)
        assert process.returncode == 0, error
        return out


def told(outcome: Outcome) -> tuple[int, str]:
    return outcome.code, outcome.stdout + outcome.stderr


def test_every_module_is_imported(tmp_path: Path) -> None:
    names = Windows(tmp_path).python(EVERY_MODULE).split()
    assert {"strandline.cli.app", "strandline.warehouse.embedded", "strandline.testing.crash"} <= set(names)


def test_commands_run_on_sqlite(tmp_path: Path) -> None:
    project = Windows(tmp_path, STRANDLINE_DATABASE_URL="sqlite:///warehouse.db")
    assert project.strandline("--help").code == 0
    code, said = told(project.strandline("run", "gauges"))
    assert (code, "1 member" in said) == (0, True)
    assert project.strandline("run", "gauges").code == 0
    assert project.strandline("status").code == 0
    assert project.strandline("check").code in (0, 1)
    assert project.strandline("doctor").code == 0


def test_commands_run_on_a_postgresql_that_is_there(tmp_path: Path, database_url: str) -> None:
    project = Windows(tmp_path, STRANDLINE_DATABASE_URL=database_url)
    code, said = told(project.strandline("run", "gauges", "--workers", "1"))
    assert (code, "1 member" in said) == (0, True)
    assert project.strandline("doctor").stdout.splitlines()[-1] == "All is well."


def test_an_embedded_postgresql_says_that_there_can_be_none(tmp_path: Path) -> None:
    code, said = told(Windows(tmp_path).strandline("run", "gauges"))
    assert code == 1
    assert "error: embedded PostgreSQL: it needs Unix sockets" in said
    assert "--database-url" in said


def test_runs_beside_one_another_take_turns(tmp_path: Path) -> None:
    project = Windows(tmp_path)
    both = [project.begin(TAKES_A_TURN) for _ in range(2)]
    ends = [it.communicate(timeout=60) for it in both]
    assert not any(error for _, error in ends)
    assert sorted(out.split()[2] for out, _ in ends) == ["b'1'", "b'2'"]
    assert "200.0" in [out.split()[1] for out, _ in ends]


def test_a_program_is_read_and_ended(tmp_path: Path) -> None:
    said = Windows(tmp_path).python(READS_A_PROGRAM).splitlines()
    assert said[:2] == ["end", "5000290 0"] or said[:2] == ["5000290 0", "end"]
    assert said[2] == "b'first'"
    assert said[3].startswith("tap: it has said nothing for 0.5 seconds, and was ended")
    assert int(said[4]) < 0
