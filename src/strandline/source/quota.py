"""What a source says of its limits in the headers of an answer, in the dialects that there are.

RateLimit: "default";r=50;t=30                      as the IETF drafts it: 50 left, more in 30 seconds
RateLimit-Policy: "default";q=100;w=60              of 100 each minute
RateLimit: limit=100, remaining=50, reset=30        as it was drafted before
RateLimit-Remaining: 50, RateLimit-Reset: 30        and before that
X-RateLimit-Remaining: 0, X-RateLimit-Reset: 1772600000, or 30, or a date
Backoff: 10                                         leave me alone for so long, though this was answered
Retry-After: 30, or a date                          the same, of an answer that is none
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from datetime import UTC, datetime, timedelta
from email.utils import parsedate_to_datetime
from typing import Final

from msgspec import Struct

EPOCH_SECONDS: Final = 10**9
"""From here on a number is a moment and no length of time; from a thousand times that on, in milliseconds."""

PREFIXES: Final = ("ratelimit", "x-ratelimit", "x-rate-limit")
_PAIR: Final = re.compile(r"\s*([a-z]+)\s*=\s*\"?(\d+)\"?\s*", re.IGNORECASE)
_NAMES: Final = {"r": "remaining", "t": "reset", "q": "limit"}


class Quota(Struct, frozen=True):
    """How many requests are left, of how many, and in how many seconds there are more."""

    remaining: int
    seconds: float
    limit: int | None = None


def read_quota(headers: Mapping[str, str]) -> Quota | None:
    """The quota that is nearest to its end; None where the answer tells of none."""
    found = list(_quotas(headers))
    return min(found, key=lambda it: (it.remaining, -it.seconds), default=None)


def _quotas(headers: Mapping[str, str]) -> Iterator[Quota]:
    limits = _policies(headers.get("ratelimit-policy", ""))
    for name, values in _structured(headers.get("ratelimit", "")):
        if "remaining" in values and "reset" in values:
            limit = values.get("limit") or limits.get(name)
            yield Quota(values["remaining"], values["reset"], limit)
    for prefix in PREFIXES:
        remaining = _number(headers.get(f"{prefix}-remaining", ""))
        reset = headers.get(f"{prefix}-reset-after") or headers.get(f"{prefix}-reset", "")
        seconds = _seconds_until(reset, headers=headers)
        if remaining is not None and seconds is not None:
            limit = int(_number(headers.get(f"{prefix}-limit", "")) or 0) or None
            yield Quota(int(remaining), seconds, limit)


def _structured(text: str) -> Iterator[tuple[str, dict[str, int]]]:
    """The named values of a RateLimit header, by policy; one without names of policies is one."""
    parts = text.split(",")
    if not any(";" in it for it in parts):
        parts = [";".join(parts)]
    for part in parts:
        name, *rest = part.split(";")
        pairs = [found.groups() for it in [name, *rest] if (found := _PAIR.fullmatch(it))]
        yield name.strip().strip('"'), {_NAMES.get(key.lower(), key.lower()): int(it) for key, it in pairs}


def _policies(text: str) -> dict[str, int]:
    """How many requests each policy allows."""
    return {name: it["limit"] for name, it in _structured(text) if "limit" in it}


def read_backoff(headers: Mapping[str, str]) -> timedelta | None:
    """For how long the source wants to be left alone, though it has answered."""
    seconds = _seconds_until(headers.get("backoff", ""), headers=headers)
    return None if seconds is None else timedelta(seconds=seconds)


def read_retry_after(headers: Mapping[str, str]) -> timedelta | None:
    """How long the source asks to wait: seconds, or an HTTP date measured on the source's own clock if
    it tells it.
    """
    text = headers.get("retry-after", "").strip()
    if text.isdecimal():
        return timedelta(seconds=min(int(text), EPOCH_SECONDS))
    until = _date(text)
    return None if until is None else timedelta(seconds=_left(until, headers))


def _seconds_until(text: str, *, headers: Mapping[str, str]) -> float | None:
    """A length of time in seconds, or what is left until a moment, on the source's own clock."""
    number = _number(text)
    if number is None:
        until = _date(text)
        return None if until is None else _left(until, headers)
    if number < EPOCH_SECONDS:
        return number
    seconds = number / 1000 if number >= EPOCH_SECONDS * 1000 else number
    return _left(datetime.fromtimestamp(min(seconds, 10**11), UTC), headers)


def _left(until: datetime, headers: Mapping[str, str]) -> float:
    now = _date(headers.get("date", "")) or datetime.now(UTC)
    return max((until - now).total_seconds(), 0.0)


def _number(text: str) -> float | None:
    """A number, of the first policy where there are several: 100, 100;w=60."""
    found = re.match(r"\s*(\d{1,18}(?:\.\d{1,9})?)\s*(?:[,;].*)?$", text)
    return float(found[1]) if found else None


def _date(text: str) -> datetime | None:
    return read_http_date(text) or _iso_date(text.strip())


def read_http_date(text: str) -> datetime | None:
    """The moment that a header names; None if it names none."""
    try:
        parsed = parsedate_to_datetime(text)
    except ValueError:
        return None
    return parsed if parsed.tzinfo else parsed.replace(tzinfo=UTC)


def _iso_date(text: str) -> datetime | None:
    try:
        parsed = datetime.fromisoformat(text)
    except ValueError:
        return None
    return parsed if parsed.tzinfo else parsed.replace(tzinfo=UTC)
