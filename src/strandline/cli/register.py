"""What the commands of the field register do, and what they print."""

from __future__ import annotations

import json
import sys
from collections.abc import Mapping, Sequence
from typing import Any, Final

from strandline.cli import commands, output, paper
from strandline.errors import DeclarationError
from strandline.model.path import nearest
from strandline.warehouse import register

COLUMNS: Final = {
    "stream": "stream",
    "path": "field",
    "declared": "in contract",
    "types": "types",
    "filled": "filled",
    "examples": "examples",
    "first_seen": "first seen",
    "last_seen": "last seen",
    "renamed_from": "renamed from?",
}
SHOWN: Final = (
    *("stream", "path", "is_declared", "is_personal", "types", "records", "filled", "fill_rate", "examples"),
    *("first_seen", "last_seen", "first_run_id", "last_run_id", "renamed_from"),
)


def find(database_url: str | None, name: str, *, only_unknown: bool) -> list[dict[str, Any]]:
    """The fields of the source or stream. Raises DeclarationError where nothing of it was ever read."""
    with commands.looking(database_url) as there:
        if there is None:
            raise DeclarationError("fields: nothing has run here yet", hint="Type: strandline run NAME")
        database, connection = there
        streams = register.streams(database, connection)
        found = register.find(database, connection, name, only_unknown=only_unknown)
    if not any(it == name or it.startswith(f"{name}.") for it in streams):
        raise DeclarationError(
            f"fields: no record of {name!r} has been read since there is a register",
            hint=nearest(name, streams),
        )
    return [_told(it) for it in found]


def _told(row: Mapping[str, Any]) -> dict[str, Any]:
    rate = round(row["filled"] / row["records"], 4) if row["records"] else 0.0
    told = {**row, "fill_rate": rate}
    return {name: told[name] for name in SHOWN}


def print_fields(found: Sequence[Mapping[str, Any]], *, as_json: bool) -> None:
    """The fields, those of the contract first."""
    if as_json:
        output.print_json({"fields": found})
        return
    if not found:
        sys.stdout.write("No such fields.\n")
        return
    rows = [
        {
            **it,
            "declared": it["is_declared"],
            "types": ", ".join(it["types"]),
            "filled": percent(it["fill_rate"]),
            "examples": ", ".join(json.dumps(value, ensure_ascii=False) for value in it["examples"]),
        }
        for it in found
    ]
    columns = {name: it for name, it in COLUMNS.items() if any(row[name] not in (None, "") for row in rows)}
    paper.console().print(output.table(rows, columns=columns))


def percent(rate: float) -> str:
    """The rate as people read it."""
    # A field that is there now and then is never shown as one that is always, or never, there.
    if 0 < rate < 0.001:
        return "<0.1%"
    return ">99.9%" if 0.999 < rate < 1 else f"{rate:.1%}"
