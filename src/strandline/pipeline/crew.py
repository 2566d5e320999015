"""Worker processes that take pages through contract and mapper, while this one reads and stores.

    pages ─▶ crew ─┬▶ worker ─┬─▶ parts, in the order of the pages ─▶ raw log and stage
                   ├▶ worker ─┤
                   └▶ here ───┘   whoever is free

A worker is a Python of its own, started anew, so nothing is shared with it but what goes through its pipes:
pages there, parts back. It gets some pages ahead of the one that it has, and no more; when all have, the page
is taken here. So what waits is bounded, and a core that is free is used.
"""

from __future__ import annotations

import os
import pickle
import subprocess
import sys
import threading
from collections import deque
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from functools import partial
from io import BufferedReader, RawIOBase
from queue import Empty, SimpleQueue
from typing import IO, Any, Final, cast

from msgspec import Struct

from strandline.errors import WorkerDied
from strandline.log import warn
from strandline.pipeline.chunk import Part
from strandline.pipeline.desk import Again, Desk, Order
from strandline.pipeline.worker import Job, Message, pickled, receive, send, unpickled, write

START: Final = (
    "import gc, signal; gc.disable(); signal.signal(signal.SIGINT, signal.SIG_IGN);"
    " import pickle, sys; sys.path[:] = pickle.load(sys.stdin.buffer);"
    " from strandline.pipeline.worker import work; gc.enable(); work()"
)
"""What a worker begins with, its garbage collector at rest while it imports. Of Ctrl-C, which reaches it too,
the run decides what becomes.
"""
AHEAD: Final = 3
"""So many pages a worker has to do at most; more would only leave the caches of the processors."""

WAITING: Final = 6
"""So many pages a worker may be behind with, those included that are done already and wait for their turn."""

PIPE_BYTES: Final = 1024 * 1024

MOST: Final = 2
"""More workers than that would wait for the process that stores what they make."""

PATIENCE: Final = 5.0
"""Seconds that a worker gets to end by itself."""


def workers_here() -> int:
    """How many workers this machine is worth: one core is for this process, and others are PostgreSQL's."""
    cores = len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1
    return min(MOST, cores - 1)


def can_share(job: Job) -> bool:
    """Whether another process can import the classes of the job by their names."""
    return all(
        map(_is_importable, (job.source, *job.mappers, *(it.contract for it in job.mappers), *job.sources))
    )


def _is_importable(cls: type) -> bool:
    found: Any = sys.modules.get(cls.__module__)
    for name in cls.__qualname__.split("."):
        found = getattr(found, name, None)
    return found is cls and cls.__module__ != "__main__"


def _widened(pipe: Any) -> Any:
    """The pipe with room for a page, where the system allows it: a thread that waits for the interpreter
    after every piece of 64 kB would take longer than the worker.
    """
    with suppress(ImportError, AttributeError, OSError):
        import fcntl

        fcntl.fcntl(pipe, fcntl.F_SETPIPE_SZ, PIPE_BYTES)
    return pipe


