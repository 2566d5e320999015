"""What the commands print: tables for people, one JSON document for programs, errors in one shape."""

from __future__ import annotations

import json
import sys
from collections.abc import Iterable, Mapping, Sequence
from datetime import UTC, datetime
from decimal import Decimal
from typing import Any

from strandline import log
from strandline.cli.paper import Console, Table, console
from strandline.errors import SettingsWrong, StrandlineError
from strandline.secrecy import KNOWN

STATE_LETTERS = 40
"""So many letters of a state are shown in a table."""


def print_json(value: object) -> None:
    """One document on stdout."""
    sys.stdout.write(json.dumps(value, default=str, ensure_ascii=False, indent=2) + "\n")


def print_error(error: StrandlineError, *, as_json: bool) -> None:
    """The error on stderr, and for a program on stdout as well."""
    if as_json:
        told: dict[str, Any] = {
            "kind": type(error).__name__,
            "message": error.message,
            "hint": error.hint,
        }
        if isinstance(error, SettingsWrong):
            told["problems"] = [it.as_dict() for it in error.problems]
        print_json({"error": told, "exit_code": error.exit_code})
    tell_error(error.message, error.hint, kind=type(error).__name__)


def tell_error(message: str, hint: str | None, *, kind: str | None, **facts: object) -> None:
    """What went wrong, on stderr; as a line of the log where that is JSON."""
    if log.is_json():
        log.fail(KNOWN.scrub(message), kind=kind, hint=hint, **facts)
        return
    sys.stderr.write(f"error: {message}\n")
    if hint:
        sys.stderr.write(f"  hint: {hint}\n")


def tell(message: str) -> None:
    """A remark, on stderr."""
    if log.is_json():
        log.say(KNOWN.scrub(message))
    else:
        sys.stderr.write(f"{message}\n")


def print_mapping(values: Mapping[str, object], *, as_json: bool) -> None:
    """Names and values."""
    if as_json:
        print_json(values)
        return
    width = max(map(len, values))
    for name, value in values.items():
        sys.stdout.write(f"{name:<{width}}  {'not installed' if value is None else value}\n")


def table(
    rows: Iterable[Mapping[str, object]], *, columns: Mapping[str, str], title: str | None = None
) -> Table:
    """A table of these rows; `columns` maps keys to headings, numbers go to the right."""
    rows = list(rows)
    numbers = [
        bool(rows) and all(isinstance(row.get(key), int | float | Decimal) for row in rows) for key in columns
    ]
    return Table(
        list(columns.values()), [[_cell(row.get(key)) for key in columns] for row in rows], numbers, title
    )


def _cell(value: object) -> str:
    if value is None:
        return ""
    if isinstance(value, bool):
        return "yes" if value else "no"
    if isinstance(value, int):
        return f"{value:,}"
    if isinstance(value, float | Decimal):
        return f"{value:,.2f}"
    if isinstance(value, datetime):
        return value.astimezone(UTC).strftime("%Y-%m-%d %H:%M:%S")
    return str(value)


STREAM_COLUMNS = {
    "stream": "stream",
    "status": "status",
    "pages": "pages",
    "records": "records",
    "stored": "new",
    "unchanged": "unchanged",
    "resumed": "resumed",
    "replayed": "replayed",
    "rejected": "rejected",
    "released": "released",
    "seconds": "seconds",
    "mark": "read up to",
}
PROFILE_COLUMNS = {
    "stream": "stream",
    "source": "source",
    "contract": "contract",
    "mapping": "mapping",
    "copy": "copy",
    "merge": "merge",
    "other": "other",
}
SAMPLE_COLUMNS = {
    "table": "table",
    "source_id": "natural key",
    "column": "column",
    "before": "before",
    "after": "after",
}
EXPECTATION_COLUMNS = {
    "target": "target",
    "stream": "from",
    "name": "expected",
    "severity": "severity",
    "status": "status",
    "failing": "rows",
    "detail": "what was found",
}
TARGET_COLUMNS = {"target": "target", "stream": "from", "what": "rows", "seconds": "seconds"}


