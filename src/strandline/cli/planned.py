"""What `strandline plan` finds and prints."""

from __future__ import annotations

import re
from collections.abc import Sequence
from typing import Final

from strandline.cli import commands, output
from strandline.cli.paper import Console, console
from strandline.pipeline.definition import Pipeline
from strandline.pipeline.plan.outlook import (
    BUSY,
    COUNTED,
    FAIL,
    MERGE,
    NOTHING,
    Outlook,
    Problem,
    TargetOutlook,
)
from strandline.pipeline.plan.plan import plan
from strandline.settings import Settings

STREAMS: Final = {
    "stream": "stream",
    "mark": "read up to",
    "reads": "a run reads",
    "with_full": "with --full",
}
TARGETS: Final = {"target": "target", "stream": "from", "entries": "entries", "what": "rows"}
WRITES: Final = {
    "target": "target",
    "table": "table",
    "inserted": "inserted",
    "updated": "updated",
    "deleted": "deleted",
}
LOCKS: Final = {"step": "step", "mode": "lock", "on": "on", "why": "for what"}

MADE: Final = re.compile(
    r"(?P<what>CREATE|ALTER|DROP)(?: OR REPLACE)?(?: UNLOGGED)? (?P<kind>SCHEMA|TABLE|VIEW|FUNCTION|INDEX)"
    r"(?: IF EXISTS)? (?P<name>[^\s(]+)"
)

NO_DATABASE: Final = (
    "There is no warehouse yet: strandline run {name} makes one, with {tables} of your models."
)


def find(pipelines: Sequence[Pipeline], settings: Settings, *, is_quick: bool) -> list[Outlook]:
    """The plan of each pipeline. To plan must not make a database: without one there is no more to tell than
    that.
    """
    if settings.database_url is None and not settings.home.exists():
        return [_without_database(it) for it in pipelines]
    with commands.warehouse(settings) as database:
        return [plan(it, database, is_quick=is_quick) for it in pipelines]


def _without_database(pipeline: Pipeline) -> Outlook:
    number = len(pipeline.models)
    tables = f"{number:,} table{'' if number == 1 else 's'}"
    message = NO_DATABASE.format(name=pipeline.name, tables=tables)
    return Outlook(pipeline.name, problem=Problem("WarehouseUnreachable", message, None), has_warehouse=False)


def statements(found: Sequence[Outlook]) -> str:
    """The statements that would make tables, each once."""
    wanted = dict.fromkeys(statement for it in found for statement in it.statements)
    return "".join(f"{it};\n\n" for it in wanted)


def show(found: Sequence[Outlook], *, as_json: bool) -> None:
    """The plans."""
    if as_json:
        output.print_json({"plans": [it.as_dict() for it in found]})
        return
    out = console()
    for it in found:
        _show(out, it)


def _show(out: Console, plan: Outlook) -> None:
    out.print(f"[bold]{plan.pipeline}[/bold]: what a run would do; nothing was changed")
    if plan.problem is not None:
        out.print(
            f"{'A run would stop: ' if plan.has_warehouse else ''}{plan.problem.message}", soft_wrap=True
        )
        if plan.problem.hint:
            out.print(f"  hint: {plan.problem.hint}", soft_wrap=True)
    elif plan.statements or plan.stages:
        _show_tables(out, plan)
    else:
        out.print("Tables: all of them are there.")
    _show_streams(out, plan)
    if plan.problem is None:
        _show_targets(out, plan)
        out.print(
            output.table(
                [dict(vars(it)) for it in plan.locks],
                columns=LOCKS,
                title="Locks, each until its step is committed",
            )
        )


def _show_tables(out: Console, plan: Outlook) -> None:
    out.print(f"Tables: {len(plan.statements):,} statements, which --sql prints in full.")
    for told, names in _made(plan).items():
        out.print(f"  {told}: {', '.join(names)}", soft_wrap=True)
    if plan.stages:
        out.print(f"  stages are made: {', '.join(plan.stages)}", soft_wrap=True)


def _made(plan: Outlook) -> dict[str, list[str]]:
    """What is made, altered and dropped, by kind; what is dropped to be made again is made."""
    found: dict[str, list[str]] = {}
    matches = [match for it in plan.statements if (match := MADE.match(it)) and match["kind"] != "INDEX"]
    made = {it["name"] for it in matches if it["what"] == "CREATE"}
    for it in matches:
        if it["what"] == "CREATE" or it["name"] not in made:
            names = found.setdefault(f"{it['what'].lower()} {it['kind'].lower()}", [])
            names += [it["name"]] if it["name"] not in names else []
    return found


def _show_streams(out: Console, plan: Outlook) -> None:
    if not plan.streams:
        return
    rows = [{**vars(it), "mark": output.shown_mark(it.mark)} for it in plan.streams]
    out.print(output.table(rows, columns=STREAMS, title="Streams"))
    for it in plan.streams:
        if it.deletions:
            out.print(f"{it.stream}: {it.deletions}.", soft_wrap=True)
        if it.held_by:
            out.print(f"{it.stream} is being read now, by {it.held_by}: a run would refuse.", soft_wrap=True)


def _show_targets(out: Console, plan: Outlook) -> None:
    behind = [it for it in plan.targets if it.entries or it.status != NOTHING]
    if not behind and not plan.aggregates:
        out.print("Rows: all that is in the raw log is in the tables.")
        return
    rows = [{**vars(it), "what": _what(it)} for it in behind]
    out.print(output.table(rows, columns=TARGETS, title="What is in the raw log, and not in the tables yet"))
    for name, groups in plan.aggregates.items():
        out.print(f"{name} would be built anew: {groups:,} groups.")
    written = [
        {"target": it.target, "table": name, **rows} for it in behind for name, rows in it.writes.items()
    ]
    if written:
        out.print(output.table(written, columns=WRITES, title="Rows written"))
    if plan.samples:
        out.print(output.table(plan.samples, columns=output.SAMPLE_COLUMNS, title="For example"))
    for it in behind:
        if it.problem is not None:
            out.print(f"{it.target}: {it.problem.message}", soft_wrap=True)
            if it.problem.hint:
                out.print(f"  hint: {it.problem.hint}", soft_wrap=True)


def _what(it: TargetOutlook) -> str:
    words = {
        COUNTED: "not looked at",
        FAIL: "the merge would fail",
        BUSY: "another run is merging into it",
    }
    if it.status != MERGE:
        return words.get(it.status, "nothing")
    counts = {**it.counts, "rejected": max(it.rejected, it.counts.get("rejected", 0))}
    new = f"; new columns {', '.join(it.new_columns)}" if it.new_columns else ""
    return f"{output.counted(counts)}{new}"
