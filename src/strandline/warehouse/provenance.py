"""What can be read of one natural key: its rows, the entries of the raw log behind them, and their loads."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from sqlalchemy import Connection, Table, select

from strandline.model.audit import DimAudit
from strandline.warehouse import raw, state
from strandline.warehouse.late import Log


@dataclass(frozen=True)
class Entry:
    """One entry of a raw log, and the request that brought it."""

    raw_id: int
    operation: str
    effective_at: datetime
    fetched_at: datetime
    run_id: int
    request: str | None
    payload: bytes

    @property
    def is_deletion(self) -> bool:
        """Whether it says only that the record is gone."""
        return self.operation == raw.DELETE


def rows_of(
    connection: Connection, table: Table, *, source_system: str, source_id: str, order: Iterable[str]
) -> list[dict[str, Any]]:
    """The rows that were made of the records of this key."""
    theirs = select(table).where(table.c.source_id == source_id, table.c.source_system == source_system)
    found = connection.execute(theirs.order_by(*(table.c[name] for name in order)))
    return [dict(row) for row in found.mappings()]


def entries_of(connection: Connection, log: Log, source_id: str) -> list[Entry]:
    """What has been applied of this key, by when it took effect; of one instant the one that stands last."""
    entry, page = log.raw, state.request.c
    settles = [entry.c.tie_break.asc().nulls_first()] if "tie_break" in entry.c else []
    found = connection.execute(
        select(
            *(
                entry.c[name]
                for name in ("raw_id", "operation", "effective_at", "fetched_at", "run_id", "payload")
            ),
            page.request,
        )
        .outerjoin(
            state.request,
            (page.run_id == entry.c.run_id) & (page.stream == log.stream) & (page.number == entry.c.request),
        )
        .where(entry.c.source_id == source_id, log.holds(entry))
        .order_by(entry.c.effective_at, *settles, entry.c.raw_id)
    )
    return [Entry(**{**it, "payload": bytes(it["payload"])}) for it in found.mappings()]


def rejects_of(connection: Connection, log: Log, source_id: str) -> list[dict[str, Any]]:
    """What of this key has been refused for this target, and why."""
    noted = state.reject.c
    refused = select(noted.raw_id, noted.rule, noted.reason).where(
        noted.stream == log.stream, noted.source_id == source_id, noted.target.in_(["", log.target])
    )
    return [dict(row) for row in connection.execute(refused.order_by(noted.raw_id)).mappings()]


def loads_of(connection: Connection, keys: Iterable[int]) -> dict[int, dict[str, Any]]:
    """The merges of these audit keys."""
    table = DimAudit.table()
    columns = [table.c[name] for name in ("audit_key", "run_id", "mapper", "mapper_version", "outcome")]
    found = connection.execute(select(*columns).where(table.c.audit_key.in_(set(keys)))).mappings()
    return {row["audit_key"]: dict(row) for row in found}