def print_run(report: Any, *, as_json: bool) -> None:
    """A run that has just ended."""
    told = report.as_dict()
    if log.is_json():
        names = ("pipeline", "run_id", "kind", "status", "seconds", "error")
        log.say("run ended", **{name: told[name] for name in names if told[name] is not None})
    if as_json:
        print_json(told)
        return
    _print_run(console(), told)


def _print_run(out: Console, run: Mapping[str, Any]) -> None:
    took = f" in {run['seconds']:.2f} s" if run.get("seconds") else ""
    told = f"{run['kind']} {run['run_id']}"
    out.print(f"[bold]{run['pipeline']}[/bold], {told}: [bold]{run['status']}[/bold]{took}")
    streams = [{**it, "mark": shown_mark(it["mark_after"])} for it in run["streams"]]
    out.print(table(streams, columns=_used(STREAM_COLUMNS, streams)))
    targets = [{**it, "what": counted(it["counts"])} for it in run["targets"]]
    if targets:
        out.print(table(targets, columns=TARGET_COLUMNS))
    print_sweeps(out, run.get("sweeps") or [])
    print_broken(out, run.get("expectations") or [])
    print_dbt(out, run.get("dbt") or [])
    if run.get("profile"):
        out.print(table(_shares(run["profile"]), columns=PROFILE_COLUMNS, title="Seconds"))
    for stream in run["streams"]:
        if stream["replayed"] and stream["resumed"]:
            out.print(
                f"{stream['stream']}: resumed; {stream['resumed']:,} of {stream['replayed']:,} entries had"
                " been staged by a replay that was stopped.",
                soft_wrap=True,
            )
        if stream["error"]:
            facts = {"pipeline": run["pipeline"], "run_id": run["run_id"], "stream": stream["stream"]}
            tell_error(stream["error"], stream.get("hint"), kind=stream.get("kind"), **facts)
    _print_out_of_reach(out, run.get("out_of_reach") or [])
    if run.get("samples"):
        out.print(table(run["samples"], columns=SAMPLE_COLUMNS, title="For example"))
    if any(stream["rejected"] for stream in run["streams"]):
        tell("Some records were rejected: strandline quarantine list shows which, and why.")


def _shares(profile: Sequence[Mapping[str, Any]]) -> list[dict[str, Any]]:
    """The seconds of each part, with what share of all of them that is."""
    whole = sum(seconds for row in profile for part, seconds in row.items() if part != "stream") or 1.0
    return [
        {
            "stream": row["stream"] or "everything else",
            **{part: f"{it:.2f} ({it / whole:.0%})" for part, it in row.items() if part != "stream"},
        }
        for row in profile
    ]


def print_sweeps(out: Console, sweeps: Sequence[Mapping[str, Any]]) -> None:
    """What was found out about who is gone."""
    for it in sweeps:
        if it["status"] == "unproven":
            may_be = f"{it['absent']:,} of {it['members']:,} members may be gone, and none was closed"
            out.print(f"{it['stream']}: {may_be}: {it['detail']}.", soft_wrap=True)
        elif it["deleted"]:
            out.print(f"{it['stream']}: {it['deleted']:,} of {it['members']:,} members are gone.")


def print_broken(out: Console, expectations: Sequence[Mapping[str, Any]]) -> None:
    """The expectations that have not passed, and how many have."""
    broken = [it for it in expectations if it["status"] != "passed"]
    if broken:
        out.print(table(broken, columns=EXPECTATION_COLUMNS, title="Not as expected"))
    if expectations:
        out.print(f"{len(expectations) - len(broken)} of {len(expectations)} expectations passed.")


def print_dbt(out: Console, results: Sequence[Mapping[str, Any]]) -> None:
    """What dbt has said: all that is not well, and how much is."""
    wrong = [it for it in results if it["status"] not in DBT_WELL]
    if wrong:
        out.print(table(wrong, columns=DBT_COLUMNS, title="dbt"))
    if results:
        out.print(f"dbt: {len(results) - len(wrong)} of {len(results)} models and tests are well.")
    for it in wrong:
        if it["hint"]:
            tell_error(it["message"], it["hint"], kind="DbtFailed")


