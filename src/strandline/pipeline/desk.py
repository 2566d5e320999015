"""A desk where one page at a time goes through contract and mapper, apart from the pages around it.

What comes of a page does not depend on where or when that happens, so several desks can work at once, some of
them in other processes; the load puts the parts together in the order of the pages.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from typing import Any

from msgspec import Struct, structs
from sqlalchemy import Dialect

from strandline.pipeline.chunk import Chunk, Part
from strandline.pipeline.effacement import Entry
from strandline.pipeline.intake import Intake
from strandline.pipeline.target import Target
from strandline.source.cursor import CursorValue
from strandline.source.page import Page
from strandline.source.stream import Stream
from strandline.warehouse import raw
from strandline.warehouse.copy import REFUSED
from strandline.warehouse.packed import Packed, Packer


class Order(Struct, frozen=True):
    """A page to be taken apart, the `number`th of its stream; its first record gets the raw_id `first`."""

    page: Page
    number: int
    first: int


class Again(Struct, frozen=True):
    """Entries of the raw log that are to be taken in again for one of the targets."""

    entries: Sequence[tuple[Any, ...]]
    """As `Entry` has them."""
    target: int
    """Which of the targets, counted from 0."""


class Packers(Struct, frozen=True):
    """What packs the entries of a stream's raw log, and the rows of each of its targets."""

    log: Packer
    staged: Sequence[Packer]


def packers_for(stream: Stream, targets: Sequence[Target], rows: Dialect) -> Packers:
    """Those for this stream, and these targets."""
    log = raw.raw_table(stream.qualified_name, cursor=stream.cursor_type, tie_break=stream.tie_break_type)
    return Packers(Packer(list(log.c), rows), [Packer(list(it.staged.c), rows) for it in targets])


class Desk:
    """Takes pages of one stream apart for these targets, and entries that the raw log has of it."""

    def __init__(
        self, stream: Stream, targets: Sequence[Target], *, run_id: int, packers: Packers | None = None
    ) -> None:
        """With packers, what can be packed is."""
        self._targets = [replace(target, rows=[]) for target in targets]
        self._intake = Intake(stream, self._targets, run_id=run_id)
        self._packers = packers

    def take(self, order: Order | Again) -> Part:
        """What becomes of it. Raises OrderBroken."""
        try:
            if isinstance(order, Again):
                self._take_again(order)
            else:
                self._intake.next_raw_id = order.first
                self._intake.take(order.page, order.number)
        finally:
            chunk = self._intake.empty()
            rows = [target.rows for target in self._targets]
            for target in self._targets:
                target.rows = []
        nothing = [Packed() for _ in rows]
        part = Part(chunk.unpacked, chunk.rejects, chunk.unknown, rows, nothing, _reach(chunk))
        return part if self._packers is None else _packed(part, self._packers)

    def _take_again(self, order: Again) -> None:
        targets = [self._targets[order.target]]
        for entry in order.entries:
            self._intake.take_again(Entry._make(entry), targets)


def _reach(chunk: Chunk) -> Sequence[CursorValue]:
    values = [it[5] for it in chunk.entries if it[5] is not None]
    return (min(values), max(values)) if values else ()


def _packed(part: Part, packers: Packers) -> Part:
    """The part, packed, unless a value does not fit its column: of that the rows tell more."""
    try:
        entries = packers.log.pack_entries(part.entries) if part.entries else part.entries
        packed = [it.pack(rows) for it, rows in zip(packers.staged, part.rows, strict=True)]
    except REFUSED:
        return part
    return structs.replace(part, entries=entries, rows=[()] * len(packed), packed=packed)
