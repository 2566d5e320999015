"""Taps and connectors that others have written, each in an environment of its own; `make test-connectors`."""

import os
from collections.abc import Callable
from pathlib import Path

import pytest
from benchmarks.peers.environment import prepared
from tests.documentation import ROOT


@pytest.fixture(scope="session")
def programs() -> Callable[[str], Path]:
    """Where the programs of one of the folders here are, installed as its requirements.txt has it."""
    return lambda name: prepared(name, folder=Path(__file__).parent, kept=ROOT / ".connectors")


@pytest.fixture
def on_path(programs: Callable[[str], Path]) -> Callable[[str], str]:
    """The PATH with those programs on it."""
    return lambda name: f"{programs(name)}{os.pathsep}{os.environ['PATH']}"


@pytest.fixture(scope="session")
def landers() -> Callable[[str], Path]:
    """Where the programs are that land tables, or work on ours: those that are measured against, too."""
    return lambda name: prepared(name, kept=ROOT / ".connectors")
