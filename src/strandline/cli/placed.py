"""What `strandline generate source` says where it has written into a workspace."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any


def head(told: Mapping[str, Any]) -> Iterator[str]:
    """What was written, and what was changed."""
    yield "Written:"
    yield from (f"  {it}" for it in told["files"] if not it.startswith(samples(told["source"])))
    yield f"  {samples(told['source'])}"
    yield "Added to:"
    yield from (f"  {it}" for it in told["changed"])
    for old, new in told["renamed"].items():
        yield f"There is a {old} already, so this one is {new}; if they are the same things, map to that one."


def samples(source: str) -> str:
    """Where the sampled records are."""
    return f"libs/{source}/tests/samples"


def undo(told: Mapping[str, Any]) -> str:
    """How all of it is taken back."""
    written = [f"libs/{told['source']}", *(it for it in told["files"] if it.startswith("libs/database/"))]
    return f"remove {', '.join(written)}, restore {', '.join(told['changed'])},"


def steps(told: Mapping[str, Any]) -> Iterator[str]:
    """What is to be done next."""
    source = told["source"]
    files = f"libs/{source}/src/{source}/source.py libs/database/src/database/{source}.py"
    for file, lines in told["by_hand"].items():
        yield f"add to {file}:"
        yield from (f"    {line}" for it in lines for line in it.split("\n"))
    if told["unsure"]:
        yield f"look at what is unsure, {told['unsure']} times: grep -A1 'unsure:' {files}"
    if told["settings"]:
        yield f"set in .env: {', '.join(told['settings'])}"
    yield "install it, and try it on the sample: make check"
    yield f'make its tables: strandline migrate revision -m "{source}", then strandline migrate upgrade'
