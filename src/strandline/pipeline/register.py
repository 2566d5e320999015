"""The field register as a pass over a stream keeps it up: of each chunk what was stored, and parsed; of what
the contract has refused, see `admission`.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from itertools import groupby
from typing import Any, Final

from sqlalchemy import Connection, Table

from strandline.pipeline import rename
from strandline.pipeline.chunk import Chunk
from strandline.source.census import MOST_EXAMPLES, WHOLE, Carrying, Census, Counted, Shape, Tally, sample
from strandline.warehouse import raw, register
from strandline.warehouse.packed import PackedEntries, raw_ids

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
        self._noted = 0
        """How many entries of it have been noted."""

    def note(self, connection: Connection, chunk: Chunk, new: Sequence[raw.Entry]) -> None:
        """Add what these new entries of the chunk carry; the caller owns the transaction."""
        refused = {it.raw_id for it in chunk.rejects if it.target == ""}
        parsed = new
        if refused or not isinstance(new, PackedEntries) or not new.are_upserts:
            parsed = [it for it in new if it[4] == raw.UPSERT and it[0] not in refused]
        if parsed:
            self._first = self._first or parsed[0][0]
            self._add(connection, parsed, chunk.unknown, run_id=self._run_id, before=self._noted)
            self._noted += len(parsed)

    def note_later(self, connection: Connection, chunk: Chunk) -> None:
        """Add what these entries carry as if they had been parsed by the runs that have read them; the caller
        owns the transaction, which may be rolled back while the pass goes on.
        """
        self._rows = None
        for run_id, entries in groupby(sorted(chunk.entries, key=_run_of), key=_run_of):
            self._add(connection, list(entries), chunk.unknown, run_id=run_id)
        self._rows = None

    def _add(
        self,
        connection: Connection,
        parsed: Sequence[raw.Entry],
        unknown: Mapping[Shape, Sequence[int]],
        *,
        run_id: int,
        before: int = 0,
    ) -> None:
        sampled = list(map(_counted, sample(parsed, before=before)))
        carrying = list(_carrying(unknown, parsed))
        found = self._census.count(sampled, carrying, records=len(parsed))
        rows = self._known(connection)
        before = rows[WHOLE]["records"] if WHOLE in rows else 0
        for path, tally in found.items():
            if path in rows or tally.is_declared or self._has_room(rows):
                rows[path] = self._added(rows.get(path), path, tally, before=before, run_id=run_id)
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

    def _added(
        self, row: dict[str, Any] | None, path: str, tally: Tally, *, before: int, run_id: int
    ) -> dict[str, Any]:
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
        runs = [] if tally.first_seen is None else [run_id]
        examples = [] if tally.is_personal else row["examples"]
        examples += [] if tally.is_personal else [it for it in tally.examples if it not in examples]
        firsts = [*_there(row["first_seen"]), *_there(tally.first_seen)]
        lasts = [*_there(row["last_seen"]), *_there(tally.last_seen)]
        return {
            **row,
            **{name: row[name] + getattr(tally, name) for name in ADDED},
            "is_declared": tally.is_declared,
            "is_personal": tally.is_personal,
            "types": sorted({*row["types"], *tally.types}),
            "examples": examples[:MOST_EXAMPLES],
            "first_seen": min(firsts, default=None),
            "last_seen": max(lasts, default=None),
            "first_run_id": min([*runs, *_there(row["first_run_id"])], default=None),
            "last_run_id": max([*runs, *_there(row["last_run_id"])], default=None),
        }


def _there(value: Any) -> list[Any]:
    return [] if value is None else [value]


def _run_of(entry: raw.Entry) -> int:
    run_id: int = entry[7]
    return run_id


def _carrying(unknown: Mapping[Shape, Sequence[int]], parsed: Sequence[raw.Entry]) -> Iterator[Carrying]:
    """What is carried besides the contract, by how many of these, and some that do."""
    places = {raw_id: place for place, raw_id in enumerate(raw_ids(parsed))} if unknown else {}
    for shape, numbers in unknown.items():
        theirs = [it for it in numbers if it in places]
        if theirs:
            some = (*theirs[:MOST_EXAMPLES], theirs[-1])
            yield shape, len(theirs), [_counted(parsed[places[it]]) for it in some]


def _counted(entry: raw.Entry) -> Counted:
    return entry[2], entry[9]
