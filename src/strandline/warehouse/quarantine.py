"""The quarantine: records that failed their contract or their mapping, each with its reason, kept in the raw
log.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Final

from sqlalchemy import BigInteger, Connection, Select, delete, func, literal, select, true
from sqlalchemy.dialects.postgresql import insert

from strandline.warehouse import raw, state

EXCERPT: Final = 200


@dataclass(frozen=True, slots=True)
class Reject:
    """One record set aside; `target` is empty when its contract refused it."""

    raw_id: int
    source_id: str | None
    target: str
    field: str
    rule: str
    reason: str


def keep(connection: Connection, *, stream: str, rejects: Sequence[Reject], run_id: int) -> None:
    """Note the rejects; one that was noted before, by a run that died, stays as it is."""
    if not rejects:
        return
    rows = [
        {
            "stream": stream,
            "target": reject.target,
            "raw_id": reject.raw_id,
            "source_id": reject.source_id,
            "field": _storable(reject.field),
            "rule": reject.rule,
            "reason": _storable(reject.reason),
            "run_id": run_id,
        }
        for reject in rejects
    ]
    connection.execute(insert(state.reject).on_conflict_do_nothing(), rows)


def note(
    connection: Connection,
    found: Select[Any],
    *,
    stream: str,
    target: str,
    field: str | None = None,
    rule: str,
    run_id: int,
) -> int:
    """Note as rejects what a select of raw_id, source_id, reason and, unless it is given, field finds; how
    many were not noted before.
    """
    raw_id, source_id, reason, *fields = found.subquery("found").c
    values: dict[str, Any] = {
        "stream": literal(stream),
        "target": literal(target),
        "raw_id": raw_id,
        "source_id": source_id,
        "field": literal(field) if field is not None else fields[0],
        "rule": literal(rule),
        "reason": reason,
        "run_id": literal(run_id, BigInteger),
    }
    # With a condition, for SQLite takes ON CONFLICT for that of a join without one.
    noted = insert(state.reject).from_select(list(values), select(*values.values()).where(true()))
    return connection.execute(
        noted.on_conflict_do_nothing(), execution_options={"preserve_rowcount": True}
    ).rowcount


def _storable(words: str) -> str:
    """The words with what PostgreSQL cannot hold as text spelled out."""
    return words.replace("\0", "\\0").encode("utf-8", "backslashreplace").decode()


def forget(connection: Connection, *, stream: str, target: str, after: int) -> None:
    """Take back what was noted of records behind this entry of the raw log: they are to be tried again."""
    noted = state.reject.c
    connection.execute(
        delete(state.reject).where(noted.stream == stream, noted.target == target, noted.raw_id > after)
    )


def commonest_reason(connection: Connection, *, stream: str, after: int) -> str | None:
    """What most of the stream's rejects behind this entry of its raw log were rejected for."""
    noted = state.reject.c
    reasons = (
        select(func.min(noted.reason))
        .where(noted.stream == stream, noted.raw_id > after)
        .group_by(noted.target, noted.field, noted.rule)
        .order_by(func.count().desc())
    )
    found: str | None = connection.scalar(reasons.limit(1))
    return found


def latest(connection: Connection, *, limit: int) -> list[dict[str, Any]]:
    """The newest rejects first, each with the beginning of its payload."""
    newest = select(state.reject).order_by(state.reject.c.reject_id.desc()).limit(limit)
    rejects = [dict(row) for row in connection.execute(newest).mappings()]
    for stream in {reject["stream"] for reject in rejects}:
        log = raw.raw_table(stream, cursor=None).c
        wanted = [reject["raw_id"] for reject in rejects if reject["stream"] == stream]
        entries = select(log.raw_id, log.payload).where(log.raw_id.in_(wanted))
        payloads = {entry.raw_id: entry.payload for entry in connection.execute(entries)}
        for reject in rejects:
            if reject["stream"] == stream:
                reject["payload"] = payloads[reject["raw_id"]].decode("utf-8", "backslashreplace")[:EXCERPT]
    return rejects
