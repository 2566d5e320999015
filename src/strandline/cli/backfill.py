"""What `strandline backfill` does with what was typed."""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import timedelta
from typing import Any, Final

from strandline.cli import commands
from strandline.errors import DeclarationError
from strandline.pipeline import amendment
from strandline.pipeline.backfill import backfill
from strandline.pipeline.window import Step
from strandline.settings import Settings
from strandline.source.cursor import CursorValue

NAMED: Final = {"hour": "1h", "day": "1d", "week": "7d"}
UNITS: Final = {"h": timedelta(hours=1), "d": timedelta(days=1)}


@dataclass(frozen=True)
class Wanted:
    """From where to where, and how much at a time."""

    since: CursorValue
    until: CursorValue | None
    step: Step | None


def read(pipelines: Sequence[Any], name: str, *, since: str, until: str | None, chunk: str | None) -> Wanted:
    """What was typed, as values of the stream's cursor. Raises DeclarationError where it is none."""
    stream = amendment.found(pipelines, name)
    last = None if until is None else amendment.value(stream, until)
    return Wanted(amendment.value(stream, since), last, None if chunk is None else read_step(chunk))


def read_step(given: str) -> Step:
    """How much `day`, `12h` or `1000` is. Raises DeclarationError for anything else."""
    found = re.fullmatch(r"([1-9]\d{0,8})([hd]?)", NAMED.get(given, given))
    if found is None:
        raise DeclarationError(
            f"--chunk: {given!r} is neither a time nor a number",
            hint="Type day, week, 12h or 7d; or 1000 where the cursor is a number.",
        )
    return int(found[1]) * UNITS[found[2]] if found[2] else int(found[1])


def fill(
    pipelines: Sequence[Any],
    settings: Settings,
    name: str,
    wanted: Wanted,
    *,
    is_fresh: bool,
    width: int | None,
    progress: Any,
) -> Any:
    """Read that part of the stream, and merge it; the report."""
    with commands.warehouse(settings) as database:
        return backfill(
            pipelines,
            database,
            name,
            since=wanted.since,
            until=wanted.until,
            step=wanted.step,
            fresh=is_fresh,
            progress=progress,
            workers=settings.workers,
            width=width,
        )
