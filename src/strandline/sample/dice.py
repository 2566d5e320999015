"""Seeded draws that come out the same on every Python and every platform.

`random.Random` promises a stable sequence for `random()` only; `choice`, `sample` and `gauss` may change
between versions. So everything here is built on `random()` and on integer arithmetic.
"""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime, timedelta
from random import Random
from typing import TypeVar

T = TypeVar("T")

_SECOND = timedelta(seconds=1)
_MICROSECOND = timedelta(microseconds=1)


class Dice:
    """One independent sequence of draws per subject, so that more of one thing does not move the others."""

    def __init__(self, seed: int, subject: str) -> None:
        self.share = Random(f"{seed}/{subject}").random

    def below(self, limit: int) -> int:
        """A whole number from 0 up to, not including, the limit."""
        return int(self.share() * limit)

    def low_below(self, limit: int) -> int:
        """Like `below`, with small numbers far more often: most orders are of one or two pieces."""
        share = self.share()
        return int(share * share * limit)

    def between(self, lowest: int, highest: int) -> int:
        """A whole number, both ends included."""
        return lowest + int(self.share() * (highest - lowest + 1))

    def chance(self, percent: float) -> bool:
        """True in so many of a hundred draws."""
        return self.share() * 100 < percent

    def pick(self, pool: Sequence[T]) -> T:
        """One of the pool, each as likely."""
        return pool[int(self.share() * len(pool))]

    def sample(self, pool: Sequence[T], count: int) -> list[T]:
        """So many different ones of the pool (or all that there are), in the order drawn."""
        rest = list(pool)
        return [rest.pop(self.below(len(rest))) for _ in range(min(count, len(rest)))]

    def second(self, start: datetime, end: datetime) -> datetime:
        """A whole second in [start, end); the start when nothing lies between."""
        return start + self.below(max((end - start) // _SECOND, 1)) * _SECOND

    def instant(self, start: datetime, end: datetime) -> datetime:
        """A microsecond in [start, end); the start when nothing lies between."""
        return start + self.below(max((end - start) // _MICROSECOND, 1)) * _MICROSECOND
