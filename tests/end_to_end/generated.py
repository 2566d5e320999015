"""What a generated project has to stand: the rules of this project, mypy, and its own test."""

import atexit
import os
import shutil
import subprocess
import sys
import tempfile
import tomllib
from functools import cache
from pathlib import Path
from typing import Any

from tests.warm import PYTEST

from strandline.testing.project import Outcome, Project

ROOT = Path(__file__).parents[2]


def python(folder: Path, *words: str) -> Outcome:
    """Another program of this environment, in the folder."""
    return type_in(folder, sys.executable, "-m", *words)


def type_in(folder: Path, *words: str) -> Outcome:
    done = subprocess.run(words, cwd=folder, capture_output=True, text=True, check=False)
    return Outcome(done.returncode, done.stdout, done.stderr)


def ruff(folder: Path) -> None:
    """The rules of this project; in a project of somebody else `source` and `model` are their own modules."""
    rules = tomllib.loads((ROOT / "pyproject.toml").read_text())["tool"]["ruff"]["lint"]
    common = ("--isolated", "--no-cache", "--line-length", "110", "--target-version", "py311")
    chosen = ("--select", ",".join(rules["select"]), "--ignore", ",".join(rules["ignore"]))
    checked = python(folder, "ruff", "check", *common, *chosen)
    formatted = python(folder, "ruff", "format", "--diff", *common)

    assert (checked.code, formatted.code) == (0, 0), checked.stdout + formatted.stdout + formatted.stderr


def pass_own_test(project: Project, folder: Path) -> None:
    """Its own test, by a pytest that stands beside the project's program."""
    pytest = Path(project.program[0]).with_name(PYTEST)
    told = type_in(folder, str(pytest), "-q", "-p", "no:cacheprovider", "-c", os.devnull, "--rootdir", ".")

    assert told.code == 0, told.stdout


@cache
def known_types() -> str:
    """What mypy knows of all that such a project imports, which it takes ten seconds to read."""
    folder = tempfile.mkdtemp(prefix="strandline-mypy-")
    atexit.register(shutil.rmtree, folder)
    return folder


def typed(folder: Path) -> None:
    told = python(folder, "mypy", "--strict", "--cache-dir", known_types(), ".")

    assert told.code == 0, told.stdout


def generate(project: Project, *words: str) -> dict[str, Any]:
    made = project.strandline("generate", "source", *words, "--json")
    assert made.code == 0
    found: dict[str, Any] = made.document
    return found
