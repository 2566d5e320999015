"""A project in a folder of its own, in which the real command runs as a user runs it.

project = Project(tmp_path, environment={"STRANDLINE_CRM__BASE_URL": api.url})
project.add(Path("pipeline.py"))
assert project.strandline("run", "sales").code == 0
"""

from __future__ import annotations

import json
import os
import shlex
import shutil
import subprocess
import sys
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

PATIENCE_SECONDS: Final = 60.0


@dataclass(frozen=True)
class Outcome:
    """How a command ended and what it said."""

    code: int
    stdout: str
    stderr: str

    @property
    def document(self) -> Any:
        """What `--json` printed; raises ValueError when that is anything but one document."""
        return json.loads(self.stdout)

    @property
    def error(self) -> str:
        """The error lines, each with its hint, without what was logged before."""
        lines = self.stderr.splitlines()
        first = next((number for number, line in enumerate(lines) if line.startswith("error: ")), len(lines))
        return "\n".join(lines[first:])


class Project:
    """A folder with a user's modules. What its commands say is printed, for the test that fails to show.

    `program` is another `strandline` than that of this Python.
    """

    def __init__(self, folder: Path, *, environment: Mapping[str, str], program: Path | None = None) -> None:
        self.folder = folder
        self.program = [sys.executable, "-m", "strandline"] if program is None else [str(program)]
        self.environment = dict(environment)
        self.outcomes: list[Outcome] = []

    def add(self, file: Path) -> None:
        """Copy a module into the folder."""
        shutil.copy(file, self.folder)

    def edit(self, name: str, old: str, new: str) -> None:
        """Change a module as at an editor; raises ValueError when `old` does not stand in it exactly once."""
        text = (self.folder / name).read_text(encoding="utf-8")
        if text.count(old) != 1:
            raise ValueError(f"{name}: {old!r} stands in it {text.count(old)} times, not once")
        (self.folder / name).write_text(text.replace(old, new), encoding="utf-8")

    def strandline(self, *words: str) -> Outcome:
        """Run `strandline …` to its end."""
        return self.finish(self.start(*words))

    def start(self, *words: str) -> subprocess.Popen[str]:
        """Start `strandline …`; `finish` waits for it."""
        ours = {name: value for name, value in os.environ.items() if not name.startswith("STRANDLINE_")}
        return subprocess.Popen(
            [*self.program, *words],
            cwd=self.folder,
            env={**ours, **self.environment},
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
        )

    def finish(self, process: subprocess.Popen[str]) -> Outcome:
        """Wait for a command's end; one that does not end is killed, and TimeoutExpired raised."""
        try:
            stdout, stderr = process.communicate(timeout=PATIENCE_SECONDS)
        except subprocess.TimeoutExpired:
            process.kill()
            process.communicate()
            raise
        outcome = Outcome(process.returncode, stdout, stderr)
        self.outcomes.append(outcome)
        assert isinstance(process.args, list)
        words = shlex.join(["strandline", *map(str, process.args[len(self.program) :])])
        sys.stdout.write(f"$ {words}\n{stdout}{stderr}[exit code {outcome.code}]\n\n")
        return outcome
