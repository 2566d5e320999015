"""A walk that is repeated until it is proven that nothing was missed, whatever moved meanwhile.

A counted walk, by offset or page number, that ends at position n has seen that there were n records then, at
moment e. Of these, every one is known that was read in this walk or one before, and again in a later one: it
was there before e and is there after e, so it was there at e, for a key that is gone does not come back. If n
keys are known so, they are all that there were, and so every record that existed all along was read.

The first two walks that agree are the proof, so a source that holds still is read twice. In what changes all
the time each walk adds to what is known, and after the last one it is said that nothing could be proven.
"""

from __future__ import annotations

import itertools
from collections.abc import Sequence
from dataclasses import dataclass, field, replace

import xxhash

from strandline.errors import DeclarationError, SourceUnsettled
from strandline.source.overlap import MOST_IDLE, idling
from strandline.source.page import Path
from strandline.source.paginator import Offset, PageNumber
from strandline.source.request import Answer, Request, Walk
from strandline.source.selector import value_at
from strandline.source.sizing import TooMuch


@dataclass(frozen=True)
class Settled:
    """`Settled(Offset(limit=100), key="id")`: the walk is repeated until nothing can have been missed, by
    insertions, deletions and moves in any direction.

    `key` is the path of what identifies a record and is never used again. What was read before in the same
    form is dropped, so later walks cost requests only, and about 150 bytes of memory for each record. After
    so many `walks` it gives up with SourceUnsettled, and the stream's mark stays.
    """

    paginator: Offset | PageNumber
    key: Path = field(kw_only=True)
    walks: int = field(default=6, kw_only=True)

    def __post_init__(self) -> None:
        inner: object = self.paginator
        if not isinstance(inner, Offset | PageNumber) or (isinstance(inner, Offset) and inner.overlap):
            raise DeclarationError(
                f"Settled({self.paginator!r}): only what is counted can be proven to be complete",
                hint="Give it Offset(…) without overlap, or PageNumber(…).",
            )
        if self.walks < 2:
            raise DeclarationError(f"Settled(…, walks={self.walks}): one walk proves nothing")

    @property
    def wanted(self) -> Sequence[Path]:
        """What the repeated walk wants."""
        return self.paginator.wanted

    def walk(self, first: Request) -> Walk:
        """Walk, and again."""
        turns = itertools.count()
        seen, ends, where = _Seen(self.key), list[int | None](), ""
        for lap in range(self.walks):
            steps = self.paginator.walk(first)
            request: Request | None = next(steps)
            counts = list[int]()
            while request is not None:
                # The first page may come again as the second, if as much was inserted before it.
                try:
                    answer = yield replace(request, lap=next(turns))
                except TooMuch as error:
                    request = steps.throw(error)
                    continue
                counts.append(answer.count)
                request, where = _next(steps, answer), answer.where
                answer.records = seen.sift(answer.records, lap)
                if seen.idle > MOST_IDLE:
                    raise idling(where)
            ends.append(self._end(counts))
            if any(end is not None and seen.known_at(at) >= end for at, end in enumerate(ends[:-1])):
                return
        raise SourceUnsettled(
            f"{where}: after {self.walks} walks the records still change places, so nobody can tell"
            " whether one was missed",
            hint="Read at a quieter time, raise walks, or sort by a field that does not change.",
        )

    def _end(self, counts: list[int]) -> int | None:
        """How many records there were at the end, as far as a walk of such pages can tell."""
        if isinstance(self.paginator, PageNumber):
            # The number times the size is the position only if every page before the end was full.
            filled = counts[: -2 if counts[-1] == 0 else -1]
            if any(count != counts[0] for count in filled):
                return None
        return sum(counts)


def _next(steps: Walk, answer: Answer) -> Request | None:
    try:
        return steps.send(answer)
    except StopIteration:
        return None


class _Seen:
    """In which walk each key was seen first and last, and in which form."""

    def __init__(self, key: Path) -> None:
        self._value_of = value_at(key)
        self._walks: dict[bytes, tuple[int, int]] = {}
        self._forms: dict[bytes, bytes] = {}
        self.idle = 0
        """Pages in a row of which the same walk knew every record."""

    def sift(self, records: list[bytes], lap: int) -> list[bytes]:
        """Those that were not seen in this form."""
        fresh, is_idle = [], bool(records)
        for record in records:
            form = xxhash.xxh3_128_digest(record)
            key = self._key(record, form)
            first, last = self._walks.get(key, (lap, -1))
            is_idle = is_idle and last == lap
            self._walks[key] = (first, lap)
            if self._forms.get(key) != form:
                self._forms[key] = form
                fresh.append(record)
        self.idle = self.idle + 1 if is_idle else 0
        return fresh

    def known_at(self, lap: int) -> int:
        """How many were seen up to the end of that walk, and after it."""
        return sum(first <= lap < last for first, last in self._walks.values())

    def _key(self, record: bytes, form: bytes) -> bytes:
        value = self._value_of(record)
        return form if value is None else xxhash.xxh3_128_digest(repr(value).encode())
