"""Memory does not grow with a file, whatever it is written in: one JSON document as little as lines."""

import json
import subprocess
import sys
from pathlib import Path

import pytest
from tests.integration.http.lake import MIB, lines

SIZE = 150 * MIB


@pytest.mark.parametrize(
    ("name", "packing"),
    [
        ("json", "plain"),
        ("json", "gz"),
        ("json", "zip"),
        ("csv", "plain"),
        ("ndjson", "plain"),
        ("xml", "gz"),
    ],
)
def test_memory_does_not_grow_with_a_file(name: str, packing: str, tmp_path: Path) -> None:
    """150 MB in a process of its own, from the beginning and again from the middle."""
    command = [sys.executable, "-m", "tests.integration.silo", name, str(SIZE), packing, str(tmp_path)]
    ran = subprocess.run(command, capture_output=True, text=True, check=True, cwd=Path(__file__).parents[2])
    told = json.loads(ran.stdout)

    assert told["records"] == sum(1 for _ in lines(name, SIZE)) + (name == "json")
    assert 0 < told["rest"] < 0.6 * told["records"]
    assert told["grown"] < 80 * MIB, told
