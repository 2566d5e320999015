"""An offset walk that notices when records were inserted or deleted before its place, and goes back.

Each page begins a few records before the end of the last one. Its first record must then be one that was
read: records keep their order, so all that stood before it was read too, and what follows it follows without
a gap. If it is not, the walk goes back, each time twice as far, until a page begins with a record that it
knows, or at the start.

This rests on two things: records that stay do not change places with each other, and one that is moved is
also changed, in the field that it is sorted by. One that is moved from behind the walk's place to before it
is not noticed; `Settled` finds that too.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Mapping
from dataclasses import replace
from itertools import count
from typing import Final

import xxhash

from strandline.errors import PaginationLoop
from strandline.source.request import Answer, Param, Request, Walk

MOST_STEPS_BACK: Final = 1_000
MOST_IDLE: Final = 100
"""Pages with nothing new in a row: more is not inserted between two requests."""
_REMEMBERED: Final = 200_000
"""Records, 16 bytes of each: a list that shrinks by more between two pages is read from the start again."""


def overlapping(
    first: Request,
    *,
    overlap: int,
    start: int,
    place: Callable[[int], Mapping[Param, object]],
    is_last: Callable[[Answer, int], bool],
) -> Walk:
    """The walk; `place` makes the parameters of an offset, `is_last` looks for a declared end."""
    read = _Read()
    at, step, steps_back, idle = start, overlap, 0, 0
    probed, empty_at = -1, None
    for lap in count():  # pages may repeat, so it is seen to here that they end
        answer = yield replace(first.adding(place(at), token=str(at)), lap=lap)
        if not answer.records:
            empty_at = at
        if not read.continues(answer.records) and at > start:
            answer.records = []  # they come again
            at, step, steps_back = max(start, at - step), step * 2, steps_back + 1
            if steps_back > MOST_STEPS_BACK:
                raise PaginationLoop(
                    f"{answer.where}: the records change so fast that the walk went back {steps_back} times",
                    hint="Read at a quieter time, or declare Settled(…).",
                )
            continue
        step = overlap
        answer.records = read.take(answer.records)
        end = at + answer.count
        if is_last(answer, end):
            return
        if not answer.records and empty_at is not None and end >= empty_at:
            return
        idle = 0 if answer.records else idle + 1
        if idle > MOST_IDLE:
            raise idling(answer.where)
        if not answer.records and end != probed:
            at = probed = end  # nothing new, so this may be the end; a page that is not full proves nothing
        else:
            at += max(answer.count - overlap, 1)


def idling(where: str) -> PaginationLoop:
    """What a walk ends with that only brings what it has brought."""
    return PaginationLoop(
        f"{where}: {MOST_IDLE} pages and more have brought nothing new, so reading on would never end",
        hint="Check the paginator's parameter names: ignored ones bring the first page again.",
    )


class _Read:
    """What has been read, the last of it."""

    def __init__(self) -> None:
        self._digests: set[bytes] = set()
        self._order: deque[bytes] = deque()

    def continues(self, records: list[bytes]) -> bool:
        """Whether the first of them was read."""
        return bool(records) and xxhash.xxh3_128_digest(records[0]) in self._digests

    def take(self, records: list[bytes]) -> list[bytes]:
        """Those that are new, which are known from now on."""
        fresh = []
        for record in records:
            digest = xxhash.xxh3_128_digest(record)
            if digest not in self._digests:
                self._digests.add(digest)
                self._order.append(digest)
                fresh.append(record)
        while len(self._order) > _REMEMBERED:
            self._digests.discard(self._order.popleft())
        return fresh
