"""The read mark of one pass over a stream: where the pass begins, and when the mark moves.

With a cursor it follows the highest value that was seen, at the end of the stream or, where order is
promised and verified, with every chunk. Without one it is the state that came last with the pages, and moves
with every chunk: a state vouches for the records before it and for no others.
"""

from __future__ import annotations

from datetime import datetime

from sqlalchemy import Connection

from strandline.errors import DeclarationError
from strandline.pipeline.window import Window
from strandline.source import state
from strandline.source.cursor import CursorValue
from strandline.source.stream import Stream
from strandline.warehouse import mark


class ReadMark:
    """The read mark of a stream, and how one pass moves it."""

    def __init__(
        self,
        connection: Connection,
        stream: Stream,
        *,
        run_id: int,
        started: datetime,
        is_full: bool,
        name: str | None = None,
    ) -> None:
        """Its `name` is the stream's, unless it is that of a part of it."""
        self._name = name or stream.qualified_name
        self.before: str | None = None
        self.after: str | None = None
        self._connection = connection
        self._stream = stream
        self._run_id = run_id
        self._started = started
        self.is_full = is_full

    @property
    def name(self) -> str:
        """What it is the mark of: a stream, or a part of one."""
        return self._name

    def find(self) -> None:
        """Look where it stands."""
        self.before = self.after = mark.read_up_to(self._connection, self._name)

    @property
    def window(self) -> Window:
        """Everything behind the mark; without one, and where all is to be read, everything."""
        cursor = self._stream.cursor
        if cursor is None:
            return None if self.is_full else state.decode(self.before), None
        return cursor.since(self._value_before()), cursor.now(self._started, self._stream.cursor_type)

    def _value_before(self) -> CursorValue | None:
        cursor = self._stream.cursor
        assert cursor is not None
        if self.before is None or self.is_full:
            return None
        if state.decode(self.before) is not None:
            raise DeclarationError(
                f"{self._stream.qualified_name}: its mark is a state from when it had no cursor",
                hint="Run once with --full to start a new mark.",
            )
        return cursor.decode(self.before)

    def move(self, *, highest: CursorValue | None, reached: str | None, is_end: bool) -> None:
        """Move it as far as this allows: the highest cursor value, or the state that was reached. In the
        transaction that stores what it vouches for.
        """
        after = self._moved(highest, is_end=is_end) if reached is None else self._state(reached)
        if after is not None:
            self.after = after
            mark.move_read(self._connection, self._name, mark=after, run_id=self._run_id)

    def _moved(self, highest: CursorValue | None, *, is_end: bool) -> str | None:
        cursor = self._stream.cursor
        if cursor is None or not (is_end or cursor.ordered):
            return None
        is_value = self.before is not None and state.decode(self.before) is None
        before = cursor.decode(self.before) if self.before is not None and is_value else None
        value = cursor.advance(before, highest=highest, run_start=self._started, is_full=self.is_full)
        return None if value is None else cursor.encode(value)

    def _state(self, reached: str) -> str:
        where = self._stream.qualified_name
        if not self._stream.takes_state:
            lacks = "has a cursor" if self._stream.cursor else "takes no `since` that would be told it"
            raise DeclarationError(
                f"{where}: its pages carry a state, and it {lacks}",
                hint=f"Write def {self._stream.name}(self, since: str | None): … without a cursor.",
            )
        return state.encode(reached, where=where)

    def take_back(self) -> None:
        """The order that let it move did not hold, so what it vouched for is not certain."""
        with self._connection.begin():
            mark.put_read_back(self._connection, self._name, mark=self.before, run_id=self._run_id)
        self.after = self.before
