"""The parts that a pass reads a stream in, one after the other: the pieces of a backfill, its partitions, or
so many parents at a time. Each has a read mark, which moves when the part is in the raw log.
"""

from __future__ import annotations

from collections.abc import Generator, Iterator, Sequence
from contextlib import closing
from datetime import datetime
from functools import partial
from typing import Final

from msgspec import Struct
from sqlalchemy import Connection

from strandline.errors import OrderBroken, StrandlineError
from strandline.pipeline.advance import ReadMark
from strandline.pipeline.children import Children, EntryMark
from strandline.pipeline.window import EVERYTHING, Backfill, Piece, Window
from strandline.source.ahead import Ahead
from strandline.source.division import Partitions, name_of
from strandline.source.page import Page
from strandline.source.parent import Parents
from strandline.source.stream import Source, Stream
from strandline.source.tally import Walk

IN_A_ROW: Final = 3
"""So many partitions that cannot be read, one after the other, are the source's fault."""


class Part(Struct, frozen=True):
    """What is read at once: from where to where, under which mark, and for whom."""

    mark: ReadMark
    window: Window
    told: Sequence[object] = ()
    partition: str | None = None
    piece: Piece | None = None
    """Of a backfill."""


class Parts(Struct):
    """How one pass divides its stream."""

    connection: Connection
    stream: Stream
    run_id: int
    started: datetime
    unread: dict[str, str] = {}
    """What could not be read, and why, while the rest was."""
    is_complete: bool = False
    """Whether what changes while it is read is to be read, too."""
    walks: list[Walk] = []
    """Those of which the source has said how long they are."""
    _in_a_row: int = 0
    _has_read: bool = False
    _first: StrandlineError | None = None

    def end(self) -> None:
        """All parts were read, or tried. Raises the error of the first where none could be read."""
        if self._first is not None and not self._has_read:
            raise self._first

    @property
    def lack(self) -> str | None:
        """What could not be read, in words."""
        if not self.unread:
            return None
        name, why = next(iter(self.unread.items()))
        is_parted = isinstance(self.stream.per, Partitions)
        told = f"{len(self.unread):,} {'partitions' if is_parted else 'parents'} could not be read"
        then = "" if is_parted else "; as soon as they can, their children are"
        return f"{self.stream.qualified_name}: {told}, among them {name}: {why}{then}"

    def mark_of(self, partition: str | None = None, *, is_full: bool) -> ReadMark:
        """The read mark of the stream, or of one of its partitions."""
        kind = EntryMark if isinstance(self.stream.per, Parents) else ReadMark
        name = name_of(self.stream.qualified_name, partition)
        return kind(
            self.connection,
            self.stream,
            run_id=self.run_id,
            started=self.started,
            is_full=is_full,
            name=name,
        )

    def read(
        self, source: Source, main: ReadMark, backfill: Backfill | None
    ) -> Generator[tuple[Part, Generator[Page, None, None]], None, None]:
        """The parts, in their order, each with its pages; `main` is the stream's own mark."""
        parts = self._of(source, main) if backfill is None else _pieces(backfill, main)
        if backfill is None or backfill.width == 1:
            for it in parts:
                yield it, self.stream.read(source, *it.window, walks=self.walks, told=it.told)
            return
        fetches = ((it, partial(self.stream.fetch, source, *it.window, walks=self.walks)) for it in parts)
        with closing(Ahead(fetches, width=backfill.width, size=lambda page: page.size)) as ahead:
            yield from ahead

    def _of(self, source: Source, main: ReadMark) -> Iterator[Part]:
        per = self.stream.per
        if isinstance(per, Partitions):
            for it in per.of(source, where=self.stream.qualified_name):
                its = self.mark_of(it, is_full=main.is_full)
                with self.connection.begin():
                    its.find()
                yield Part(its, EVERYTHING if self.is_complete else its.window, [it], it)
        elif isinstance(per, Parents) and isinstance(main, EntryMark):
            children = Children(self.connection, self.stream, per, main, unread=self.unread)
            for told in children.told():
                yield Part(main, EVERYTHING, told)
        else:
            yield Part(main, EVERYTHING if self.is_complete else main.window)

    def note(self, part: Part, error: StrandlineError | None = None) -> bool:
        """A part is through, or could not be read: whether the pass may go on all the same."""
        self._in_a_row = self._in_a_row + 1 if error is not None else 0
        self._has_read = self._has_read or error is None
        if error is not None and part.partition is not None:
            self._first = self._first or error
            self.unread[part.partition] = error.message
        is_alone = part.partition is not None and not isinstance(error, OrderBroken)
        return error is None or (is_alone and self._in_a_row < IN_A_ROW)


def _pieces(backfill: Backfill, main: ReadMark) -> Iterator[Part]:
    return (Part(main, it.window, piece=it) for it in backfill.left())
