"""What the source still sends of whom was erased: it goes neither into the raw log nor onto the stage."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import datetime
from typing import Any

from strandline.pipeline.intake import Chunk
from strandline.pipeline.target import Target
from strandline.warehouse import raw


def leave_out(
    chunk: Chunk, targets: Sequence[Target], *, erased: Mapping[str, datetime | None]
) -> dict[str, int]:
    """Take out of the chunk, and of what is to be staged with it, what is to stay away. `erased` says by
    natural key up to when, or None for whatever comes. How many records of each that was.
    """
    out = {entry[0]: entry[1] for entry in chunk.entries if _is_out(entry, erased)}
    found: dict[str, int] = {}
    if not out:
        return found
    for source_id in out.values():
        found[source_id] = found.get(source_id, 0) + 1
    chunk.entries = [it for it in chunk.entries if it[0] not in out]
    chunk.rejects = [it for it in chunk.rejects if it.raw_id not in out]
    for target in targets:
        target.rows = [row for row in target.rows if row[0] not in out]
    return found


def _is_out(entry: raw.Entry, erased: Mapping[str, Any]) -> bool:
    source_id, effective_at = entry[1], entry[6]
    if source_id is None or source_id not in erased:
        return False
    until = erased[source_id]
    # Of what says no time of its own nobody knows that it is new.
    return until is None or effective_at is None or effective_at <= until
