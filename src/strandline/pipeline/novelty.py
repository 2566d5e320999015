"""Which entries of a chunk are new: those whose payload differs from the latest one that the raw log has of
their key, or that came before them in the chunk.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import NamedTuple

from sqlalchemy import Connection, Table

from strandline.pipeline.chunk import Chunk
from strandline.warehouse import raw
from strandline.warehouse.log_index import LogIndex
from strandline.warehouse.packed import PackedEntries


class Novelty:
    """Tells the new entries of one stream from those that the raw log holds already."""

    def __init__(self, connection: Connection, table: Table, index: LogIndex) -> None:
        self._connection = connection
        self._table = table
        self._index = index
        self._highest: _Reach | None = None
        self.has_repeats = True
        """Whether a natural key may have come twice, in this pass or before."""

    def begin(self, *, is_log_empty: bool) -> None:
        """The first chunk is to come."""
        self.has_repeats = not is_log_empty
        self._highest = _Reach("", (0, "")) if is_log_empty else None  # every key lies behind ""

    def pick(
        self, chunk: Chunk, known: Mapping[str, bytes | None], *, is_last: bool
    ) -> list[raw.Entry] | PackedEntries:
        """The entries that are new; the others join those that came again. `known` are hashes of the latest
        entries that have been looked up already. The caller owns the transaction.
        """
        entries, keyed = chunk.entries, chunk.keys
        keys = [key for key in keyed if key is not None]
        is_none_known = self._lie_behind(keys)
        if is_none_known and len(set(keys)) == len(entries):
            if not is_last:
                self._index.leave_out()
            return entries
        self._index.build()
        unknown = () if is_none_known else [key for key in keys if key not in known]
        latest = {**known, **raw.latest_hashes(self._connection, self._table, unknown)}
        self.has_repeats = self.has_repeats or bool(latest) or len(set(keys)) < len(keys)
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
        """Whether none of these keys can be in the log: a first read of ascending keys sees none again, be it
        that they ascend as texts or as numbers do, of which a longer one is the higher.
        """
        if self._highest is None or not keys:
            return False
        before, lowest, highest = self._highest, *_reaches(keys)
        self._highest = _Reach(max(before.as_text, highest.as_text), max(before.as_number, highest.as_number))
        return before.as_text < lowest.as_text or before.as_number < lowest.as_number


class _Reach(NamedTuple):
    """One end of some keys, in the one order and in the other."""

    as_text: str
    as_number: tuple[int, str]


def _reaches(keys: Sequence[str]) -> tuple[_Reach, _Reach]:
    """The lowest and the highest of these keys."""
    lowest, highest = min(keys), max(keys)
    if len(set(map(len, keys))) == 1:  # both orders are the same
        return _Reach(lowest, _sized(lowest)), _Reach(highest, _sized(highest))
    sized = [_sized(key) for key in keys]
    return _Reach(lowest, min(sized)), _Reach(highest, max(sized))


def _sized(key: str) -> tuple[int, str]:
    return len(key), key


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
