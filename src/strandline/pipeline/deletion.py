"""How a pipeline finds out what a source has deleted, where its records do not say it themselves."""

from __future__ import annotations

import re
from collections.abc import Collection, Mapping, Sequence
from dataclasses import KW_ONLY, dataclass
from datetime import datetime, timedelta
from typing import Final, Literal

from strandline.errors import DeclarationError
from strandline.source.parent import Parents
from strandline.source.stream import Stream

ABSENCE: Final = "absence"
IDS: Final = "ids"
TOMBSTONES: Final = "tombstones"

EVERY: Final = re.compile(r"([1-9]\d{0,4})([hd])")
UNITS: Final = {"h": timedelta(hours=1), "d": timedelta(days=1)}

MOST_EARLY: Final = timedelta(hours=1)
"""A sweep is due a tenth of its time early, at most so much: no daily run begins at the same second."""


@dataclass(frozen=True)
class Deletes:
    """A way to find out what is gone; made by `by_tombstones`, `by_absence` and `by_ids`.

    For the last two a run stops, before it merges, where more than `count` and more than the `share` of the
    members would be closed, or more than `most`; None leaves a limit out. One that brings nothing at all
    stops, too, unless the source `may_be_empty`.
    """

    means: Literal["absence", "ids", "tombstones"]
    stream: Stream | None = None
    """What tells who is there, or who is gone, where that is another stream."""
    _: KW_ONLY
    every: timedelta | None = None
    share: float | None = 0.05
    count: int | None = 20
    most: int | None = 10_000
    may_be_empty: bool = False

    def __post_init__(self) -> None:
        if self.share is None and self.count is None and self.most is None:
            raise DeclarationError(
                f"Deletes.by_{self.means}: no limit at all",
                hint="Give share=, count= or most=; most=10**9 lets everything pass.",
            )
        if min(self.count or 0, self.most or 0) < 0 or not 0 <= (self.share or 0) <= 1:
            raise DeclarationError(
                f"Deletes.by_{self.means}: count and most are 0 or more, and share lies between 0 and 1",
                hint="A tenth is share=0.1.",
            )

    @classmethod
    def by_tombstones(cls, stream: Stream, /) -> Deletes:
        """Whose key another stream of the source brings is deleted, from its `effective_at` on, or else from
        when it was read. It has a mark of its own.
        """
        return cls(TOMBSTONES, stream)

    @classmethod
    def by_absence(
        cls,
        *,
        every: str | timedelta | None = None,
        share: float | None = 0.05,
        count: int | None = 20,
        most: int | None = 10_000,
        may_be_empty: bool = False,
    ) -> Deletes:
        """Who is absent from a complete read of the stream is deleted. A stream with a cursor is read
        completely for it `every` so often, as in "7d" or "12h"; one without is each time, and looked through
        each time unless told.
        """
        return cls(
            ABSENCE,
            every=_read_every(every),
            share=share,
            count=count,
            most=most,
            may_be_empty=may_be_empty,
        )

    @classmethod
    def by_ids(
        cls,
        stream: Stream,
        /,
        *,
        every: str | timedelta | None = None,
        share: float | None = 0.05,
        count: int | None = 20,
        most: int | None = 10_000,
        may_be_empty: bool = False,
    ) -> Deletes:
        """Whose key another stream of the source does not bring is deleted: one that sends all keys that
        there are, and nothing else. It is read with each run, or `every` so often.
        """
        return cls(
            IDS,
            stream,
            every=_read_every(every),
            share=share,
            count=count,
            most=most,
            may_be_empty=may_be_empty,
        )

    def is_due(self, last: datetime | None, now: datetime) -> bool:
        """Whether it is time again, if it was done then."""
        if self.every is None or last is None:
            return True
        return now >= last + self.every - min(self.every / 10, MOST_EARLY)

    def is_exceeded(self, *, absent: int, members: int) -> bool:
        """Whether so many are too many to be believed."""
        if self.most is not None and absent > self.most:
            return True
        if self.count is None and self.share is None:
            return False
        above_count = self.count is None or absent > self.count
        return above_count and (self.share is None or absent > self.share * members)

    @property
    def limit(self) -> str:
        """How many may be, in words."""
        share = None if self.share is None else f"{self.share:.4%}".rstrip("0%").rstrip(".") + "%"
        both = " and ".join(it for it in (share, None if self.count is None else f"{self.count:,}") if it)
        return " or ".join(it for it in (both, None if self.most is None else f"{self.most:,}") if it)


