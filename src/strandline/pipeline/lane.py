"""Pieces of work done side by side, in lanes: a thread for each, which takes the next piece that is ready.

An error of one lane, and Ctrl-C, stop the others at their next safe point, before anybody is told.
"""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterable, Sequence
from contextvars import copy_context
from typing import Generic, TypeVar

from strandline.source import prefetch

P = TypeVar("P")
L = TypeVar("L")
R = TypeVar("R")

BLINK = 0.1
"""Seconds after which who waits looks up: a signal that comes just before a wait is seen only after it."""


def _nothing(_: object) -> tuple[()]:
    return ()


def side_by_side(
    pieces: Sequence[P],
    lanes: Sequence[L],
    do: Callable[[L, P], R],
    *,
    waits_for: Callable[[P], Iterable[P]] = _nothing,
) -> list[R]:
    """What `do(lane, piece)` gives for each piece, in the order of the pieces; a piece begins when those
    before it that it `waits_for` are done. Raises the first error, once nothing is going on any more.
    """
    work = _Work(pieces, do, waits_for)
    threads = [
        threading.Thread(target=copy_context().run, args=(work.go, lane), name="strandline-lane", daemon=True)
        for lane in lanes
    ]
    for thread in threads:
        thread.start()
    try:
        _wait(threads)
    except BaseException:
        work.stopping.set()
        _wait(threads)
        raise
    if work.error is not None:
        raise work.error
    return [work.done[number] for number in range(len(pieces))]


def _wait(threads: Sequence[threading.Thread]) -> None:
    for thread in threads:
        while thread.is_alive():
            thread.join(BLINK)


class _Work(Generic[L, P, R]):
    """The pieces that are left, and what has become of the others."""

    def __init__(
        self, pieces: Sequence[P], do: Callable[[L, P], R], waits_for: Callable[[P], Iterable[P]]
    ) -> None:
        self.done: dict[int, R] = {}
        self.error: BaseException | None = None
        self.stopping = threading.Event()
        self._pieces = pieces
        self._do = do
        self._left = list(range(len(pieces)))
        self._changed = threading.Condition()
        self._before = [
            [number for number in range(own) if any(pieces[number] is it for it in waits_for(piece))]
            for own, piece in enumerate(pieces)
        ]

    def go(self, lane: L) -> None:
        """Do what is left, piece by piece."""
        prefetch.stop_with(self.stopping)
        try:
            while (number := self._next()) is not None:
                result = self._do(lane, self._pieces[number])
                with self._changed:
                    self.done[number] = result
                    self._changed.notify_all()
        except BaseException as error:  # noqa: BLE001  # it is raised where the lanes are waited for
            self.error = self.error or error
            self.stopping.set()

    def _next(self) -> int | None:
        with self._changed:
            while self._left and not self.stopping.is_set():
                ready = (it for it in self._left if all(no in self.done for no in self._before[it]))
                if (number := next(ready, None)) is not None:
                    self._left.remove(number)
                    return number
                self._changed.wait(BLINK)
        return None
