"""How far a run is: bars on a terminal, a line every few seconds elsewhere; always on stderr.

Where the log is to be JSON, its lines are the log's.
"""

from __future__ import annotations

import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any, Final, TextIO

from strandline import log
from strandline.pipeline.report import Progress, StreamReport

EVERY_SECONDS: Final = 5.0


@contextmanager
def shown(stream: TextIO = sys.stderr) -> Iterator[Progress]:
    """Show progress on this stream while the block runs."""
    if log.is_json():
        yield Events()
    elif stream.isatty():
        with _bars(stream) as bars:
            yield bars
    else:
        yield Lines(stream)


@contextmanager
def _bars(stream: TextIO) -> Iterator[Progress]:
    from rich.console import Console
    from rich.progress import Progress as Rich
    from rich.progress import SpinnerColumn, TextColumn, TimeElapsedColumn

    columns = (
        SpinnerColumn(),
        TextColumn("{task.description}"),
        TextColumn("{task.fields[said]}"),
        TimeElapsedColumn(),
    )
    with Rich(*columns, console=Console(file=stream), transient=True) as rich:
        yield Bars(rich)


class Bars:
    """A line a stream on a terminal, moving. A source rarely says how much there is, so nothing pretends to
    know.
    """

    def __init__(self, rich: Any) -> None:
        self._rich = rich
        self._tasks: dict[str, Any] = {}

    def reading(self, stream: str, figures: Any) -> None:
        """Show the figures so far."""
        self._say(stream, _figures(figures))

    def merging(self, stream: str, target: str) -> None:
        """Show what is being merged."""
        self._say(stream, f"merging into {target}")

    def finished(self, stream: StreamReport) -> None:
        """Show how it ended."""
        self._say(stream.stream, f"{_figures(stream)}, {stream.status}")

    def _say(self, stream: str, said: str) -> None:
        if stream not in self._tasks:
            self._tasks[stream] = self._rich.add_task(stream, total=None, said="")
        self._rich.update(self._tasks[stream], said=said)


class Lines:
    """A line every few seconds, and one when a stream is through."""

    def __init__(self, out: TextIO) -> None:
        self._out = out
        self._last = time.monotonic()

    def reading(self, stream: str, figures: Any) -> None:
        """Say the figures so far, now and then."""
        now = time.monotonic()
        if now - self._last >= EVERY_SECONDS:
            self._last = now
            self._write(f"{stream}: {_figures(figures)}")

    def merging(self, stream: str, target: str) -> None:
        """Say what is being merged."""
        self._write(f"{stream}: merging into {target}")

    def finished(self, stream: StreamReport) -> None:
        """Say how it ended."""
        self._write(f"{stream.stream}: {_figures(stream)}, {stream.status}")

    def _write(self, line: str) -> None:
        self._out.write(line + "\n")
        self._out.flush()


class Events:
    """Lines of the log, for programs."""

    def __init__(self) -> None:
        self._last = time.monotonic()

    def reading(self, stream: str, figures: Any) -> None:
        """Say the figures so far, now and then."""
        now = time.monotonic()
        if now - self._last >= EVERY_SECONDS:
            self._last = now
            log.say("reading", stream=stream, **_changed(figures))

    def merging(self, stream: str, target: str) -> None:
        """Say what is being merged."""
        log.say("merging", stream=stream, target=target)

    def finished(self, stream: StreamReport) -> None:
        """Say how it ended."""
        told = {"status": stream.status, "seconds": stream.seconds, **_changed(stream)}
        log.say("read", stream=stream.stream, **told)


def _changed(figures: Any) -> dict[str, int]:
    """Those that are not 0, and how many records there were."""
    names = ("records", "stored", "unchanged", "resumed", "replayed", "rejected", "released")
    return {name: it for name in names if (it := getattr(figures, name, 0)) or name == "records"}


def _figures(figures: Any) -> str:
    rejected = f", {figures.rejected:,} rejected" if figures.rejected else ""
    if figures.replayed:
        resumed = f", {figures.resumed:,} of them by a replay that was stopped" if figures.resumed else ""
        return f"{figures.replayed:,} entries taken again{resumed}{rejected}"
    return f"{figures.records:,} records, {figures.stored:,} new{rejected}"
