"""A program whose runs are killed at any moment, and the test's side of it: kill, run again, compare.

A program imports everything once, and then reads a line for every run that is wanted: which one, the
database's URL, and after how many seconds to kill it (or "undisturbed"). It forks a child for the run and
answers with its exit code. So a kill hits a run, and not the imports before it.
"""

import os
import random
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from types import ModuleType
from typing import Any

from sqlalchemy import URL, create_engine, text

from strandline.testing import postgres
from strandline.warehouse.database import Database


def serve(go: Callable[[str, Database], int]) -> None:
    """Fork a `go` for every line, kill it when its time is over, and say how it ended."""
    _say("imported")
    for line in sys.stdin:
        which, database_url, seconds = line.split()
        child = os.fork()
        if child == 0:
            os._exit(go(which, Database(database_url)))
        if seconds != "undisturbed":
            time.sleep(float(seconds))
            os.kill(child, signal.SIGKILL)  # not waited for yet, so it is still this child's number
        _, status = os.waitpid(child, 0)
        _say(str(os.waitstatus_to_exitcode(status)))


def _say(word: str) -> None:
    sys.stdout.write(f"{word}\n")
    sys.stdout.flush()


class Runner:
    """The process that forks runs."""

    def __init__(self, program: ModuleType, *arguments: str, env: Mapping[str, str] | None = None) -> None:
        self._process = subprocess.Popen(
            [sys.executable, "-m", program.__name__, *arguments],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
            cwd=Path(__file__).parents[2],
            env={**os.environ, **(env or {})},
        )
        assert self._answer() == "imported"

    def run(self, which: str, url: URL, *, kill_after: float | None = None) -> int:
        """Make a run, of so many seconds at most; its exit code."""
        assert self._process.stdin is not None
        seconds = "undisturbed" if kill_after is None else str(kill_after)
        self._process.stdin.write(f"{which} {url.render_as_string(hide_password=False)} {seconds}\n")
        self._process.stdin.flush()
        return int(self._answer())

    def close(self) -> None:
        """Nothing more to run."""
        self._process.communicate()
        assert self._process.returncode == 0

    def _answer(self) -> str:
        assert self._process.stdout is not None
        return self._process.stdout.readline().strip()


@dataclass
class Scene:
    """A run that is killed: which, in a copy of which database, and what is to be there after it."""

    which: Callable[[], str]
    """What the program is told; asked before every run that is killed, and once for it and the one after."""
    template: str
    queries: Mapping[str, str]
    exit_code: int = 0
    expected: dict[str, list[Any]] = field(default_factory=dict)
    begins: float = 0.0
    """After how many seconds an undisturbed run is in the ledger …"""
    seconds: float = 0.0
    """… and after how many it is over."""

    def state(self, database: Database) -> dict[str, list[Any]]:
        """What is there."""
        with database.connect() as connection:
            return {
                name: list(map(tuple, connection.execute(text(query))))
                for name, query in self.queries.items()
            }


def kill_often(
    runner: Runner, server: URL, scenes: Sequence[Scene], *, kills: int, dice: random.Random
) -> None:
    """Kill runs of the scenes in turns, each at a random moment of its own, run again, and compare with an
    undisturbed one. At least half of the kills must hit a run that is in the ledger already.
    """
    for scene in scenes:
        _undisturbed(runner, server, scene)
    landed: list[str] = []
    for number in range(3 * kills + 3):  # a run may be over before its time, or not have begun
        if len(landed) >= kills and _crashes(landed) >= kills / 2:
            break
        scene = scenes[number % len(scenes)]
        after = dice.uniform(scene.begins, scene.seconds)
        status = _kill_and_run_again(runner, server, scene, after=after)
        landed += [] if status is None else [status]
    assert len(landed) >= kills
    assert _crashes(landed) >= kills / 2, landed


def _crashes(landed: list[str]) -> int:
    """The others hit a run that was not yet in the ledger: the creation of the tables, on the first day."""
    return sum("crashed" in status for status in landed)


def _undisturbed(runner: Runner, server: URL, scene: Scene) -> None:
    with postgres.copy(server, scene.template) as url:
        began = time.monotonic()
        assert runner.run(scene.which(), url) == scene.exit_code
        scene.seconds = time.monotonic() - began
        database = Database(url)
        scene.expected = scene.state(database)
        with database.connect() as connection:
            lasted = "SELECT finished_at - started_at FROM strandline.run ORDER BY run_id DESC LIMIT 1"
            scene.begins = 0.8 * (scene.seconds - connection.scalar(text(lasted)).total_seconds())
        database.close()


def _kill_and_run_again(runner: Runner, server: URL, scene: Scene, *, after: float) -> str | None:
    """Kill a run after so many seconds, run again, compare; what the ledger says, or None if it was over."""
    with postgres.copy(server, scene.template) as url:
        which = scene.which()
        if runner.run(which, url, kill_after=after) != -signal.SIGKILL:
            return None
        assert url.database is not None
        _wait_until_alone(server, url.database)
        assert runner.run(which, url) in (0, 3)
        database = Database(url)
        try:
            state = scene.state(database)
            for name, rows in scene.expected.items():
                assert state[name] == rows, f"{name}, killed after {after:.4f} s of {which}"
            with database.connect() as connection:
                runs = "SELECT status FROM strandline.run ORDER BY run_id"
                statuses = connection.scalars(text(runs)).all()
        finally:
            database.close()
    return "/".join(statuses)


def _wait_until_alone(server: URL, database: str) -> None:
    """The killed client's session ends when PostgreSQL notices; until then it holds its locks."""
    count = text("SELECT count(*) FROM pg_stat_activity WHERE datname = :name")
    engine = create_engine(server)
    try:
        for _ in range(1000):
            with engine.connect() as connection:
                if connection.scalar(count, {"name": database}) == 0:
                    return
            time.sleep(0.01)
        raise AssertionError(f"somebody is still connected to {database}")
    finally:
        engine.dispose()
