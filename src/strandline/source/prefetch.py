"""Reading ahead: the next pages are fetched in a thread while the last one is processed.

What waits is bounded. An error of the reader is raised where the pages are consumed; when the
consumer stops, the reader wakes from any pause (a retry's, a rate limit's) and ends.
"""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Generator, Iterator
from contextlib import suppress
from contextvars import ContextVar, copy_context
from queue import Empty, Full, Queue
from typing import TypeVar

T = TypeVar("T")

_stopping: ContextVar[threading.Event | None] = ContextVar("stopping", default=None)


class Stopped(Exception):
    """Whoever consumed the pages went away."""


class _End:
    """Nothing more comes, because all was read (None) or because of an error."""

    def __init__(self, error: BaseException | None = None) -> None:
        self.error = error


def pause(seconds: float) -> None:
    """Sleep, but not longer than the pages are wanted: then Stopped."""
    stopping = _stopping.get()
    if stopping is None:
        time.sleep(seconds)
    elif stopping.wait(seconds):
        raise Stopped


def stop_with(stopping: threading.Event) -> None:
    """Let whoever reads in this thread stop, with Stopped, before the next page when the event is set."""
    _stopping.set(stopping)


def is_stopped() -> bool:
    """Whether whoever reads in this thread is to stop."""
    stopping = _stopping.get()
    return stopping is not None and stopping.is_set()


class _Ready(Queue[T | _End]):
    """What waits, by its weight; what comes on top of the last free place may be as heavy as it is."""

    def __init__(self, most: int, weigh: Callable[[T], int]) -> None:
        super().__init__(maxsize=most)
        self._weigh = weigh
        self._weight = 0

    def _put(self, item: T | _End) -> None:
        self._weight += self._weight_of(item)
        super()._put(item)

    def _get(self) -> T | _End:
        item = super()._get()
        self._weight -= self._weight_of(item)
        return item

    def _qsize(self) -> int:
        return self._weight

    def _weight_of(self, item: T | _End) -> int:
        return 1 if isinstance(item, _End) else max(self._weigh(item), 1)


def prefetch(
    produce: Callable[[], Iterator[T]], *, most: int = 1, weigh: Callable[[T], int] = lambda _: 1
) -> Generator[T, None, None]:
    """Yield what `produce()` yields, with `produce` running ahead in a thread until items of `most` weight
    wait: one, unless they are weighed.
    """
    ready = _Ready(most, weigh)
    stopping = threading.Event()
    context = copy_context()
    context.run(_stopping.set, stopping)
    # A daemon: a request that hangs must not keep a process from ending.
    reader = threading.Thread(
        target=context.run, args=(_read, produce, ready, stopping), name="strandline-reader", daemon=True
    )
    reader.start()
    try:
        while not isinstance(item := _get(ready), _End):
            yield item
        if item.error is not None:
            raise item.error
    finally:
        stopping.set()
        with suppress(Empty):
            while True:
                ready.get_nowait()
        reader.join(timeout=0.5)


def _get(ready: _Ready[T]) -> T | _End:
    # In short waits: a signal that comes just before one, or to another thread, is seen only after it.
    while not is_stopped():
        with suppress(Empty):
            return ready.get(timeout=0.1)
    raise Stopped


def _read(produce: Callable[[], Iterator[T]], ready: _Ready[T], stopping: threading.Event) -> None:
    end = _End()
    try:
        for item in produce():
            if not _put(ready, item, stopping):
                return
    except BaseException as error:  # noqa: BLE001  # it is raised where the pages are consumed
        end = _End(error)
    _put(ready, end, stopping)


def _put(ready: _Ready[T], item: T | _End, stopping: threading.Event) -> bool:
    while not stopping.is_set():
        with suppress(Full):
            ready.put(item, timeout=0.1)
            # Closing makes room in the queue, so having put something does not mean that it is wanted.
            return not stopping.is_set()
    return False
