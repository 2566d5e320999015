"""Which entries of a chunk are new: those whose payload differs from the latest one that the raw log has of
their key, or that came before them in the chunk.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from sqlalchemy import Connection, Table

from strandline.pipeline.chunk import Chunk
from strandline.warehouse import raw


class Novelty:
    """Tells the new entries of one stream from those that the raw log holds already."""

    def __init__(self, connection: Connection, table: Table) -> None:
        self._connection = connection
        self._table = table
        self._highest_key: str | None = None

    def begin(self, *, is_log_empty: bool) -> None:
        """The first chunk is to come."""
        self._highest_key = "" if is_log_empty else None  # every key lies behind ""

    def pick(self, chunk: Chunk, known: Mapping[str, bytes | None]) -> list[raw.Entry]:
        """The entries that are new; the others join those that came again. `known` are hashes of the latest
        entries that have been looked up already.
        """
        keys = [entry[1] for entry in chunk.entries if entry[1] is not None]
        is_none_known = self._lie_behind(keys)
        if is_none_known and len(set(keys)) == len(chunk.entries):
            return chunk.entries
        unknown = () if is_none_known else [key for key in keys if key not in known]
        latest = {**known, **raw.latest_hashes(self._connection, self._table, unknown)}
        keyless = [entry[3] for entry in chunk.entries if entry[1] is None]
        seen = raw.keyless_hashes(self._connection, self._table, keyless)
        new, again = [], chunk.again
        for entry in chunk.entries:
            source_id, digest = entry[1], entry[3]
            if source_id is None:
                if digest in seen:
                    again.append(entry)
                    continue
                seen.add(digest)
            elif latest.get(source_id) == digest:
                again.append(entry)
                continue
            else:
                latest[source_id] = digest
            new.append(entry)
        return new

    def _lie_behind(self, keys: Sequence[str]) -> bool:
        """Whether none of these keys can be in the log: a first read of ascending keys sees none again."""
        if self._highest_key is None or not keys:
            return False
        before, self._highest_key = self._highest_key, max(self._highest_key, *keys)
        return before < min(keys)
