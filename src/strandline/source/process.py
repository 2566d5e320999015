"""A process that reads a source for us: its lines come as they are, and nothing of it is left behind.

It has a process group of its own, so that Ctrl-C does not reach it before us, and so that whatever it has
started ends with it: with the reading, with an error, and at the latest with this program.
"""

from __future__ import annotations

import atexit
import os
import select
import signal
import subprocess
import threading
import time
from collections import deque
from collections.abc import Callable, Iterator, Sequence
from contextlib import suppress
from queue import Empty, Queue
from typing import Final

from strandline.errors import SourceUnavailable
from strandline.source import prefetch

READ_BYTES: Final = 1024 * 1024
BLINK: Final = 0.2
"""Seconds after which a reader that waits looks whether anybody still wants to know."""

PATIENCE: Final = 5.0
"""Seconds that a process gets to end by itself."""

AHEAD: Final = 2
"""So many contents are read ahead where a thread reads them."""

LAST_WORDS: Final = 10
"""So many lines of what it said last stand in an error."""

LINE_LETTERS: Final = 2_000
"""So much of a line on its stderr is passed on."""

KILL: Final = getattr(signal, "SIGKILL", signal.SIGTERM)

_running: set[Process] = set()


class Process:
    """One process. What it says on stderr goes to `heard`, line by line, in a thread."""

    def __init__(
        self, command: Sequence[str], *, name: str, heard: Callable[[str], None], patience: float
    ) -> None:
        """`patience`: for how many seconds it may say nothing at all. Raises FileNotFoundError and
        PermissionError.
        """
        self.name = name
        self._patience = patience
        self._heard = heard
        self._heard_at = time.monotonic()
        self._last_words: deque[str] = deque(maxlen=LAST_WORDS)
        self._process = subprocess.Popen(
            command,
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            bufsize=0,
            process_group=0,
        )
        _running.add(self)
        self._listener = threading.Thread(target=self._listen, name="strandline-stderr", daemon=True)
        self._listener.start()

    def _listen(self) -> None:
        assert self._process.stderr is not None
        with self._process.stderr, os.fdopen(os.dup(self._process.stderr.fileno()), "rb") as lines:
            for line in lines:
                self._heard_at = time.monotonic()
                text = line.decode(errors="replace").rstrip()[:LINE_LETTERS]
                if text:
                    self.note(text)
                    self._heard(text)

    def note(self, text: str) -> None:
        """Remember it as one of its last words."""
        self._last_words.append(text)

    def lines(self) -> Iterator[bytes]:
        """What it writes to stdout, without the line ends. Raises SourceUnavailable when it hangs, and
        Stopped when nobody wants the lines any more.
        """
        pieces: list[bytes] = []
        for content in self._content():
            first, *others = content.split(b"\n")
            pieces.append(first)
            for other in others:
                yield b"".join(pieces)
                pieces = [other]
        if any(pieces):
            yield b"".join(pieces)

    def _content(self) -> Iterator[bytes]:
        assert self._process.stdout is not None
        ask = reading(self._process.stdout.fileno())
        asked_at = time.monotonic()
        while True:
            content = ask()
            if content is not None:
                if not content:
                    return
                yield content
                asked_at = time.monotonic()
            elif self._process.poll() is not None:
                return  # what it has started may have the pipe still
            else:
                self._wait(asked_at)

    def _wait(self, asked_at: float) -> None:
        prefetch.pause(0)
        silent = time.monotonic() - max(asked_at, self._heard_at)
        if silent > self._patience:
            raise SourceUnavailable(
                f"{self.name}: it has said nothing for {self._patience:g} seconds, and was ended"
                f"{self.last_words}",
                hint="Run again later; where it needs longer between two messages, set `patience`.",
            )

    def result(self) -> int:
        """Its exit code, once it has ended. Raises as `lines` does."""
        asked_at = time.monotonic()
        while self._process.poll() is None:
            time.sleep(0.01)
            self._wait(asked_at)
        self._listener.join(PATIENCE)
        return self._process.returncode

    @property
    def last_words(self) -> str:
        """What it said last, as the end of a message."""
        return "".join(f"\n    {line}" for line in self._last_words)

    def end(self) -> None:
        """End it and whatever it has started, if it has not ended."""
        self._signal(signal.SIGTERM)
        try:
            self._process.wait(PATIENCE)
        except subprocess.TimeoutExpired:
            self._signal(KILL)
            self._process.wait()
        self._signal(KILL)  # what it has started and left
        if self._process.stdout is not None:
            self._process.stdout.close()
        self._listener.join(PATIENCE)
        _running.discard(self)

    def kill(self) -> None:
        """End it at once."""
        self._signal(KILL)

    def _signal(self, number: signal.Signals) -> None:
        with suppress(
            ProcessLookupError, PermissionError
        ):  # macOS says that it may not, of a group of zombies
            if hasattr(os, "killpg"):
                os.killpg(self._process.pid, number)
            else:  # on Windows it has no group, and one end is like the other
                self._process.terminate()


def reading(pipe: int) -> Callable[[], bytes | None]:
    """What gives the next content of a pipe, b"" at its end, and None where nothing comes for a blink."""
    if hasattr(select, "poll"):
        waiting = select.poll()
        waiting.register(pipe, select.POLLIN | select.POLLHUP)
        return lambda: os.read(pipe, READ_BYTES) if waiting.poll(BLINK * 1000) else None
    return _read_beside(pipe)


def _read_beside(pipe: int) -> Callable[[], bytes | None]:
    """The same on Windows, where nobody can ask a pipe whether it has anything: by a thread that waits."""
    contents: Queue[bytes] = Queue(AHEAD)

    def read() -> None:
        content = b"?"
        while content:
            try:
                content = os.read(pipe, READ_BYTES)
            except OSError:
                content = b""  # it was closed
            contents.put(content)

    def ask() -> bytes | None:
        try:
            return contents.get(timeout=BLINK)
        except Empty:
            return None

    threading.Thread(target=read, name="strandline-stdout", daemon=True).start()
    return ask


@atexit.register
def _end_all() -> None:
    """A reader's thread may not get so far before the program ends."""
    for process in list(_running):
        process.kill()
