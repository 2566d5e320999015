"""Rows as binary COPY sends them, packed by a process that has no connection, and entries of a raw log
in that form.

Whoever stores them hands the bytes on as they are. Where an entry itself is needed it is unpacked, that one
alone.
"""

from __future__ import annotations

from array import array
from bisect import bisect
from collections.abc import Callable, Container, Iterable, Sequence
from functools import cache
from itertools import accumulate
from pickle import PickleBuffer
from struct import Struct
from typing import Any, Final, SupportsIndex, overload

import psycopg
from psycopg._copy_base import format_row_binary  # which `Copy.write_row` calls, and only for a connection
from psycopg.adapt import AdaptersMap, Transformer
from psycopg.pq import Format
from sqlalchemy import Column, Connection, Dialect, Table

from strandline.warehouse import raw
from strandline.warehouse.copy import binary_types, copy, register_dumpers
from strandline.warehouse.database import Database
from strandline.warehouse.raw import Entry

FIELDS: Final = Struct("!h")
SIZE: Final = Struct("!i")
"""How many fields a row has, and how many bytes a value; of NULL it is -1."""

HASH_BYTES: Final = 16

Bytes = bytes | bytearray
OUT_OF_BAND: Final = 5
"""From this protocol of pickle on."""


class Packed:
    """Rows of one table, and of which entry of the raw log each is."""

    def __init__(self, raw_ids: Iterable[int] = (), sizes: Iterable[int] = (), rows: Bytes = b"") -> None:
        """With so many bytes for each row."""
        self.raw_ids = array("q", raw_ids)
        self.sizes = array("I", sizes)
        self.pieces: list[Bytes] = [rows] if rows else []
        """The rows, one after the other, and each within one piece."""

    def __len__(self) -> int:
        return len(self.raw_ids)

    def __reduce_ex__(self, protocol: SupportsIndex) -> tuple[Any, ...]:
        """The pieces may go beside what is pickled, so that nobody copies them (PEP 574)."""
        pieces = [PickleBuffer(it) for it in self.pieces] if int(protocol) >= OUT_OF_BAND else self.pieces
        return _repacked, (self.raw_ids, self.sizes, pieces)

    def add(self, other: Packed) -> None:
        """Put the other's rows behind these."""
        self.raw_ids += other.raw_ids
        self.sizes += other.sizes
        self.pieces += other.pieces

    def row(self, place: int) -> bytes:
        """The row there."""
        begin = self._ends[place] - self.sizes[place]
        number = bisect(self._begins, begin) - 1
        at = begin - self._begins[number]
        return bytes(self.pieces[number][at : at + self.sizes[place]])

    def only(self, kept: Container[int]) -> Packed:
        """The rows of these entries."""
        places = [place for place, raw_id in enumerate(self.raw_ids) if raw_id in kept]
        return Packed(
            [self.raw_ids[it] for it in places],
            [self.sizes[it] for it in places],
            b"".join(map(self.row, places)),
        )

    @property
    def _ends(self) -> Sequence[int]:
        """Where each row ends."""
        if len(self._known_ends) != len(self.sizes):
            self._known_ends = array("Q", accumulate(self.sizes))
        return self._known_ends

    @property
    def _begins(self) -> Sequence[int]:
        """Where each piece begins."""
        if len(self._known_begins) != len(self.pieces):
            self._known_begins = array("Q", accumulate(map(len, self.pieces[:-1]), initial=0))
        return self._known_begins

    _known_ends: Sequence[int] = ()
    _known_begins: Sequence[int] = ()


def _repacked(raw_ids: Iterable[int], sizes: Iterable[int], pieces: list[Bytes]) -> Packed:
    packed = Packed(raw_ids, sizes)
    packed.pieces = pieces
    return packed


