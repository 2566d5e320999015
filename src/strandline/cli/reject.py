"""What the commands of the quarantine do, and what they print."""

from __future__ import annotations

import sys
from collections.abc import Mapping, Sequence
from typing import Any, Final

from sqlalchemy import Connection

from strandline.cli import commands, option, output, paper
from strandline.errors import DeclarationError
from strandline.model.path import nearest
from strandline.pipeline import release as releasing
from strandline.settings import Settings
from strandline.warehouse import ledger, reject, state
from strandline.warehouse.reject import ALL_STATES, STATES, Choice, printable

LIST_COLUMNS: Final = {
    "reject_id": "id",
    "state": "state",
    "stream": "stream",
    "source_id": "record",
    "target": "model",
    "reason": "why",
    "repeats": "repeats",
    "rejected_at": "first seen",
}
TREND_COLUMNS: Final = {
    "stream": "stream",
    "target": "model",
    "field": "field",
    "rule": "rule",
    "rejects": "rejects",
    "before": "before",
    "growth": "growth",
    "days": "a day",
}
SHOWN_FIRST: Final = (
    *("reject_id", "state", "pipeline", "stream", "source_id", "target", "field", "rule", "reason"),
    *("rejected_at", "last_seen_at", "repeats", "run_id", "last_run_id", "raw_id", "effective_at"),
    *("superseded_by", "discard_reason", "discarded_by", "discarded_at"),
)


def choose(
    *,
    pipeline: str | None = None,
    stream: str | None = None,
    model: str | None = None,
    rule: str | None = None,
    state: str,
) -> Choice:
    """What the options choose. Raises DeclarationError for a state that there is not."""
    if state not in (*STATES, ALL_STATES):
        raise DeclarationError(
            f"--state {state}: there is no such state", hint=f"One of {', '.join(STATES)} or {ALL_STATES}."
        )
    return Choice(pipeline, stream, model, rule, state)


def find(database_url: str | None, choice: Choice, *, limit: int) -> dict[str, Any]:
    """The rejects of that choice, and how many there are in all."""
    with commands.looking(database_url) as there:
        if there is None:
            return {"total": 0, "rejects": []}
        database, connection = there
        _check_names(connection, choice)
        found = reject.find(database, connection, choice, limit=limit)
        return {"total": reject.count(connection, choice), "rejects": found}


def show(database_url: str | None, reject_id: int) -> dict[str, Any]:
    """All of one reject, and what to do about it."""
    with commands.looking(database_url) as there:
        if there is None:
            raise DeclarationError("quarantine: nothing has run here yet", hint="Type: strandline run NAME")
        found = reject.show(*there, reject_id)
    return {**found, "advice": advice(found)}


def advice(found: Mapping[str, Any]) -> str:
    """What to do about a reject."""
    number, pipeline = found["reject_id"], found["pipeline"] or "NAME"
    if found["state"] == state.SUPERSEDED:
        return f"Nothing: its record came again, right, as entry {found['superseded_by']} of the raw log."
    if found["state"] == state.DISCARDED:
        return "Nothing: it was discarded, and stays out."
    if reject.is_told_by_others(found):
        return "Mend one of the records at the source: others decide on this one, and it goes with them."
    what = f"the mapper or the model {found['target']}" if found["target"] else "the contract"
    return (
        f"Correct the record at the source; or mend {what} and type: strandline run {pipeline}"
        f" (or, without asking the source: strandline quarantine retry {pipeline} --ids {number});"
        f' or, if it is never to count: strandline quarantine discard {number} --reason "…"'
    )


def retry(
    pipeline: Any, settings: Settings, *, stream: str | None, reject_ids: list[int] | None, progress: Any
) -> Any:
    """Try what is in the quarantine again; the report of that run."""
    with commands.warehouse(settings) as database:
        return releasing.retry(pipeline, database, stream=stream, reject_ids=reject_ids, progress=progress)