def check(deletes: Deletes, stream: Stream, *, where: str) -> None:
    """Raise DeclarationError where it does not fit the stream."""
    name = stream.qualified_name
    is_in_part = stream.cursor is not None or stream.takes_state or isinstance(stream.per, Parents)
    if deletes.means == ABSENCE and is_in_part and deletes.every is None:
        raise DeclarationError(
            f"{where}: {name} sends what has changed, so only a run that reads everything sees who is absent",
            hint='Say how often one is to: Deletes.by_absence(every="7d").',
        )
    told = deletes.stream
    if deletes.means == ABSENCE:
        return
    if not isinstance(told, Stream) or told.source is not stream.source:
        raise DeclarationError(
            f"{where}: {told!r} is no stream of {stream.source.__name__}, whose keys are compared",
            hint=f"Give it as {stream.source.__name__}.<stream>.",
        )
    if len(told.key) != len(stream.key):
        raise DeclarationError(
            f"{where}: a key of {told.qualified_name} is {', '.join(told.key)}, and one of {name}"
            f" {', '.join(stream.key)}",
            hint="Let both have the same fields in their keys, in the same order.",
        )
    if deletes.means == IDS and (told.cursor is not None or told.takes_state):
        raise DeclarationError(
            f"{where}: {told.qualified_name} sends what has changed, and would not bring all keys",
            hint="Leave cursor= and `since` out: it is to be read completely.",
        )


def together(
    known: tuple[Deletes, ...], added: Deletes | Sequence[Deletes] | None, *, where: str
) -> tuple[Deletes, ...]:
    """The ways that a stream has, with what is declared for it. Raises DeclarationError for two that do the
    same.
    """
    if added is None:
        return known
    declared = (added,) if isinstance(added, Deletes) else tuple(added)
    if known and set(known) != set(declared):
        raise DeclarationError(
            f"{where}: the stream's deletions are found in another way already",
            hint="Declare deletes= once for a stream.",
        )
    if sum(it.means != TOMBSTONES for it in declared) > 1:
        raise DeclarationError(
            f"{where}: who is gone is looked for in two ways",
            hint="Choose by_absence or by_ids; by_tombstones may stand beside it.",
        )
    return declared


def check_apart(found: Mapping[str, Sequence[Deletes]], streams: Collection[str], *, where: str) -> None:
    """Raise DeclarationError where a stream that tells of another one does something else, too."""
    telling = [it.stream.qualified_name for ways in found.values() for it in ways if it.stream is not None]
    for name in telling:
        if name in streams or telling.count(name) > 1:
            raise DeclarationError(
                f"{where}: {name} tells who is gone from one stream, and can be nothing else in a pipeline",
                hint="Declare a stream of its own for it; its method may call the other one's.",
            )


def _read_every(given: str | timedelta | None) -> timedelta | None:
    if given is None:
        return None
    if isinstance(given, timedelta):
        if given <= timedelta(0):
            raise DeclarationError(f"Deletes: every={given!r} is no time", hint='Write it as in every="7d".')
        return given
    found = EVERY.fullmatch(given.strip())
    if found is None:
        raise DeclarationError(f"Deletes: every={given!r} is no time", hint='Write it as in every="7d".')
    return int(found[1]) * UNITS[found[2]]
