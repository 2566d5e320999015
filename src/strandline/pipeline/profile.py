"""Where the time of a run went, as whoever waits for it sees it: every second is counted once.

What contract and mapper take of a record is too short to be timed for each: one record in a hundred is taken
through both once more, and the time of all is divided as theirs was.
"""

from __future__ import annotations

import time
from collections.abc import Iterable, Iterator, Sequence
from contextlib import contextmanager
from datetime import UTC, datetime
from typing import Final, TypeVar

from strandline.errors import RecordRejected
from strandline.model.conversion import FAILURES
from strandline.pipeline.reader import Read
from strandline.pipeline.target import Target
from strandline.source.page import Page

T = TypeVar("T")

SOURCE: Final = "source"
CONTRACT: Final = "contract"
MAPPING: Final = "mapping"
COPY: Final = "copy"
MERGE: Final = "merge"
PARTS: Final = (SOURCE, CONTRACT, MAPPING, COPY, MERGE)

RECORDS: Final = "records"
"""Contract and mapping, before they are told apart."""

ONE_IN: Final = 100


class Profile:
    """The seconds that one stream took, by part."""

    def __init__(self) -> None:
        self._seconds = dict.fromkeys((*PARTS, RECORDS), 0.0)
        self._weighed = {CONTRACT: 0.0, MAPPING: 0.0}

    def waiting(self, part: str, items: Iterable[T]) -> Iterator[T]:
        """The items; the time that each of them takes to come is of this part."""
        coming = iter(items)
        while True:
            began = time.perf_counter()
            try:
                item = next(coming)
            except StopIteration:
                return
            finally:
                self._seconds[part] += time.perf_counter() - began
            yield item

    @contextmanager
    def timing(self, part: str) -> Iterator[None]:
        """What happens within is of this part."""
        began = time.perf_counter()
        try:
            yield
        finally:
            self._seconds[part] += time.perf_counter() - began

    def weigh(self, page: Page, read: Read, targets: Sequence[Target]) -> None:
        """Read some records of the page, and take them through the mappers, to see what each takes."""
        now = datetime.now(UTC)
        for payload in page.records[::ONE_IN]:
            began = time.perf_counter()
            try:
                record = read(payload)[0]
                parsed = time.perf_counter()
                for target in targets:
                    target.conversion.convert(record, 0, "", now, now)
            except (RecordRejected, *FAILURES):
                continue
            self._weighed[CONTRACT] += parsed - began
            self._weighed[MAPPING] += time.perf_counter() - parsed

    def seconds(self) -> dict[str, float]:
        """The seconds of each part."""
        told = {part: self._seconds[part] for part in PARTS}
        weight = sum(self._weighed.values())
        for part, share in self._weighed.items():
            told[part] += self._seconds[RECORDS] * (share / weight if weight else part == CONTRACT)
        return {part: round(seconds, 3) for part, seconds in told.items()}
