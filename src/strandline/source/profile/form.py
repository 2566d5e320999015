"""What texts look like: timestamps, dates, numbers, truth values, identifiers, addresses."""

from __future__ import annotations

import re
from collections.abc import Callable, Collection
from datetime import date, datetime
from typing import Any, Final

from pydantic import AwareDatetime, TypeAdapter, ValidationError

TIMESTAMP: Final = "timestamp"
NAIVE: Final = "timestamp without zone"
DATE: Final = "date"
BOOLEAN: Final = "boolean as text"
INTEGER: Final = "integer as text"
NUMBER: Final = "number as text"
UUID: Final = "uuid"
MAIL: Final = "mail address"
URL: Final = "url"
PHONE: Final = "phone number"

PERSONAL: Final = frozenset({MAIL, PHONE})
TIMES: Final = frozenset({TIMESTAMP, NAIVE, DATE})
MOST_LOOKED_AT: Final = 2_000

_MOMENT: Final = re.compile(r"\d{4}-\d\d-\d\d[Tt ]\d\d:\d\d")
_TRUTH: Final = frozenset({"t", "f", "true", "false", "yes", "no", "y", "n"})
_aware: Final = TypeAdapter[datetime](AwareDatetime)
_any: Final = TypeAdapter(datetime)
_day: Final = TypeAdapter(date)


def of(texts: Collection[str]) -> str | None:
    """The first form that all of these have; empty ones say nothing."""
    looked_at = [it for it in texts if it][:MOST_LOOKED_AT]
    if not looked_at:
        return None
    return next((name for name, fits in _FORMS if all(map(fits, looked_at))), None)


def _reads(adapter: TypeAdapter[Any], shape: re.Pattern[str]) -> Callable[[str], bool]:
    def fits(text: str) -> bool:
        if not shape.match(text):
            return False
        try:
            adapter.validate_python(text)
        except ValidationError:
            return False
        return True

    return fits


def _matches(pattern: str) -> Callable[[str], bool]:
    compiled = re.compile(pattern)
    return lambda text: compiled.fullmatch(text) is not None


_FORMS: Final[tuple[tuple[str, Callable[[str], bool]], ...]] = (
    (TIMESTAMP, _reads(_aware, _MOMENT)),
    (NAIVE, _reads(_any, _MOMENT)),
    (DATE, _reads(_day, re.compile(r"\d{4}-\d\d-\d\d$"))),
    (BOOLEAN, lambda text: text.lower() in _TRUTH),
    (INTEGER, _matches(r"-?(?:0|[1-9]\d{0,17})")),
    (NUMBER, _matches(r"-?(?:0|[1-9]\d*)(?:\.\d+)?")),
    (UUID, _matches(r"[0-9a-fA-F]{8}(?:-[0-9a-fA-F]{4}){3}-[0-9a-fA-F]{12}")),
    (MAIL, _matches(r"[^@\s]+@[^@\s]+\.[^@\s]+")),
    (URL, _matches(r"https?://\S+")),
    (PHONE, _matches(r"\+\d[\d ()/.-]{6,}\d")),
)
