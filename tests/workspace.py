"""A workspace as `strandline init` writes it, and the programs that its user types in it."""

import os
import subprocess
import sys
from pathlib import Path

from strandline.testing.project import Outcome, Project

ROOT = Path(__file__).parents[1]
TOOLS = str(Path(sys.executable).parent)


def begin(project: Project, *words: str) -> Outcome:
    """Write one that uses this strandline."""
    return project.strandline("init", *words, "--strandline", str(ROOT))


def ruff(folder: Path) -> str:
    """What the workspace's own rules find."""
    ran = [
        subprocess.run(
            [sys.executable, "-m", "ruff", *words, "--no-cache", "."],
            cwd=folder,
            capture_output=True,
            text=True,
            check=False,
        )
        for words in (["check"], ["format", "--diff"])
    ]
    return "".join(it.stdout for it in ran if it.returncode)


def surroundings() -> dict[str, str]:
    """The environment, without what is set for this session of tests."""
    hidden = ("STRANDLINE_", "PYTEST_", "PYTHONPATH", "COVERAGE_", "COV_")
    return {name: value for name, value in os.environ.items() if not name.startswith(hidden)}


def make(folder: Path, *words: str) -> None:
    """With uv on the PATH, and what is set for this session left out."""
    path = os.pathsep.join([TOOLS, os.environ["PATH"]])
    done = subprocess.run(
        ["make", *words],
        cwd=folder,
        env={**surroundings(), "PATH": path},
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stdout + done.stderr


def imports(folder: Path, *modules: str) -> bool:
    """Whether the environment of the folder has these modules."""
    code = f"import {', '.join(modules)}"
    done = subprocess.run([folder / ".venv/bin/python", "-c", code], cwd=folder, check=False)
    return done.returncode == 0