class _Worker:
    """One worker process, and the threads that talk to it: a pipe holds a page or two, and who fills it waits
    for the worker, which this process has no time for.
    """

    def __init__(self, job: Job) -> None:
        self.is_ready = False
        self.has = 0
        """How many pages it has."""
        self._orders: SimpleQueue[Order | Again | None] = SimpleQueue()
        self._answers: SimpleQueue[Message | None] = SimpleQueue()
        """Pickled. None is the end, of both."""
        self._process = subprocess.Popen(
            [sys.executable, "-c", START], stdin=subprocess.PIPE, stdout=subprocess.PIPE, bufsize=0
        )
        assert self._process.stdin is not None
        assert self._process.stdout is not None
        talks = (
            partial(self._tell, _widened(self._process.stdin), pickle.dumps(sys.path) + pickle.dumps(job)),
            partial(self._listen, _widened(self._process.stdout)),
        )
        self._threads = [threading.Thread(target=it, name="strandline-crew", daemon=True) for it in talks]
        for thread in self._threads:
            thread.start()

    def _tell(self, orders: IO[bytes], first: bytes) -> None:
        with suppress(BrokenPipeError), orders:  # where it has ended, its answers tell
            write(orders, first)
            while (order := self._orders.get()) is not None:
                send(orders, pickled(order))

    def _listen(self, answers: IO[bytes]) -> None:
        with suppress(EOFError), BufferedReader(cast(RawIOBase, answers), PIPE_BYTES) as buffered:
            while True:
                self._answers.put(receive(buffered))
        self._answers.put(None)

    def has_room(self, ahead: int) -> bool:
        """Whether it has less than so many pages to do. Raises _Unfit."""
        if not self.is_ready:
            with suppress(Empty):
                self.greet(wait=False)
        return self.is_ready and self.has - self._answers.qsize() < ahead

    def greet(self, *, wait: bool) -> None:
        """Hear whether it is ready. Raises Empty without `wait` while it is not, and _Unfit."""
        answer = self._next(wait=wait)
        if answer is None:
            raise _Unfit(self._ending())
        self.is_ready = True

    def give(self, order: Order | Again) -> None:
        """Let it take this page apart, or these entries."""
        self.has += 1
        self._orders.put(order)

    def answer(self, *, wait: bool) -> Part | None:
        """What became of the first page that it has; None: it could not tell. Raises Empty without `wait`
        while it is at it, and WorkerDied.
        """
        answer = self._next(wait=wait)
        if answer is None:
            raise WorkerDied(
                f"a worker process ended while it had {self.has} pages ({self._ending()})",
                hint="What was stored is kept, and running again goes on from there. If memory was short:"
                " strandline run … --workers 0 needs one process only.",
            )
        self.has -= 1
        return unpickled(answer)  # type: ignore[no-any-return]  # as the worker sends it

    def _next(self, *, wait: bool) -> Message | None:
        while wait:
            # In short waits: a signal that comes just before one is seen only after it.
            with suppress(Empty):
                return self._answers.get(timeout=0.1)
        return self._answers.get_nowait()

    def _ending(self) -> str:
        code = self._process.wait()
        return f"signal {-code}" if code < 0 else f"exit code {code}"

    def end(self) -> None:
        """Let it go, whatever it is doing."""
        self._orders.put(None)
        self._process.terminate()
        try:
            self._process.wait(PATIENCE)
        except subprocess.TimeoutExpired:
            self._process.kill()
            self._process.wait()
        for thread in self._threads:
            thread.join(PATIENCE)


class _Unfit(Exception):
    """The worker cannot do the job."""


class _Pending(Struct):
    """What was given away, and what is known of it."""

    order: Order | Again
    worker: _Worker | None = None
    part: Part | None = None


class Crew:
    """Takes pages apart, with workers where they are free, and gives the parts in the order of the pages."""

    def __init__(self, desk: Desk, job: Job, *, count: int, wait: bool = False) -> None:
        """So many workers, and the desk that is here; with `wait` none is needed before they are ready."""
        self._desk = desk
        self._workers = [_Worker(job) for _ in range(count)]
        self._pending: deque[_Pending] = deque()
        for worker in list(self._workers) if wait else ():
            with self._dismissed(worker):
                worker.greet(wait=True)

    def give(self, order: Order | Again, *, ahead: int = AHEAD) -> None:
        """Have it taken apart, by whoever is free: a worker has so many at most. Raises OrderBroken."""
        worker = self._free(ahead)
        if worker is None:
            self._pending.append(_Pending(order, part=self._desk.take(order)))
        else:
            worker.give(order)
            self._pending.append(_Pending(order, worker))

    def done(self) -> Iterator[tuple[Order | Again, Part]]:
        """The parts that nothing before them is missing of, as far as they are there and nobody waits for a
        page: who is given a part may store a chunk next, and the workers should be busy meanwhile. Raises
        WorkerDied.
        """
        most = WAITING * len(self._workers)
        while self._pending:
            if len(self._pending) <= most and self._free(AHEAD):
                return
            try:
                yield self._first(wait=len(self._pending) > most)
            except Empty:
                return

    def rest(self) -> Iterator[tuple[Order | Again, Part]]:
        """All parts that are still to come. Raises WorkerDied."""
        while self._pending:
            yield self._first(wait=True)

    def close(self) -> None:
        """Let the workers go."""
        for worker in self._workers:
            worker.end()

    def _first(self, *, wait: bool) -> tuple[Order | Again, Part]:
        first = self._pending[0]
        try:
            part = first.part if first.worker is None else first.worker.answer(wait=wait)
        except WorkerDied:
            self._desk.take(first.order)  # which raises what the worker died of, if a mapper did
            raise
        self._pending.popleft()
        return first.order, self._desk.take(first.order) if part is None else part

    def _free(self, ahead: int) -> _Worker | None:
        for worker in list(self._workers):
            with self._dismissed(worker):
                if worker.has_room(ahead):
                    return worker
        return None

    @contextmanager
    def _dismissed(self, worker: _Worker) -> Iterator[None]:
        """Do without the worker if it is unfit."""
        try:
            yield
        except _Unfit as error:
            warn("a worker process cannot help, so the run goes on without it", why=str(error))
            self._workers.remove(worker)
            worker.end()
