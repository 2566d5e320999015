"""Rows onto the stage: what the staging table cannot hold comes back as rejects, and the others are there."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, Final

from msgspec import Struct
from sqlalchemy import Connection

from strandline.pipeline.target import Target
from strandline.warehouse import staging
from strandline.warehouse.copy import REFUSED, faults
from strandline.warehouse.database import Database
from strandline.warehouse.packed import Packed
from strandline.warehouse.quarantine import Reject

Rows = list[tuple[Any, ...]]

NONE: Final = Packed()


class Stager(Struct, frozen=True):
    """Copies rows for a target into its staging table; the caller owns the transaction."""

    database: Database
    connection: Connection

    def stage(
        self, target: Target, rows: Rows, *, packed: Packed = NONE, unpack: Callable[[], Rows] = list
    ) -> list[Reject]:
        """Copy the rows, and those that are packed; `unpack` makes rows of these, for a closer look."""
        if not rows and not packed:
            return []
        try:
            with self.connection.begin_nested():
                staging.stage(self.database, self.connection, target.staged, rows, packed=packed.pieces)
        except REFUSED as error:
            if packed:
                return self.stage(target, sorted([*unpack(), *rows], key=_raw_id))
            return self._sort_out(target, rows, error)
        return []

    def _sort_out(self, target: Target, rows: Rows, error: Exception) -> list[Reject]:
        """Find the rows that do not fit, and copy the others."""
        columns = list(target.staged.c)
        wrong: dict[int, tuple[str, list[tuple[str, str]]]] = {}
        for row in rows:
            if row[0] not in wrong and (found := faults(columns, row)):
                wrong[row[0]] = (row[1], found)
        if not wrong:
            return self._halve(target, rows, why=str(error).partition("\n")[0])
        misfits = [_misfit(target, raw_id, source_id, found) for raw_id, (source_id, found) in wrong.items()]
        return misfits + self.stage(target, [row for row in rows if row[0] not in wrong])

    def _halve(self, target: Target, rows: Rows, *, why: str) -> list[Reject]:
        """Nothing looks wrong, and yet the table does not take them: find the record by trying."""
        records = list(dict.fromkeys(row[0] for row in rows))  # one may have several rows
        if len(records) == 1:
            raw_id, source_id = rows[0][:2]
            return [_misfit(target, raw_id, source_id, [("", why)])]
        half = set(records[: len(records) // 2])
        middle = next(place for place, row in enumerate(rows) if row[0] not in half)
        return self.stage(target, rows[:middle]) + self.stage(target, rows[middle:])


def _raw_id(row: tuple[Any, ...]) -> int:
    raw_id: int = row[0]
    return raw_id


def _misfit(target: Target, raw_id: int, source_id: str, found: list[tuple[str, str]]) -> Reject:
    mapper, (column, why) = target.conversion.mapper.__name__, found[0]
    where = f"{mapper}.{column}" if column else mapper
    return Reject(raw_id, source_id, target.sync.target, column, "type", f"{where}: {why}")
