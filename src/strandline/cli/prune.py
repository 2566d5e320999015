"""What `strandline prune` and `strandline restore` do, and what they print."""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import asdict
from datetime import timedelta
from pathlib import Path
from typing import Any, Final

from strandline.cli import commands, output, paper
from strandline.errors import DeclarationError
from strandline.settings import Settings

DAYS: Final = re.compile(r"(\d{1,6})d")
COLUMNS: Final = {
    "stream": "stream",
    "status": "status",
    "before": "read before",
    "entries": "entries",
    "keys": "natural keys",
    "bytes": "bytes",
    "reason": "because",
}


def read_days(given: str) -> timedelta:
    """How long `400d` is. Raises DeclarationError for anything else."""
    found = DAYS.fullmatch(given.strip())
    if found is None:
        raise DeclarationError(
            f"--older-than: {given!r} is no number of days", hint="Write it as in --older-than 400d."
        )
    return timedelta(days=int(found[1]))


def prune(
    pipeline: Any,
    pipelines: Sequence[Any],
    settings: Settings,
    *,
    streams: Sequence[str],
    older_than: timedelta | None,
    export: Path | None,
    is_dry: bool,
    progress: Any,
) -> Any:
    """Prune the raw logs of the pipeline's streams, or of these; the report."""
    from strandline.pipeline.pruning import choose
    from strandline.pipeline.pruning import prune as prune_streams

    wanted = choose(pipeline, streams)
    with commands.warehouse(settings) as database:
        return prune_streams(
            pipelines,
            database,
            wanted,
            older_than=older_than,
            export=export,
            is_dry=is_dry,
            progress=progress,
        )


def print_report(report: Any, *, as_json: bool) -> None:
    """What is gone, or would be."""
    if as_json:
        output.print_json(report.as_dict())
        return
    rows = [asdict(it) for it in report.streams]
    columns = {name: it for name, it in COLUMNS.items() if any(row[name] is not None for row in rows)}
    word = "would be pruned" if report.is_dry else "pruned"
    out = paper.console()
    out.print(output.table(rows, columns=columns, title=f"{report.pipeline}: {word}"))
    for row in rows:
        for path in row["exported"]:
            out.print(f"written: {path}", soft_wrap=True)
    _print_errors(rows)


def _print_errors(rows: Iterable[Mapping[str, Any]]) -> None:
    for row in rows:
        if row["error"]:
            output.tell_error(row["error"], row.get("hint"), kind=row.get("kind"))


def restore(pipelines: Sequence[Any], settings: Settings, folder: Path, *, progress: Any) -> Any:
    """Bring what was exported to the folder back; the report."""
    from strandline.pipeline.restoration import restore as restore_folder

    with commands.warehouse(settings) as database:
        return restore_folder(pipelines, database, folder, progress=progress)


def print_restore(report: Any, *, as_json: bool) -> None:
    """What is back."""
    if as_json:
        output.print_json(report.as_dict())
        return
    rows = [asdict(it) for it in report.streams]
    columns = {"stream": "stream", "status": "status", "files": "files", "entries": "entries"}
    paper.console().print(output.table(rows, columns=columns, title="restored"))
    _print_errors(rows)
