"""The field register as a pass over a stream keeps it up: of each chunk what was stored, and parsed."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Any, Final

from sqlalchemy import Connection, Table

from strandline.pipeline import rename
from strandline.pipeline.intake import Chunk
from strandline.source.census import MOST_EXAMPLES, WHOLE, Carrying, Census, Counted, Tally, sample
from strandline.warehouse import raw, register

MOST_UNKNOWN: Final = 1_000
"""How many fields that its contract does not name are registered of a stream: names may be keys."""

ADDED: Final = ("records", "filled")


class Register:
    """What is known of one stream's fields, and what this pass adds to it."""

    def __init__(self, stream: str, census: Census, *, run_id: int) -> None:
        self._stream = stream
        self._census = census
        self._run_id = run_id
        self._rows: dict[str, dict[str, Any]] | None = None
        self._first: int | None = None
        """The first entry of this pass."""

    def note(self, connection: Connection, chunk: Chunk, new: Sequence[raw.Entry]) -> None:
        """Add what these new entries of the chunk carry; the caller owns the transaction."""
        refused = {it.raw_id for it in chunk.rejects if it.target == ""}
        parsed = [it for it in new if it[4] == raw.UPSERT and it[0] not in refused]
        if not parsed:
            return
        self._first = self._first or parsed[0][0]
        sampled, carrying = list(map(_counted, sample(parsed))), list(_carrying(chunk, parsed))
        found = self._census.count(sampled, carrying, records=len(parsed))
        rows = self._known(connection)
        before = rows[WHOLE]["records"] if WHOLE in rows else 0
        for path, tally in found.items():
            if path in rows or tally.is_declared or self._has_room(rows):
                rows[path] = self._added(rows.get(path), path, tally, before=before)
        for path, row in rows.items():
            if path not in found:
                row["is_declared"] = False
                row["records"] += len(parsed)
        register.write(connection, rows.values())

    def guess_renames(self, connection: Connection, log: Table) -> None:
        """Say of the fields that this pass has seen first what they may have been called, once all of it is
        stored; the caller owns the transaction.
        """
        if self._first is None or self._rows is None:
            return
        found = rename.guess(connection, log, self._rows, run_id=self._run_id, first=self._first)
        register.write(connection, [{**self._rows[it], "renamed_from": was} for it, was in found.items()])

    def _known(self, connection: Connection) -> dict[str, dict[str, Any]]:
        if self._rows is None:
            self._rows = register.read(connection, self._stream)
        return self._rows

    def _has_room(self, rows: dict[str, dict[str, Any]]) -> bool:
        return sum(not row["is_declared"] for row in rows.values()) < MOST_UNKNOWN

    def _added(self, row: dict[str, Any] | None, path: str, tally: Tally, *, before: int) -> dict[str, Any]:
        """The row with what was counted now; `before` records came earlier, none of which had a field that
        the contract does not name.
        """
        if row is None:
            row = {
                "stream": self._stream,
                "path": path,
                "records": 0 if tally.is_declared else before,
                "filled": 0,
                "types": [],
                "examples": [],
                "first_seen": None,
                "last_seen": None,
                "first_run_id": None,
                "last_run_id": None,
                "renamed_from": None,
            }
        is_seen = tally.first_seen is not None
        examples = [] if tally.is_personal else row["examples"]
        examples += [] if tally.is_personal else [it for it in tally.examples if it not in examples]
        firsts = [it for it in (row["first_seen"], tally.first_seen) if it is not None]
        lasts = [it for it in (row["last_seen"], tally.last_seen) if it is not None]
        return {
            **row,
            **{name: row[name] + getattr(tally, name) for name in ADDED},
            "is_declared": tally.is_declared,
            "is_personal": tally.is_personal,
            "types": sorted({*row["types"], *tally.types}),
            "examples": examples[:MOST_EXAMPLES],
            "first_seen": min(firsts, default=None),
            "last_seen": max(lasts, default=None),
            "first_run_id": row["first_run_id"] or (self._run_id if is_seen else None),
            "last_run_id": self._run_id if is_seen else row["last_run_id"],
        }


def _carrying(chunk: Chunk, parsed: Sequence[raw.Entry]) -> Iterator[Carrying]:
    """What is carried besides the contract, by how many of these, and some that do."""
    entries = {it[0]: it for it in parsed} if chunk.unknown else {}
    for shape, raw_ids in chunk.unknown.items():
        theirs = [it for it in raw_ids if it in entries]
        if theirs:
            some = (*theirs[:MOST_EXAMPLES], theirs[-1])
            yield shape, len(theirs), [_counted(entries[it]) for it in some]


def _counted(entry: raw.Entry) -> Counted:
    return entry[2], entry[9]