def release(pipelines: Sequence[Any], settings: Settings, reject_ids: Sequence[int]) -> list[Any]:
    """Release these rejects, each through the pipelines that read its stream."""
    with commands.warehouse(settings) as database:
        with database.begin() as connection:
            there = ledger.exists(database, connection)
            streams = (
                {it["reject_id"]: it["stream"] for it in reject.pick(connection, reject_ids)} if there else {}
            )
        reports, left = [], dict(streams)
        for pipeline in pipelines:
            read = {it.stream.qualified_name for it in pipeline.readings}
            theirs = [number for number, stream in left.items() if stream in read]
            if theirs:
                reports.append(releasing.release(pipeline, database, theirs))
                left = {number: stream for number, stream in left.items() if number not in theirs}
    if left or not there:
        unread = ", ".join(sorted(set(left.values()))) or "anything"
        raise DeclarationError(
            f"quarantine release: no pipeline here reads {unread}",
            hint="Name the module that declares it: --app project.pipelines.",
        )
    return reports


def discard(database_url: str | None, reject_ids: Sequence[int], *, reason: str) -> int:
    """Set these aside for good, in the name of whoever types it; how many were not so before."""
    with commands.looking(database_url) as there:
        if there is None:
            raise DeclarationError("quarantine: nothing has run here yet", hint="Type: strandline run NAME")
        return reject.discard(there[1], reject_ids, reason=reason, by=option.user())


def trends(database_url: str | None, choice: Choice, *, days: int) -> list[dict[str, Any]]:
    """What grows."""
    with commands.looking(database_url) as there:
        if there is None:
            return []
        _check_names(there[1], choice)
        return reject.trends(there[1], choice, days=days)


def _check_names(connection: Connection, choice: Choice) -> None:
    """Raise DeclarationError for a pipeline that never ran or a stream that was never read: that nothing of
    it was rejected would be true, and mislead.
    """
    for what, given, known in (
        ("there has been no run of", choice.pipeline, ledger.pipelines),
        ("nothing was ever read of", choice.stream, ledger.streams),
    ):
        if given is not None and given not in (names := known(connection)):
            raise DeclarationError(f"{what} {given!r}", hint=nearest(given, names))


def print_list(found: Mapping[str, Any], *, as_json: bool) -> None:
    """The rejects, newest first."""
    if as_json:
        output.print_json(found)
        return
    rejects = found["rejects"]
    if not rejects:
        sys.stdout.write("No rejects.\n")
        return
    columns = {name: it for name, it in LIST_COLUMNS.items() if any(each[name] for each in rejects)}
    paper.console().print(output.table([_safe(it) for it in rejects], columns=columns))
    if found["total"] > len(rejects):
        sys.stderr.write(f"{len(rejects)} of {found['total']} are shown: --limit N shows more.\n")


def _safe(values: Mapping[str, Any]) -> dict[str, Any]:
    return {name: printable(it) if isinstance(it, str) else it for name, it in values.items()}


def print_one(found: Mapping[str, Any], *, as_json: bool) -> None:
    """One reject: its fields, its request, its payload, and what to do."""
    if as_json:
        output.print_json(found)
        return
    told = {name: found[name] for name in SHOWN_FIRST if found.get(name) not in (None, "")}
    if found["request"] is not None:
        sent = found["request"]
        told["request"] = f"{sent['request']} (page {sent['number']}, status {sent['status']})"
    output.print_mapping(_safe(told), as_json=False)
    payload = found["payload"]
    sys.stdout.write(
        "\n" + ("The raw log no longer has its payload." if payload is None else payload) + "\n\n"
    )
    sys.stdout.write(f"{found['advice']}\n")


def print_trends(found: Sequence[Mapping[str, Any]], *, days: int, as_json: bool) -> None:
    """What grows, first."""
    if as_json:
        output.print_json({"days": days, "trends": found})
        return
    if not found:
        sys.stdout.write("No rejects.\n")
        return
    rows = [
        _safe({**it, "days": ", ".join(f"{day[5:]}: {it['days'][day]}" for day in it["days"])})
        for it in found
    ]
    paper.console().print(output.table(rows, columns=TREND_COLUMNS, title=f"The last {days} days"))
