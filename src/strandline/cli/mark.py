"""What the commands of the marks do, and what they print."""

from __future__ import annotations

import json
import sys
from collections.abc import Mapping, Sequence
from dataclasses import asdict
from pathlib import Path
from typing import Any, Final

from strandline.cli import commands, option, output, paper
from strandline.errors import DeclarationError
from strandline.model.path import nearest
from strandline.pipeline import amendment
from strandline.pipeline.amendment import Amendment
from strandline.settings import Settings
from strandline.source.division import stream_of
from strandline.warehouse import ledger, mark

COLUMNS: Final = {"stream": "stream", "shown": "read up to", "moved_at": "moved", "run": "by run"}
CHANGES: Final = {
    "changed_at": "changed",
    "changed_by": "by",
    "from": "from",
    "to": "to",
    "reason": "why",
}


def find(database_url: str | None) -> list[dict[str, Any]]:
    """The marks of all streams that have one."""
    with commands.looking(database_url) as there:
        return ledger.marks(there[1]) if there is not None else []


def show(database_url: str | None, stream: str) -> dict[str, Any]:
    """The mark of one stream, and what was done to it by hand. Raises DeclarationError where nothing was
    read.
    """
    with commands.looking(database_url) as there:
        if there is None:
            raise DeclarationError("marks: nothing has run here yet", hint="Type: strandline run NAME")
        database, connection = there
        marks = {it["stream"]: it for it in ledger.marks(connection)}
        changes = mark.changes(database, connection, stream)
        if stream not in marks and not changes:
            known = ledger.streams(connection)
            if stream not in known:
                raise DeclarationError(f"nothing was ever read of {stream!r}", hint=nearest(stream, known))
    none = {"stream": stream, "mark": None, "run_id": None, "moved_at": None}
    parts = [it for name, it in marks.items() if name != stream and stream_of(name) == stream]
    return {**marks.get(stream, none), "changes": changes} | ({"partitions": parts} if parts else {})


def given(pipelines: Sequence[Any], name: str, value: str | None, *, is_none: bool) -> dict[str, str | None]:
    """The mark that was typed. Raises DeclarationError for none, and for two."""
    if (value is None) is not is_none:
        raise DeclarationError(
            f"marks set {name}: " + ("a mark, or --none?" if is_none else "to what?"),
            hint="Type a mark, as in 2026-03-01T00:00:00Z, or --none to have everything read.",
        )
    stream = amendment.marked(pipelines, name)
    return {name: None if value is None else amendment.encoded(stream, value)}


def exported(file: Path) -> dict[str, str | None]:
    """The marks in a file of `marks export`. Raises DeclarationError where it is none."""
    name = "stdin" if str(file) == "-" else str(file)
    try:
        text = sys.stdin.read() if str(file) == "-" else file.read_text(encoding="utf-8")
        marks = json.loads(text)["marks"]
        if not all(isinstance(it, str) for it in [*marks, *marks.values()]):
            raise TypeError("its marks are no texts")
    except (OSError, ValueError, TypeError, KeyError, AttributeError) as error:
        raise DeclarationError(
            f"marks import: {name} is no export of marks: {type(error).__name__}: {error}",
            hint="Make one: strandline marks export > marks.json",
        ) from error
    return dict(marks)


def amend(
    pipelines: Sequence[Any], settings: Settings, marks: Mapping[str, str | None], *, reason: str
) -> list[Amendment]:
    """Set these marks, in the name of whoever types it."""
    with commands.warehouse(settings) as database:
        return amendment.amend(pipelines, database, marks, reason=reason, by=option.user())


def print_list(marks: Sequence[Mapping[str, Any]], *, as_json: bool) -> None:
    """Every stream's mark."""
    if as_json:
        output.print_json({"marks": marks})
        return
    if not marks:
        sys.stdout.write("No marks: no stream with a cursor has been read.\n")
        return
    by_stream: dict[str, list[Mapping[str, Any]]] = {}
    for it in marks:
        by_stream.setdefault(stream_of(it["stream"]), []).append(it)
    rows = [_together(stream, its) for stream, its in by_stream.items()]
    paper.console().print(output.table(rows, columns=COLUMNS))


def _together(stream: str, marks: Sequence[Mapping[str, Any]]) -> dict[str, Any]:
    """One row for all partitions of a stream."""
    if [it["stream"] for it in marks] == [stream]:
        return _row(marks[0])
    reached = sorted(it["mark"] for it in marks)
    first, last = output.shown_mark(reached[0]), output.shown_mark(reached[-1])
    latest = _row(max(marks, key=lambda it: it["moved_at"]))
    shown = f"{first} to {last}" if first != last else first
    return {**latest, "stream": f"{stream}[{len(marks):,} partitions]", "shown": shown}


def _row(it: Mapping[str, Any]) -> dict[str, Any]:
    moved = it["moved_at"] and it["moved_at"].strftime("%Y-%m-%d %H:%M:%S")
    run = "by hand" if it["run_id"] == mark.BY_HAND else it["run_id"]
    return {**it, "shown": output.shown_mark(it["mark"]), "run": run, "moved_at": moved}


def print_one(found: Mapping[str, Any], *, as_json: bool) -> None:
    """One stream's mark, and its changes by hand."""
    if as_json:
        output.print_json(found)
        return
    row = _row(found)
    told = {"stream": row["stream"], "read up to": row["shown"] or "its beginning: there is no mark"}
    told |= {name: it for name, it in (("moved", row["moved_at"]), ("by run", row["run"])) if it is not None}
    output.print_mapping(told, as_json=False)
    changes = [
        {
            **it,
            "changed_at": it["changed_at"].strftime("%Y-%m-%d %H:%M:%S"),
            "from": output.shown_mark(it["before"]),
            "to": output.shown_mark(it["after"]) or "none",
        }
        for it in found["changes"]
    ]
    if found.get("partitions"):
        rows = [_row(it) for it in found["partitions"]]
        paper.console().print(output.table(rows, columns=COLUMNS))
    if changes:
        paper.console().print(output.table(changes, columns=CHANGES, title="Set by hand"))


def print_amended(done: Sequence[Amendment], *, as_json: bool) -> None:
    """What was set; and what is not going to be read."""
    if as_json:
        output.print_json({"marks": [asdict(it) for it in done]})
        return
    for it in done:
        before, after = output.shown_mark(it.before) or "none", output.shown_mark(it.after) or "none"
        sys.stdout.write(f"{it.stream}: {before} → {after}\n")
    forward = [it.stream for it in done if it.is_forward]
    if forward:
        sys.stderr.write(
            f"What lies before is not read, but by strandline run NAME --full: {', '.join(forward)}\n"
        )
