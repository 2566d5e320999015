"""The command `strandline runs`: the history of runs, a line each."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import UTC, datetime
from typing import Annotated, Any, Final

import typer

from strandline.cli.option import AsJson, DatabaseUrl

COLUMNS: Final = {
    "run_id": "run",
    "pipeline": "pipeline",
    "kind": "kind",
    "status": "status",
    "started_at": "started",
    "took": "took",
    "records": "records",
    "stored": "new",
    "rejected": "rejected",
    "error": "what went wrong",
}
MOST_LETTERS: Final = 40
"""So many of an error stand in the table."""


def runs(
    name: Annotated[str | None, typer.Argument(help="Only this pipeline.")] = None,
    limit: Annotated[int, typer.Option("--limit", min=1, help="How many, newest first.")] = 20,
    database_url: DatabaseUrl = None,
    as_json: AsJson = False,
) -> None:
    """Show the history of runs, newest first: when, how long, how much, and how they ended."""
    from strandline.cli import output
    from strandline.cli.paper import console

    found = _history(name, database_url=database_url, limit=limit)
    if as_json:
        output.print_json({"runs": found})
        return
    if not found:
        console().print("No run yet: strandline run NAME.")
        return
    rows = [{**it, "took": _took(it["seconds"]), "error": _shortened(it["error"])} for it in found]
    rare = [key for key in ("rejected", "error") if not any(row[key] for row in rows)]
    used = {key: it for key, it in COLUMNS.items() if key not in rare}
    console().print(output.table(rows, columns=used))


def _history(name: str | None, *, database_url: str | None, limit: int) -> list[dict[str, Any]]:
    from strandline.cli import commands
    from strandline.warehouse import ledger

    with commands.looking(database_url) as there:
        if there is None:
            return []
        _, connection = there
        commands.refuse_unknown(connection, name)
        found = ledger.runs(connection, pipeline=name, limit=limit)
        alive = ledger.alive(connection, [it["run_id"] for it in found if it["status"] == "running"])
        return [_told(it, is_alive=it["run_id"] in alive) for it in found]


def _told(run: Mapping[str, Any], *, is_alive: bool) -> dict[str, Any]:
    """The run with its sums; what has ended without a word has crashed, before the next run notes it."""
    status = "crashed" if run["status"] == "running" and not is_alive else run["status"]
    ended = run["finished_at"] or (datetime.now(UTC) if status == "running" else None)
    streams = run["streams"]
    errors = [f"{it['stream']}: {it['error']}" for it in streams if it["error"] and it["status"] != "done"]
    told = {name: run[name] for name in ("run_id", "pipeline", "kind", "started_at", "finished_at")}
    return {
        **told,
        "status": status,
        "seconds": round((ended - run["started_at"]).total_seconds(), 3) if ended else None,
        **{name: sum(it[name] for it in streams) for name in ("records", "stored", "rejected")},
        "error": run["error"] or "; ".join(errors) or None,
        "strandline_version": run["strandline_version"],
    }


def _took(seconds: float | None) -> str:
    if seconds is None:
        return ""
    if seconds < 60:
        return f"{seconds:.1f} s"
    minutes, seconds = divmod(round(seconds), 60)
    hours, minutes = divmod(minutes, 60)
    return f"{hours} h {minutes:02} min" if hours else f"{minutes} min {seconds:02} s"


def _shortened(error: str | None) -> str | None:
    if error is None or len(error) <= MOST_LETTERS:
        return error
    return f"{error[:MOST_LETTERS]}…"
