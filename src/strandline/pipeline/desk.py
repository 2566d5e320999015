"""A desk where one page at a time goes through contract and mapper, apart from the pages around it.

What comes of a page does not depend on where or when that happens, so several desks can work at once, some of
them in other processes; the load puts the parts together in the order of the pages.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from typing import Any

from strandline.pipeline.chunk import Part
from strandline.pipeline.effacement import Entry
from strandline.pipeline.intake import Intake
from strandline.pipeline.target import Target
from strandline.source.page import Page
from strandline.source.stream import Stream

Pack = Callable[[Sequence[Any]], bytes]
"""(row) → the same as COPY sends it"""


@dataclass(frozen=True)
class Order:
    """A page to be taken apart, the `number`th of its stream; its first record gets the raw_id `first`."""

    page: Page
    number: int
    first: int


@dataclass(frozen=True)
class Again:
    """Entries of the raw log that are to be taken in again for one of the targets."""

    entries: Sequence[tuple[Any, ...]]
    """As `Entry` has them."""
    target: int
    """Which of the targets, counted from 0."""


class Desk:
    """Takes pages of one stream apart for these targets, and entries that the raw log has of it."""

    def __init__(
        self, stream: Stream, targets: Sequence[Target], *, run_id: int, packs: Sequence[Pack] = ()
    ) -> None:
        """With `packs`, one a target, the rows are packed as well."""
        self._targets = [replace(target, rows=[]) for target in targets]
        self._intake = Intake(stream, self._targets, run_id=run_id)
        self._packs = packs

    def take(self, order: Order | Again) -> Part:
        """What becomes of it. Raises OrderBroken, and what a row raises that cannot be packed."""
        try:
            if isinstance(order, Again):
                self._take_again(order)
            else:
                self._intake.next_raw_id = order.first
                self._intake.take(order.page, order.number)
        finally:
            chunk = self._intake.empty()
            rows = [target.rows for target in self._targets]
            for target in self._targets:
                target.rows = []
        for place, pack in enumerate(self._packs):
            rows[place] = [(row[0], pack(row)) for row in rows[place]]
        entries = [(*it[:2], *it[3:7], *it[10:]) for it in chunk.entries]
        return Part(entries, chunk.rejects, chunk.unknown, rows)

    def _take_again(self, order: Again) -> None:
        targets = [self._targets[order.target]]
        for entry in order.entries:
            self._intake.take_again(Entry._make(entry), targets)
