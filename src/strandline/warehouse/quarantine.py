"""The quarantine: records that failed their contract or their mapping, each with its reason, kept in the raw log."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from sqlalchemy import Connection
from sqlalchemy.dialects.postgresql import insert

from strandline.warehouse import state


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
            "field": reject.field,
            "rule": reject.rule,
            "reason": reject.reason.replace("\0", "\\0").encode("utf-8", "backslashreplace").decode(),
            "run_id": run_id,
        }
        for reject in rejects
    ]
    connection.execute(insert(state.reject).on_conflict_do_nothing(), rows)
