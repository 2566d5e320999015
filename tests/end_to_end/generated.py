"""What a generated project has to stand: the rules of this project, mypy, and its own test."""

import os
import subprocess
import sys
import tomllib
from pathlib import Path
from typing import Any

from strandline.testing.project import Outcome, Project

ROOT = Path(__file__).parents[2]


def python(folder: Path, *words: str) -> Outcome:
    """Another program of this environment, in the folder."""
    done = subprocess.run(
        [sys.executable, "-m", *words], cwd=folder, capture_output=True, text=True, check=False
    )
    return Outcome(done.returncode, done.stdout, done.stderr)


def ruff(folder: Path) -> None:
    """The rules of this project; in a project of somebody else `source` and `model` are their own modules."""
    rules = tomllib.loads((ROOT / "pyproject.toml").read_text())["tool"]["ruff"]["lint"]
    common = ("--isolated", "--no-cache", "--line-length", "110", "--target-version", "py311")
    chosen = ("--select", ",".join(rules["select"]), "--ignore", ",".join(rules["ignore"]))
    checked = python(folder, "ruff", "check", *common, *chosen)
    formatted = python(folder, "ruff", "format", "--diff", *common)

    assert (checked.code, formatted.code) == (0, 0), checked.stdout + formatted.stdout + formatted.stderr


def pass_own_test(folder: Path) -> None:
    """Its own test."""
    told = python(folder, "pytest", "-q", "-p", "no:cacheprovider", "-c", os.devnull, "--rootdir", ".")

    assert told.code == 0, told.stdout


def typed(folder: Path) -> None:
    told = python(folder, "mypy", "--strict", "--cache-dir", str(folder.parent / ".mypy"), ".")

    assert told.code == 0, told.stdout


def generate(project: Project, *words: str) -> dict[str, Any]:
    made = project.strandline("generate", "source", *words, "--json")
    assert made.code == 0
    found: dict[str, Any] = made.document
    return found
