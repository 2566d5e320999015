"""What `strandline why` prints: of each row the columns with the records behind them, and these records."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import asdict
from datetime import datetime
from typing import Any

from strandline.cli.output import print_json, table
from strandline.cli.paper import Console, console

COLUMNS = {"column": "column", "value": "value", "how": "filled by", "said": "record says", "raw_id": "entry"}
ENTRIES = {
    "raw_id": "entry",
    "operation": "what",
    "effective_at": "effective at",
    "run_id": "run",
    "fetched_at": "read at",
    "request": "request",
}
REJECTS = {"raw_id": "entry", "rule": "rule", "reason": "refused, because"}
EXCERPT = 60


def print_accounts(accounts: Iterable[Any], *, as_json: bool) -> None:
    """Where the rows of one natural key came from, a part for each stream that knows it."""
    if as_json:
        print_json([_as_dict(it) for it in accounts])
        return
    out = console()
    for account in accounts:
        _print_account(out, account)


def _as_dict(account: Any) -> dict[str, Any]:
    told = asdict(account)
    for entry in told["entries"]:
        entry["payload"] = entry["payload"].decode("utf-8", "backslashreplace")
    return told


def _print_account(out: Console, account: Any) -> None:
    for row in account.rows:
        out.print(f"[bold]{account.table}[/bold], {_headline(account, row)}", soft_wrap=True)
        shown = [{**asdict(it), "value": _short(it.value), "said": _short(it.said)} for it in row.columns]
        out.print(table(shown, columns=COLUMNS))
    if not account.rows:
        out.print(f"[bold]{account.table}[/bold] has no row of {account.source_id} from {account.stream}.")
    named = _named(account)
    entries = [asdict(it) for it in account.entries if it.raw_id in named]
    out.print(table(entries, columns=ENTRIES, title=f"Entries of the raw log of {account.stream}"))
    if account.pruned_until is not None:
        out.print(
            f"Of what took effect up to {_moment(account.pruned_until)} not all is in the raw log any more.",
            soft_wrap=True,
        )
    if account.rejects:
        out.print(table(account.rejects, columns=REJECTS, title="Set aside"))


def _headline(account: Any, row: Any) -> str:
    """Which row it is, from when to when, and who wrote it."""
    key = ", ".join(f"{name} {value}" for name, value in row.key.items())
    since = "" if row.valid_from is None else f", {_moment(row.valid_from)} to {_moment(row.valid_to)}"
    older = "" if row.is_of_today else ", as it was before its last change"
    mapper = f"{row.mapper}{older}"
    return f"{account.source_id} of {account.stream}: {key}{since}; written by run {row.run_id}, {mapper}"


def _moment(moment: datetime | None) -> str:
    return "now" if moment is None else f"{moment:%Y-%m-%d %H:%M:%S}"


def _named(account: Any) -> set[int]:
    """The entries that stand behind something; all of them where there is no row."""
    if not account.rows:
        return {it.raw_id for it in account.entries}
    return {it.raw_id for row in account.rows for it in row.columns if it.raw_id is not None}


def _short(value: object) -> str:
    text = "" if value is None else _moment(value) if isinstance(value, datetime) else str(value)
    return text if len(text) <= EXCERPT else f"{text[:EXCERPT]}…"
