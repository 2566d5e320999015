"""Reading far ahead: several pieces are fetched at once, and given one after the other, in their order.

    pieces ─┬▶ thread ─┬─▶ what waits, piece by piece ─▶ whoever stores it
            ├▶ thread ─┤
            └▶ thread ─┘

A thread takes the next piece that nobody has, fetches it from beginning to end, and what comes waits for its
piece's turn. So much may wait altogether, and no more; only what is wanted now always may. An error is raised
when the turn has come to its piece, and what lies behind it is not fetched any further.
"""

from __future__ import annotations

import threading
import time
from collections import deque
from collections.abc import Callable, Generator, Iterable, Iterator
from contextvars import copy_context
from itertools import islice
from typing import ClassVar, Final, Generic, TypeVar

from strandline.source import prefetch

K = TypeVar("K")
T = TypeVar("T")

AHEAD: Final = 4
"""So many pieces for each thread are begun before their turn, for they are not of one size."""

BLINK: Final = 0.1
"""Seconds after which who consumes looks up: a signal that comes just before a wait is seen only after it."""

PATIENCE: Final = 0.5
"""Seconds that the threads get to end when nobody wants more."""


class _Piece(Generic[K, T]):
    """What is to be fetched, and what of it is there."""

    def __init__(self, number: int, key: K, produce: Callable[[], Iterator[T]]) -> None:
        self.number = number
        self.key = key
        self.produce = produce
        self.waiting: deque[T] = deque()
        self.is_over = False
        self.error: BaseException | None = None


class Ahead(Generic[K, T]):
    """Pieces, of which so many are fetched at once, its `width`; close it to stop them all."""

    most_held: ClassVar[int] = 64 * 1024 * 1024
    """Bytes that may wait, of all pieces together."""

    def __init__(
        self,
        pieces: Iterable[tuple[K, Callable[[], Iterator[T]]]],
        *,
        width: int,
        size: Callable[[T], int],
    ) -> None:
        """Each piece has a name, and a function that fetches it; `size` says how many bytes an item has."""
        self._numbered = enumerate(pieces)
        self._width = width
        self._size = size
        self._changed = threading.Condition()
        self._open: deque[_Piece[K, T]] = deque()
        """From the one whose turn it is."""
        self._untaken: deque[_Piece[K, T]] = deque()
        self._held = 0
        self._broken: int | None = None
        """The first piece that had an error."""
        self._stopping = threading.Event()
        self._threads: list[threading.Thread] = []

    def __iter__(self) -> Iterator[tuple[K, Generator[T, None, None]]]:
        """Each piece's name, and what is fetched of it, which is to be consumed before the next."""
        while self._fill():
            piece = self._open[0]
            yield piece.key, self._give(piece)
            with self._changed:
                self._open.popleft()
                self._changed.notify_all()

    def close(self) -> None:
        """Let the threads end: those that pause or wait at once, those in a request after it."""
        with self._changed:
            self._stopping.set()
            self._changed.notify_all()
        until = time.monotonic() + PATIENCE
        for thread in self._threads:
            thread.join(max(until - time.monotonic(), 0))

    def _fill(self) -> bool:
        """Open as many pieces as may be; whether any is left."""
        missing = AHEAD * self._width - len(self._open)
        found = [_Piece(number, *it) for number, it in islice(self._numbered, missing)]
        with self._changed:
            self._open += found
            self._untaken += found
            self._changed.notify_all()
        for _ in range(min(self._width, len(self._open)) - len(self._threads)):
            self._start()
        return bool(self._open)

    def _start(self) -> None:
        # A daemon: a request that hangs must not keep a process from ending.
        thread = threading.Thread(
            target=copy_context().run, args=(self._work,), name="strandline-reader", daemon=True
        )
        self._threads.append(thread)
        thread.start()

    def _give(self, piece: _Piece[K, T]) -> Generator[T, None, None]:
        while self._await(piece):
            with self._changed:
                item = piece.waiting.popleft()
                self._held -= self._size(item)
                self._changed.notify_all()
            yield item
        if piece.error is not None:
            raise piece.error

    def _await(self, piece: _Piece[K, T]) -> bool:
        """Wait until something of it is there; whether anything comes."""
        with self._changed:
            while not piece.waiting and not piece.is_over:
                if prefetch.is_stopped():
                    raise prefetch.Stopped
                self._changed.wait(BLINK)
            return bool(piece.waiting)

    def _work(self) -> None:
        prefetch.stop_with(self._stopping)
        while (piece := self._take()) is not None:
            try:
                for item in piece.produce():
                    if not self._put(piece, item):
                        break
            except BaseException as error:  # noqa: BLE001  # it is raised where the piece is consumed
                piece.error = error
            self._end(piece)

    def _take(self) -> _Piece[K, T] | None:
        """The next piece that nobody has; None where there is nothing to be done any more."""
        with self._changed:
            while not self._stopping.is_set() and self._broken is None:
                if self._untaken:
                    return self._untaken.popleft()
                self._changed.wait()
        return None

    def _put(self, piece: _Piece[K, T], item: T) -> bool:
        """Let it wait for its turn, when there is room; whether more is wanted."""
        size = self._size(item)
        with self._changed:
            while self._is_wanted(piece) and not self._has_room(piece, size):
                self._changed.wait()
            if self._is_wanted(piece):
                piece.waiting.append(item)
                self._held += size
                self._changed.notify_all()
            return self._is_wanted(piece)

    def _is_wanted(self, piece: _Piece[K, T]) -> bool:
        is_behind_error = self._broken is not None and piece.number > self._broken
        return not self._stopping.is_set() and not is_behind_error

    def _has_room(self, piece: _Piece[K, T], size: int) -> bool:
        is_next = piece is self._open[0] and not piece.waiting
        return is_next or self._held + size <= self.most_held

    def _end(self, piece: _Piece[K, T]) -> None:
        with self._changed:
            piece.is_over = True
            if piece.error is not None and (self._broken is None or piece.number < self._broken):
                self._broken = piece.number
            self._changed.notify_all()
