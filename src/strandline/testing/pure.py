"""Whether contracts and mappers make the same of the same record, always: no clock, no dice, no memory.

A date that a mapper takes from the clock is another one tomorrow only, and no two runs of a test would show
it. So Python itself is asked which functions are called while a record goes through contract and mapper.
"""

from __future__ import annotations

import gc
import os
import random
import sys
import sysconfig
import time
from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import contextmanager
from datetime import date, datetime
from pathlib import Path
from types import FrameType
from typing import Any, Final

from psycopg.types.json import Json, Jsonb
from sqlalchemy import make_url

from strandline.errors import RecordRejected
from strandline.model.conversion import FAILURES
from strandline.pipeline.definition import Pipeline, Sync
from strandline.pipeline.target import target_of
from strandline.source.stream import Stream

CLOCKS: Final = (
    *(time.time, time.time_ns, time.monotonic, time.monotonic_ns),
    *(time.perf_counter, time.perf_counter_ns, time.process_time),
)
DICE: Final = (os.urandom,)
OF_DATES: Final = ("now", "utcnow", "today")
OF_RANDOM: Final = ("random", "getrandbits")
OURS: Final = str(Path(__file__).parents[1])
PYTHONS: Final = sysconfig.get_paths()["stdlib"]

Making = Callable[[], object]


def impurities(pipeline: Pipeline, payloads: Iterable[tuple[Stream, bytes]]) -> list[str]:
    """What makes another row of one of these records the next time, each in words and once."""
    found: dict[str, None] = {}
    targets = _targets(pipeline)
    moment = datetime.fromisoformat("2000-01-01T00:00:00Z")
    for stream, payload in payloads:
        for name, make in _makings(stream, payload, targets.get(stream.qualified_name, ()), moment):
            calls: list[str] = []
            with _watching(calls):
                first = _made(make)
            found |= dict.fromkeys(f"{name} {it}" for it in calls)
            if not calls and not _are_alike(_made(make), first):
                found[f"{name} makes something else of the same record the second time"] = None
    return list(found)


def _targets(pipeline: Pipeline) -> dict[str, list[tuple[Sync, Any]]]:
    rows = make_url("postgresql+psycopg://").get_dialect()()
    found: dict[str, list[tuple[Sync, Any]]] = {}
    for sync in pipeline.syncs:
        conversion = target_of(sync, sources=pipeline.sources, rows=rows).conversion
        found.setdefault(sync.stream.qualified_name, []).append((sync, conversion))
    return found


def _makings(
    stream: Stream, payload: bytes, targets: Sequence[tuple[Sync, Any]], moment: datetime
) -> Iterator[tuple[str, Making]]:
    """What is made of a record: itself, and a row for each target."""
    yield stream.contract.__name__, lambda: stream.parse(payload)
    try:
        record = stream.parse(payload)
    except RecordRejected:
        return
    for sync, conversion in targets:
        yield sync.mapper.__name__, lambda it=conversion: it.convert(record, 1, "key", moment, moment)  # type: ignore[misc]


def _made(make: Making) -> object:
    try:
        return make()
    except (RecordRejected, *FAILURES) as error:
        return str(error)


def _are_alike(one: Any, other: Any) -> bool:
    """Whether two rows or records say the same; of what cannot be compared it is believed."""
    if isinstance(one, tuple) and isinstance(other, tuple):
        return len(one) == len(other) and all(map(_are_alike, one, other))
    if isinstance(one, Json | Jsonb) and isinstance(other, Json | Jsonb):
        return bool(one.obj == other.obj)
    cannot_tell = type(one) is type(other) and getattr(type(one), "__eq__", None) is object.__eq__
    return bool(one == other) or cannot_tell or (one != one and other != other)


@contextmanager
def _watching(calls: list[str]) -> Iterator[None]:
    """Note who reads a clock or throws dice within the block."""

    def note(frame: FrameType, event: str, called: Any) -> None:
        if event == "c_call" and (what := _word(called)) is not None:
            calls.append(f"{what}{_where(frame)}")

    before, is_collecting = sys.getprofile(), gc.isenabled()
    gc.disable()  # somebody may read the clock whenever it is at work
    sys.setprofile(note)
    try:
        yield
    finally:
        sys.setprofile(before)
        if is_collecting:
            gc.enable()


def _word(called: Any) -> str | None:
    """What such a function does; None for all others."""
    owner, name = getattr(called, "__self__", None), getattr(called, "__name__", "")
    if called in CLOCKS:
        return f"reads the clock: time.{name}()"
    if name in OF_DATES and isinstance(owner, type) and issubclass(owner, date):
        return f"reads the clock: {owner.__name__}.{name}()"
    if called in DICE or (name in OF_RANDOM and owner is random._inst):
        return "throws dice"
    return None


def _where(frame: FrameType | None) -> str:
    """Where in the user's own code that was."""
    while frame is not None and frame.f_code.co_filename.startswith((PYTHONS, OURS, "<")):
        frame = frame.f_back
    if frame is None:
        return ""
    return f" ({Path(frame.f_code.co_filename).name}, line {frame.f_lineno})"
