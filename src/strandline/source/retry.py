"""What is tried again, for how long, and what is said when it was no use.

Tenacity does the counting and the waiting. A 429, a 5xx, a timeout, a broken connection and a body cut
short are worth another try; the wait grows exponentially with jitter, or is the source's own Retry-After up
to a cap; attempts and the time over all of them are limited.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import TypeVar

import tenacity

from strandline import log
from strandline.errors import DeclarationError, QuotaExhausted, RateLimited, SourceUnavailable
from strandline.source import prefetch

T = TypeVar("T")


@dataclass(frozen=True, kw_only=True)
class Retry:
    """How patient a source's client is."""

    attempts: int = 8
    budget: timedelta = timedelta(minutes=5)
    """Over all attempts of one request, waits included."""
    retry_after_cap: timedelta = timedelta(seconds=60)
    """The source may ask for a longer wait, it does not get it: after a 429 the stream ends for now, and
    after anything else it is asked again by then.
    """
    wait_initial: timedelta = timedelta(seconds=0.5)
    wait_max: timedelta = timedelta(seconds=30)

    def __post_init__(self) -> None:
        times = (self.budget, self.retry_after_cap, self.wait_initial, self.wait_max)
        if self.attempts < 1 or min(times) < timedelta(0):
            raise DeclarationError(f"{self!r}: attempts are 1 or more, and no time is negative")


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

    def is_exhausted(self, policy: Retry) -> bool:
        """Whether a quota is used up for longer than is waited for."""
        longest = min(policy.retry_after_cap, policy.budget)
        return self.rate_limited and self.retry_after is not None and self.retry_after > longest


def run(attempt: Callable[[], T], *, policy: Retry, where: str) -> T:
    """What the attempt returns, tried again while it raises Transient; then RateLimited or
    SourceUnavailable.
    """
    retrying = tenacity.Retrying(
        retry=tenacity.retry_if_exception(lambda error: _is_worth_another(error, policy)),
        stop=tenacity.stop_after_attempt(policy.attempts) | tenacity.stop_before_delay(policy.budget),
        wait=_Wait(policy),
        sleep=prefetch.pause,
        before_sleep=lambda state: _report(state, where),
    )
    try:
        return retrying(attempt)
    except tenacity.RetryError as error:
        raise _given_up(error.last_attempt, where=where, seconds=_elapsed(retrying)) from error
    except Transient as error:
        raise exhausted(where, reason=error.reason, wait=error.retry_after or timedelta(0)) from error


def _is_worth_another(error: BaseException, policy: Retry) -> bool:
    """Whether it is to be tried again: not where the source wants to be asked so late that nobody waits."""
    return isinstance(error, Transient) and not error.is_exhausted(policy)


def exhausted(where: str, *, reason: str, wait: timedelta) -> QuotaExhausted:
    """The error of a quota that is used up, with when to come back."""
    retry_at = (datetime.now(UTC) + wait + timedelta(seconds=1)).replace(microsecond=0)
    return QuotaExhausted(
        f"{where}: the quota is used up: {reason}; the source wants to be asked again in"
        f" {timedelta(seconds=round(wait.total_seconds()))}, at {retry_at:%Y-%m-%d %H:%M:%S} UTC",
        hint="Run again then: what was read is kept. How long a wait is waited for is its retry_after_cap.",
        retry_at=retry_at,
    )


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


def _given_up(last: tenacity.Future, *, where: str, seconds: float) -> SourceUnavailable:
    error = last.exception()
    reason = error.reason if isinstance(error, Transient) else str(error)
    tried = "1 attempt" if last.attempt_number == 1 else f"{last.attempt_number} attempts"
    message = f"{where}: gave up after {tried} over {seconds:.1f} s; last answer: {reason}"
    if isinstance(error, Transient) and error.rate_limited:
        return RateLimited(message, hint="Run again later, or declare a lower `rate` on the source.")
    hint = error.hint if isinstance(error, Transient) else None
    return SourceUnavailable(
        message, hint=hint or "Check that the source is up and reachable, then run again."
    )