def _used(columns: Mapping[str, str], rows: Sequence[Mapping[str, object]]) -> dict[str, str]:
    """Without the columns that would say 0 in every row of an ordinary run."""
    rare = ["resumed", "replayed", "rejected", "released", "unchanged"]
    if not any(row.get("pages") for row in rows):  # no source was asked
        rare += ["pages", "records", "stored", "mark"]
    return {
        key: name for key, name in columns.items() if key not in rare or any(row.get(key) for row in rows)
    }


def shown_mark(mark: str | None) -> str:
    """A mark without the type before it; a moment to the second, in UTC as all marks are, and of a state the
    beginning.
    """
    kind, _, value = (mark or "").partition(":")
    if kind == "state" and len(value) > STATE_LETTERS:
        return f"{value[:STATE_LETTERS]}…"
    return value[:19].replace("T", " ") if kind == "datetime" else value


def counted(counts: Mapping[str, int]) -> str:
    """What happened, and how often."""
    happened = [f"{count:,} {name.replace('_', ' ')}" for name, count in counts.items() if count]
    return ", ".join(happened) or "nothing"


DBT_WELL = ("success", "pass", "no-op", "reused")
DBT_COLUMNS = {
    "node": "model or test",
    "status": "status",
    "failures": "rows",
    "message": "what it says",
    "seconds": "seconds",
}

REJECT_COLUMNS = {
    "run_id": "run",
    "stream": "stream",
    "source_id": "record",
    "reason": "why",
    "payload": "payload",
}


def print_status(status: Any, *, as_json: bool) -> None:
    """The last runs, the marks and the rejects."""
    if as_json:
        always = ("runs", "marks", "outdated", "out_of_reach")
        asked = {"rejects": status.rejects, "expectations": status.expectations}
        shown = {name: getattr(status, name) for name in always}
        print_json({**shown, **{name: it for name, it in asked.items() if it is not None}})
        return
    out = console()
    if not status.runs:
        out.print("No run yet: strandline run NAME.")
    for run in status.runs:
        _print_run(out, run)
    for it in status.outdated:
        out.print(
            f"{it['target']} is in part of an older mapper or contract: strandline replay {it['pipeline']}"
            f" --model {it['target']}",
            soft_wrap=True,
        )
    _print_out_of_reach(out, status.out_of_reach)
    if status.expectations is not None:
        print_expectations(out, status.expectations)
    if status.rejects is not None:
        print_rejects(out, status.rejects)


def _print_out_of_reach(out: Console, found: Sequence[Mapping[str, Any]]) -> None:
    """What stays of an older mapper."""
    for it in found:
        keys = it["natural_keys"]
        out.print(
            f"{it['target']} has versions of an older mapper or contract that no replay changes: entries of"
            f" {keys:,} natural key{'' if keys == 1 else 's'} of {it['stream']} were pruned.",
            soft_wrap=True,
        )


def print_expectations(out: Console, expectations: Sequence[Mapping[str, Any]]) -> None:
    """What was looked at, newest first."""
    if not expectations:
        out.print("Nothing that is expected was looked at.")
        return
    columns = {"run_id": "run", **EXPECTATION_COLUMNS}
    out.print(table(expectations, columns=columns, title="Expectations, newest first"))


def print_rejects(out: Console, rejects: Sequence[Mapping[str, Any]]) -> None:
    """The quarantine, newest first."""
    if not rejects:
        out.print("No rejects.")
        return
    shortened = [{**reject, "payload": f"{(reject['payload'] or '')[:60]}…"} for reject in rejects]
    out.print(table(shortened, columns=REJECT_COLUMNS, title="Rejects, newest first"))
    sys.stderr.write("strandline quarantine list and show ID tell more, and what to do.\n")
