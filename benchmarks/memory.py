"""How much memory a command has at most, with all the processes that it starts, as Linux counts it."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from threading import Event, Thread
from typing import Final

EVERY: Final = 0.1
"""Seconds from one look to the next."""


class Watch:
    """Looks at a process and its descendants until it has ended."""

    def __init__(self) -> None:
        self.peak_mb = 0.0
        """Of all of them at one moment, at most; what they share is counted once."""
        self._is_over = Event()

    @contextmanager
    def over(self, pid: int) -> Iterator[None]:
        """Look at it during the block."""
        thread = Thread(target=self._look, args=(pid,), daemon=True)
        thread.start()
        try:
            yield
        finally:
            self._is_over.set()
            thread.join()

    def _look(self, pid: int) -> None:
        while not self._is_over.wait(EVERY):
            held = sum(map(_held, [pid, *descendants(pid)]))
            self.peak_mb = max(self.peak_mb, round(held / 1e6, 1))


def descendants(pid: int) -> list[int]:
    """The processes that it has started, and those that these have."""
    parents = dict(_parents())
    found, looked_at = list[int](), [pid]
    while looked_at:
        parent = looked_at.pop()
        children = [it for it, its in parents.items() if its == parent]
        found += children
        looked_at += children
    return found


def _parents() -> Iterator[tuple[int, int]]:
    for folder in Path("/proc").glob("[0-9]*"):
        try:
            told = Path(folder, "stat").read_text()
        except OSError:  # it has ended
            continue
        yield int(folder.name), int(told.rpartition(")")[2].split()[1])


def _held(pid: int) -> int:
    try:
        told = Path(f"/proc/{pid}/smaps_rollup").read_text()
    except OSError:  # it has ended, or this is no Linux
        return 0
    return next((int(line.split()[1]) * 1024 for line in told.splitlines() if line.startswith("Pss:")), 0)
