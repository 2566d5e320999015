"""The parts that a pass reads a stream in, one after the other: the pieces of a backfill, its partitions, or
so many parents at a time. Each has a read mark, which moves when the part is in the raw log.

The mark of a stream of children says up to which entry of its parents' raw log they have been read. It moves
behind its own parents only, so whatever is broken off, no child is lost and no parent is asked for twice.
"""

from __future__ import annotations

from collections.abc import Generator, Iterator, Sequence
from contextlib import closing
from dataclasses import dataclass, field
from datetime import datetime
from functools import partial
from typing import Final

from sqlalchemy import Connection, Table

from strandline.errors import OrderBroken, RecordRejected, StrandlineError
from strandline.pipeline.advance import ReadMark
from strandline.pipeline.window import EVERYTHING, Backfill, Piece, Window
from strandline.source.ahead import Ahead
from strandline.source.contract import Record
from strandline.source.cursor import CursorValue
from strandline.source.division import Partitions, name_of
from strandline.source.page import Page
from strandline.source.parent import Parents
from strandline.source.stream import Source, Stream
from strandline.source.tally import Walk
from strandline.warehouse import mark, raw

AT_ONCE: Final = 200
"""So many parents have their children read before the mark moves."""

IN_A_ROW: Final = 3
"""So many partitions that cannot be read, one after the other, are the source's fault."""

ENTRY: Final = "int:"
"""How a mark begins that is an entry of a raw log."""


@dataclass(frozen=True)
class Part:
    """What is read at once: from where to where, under which mark, and for whom."""

    mark: ReadMark
    window: Window
    told: Sequence[object] = ()
    partition: str | None = None
    piece: Piece | None = None
    """Of a backfill."""


class EntryMark(ReadMark):
    """The read mark of a stream of children: an entry of its parents' raw log."""

    reach: int = 0
    """The entry up to which they are being read."""

    @property
    def entry(self) -> int:
        """The entry up to which they have been read."""
        if self.before is None or self.is_full or not self.before.startswith(ENTRY):
            return 0
        return int(self.before.removeprefix(ENTRY))

    def move(self, *, highest: CursorValue | None, reached: str | None, is_end: bool) -> None:
        """Move it at the end of a part."""
        if is_end and self.reach:
            self.after = f"{ENTRY}{self.reach}"
            mark.move_read(self._connection, self._name, mark=self.after, run_id=self._run_id)


@dataclass
class Parts:
    """How one pass divides its stream."""

    connection: Connection
    stream: Stream
    run_id: int
    started: datetime
    unread: dict[str, str] = field(default_factory=dict)
    """What could not be read, and why, while the rest was."""
    is_complete: bool = False
    """Whether what changes while it is read is to be read, too."""
    walks: list[Walk] = field(default_factory=list)
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
        what = "partitions" if isinstance(self.stream.per, Partitions) else "parents"
        told = f"{len(self.unread):,} {what} could not be read"
        return f"{self.stream.qualified_name}: {told}, among them {name}: {why}"

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
            yield from self._of_parents(per, main)
        else:
            yield Part(main, EVERYTHING if self.is_complete else main.window)

    def _of_parents(self, per: Parents, main: EntryMark) -> Iterator[Part]:
        parent = per.of(self.stream.source)
        log = log_of(parent)
        with self.connection.begin():
            last = raw.last(self.connection, log)
        done = main.entry
        while done < last:
            with self.connection.begin():
                found = raw.changed_after(self.connection, log, done, up_to=last, limit=AT_ONCE)
            done = main.reach = found[-1].raw_id if len(found) == AT_ONCE else last
            records = list(self._parsed(parent, found))
            yield Part(main, EVERYTHING, list(per.told(records)))

    def _parsed(self, parent: Stream, found: Sequence[raw.Latest]) -> Iterator[Record]:
        for it in found:
            try:
                yield parent.parse(it.payload)
            except RecordRejected as error:
                self.unread[it.source_id] = error.message

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


def log_of(stream: Stream) -> Table:
    """The stream's raw log."""
    return raw.raw_table(stream.qualified_name, cursor=stream.cursor_type, tie_break=stream.tie_break_type)
