"""Numbers as people write them: 2M, 200k, 10%, 15m."""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import Final

_TIMES: Final = {"": 1, "k": 1_000, "m": 1_000_000, "g": 1_000_000_000, "b": 1_000_000_000}
_SECONDS: Final = {"s": 1, "m": 60, "h": 3600, "d": 86_400, "w": 604_800}
_UNITS: Final = (("w", 604_800), ("d", 86_400), ("h", 3600), ("m", 60), ("s", 1))
MOST: Final = 1_000_000_000_000
"""A trillion: more is a slip of the finger."""


@dataclass(frozen=True)
class Changes:
    """How many records are new or changed in a month: a number, or a share of all."""

    number: float
    is_share: bool = False

    def of(self, records: float) -> float:
        """The number, where there are so many records."""
        return self.number * records if self.is_share else self.number


def number(value: object) -> float:
    """A number of things, as in 200000, 200k, 1.5M; raises ValueError."""
    if isinstance(value, bool) or not isinstance(value, int | float | str):
        raise ValueError(f"a number is expected, as in 200000, 200k or 2M, not {value!r}")
    text = str(value).strip().replace("_", "").replace(",", "")
    found = re.fullmatch(r"([-+]?\d+(?:\.\d+)?(?:e[-+]?\d+)?)\s*([kmgb]?)", text.lower())
    if not found:
        raise ValueError(f"a number is expected, as in 200000, 200k or 2M, not {str(value)!r}")
    told = float(found[1]) * _TIMES[found[2]]
    if not 0 <= told <= MOST:
        raise ValueError(f"a number from 0 to a trillion is expected, not {value}")
    return told


def changes(value: object) -> Changes:
    """A number of records, or a share as in 10%; raises ValueError."""
    if isinstance(value, Changes):
        return value
    if isinstance(value, str) and value.strip().endswith("%"):
        return Changes(number(value.strip()[:-1]) / 100, is_share=True)
    try:
        return Changes(number(value))
    except ValueError as error:
        raise ValueError(str(error).replace(" or 2M", ", 2M, or 10% of the records")) from None


def seconds(value: object) -> float:
    """A length of time, as in 30s, 15m, 1h, 1d; raises ValueError."""
    found = re.fullmatch(r"(\d+(?:\.\d+)?)\s*([smhdw])", str(value).strip().lower())
    if not found:
        raise ValueError(f"a time is expected, as in 30s, 15m, 1h or 1d, not {str(value)!r}")
    told = float(found[1]) * _SECONDS[found[2]]
    if told <= 0:
        raise ValueError(f"a time above 0 is expected, not {value}")
    return told


def shown_seconds(value: float) -> str:
    """A length of time as it would be typed."""
    unit, length = next((it for it in _UNITS if value >= it[1] and value % it[1] == 0), ("s", 1))
    return f"{value / length:g}{unit}"


def shown(value: float) -> str:
    """A number as it would be typed: 2M, 1.5k."""
    for letter in "Gmk":
        times = _TIMES[letter.lower()]
        if value >= times:
            return f"{value / times:.4g}{letter.upper() if letter == 'm' else letter}"
    return f"{value:.4g}"


def shown_changes(value: Changes) -> str:
    """A rate as it would be typed."""
    return f"{value.number * 100:.4g}%" if value.is_share else shown(value.number)
