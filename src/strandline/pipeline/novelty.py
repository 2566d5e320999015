"""Which entries of a chunk are new: those whose payload differs from the latest one that the raw log has of
their key, or that came before them in the chunk.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from sqlalchemy import Connection, Table

from strandline.pipeline.chunk import Chunk
from strandline.warehouse import raw
from strandline.warehouse.packed import PackedEntries


class Novelty:
    """Tells the new entries of one stream from those that the raw log holds already."""

    def __init__(self, connection: Connection, table: Table) -> None:
        self._connection = connection
        self._table = table
        self._highest_key: str | None = None

    def begin(self, *, is_log_empty: bool) -> None:
        """The first chunk is to come."""
        self._highest_key = "" if is_log_empty else None  # every key lies behind ""

    def pick(self, chunk: Chunk, known: Mapping[str, bytes | None]) -> list[raw.Entry] | PackedEntries:
        """The entries that are new; the others join those that came again. `known` are hashes of the latest
        entries that have been looked up already.
        """
        entries, keyed = chunk.entries, chunk.keys
        keys = [key for key in keyed if key is not None]
        is_none_known = self._lie_behind(keys)
        if is_none_known and len(set(keys)) == len(entries):
            return entries
        unknown = () if is_none_known else [key for key in keys if key not in known]
        latest = {**known, **raw.latest_hashes(self._connection, self._table, unknown)}
        hashes = _hashes(entries)
        keyless = [digest for key, digest in zip(keyed, hashes, strict=True) if key is None]
        seen = raw.keyless_hashes(self._connection, self._table, keyless)
        new, again = list[int](), list[int]()
        for place, (source_id, digest) in enumerate(zip(keyed, hashes, strict=True)):
            if source_id is None:
                if digest in seen:
                    again.append(place)
                    continue
                seen.add(digest)
            elif latest.get(source_id) == digest:
                again.append(place)
                continue
            else:
                latest[source_id] = digest
            new.append(place)
        return _parted(chunk, new, again)

    def _lie_behind(self, keys: Sequence[str]) -> bool:
        """Whether none of these keys can be in the log: a first read of ascending keys sees none again."""
        if self._highest_key is None or not keys:
            return False
        before, self._highest_key = self._highest_key, max(self._highest_key, *keys)
        return before < min(keys)


def _hashes(entries: list[raw.Entry] | PackedEntries) -> list[bytes]:
    if isinstance(entries, PackedEntries):
        return [entries.hash_at(place) for place in range(len(entries))]
    return [entry[3] for entry in entries]


def _parted(chunk: Chunk, new: Sequence[int], again: Sequence[int]) -> list[raw.Entry] | PackedEntries:
    """The entries at these places, while the others join those that came again."""
    entries = chunk.entries
    if isinstance(entries, PackedEntries):
        raw_ids = entries.rows.raw_ids
        chunk.again += [(raw_ids[it], entries.keys[it], None, entries.hash_at(it)) for it in again]
        return entries if not again else entries.only(new)
    chunk.again += [entries[place] for place in again]
    return [entries[place] for place in new]
