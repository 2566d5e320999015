"""What a pass over a stream asks its source for: from where to where, once or piece by piece.

An ordinary pass asks for what lies behind the read mark, up to the moment at which it began, where the
stream's method takes an end: what changes meanwhile is the next run's. A backfill asks for what somebody
names, in pieces, and notes each that is in the raw log, so that one that was stopped goes on behind it; the
marks stay where they are.
"""

from __future__ import annotations

from collections.abc import Iterator
from datetime import date, timedelta
from typing import Final

from msgspec import Struct
from sqlalchemy import Connection

from strandline.source.cursor import Cursor, CursorValue
from strandline.warehouse import backfill

Window = tuple[CursorValue | None, CursorValue | None]
"""Since and until, as the source is asked; None: from its beginning, to its end."""

EVERYTHING: Final[Window] = (None, None)
"""Also what changes while it is read: who is not in it is gone."""

Step = timedelta | int
"""How far a piece of a backfill goes: a time, or so many numbers."""

OPEN: Final = ""
"""Until the moment at which it runs, as it is noted."""


class Piece(Struct, frozen=True):
    """A piece of a backfill."""

    window: Window
    reached: CursorValue | None
    """Up to where everything is in the raw log when this piece and those before it are; None: to the end."""
    is_last: bool


class Backfill(Struct):
    """What is to be read of a stream: from `first` to `last`, or to the present, a `step` at a time; so many
    pieces are fetched at once, its `width`.
    """

    stream: str
    cursor: Cursor
    first: CursorValue
    last: CursorValue | None
    step: Step | None
    present: CursorValue | None
    """What the present is to the cursor; None where it is no time."""
    reached: CursorValue | None = None
    """Up to where everything was in the raw log already when it began."""
    width: int = 1

    def left(self) -> Iterator[Piece]:
        """The pieces that are still to be read."""
        begin, end = self.first if self.reached is None else self.reached, self._end
        while True:
            after = _later(begin, self.step)
            is_last = after is None or end is None or not self.cursor.is_after(end, after)
            reached = end if is_last else after
            until = None if reached is None else self.cursor.until(reached)
            yield Piece((self.cursor.since(begin), until), reached, is_last)
            if is_last or after is None:
                return
            begin = after

    def find(self, connection: Connection) -> None:
        """Go on behind what one of the same was stopped at."""
        noted = backfill.reached(connection, *self._name)
        self.reached = None if noted is None else self.cursor.decode(noted)

    def forget(self, connection: Connection) -> None:
        """Begin over."""
        backfill.end(connection, *self._name)

    def move(self, connection: Connection, piece: Piece, *, run_id: int) -> None:
        """Note that it and all before it are in the raw log, in the transaction that stores its end."""
        if piece.is_last or piece.reached is None:
            backfill.end(connection, *self._name)
        else:
            reached = self.cursor.encode(piece.reached)
            backfill.move(connection, *self._name, reached=reached, run_id=run_id)

    @property
    def _end(self) -> CursorValue | None:
        return self.present if self.last is None else self.last

    @property
    def _name(self) -> tuple[str, str, str]:
        until = OPEN if self.last is None else self.cursor.encode(self.last)
        return self.stream, self.cursor.encode(self.first), until


def _later(value: CursorValue, step: Step | None) -> CursorValue | None:
    """A step behind the value; None where there is no step, or nothing so late."""
    try:
        if isinstance(step, timedelta) and isinstance(value, date):  # a datetime is one, too
            return value + step
    except OverflowError:
        return None
    return value + step if isinstance(step, int) and isinstance(value, int) else None
