"""Who takes pages in: this process, and once that has been work for a while, a crew beside it.

A worker takes most of a second to start, in which this process takes in 40,000 records by itself: so a short
read hires nobody, nor does one that waits for its source most of the time.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from contextlib import contextmanager
from threading import Semaphore
from time import perf_counter, thread_time
from typing import Any, ClassVar, Final

from msgspec import Struct

from strandline.pipeline.chunk import Part
from strandline.pipeline.crew import Crew, can_share, workers_here
from strandline.pipeline.desk import Again, Order
from strandline.pipeline.intake import Intake
from strandline.pipeline.target import Target
from strandline.pipeline.worker import Job
from strandline.source.page import Page
from strandline.source.stream import Source
from strandline.warehouse.copy import binary_types
from strandline.warehouse.database import Database
from strandline.warehouse.dialect import is_sqlite

WORTHWHILE: Final = 0.4
"""Seconds of processor time that this process has spent on records. Starting a worker takes twice as many, on
a core that is free as a rule; later it would be ready too late for 100,000 records.
"""

BUSY: Final = 0.2
"""Of all the time it must have been so much: who waits for the source or the database needs no help."""


class Staff(Struct, frozen=True):
    """How many workers may help with one stream, and after how many seconds of work on records; after none,
    the first page waits for them. The `sources` are the pipeline's; streams that are read side by side share
    the `seats`.
    """

    workers: int = 0
    after: float = 0
    sources: tuple[type[Source], ...] = ()
    seats: Semaphore | None = None

    def taken(self) -> int:
        """So many workers as there are free seats for."""
        if self.seats is None:
            return self.workers
        return sum(self.seats.acquire(blocking=False) for _ in range(self.workers))

    def give_back(self, count: int) -> None:
        """Let others have the seats."""
        if self.seats is not None and count:
            self.seats.release(count)


ALONE: Final = Staff()


def staff_for(workers: int | None, sources: Iterable[type[Source]]) -> Staff:
    """So many workers from the first page on; None: as many as the machine is worth, where it is worth it."""
    if workers is None:
        return Staff(workers_here(), WORTHWHILE, tuple(sources))
    return Staff(workers, 0, tuple(sources))


def is_worthwhile(worked: float, *, of: float, after: float = WORTHWHILE) -> bool:
    """Whether somebody needs help who has spent so many seconds on records, of so many that have passed."""
    return worked >= max(after, BUSY * of) if after else True


class Team:
    """Takes the pages of one stream in, one after the other, whoever takes them apart."""

    slice_entries: ClassVar[int] = 1_000
    """So many entries of the raw log are given away at once."""

    def __init__(self, intake: Intake, staff: Staff) -> None:
        self._intake = intake
        self._staff = staff
        self._worked = 0.0
        """Seconds of processor time, on records."""
        self._began = perf_counter()
        self._crew: Crew | None = None
        self._hired = 0

    @property
    def share(self) -> float:
        """How much of what is stored at once otherwise should be: with a crew, more waits in pipes."""
        return 1.0 if self._crew is None else 0.5

    def take(self, page: Page, number: int) -> Iterator[None]:
        """Take the page, or have it taken; yields whenever a page has come into the intake. Raises
        OrderBroken and WorkerDied.
        """
        self._hire_if_worthwhile()
        if self._crew is None:
            with self._working():
                self._intake.take(page, number)
            yield
            return
        self._crew.give(Order(page, number, self._intake.next_raw_id))
        self._intake.next_raw_id += len(page.records)
        yield from self._add(self._crew.done())

    def take_again(self, batches: Iterable[Sequence[Any]], target: Target) -> Iterator[Sequence[Any]]:
        """Take entries of the raw log, as `Entry` has them, in for one of the targets; yields each batch when
        all of it is in the intake. While it is stored the workers have their share of the next. Raises
        WorkerDied.
        """
        place = next(place for place, it in enumerate(self._intake.targets) if it is target)
        ready: Sequence[Any] | None = None
        for batch in batches:
            self._hire_if_worthwhile()
            if self._crew is None:
                self._take_alone(batch, target)
                yield batch
                continue
            left = self._give_share(self._crew, batch, place)
            if ready is not None:
                yield ready
            self._share_rest(self._crew, left)
            ready = batch
        if ready is not None:
            yield ready

    def _take_alone(self, batch: Sequence[Any], target: Target) -> None:
        with self._working():
            for entry in batch:
                self._intake.take_again(entry, [target])

    def _give_share(self, crew: Crew, batch: Sequence[Any], place: int) -> list[Again]:
        """Give the workers what they can do while the batch before is stored; what is left of it."""
        size = self.slice_entries
        slices = [
            Again([tuple(it) for it in batch[first : first + size]], place)
            for first in range(0, len(batch), size)
        ]
        each = len(slices) // (self._hired + 1)
        share = each * self._hired
        for few in slices[:share]:
            crew.give(few, ahead=each)
        return slices[share:]

    def _share_rest(self, crew: Crew, left: Sequence[Again]) -> None:
        """Take what is left, or have it taken by whoever has nothing to do any more; then all is in the
        intake.
        """
        for few in left:
            crew.give(few, ahead=1)
        for _, part in crew.rest():
            self._intake.add_again(part)

    def finish(self) -> Iterator[None]:
        """Take in what is still with the crew; yields as `take` does."""
        if self._crew is not None:
            yield from self._add(self._crew.rest())

    def close(self) -> None:
        """Let the crew go."""
        if self._crew is not None:
            self._crew.close()
        self._staff.give_back(self._hired)

    def _add(self, parts: Iterable[tuple[Order | Again, Part]]) -> Iterator[None]:
        for order, part in parts:
            assert isinstance(order, Order)
            self._intake.add(order.page, order.number, part)
            yield

    @contextmanager
    def _working(self) -> Iterator[None]:
        began = thread_time()
        yield
        self._worked += thread_time() - began

    def _hire_if_worthwhile(self) -> None:
        if self._crew is not None or not self._staff.workers:
            return
        if is_worthwhile(self._worked, of=perf_counter() - self._began, after=self._staff.after):
            self._hire()

    def _hire(self) -> None:
        job = Job(
            self._intake.stream.source,
            self._intake.stream.name,
            tuple(it.sync.mapper for it in self._intake.targets),
            self._staff.sources,
            self._intake.run_id,
        )
        if not can_share(job):
            self._staff = ALONE
            return
        self._hired = self._staff.taken()
        if self._hired:
            self._crew = Crew(job.desk(), job, count=self._hired, wait=not self._staff.after)


def can_pack(database: Database, targets: Sequence[Target]) -> bool:
    """Whether rows for these can be packed by somebody who has no connection."""
    dialect = database.engine.dialect
    return not is_sqlite(database.engine) and all(
        binary_types(list(it.staged.c), dialect) is not None for it in targets
    )
