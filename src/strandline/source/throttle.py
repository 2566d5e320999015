"""A source's rate limit: whose turn it is, over all streams, threads and runs that share the source.

With a declared rate requests are spaced evenly, after as many at once as the rate's burst. What the source
says of its limits in its answers comes on top: a pause that it asks for is made, and of a quota that comes to
its end the last tenth is spread over the time until there is more.
"""

from __future__ import annotations

import time
from dataclasses import dataclass
from datetime import timedelta
from typing import Final, Literal

from strandline.errors import DeclarationError
from strandline.source import prefetch
from strandline.source.quota import Quota
from strandline.source.turn import Board, Turns

_SECONDS = {"second": 1.0, "minute": 60.0, "hour": 3600.0}

LAST_SHARE: Final = 10
"""The last tenth of a quota is spread."""
FEW: Final = 5
"""Where a source does not say of how many, so many are its last."""
LONGEST_NOTE: Final = 3600.0
"""What a source has asked for is asked anew after an hour: it may have been misread, or taken back."""


@dataclass(frozen=True)
class Rate:
    """So many requests per second, minute or hour: `Rate(10, per="second")`; `burst` of them at once where
    there was a pause.
    """

    requests: float
    per: Literal["second", "minute", "hour"] = "second"
    burst: int = 1

    def __post_init__(self) -> None:
        if self.requests <= 0 or self.per not in _SECONDS or self.burst < 1:
            raise DeclarationError(
                f"{self!r}: a rate is more than 0 requests per second, minute or hour, 1 or more at once"
            )

    @property
    def spacing(self) -> float:
        """Seconds between two requests."""
        return _SECONDS[self.per] / self.requests


class Held(Exception):
    """The source wants a pause that nobody should wait for; never leaves the source layer."""

    def __init__(self, seconds: float) -> None:
        super().__init__(f"{seconds:.0f} s")
        self.seconds = seconds


class Throttle:
    """Holds each request back until its turn; without a rate, and where the source asks for nothing, it holds
    nothing back.
    """

    def __init__(
        self, rate: Rate | None, *, board: Board | None = None, patience: timedelta = timedelta(seconds=60)
    ) -> None:
        self._spacing = rate.spacing if rate else 0.0
        self._ahead = (rate.burst - 1) * self._spacing if rate else 0.0
        self._board = board or Board()
        self._patience = patience.total_seconds()

    def wait(self) -> None:
        """Return when the next request may go out. Raises Held where that is after a pause that the source
        has asked for and that is too long to be waited for.
        """
        now = time.monotonic()
        if not self._spacing:
            turn = self._after_pause(self._board.read(), now)
        else:
            with self._board.changing() as turns:
                now = time.monotonic()
                turn = max(self._after_pause(turns, now), turns.free_at - self._ahead)
                turns.free_at = max(turn, turns.free_at) + self._spacing
        if turn > now:
            prefetch.pause(turn - now)

    def _after_pause(self, turns: Turns, now: float) -> float:
        if now - turns.held_at > LONGEST_NOTE:
            return now
        if turns.held_until - now > self._patience:
            raise Held(turns.held_until - now)
        return max(turns.held_until, now)

    def hold(self, seconds: float) -> None:
        """Let nobody ask for so long."""
        if seconds > 0:
            with self._board.changing() as turns:
                now = time.monotonic()
                turns.held_until, turns.held_at = max(turns.held_until, now + seconds), now

    def heed(self, quota: Quota) -> None:
        """Slow down before the quota is used up, and stop when it is."""
        if not quota.remaining:
            self.hold(quota.seconds)
        elif quota.remaining <= (quota.limit // LAST_SHARE if quota.limit else FEW):
            each = quota.seconds / quota.remaining
            # Where that is too slow, the rest is used at once: the work ends sooner or later all the same.
            if each <= self._patience:
                self.hold(each)
