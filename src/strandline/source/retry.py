"""What is tried again, for how long, and what is said when it was no use.

Tenacity does the counting and the waiting. A 429, a 5xx, a timeout, a broken connection and a body cut
short are worth another try; the wait grows exponentially with jitter, or is the source's own Retry-After up
to a cap; attempts and the time over all of them are limited.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from email.utils import parsedate_to_datetime
from typing import TypeVar

import httpx
import tenacity

from strandline import log
from strandline.errors import RateLimited, SourceUnavailable
from strandline.source import prefetch

T = TypeVar("T")


@dataclass(frozen=True, kw_only=True)
class Retry:
    """How patient a source's client is."""

    attempts: int = 8
    budget: timedelta = timedelta(minutes=5)
    """Over all attempts of one request, waits included."""
    retry_after_cap: timedelta = timedelta(seconds=60)
    """The source may ask for a longer wait, it does not get it."""
    wait_initial: timedelta = timedelta(seconds=0.5)
    wait_max: timedelta = timedelta(seconds=30)


class Transient(Exception):
    """One attempt failed in a way that is worth another; never leaves the source layer."""

    def __init__(
        self,
        reason: str,
        *,
        retry_after: timedelta | None = None,
        rate_limited: bool = False,
        hint: str | None = None,
    ) -> None:
        super().__init__(reason)
        self.reason = reason
        self.hint = hint
        self.retry_after = retry_after
        self.rate_limited = rate_limited


def run(attempt: Callable[[], T], *, policy: Retry, where: str) -> T:
    """What the attempt returns, tried again while it raises Transient; then RateLimited or
    SourceUnavailable.
    """
    retrying = tenacity.Retrying(
        retry=tenacity.retry_if_exception_type(Transient),
        stop=tenacity.stop_after_attempt(policy.attempts) | tenacity.stop_before_delay(policy.budget),
        wait=_Wait(policy),
        sleep=prefetch.pause,
        before_sleep=lambda state: _report(state, where),
    )
    try:
        return retrying(attempt)
    except tenacity.RetryError as error:
        raise _given_up(error.last_attempt, policy=policy, where=where, seconds=_elapsed(retrying)) from error


class _Wait(tenacity.wait.wait_base):
    def __init__(self, policy: Retry) -> None:
        self._cap = policy.retry_after_cap.total_seconds()
        initial, longest = policy.wait_initial.total_seconds(), policy.wait_max.total_seconds()
        # The jitter keeps clients that failed together from coming back together.
        self._backoff = tenacity.wait_exponential(multiplier=initial, max=longest) + tenacity.wait_random(
            0, initial
        )

    def __call__(self, retry_state: tenacity.RetryCallState) -> float:
        asked = _transient(retry_state).retry_after
        return min(asked.total_seconds(), self._cap) if asked else self._backoff(retry_state)


def read_retry_after(headers: httpx.Headers) -> timedelta | None:
    """How long the source asks to wait: seconds, or an HTTP date measured on the source's own clock if
    it tells it.
    """
    text = headers.get("retry-after", "").strip()
    if text.isdecimal():
        return timedelta(seconds=min(int(text), 10**9))
    until = read_http_date(text)
    if until is None:
        return None
    return max(until - (read_http_date(headers.get("date", "")) or datetime.now(UTC)), timedelta(0))


def read_http_date(text: str) -> datetime | None:
    """The moment that a header names; None if it names none."""
    try:
        parsed = parsedate_to_datetime(text)
    except ValueError:
        return None
    return parsed if parsed.tzinfo else parsed.replace(tzinfo=UTC)


def _transient(state: tenacity.RetryCallState) -> Transient:
    error = state.outcome.exception() if state.outcome else None
    return error if isinstance(error, Transient) else Transient("no answer")


def _report(state: tenacity.RetryCallState, where: str) -> None:
    log.warn(
        "retrying",
        where=where,
        attempt=state.attempt_number,
        wait_seconds=round(state.upcoming_sleep, 2),
        reason=_transient(state).reason,
    )


def _elapsed(retrying: tenacity.Retrying) -> float:
    return float(retrying.statistics.get("delay_since_first_attempt", 0))


def _given_up(last: tenacity.Future, *, policy: Retry, where: str, seconds: float) -> SourceUnavailable:
    error = last.exception()
    reason = error.reason if isinstance(error, Transient) else str(error)
    tried = "1 attempt" if last.attempt_number == 1 else f"{last.attempt_number} attempts"
    message = f"{where}: gave up after {tried} over {seconds:.1f} s; last answer: {reason}"
    if isinstance(error, Transient) and error.rate_limited:
        return RateLimited(message, hint=_rate_hint(error.retry_after, policy))
    hint = error.hint if isinstance(error, Transient) else None
    return SourceUnavailable(
        message, hint=hint or "Check that the source is up and reachable, then run again."
    )


def _rate_hint(asked: timedelta | None, policy: Retry) -> str:
    if asked is None:
        return "Run again later, or declare a lower `rate` on the source."
    return (
        f"The source asks to wait {asked.total_seconds():.0f} s (retry_after_cap is"
        f" {policy.retry_after_cap.total_seconds():.0f} s): run again then, or declare a lower `rate`."
    )