class PackedEntries(Sequence[Entry]):
    """New entries of a raw log, packed, with what is looked up of all of them beside them."""

    def __init__(
        self,
        rows: Packed,
        *,
        keys: list[str | None],
        hashes: bytes,
        types: tuple[int, ...],
        are_upserts: bool,
    ) -> None:
        self.rows = rows
        self.keys = keys
        self.hashes = hashes
        """One after the other, each of HASH_BYTES."""
        self.types = types
        """PostgreSQL's numbers of the columns' types."""
        self.are_upserts = are_upserts

    def __len__(self) -> int:
        return len(self.rows)

    @overload
    def __getitem__(self, place: int) -> Entry: ...

    @overload
    def __getitem__(self, place: slice) -> Sequence[Entry]: ...

    def __getitem__(self, place: int | slice) -> Entry | Sequence[Entry]:
        if isinstance(place, slice):
            return [self[it] for it in range(*place.indices(len(self)))]
        return unpacked(self.rows.row(range(len(self))[place]), self.types)

    def add(self, other: PackedEntries) -> None:
        """Put the other's entries behind these."""
        self.rows.add(other.rows)
        self.keys += other.keys
        self.hashes += other.hashes
        self.are_upserts = self.are_upserts and other.are_upserts

    def hash_at(self, place: int) -> bytes:
        """The hash of the payload there."""
        return self.hashes[place * HASH_BYTES : (place + 1) * HASH_BYTES]

    def only(self, kept: Sequence[int]) -> PackedEntries:
        """Those at these places."""
        raw_ids = self.rows.raw_ids
        return PackedEntries(
            self.rows.only({raw_ids[it] for it in kept}),
            keys=[self.keys[it] for it in kept],
            hashes=b"".join([self.hash_at(it) for it in kept]),
            types=self.types,
            are_upserts=self.are_upserts,
        )


class Packer:
    """Turns rows into what binary COPY sends of them."""

    connection = None

    def __init__(self, columns: Sequence[Column[Any]], dialect: Dialect) -> None:
        """The types of all columns must be known to psycopg: see `binary_types`."""
        self.adapters = AdaptersMap(psycopg.adapters)
        register_dumpers(self.adapters)
        self.types = tuple(psycopg.adapters.types[name].oid for name in binary_types(columns, dialect) or ())
        self._transformer = Transformer(self)
        self._transformer.set_dumper_types(self.types, Format.BINARY)

    def pack(self, rows: Sequence[Sequence[Any]]) -> Packed:
        """The rows as COPY sends them; each begins with its raw_id. Raises one of REFUSED where a value does
        not fit its column.
        """
        packed, transformer, before, sizes = bytearray(), self._transformer, 0, array("I")
        for row in rows:
            format_row_binary(row, transformer, packed)
            end = len(packed)
            sizes.append(end - before)
            before = end
        return Packed([row[0] for row in rows], sizes, packed)

    def pack_entries(self, entries: Sequence[Entry]) -> PackedEntries:
        """The entries as COPY sends them. Raises as `pack` does."""
        return PackedEntries(
            self.pack(entries),
            keys=[it[1] for it in entries],
            hashes=b"".join([it[3] for it in entries]),
            types=self.types,
            are_upserts=all(it[4] == raw.UPSERT for it in entries),
        )


def append(database: Database, connection: Connection, table: Table, entries: Sequence[Entry]) -> None:
    """Add the entries at the end of the log, packed or not."""
    if isinstance(entries, PackedEntries):
        pieces = entries.rows.pieces
        copy(connection, database.qualified(table), columns=list(table.c), rows=(), packed=pieces)
    else:
        raw.append(database, connection, table, entries)


def raw_ids(entries: Sequence[Entry]) -> Iterable[int]:
    """The numbers of these entries."""
    return entries.rows.raw_ids if isinstance(entries, PackedEntries) else (it[0] for it in entries)


def unpacked(row: bytes, types: tuple[int, ...]) -> Entry:
    """The values of a row that was packed for columns of these types."""
    values, at = [], FIELDS.size
    for load in _loaders(types):
        size = SIZE.unpack_from(row, at)[0]
        at += SIZE.size
        values.append(None if size < 0 else load(row[at : at + size]))
        at += max(size, 0)
    return tuple(values)


@cache
def _loaders(types: tuple[int, ...]) -> list[Callable[[bytes], Any]]:
    transformer = Transformer()
    return [transformer.get_loader(it, Format.BINARY).load for it in types]
