"""A source's rate limit: requests are spaced evenly, over all streams and threads that share the source."""

from __future__ import annotations

import threading
import time
from dataclasses import dataclass
from typing import Literal

from strandline.errors import DeclarationError
from strandline.source import prefetch

_SECONDS = {"second": 1.0, "minute": 60.0, "hour": 3600.0}


@dataclass(frozen=True)
class Rate:
    """So many requests per second, minute or hour: `Rate(10, per="second")`."""

    requests: float
    per: Literal["second", "minute", "hour"] = "second"

    def __post_init__(self) -> None:
        if self.requests <= 0 or self.per not in _SECONDS:
            raise DeclarationError(f"{self!r}: a rate is more than 0 requests per second, minute or hour")

    @property
    def spacing(self) -> float:
        """Seconds between two requests."""
        return _SECONDS[self.per] / self.requests


class Throttle:
    """Holds each request back until its turn; without a rate it holds nothing back."""

    def __init__(self, rate: Rate | None) -> None:
        self._spacing = rate.spacing if rate else 0.0
        self._lock = threading.Lock()
        self._free_at = 0.0

    def wait(self) -> None:
        """Return when the next request may go out."""
        if not self._spacing:
            return
        with self._lock:
            turn = max(time.monotonic(), self._free_at)
            self._free_at = turn + self._spacing
        if (seconds := turn - time.monotonic()) > 0:
            prefetch.pause(seconds)
