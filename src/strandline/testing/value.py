"""Strategies for single values as an API sends them, within what a contract allows: text, numbers, moments.

What a contract leaves open is kept within what tables hold and nobody refuses: times lie between 2000 and
2025, whole numbers fit into 32 bits, texts have twenty characters at most, and none has a NUL.
"""

from __future__ import annotations

import math
import re
from collections.abc import Callable, Mapping
from datetime import UTC, date, datetime, time, timedelta, timezone
from decimal import Context, Decimal
from typing import Any, Final

from hypothesis import reject
from hypothesis import strategies as st
from hypothesis.strategies import DrawFn, SearchStrategy

from strandline.errors import DeclarationError

Schema = Mapping[str, Any]
"""A part of what Pydantic compiles a contract to."""

FIRST: Final = datetime(2000, 1, 1)  # noqa: DTZ001  # on whose clock, the zone beside it says
LAST: Final = datetime(2025, 12, 31, 23, 59, 59)  # noqa: DTZ001
INSTANT: Final = timedelta(microseconds=1)
WHOLE: Final = 2**31 - 1
LONGEST: Final = 20
TRIES: Final = 20
EXACT: Final = Context(prec=120)
FAITHFUL_DIGITS: Final = 15
"""So many digits of a number come back from a float as they were."""

ANY_TEXT: Final = st.characters(codec="utf-8", exclude_characters="\0")
PLAIN_TEXT: Final = st.sampled_from("abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789 -")


def text(schema: Schema, letters: SearchStrategy[str]) -> SearchStrategy[str]:
    """A text of these letters, or one that fits the pattern."""
    least, most = schema.get("min_length") or 0, schema.get("max_length")
    pattern = schema.get("pattern")
    if schema.get("strip_whitespace"):
        letters = letters.filter(lambda it: not it.isspace())
    if pattern is None:
        return st.text(letters, min_size=least, max_size=max(least, LONGEST) if most is None else most)
    written = pattern if isinstance(pattern, str) else pattern.pattern
    try:
        # Python's $ is also before a line's end, Pydantic's is not.
        found = st.from_regex(re.compile(re.sub(r"(?<!\\)\$$", r"\\Z", written)))
    except re.error as error:
        raise DeclarationError(f"the pattern {written!r} cannot be followed: {error}") from error
    return _fitting(found, lambda it: "\0" not in it and least <= len(it) <= (most or math.inf))


@st.composite
def _fitting(draw: DrawFn, texts: SearchStrategy[str], fits: Callable[[str], bool]) -> str:
    """One that fits. What a pattern gives is often too long; a filter would give up after three."""
    found = next((it for it in (draw(texts) for _ in range(TRIES)) if fits(it)), None)
    if found is None:
        reject()
    return found


def whole_number(schema: Schema) -> SearchStrategy[int]:
    """A whole number."""
    step = int(schema.get("multiple_of") or 1)
    least, most = _units(schema, Decimal(1), reach=WHOLE)
    return st.integers(-(-least // step), most // step).map(lambda it: it * step)


def exact_number(schema: Schema) -> SearchStrategy[int | float | str]:
    """An exact number: as a JSON number where that can be told from no other, or else as text."""
    digits, places = schema.get("max_digits"), schema.get("decimal_places")
    if places is None:
        places = 2 if digits is None else min(2, digits)
    unit = Decimal(schema.get("multiple_of") or Decimal(1).scaleb(-places))
    least, most = _units(schema, unit, reach=WHOLE if digits is None else None)
    if digits is not None:
        above_all = EXACT.scaleb(1, digits - places)
        widest = math.ceil(EXACT.divide(above_all, unit)) - 1
        least, most = max(least, -widest), min(most, widest)
    numbers = st.integers(least, most).map(lambda it: EXACT.multiply(Decimal(it), unit))
    return st.builds(_written, numbers, st.booleans())


def _written(number: Decimal, is_text: bool) -> int | float | str:
    if is_text or len(number.as_tuple().digits) > FAITHFUL_DIGITS:
        return format(number, "f")
    return int(number) if number == number.to_integral_value() else float(number)


def _units(schema: Schema, unit: Decimal, *, reach: int | None) -> tuple[int, int]:
    """The least and the most that the bounds allow, in this unit; within reach of zero without any."""
    said = {name: schema.get(name) for name in ("ge", "gt", "le", "lt")}
    bounds = {name: Decimal(str(it)) for name, it in said.items() if it is not None}
    low, high = bounds.get("ge", bounds.get("gt")), bounds.get("le", bounds.get("lt"))
    least = None if low is None else math.ceil(EXACT.divide(low, unit))
    most = None if high is None else math.floor(EXACT.divide(high, unit))
    if least is not None and least * unit == bounds.get("gt"):
        least += 1
    if most is not None and most * unit == bounds.get("lt"):
        most -= 1
    wide = int(EXACT.divide(Decimal(10**40 if reach is None else reach), unit))
    least = min(-wide, most if most is not None else 0) if least is None else least
    return least, max(wide, least) if most is None else most


def float_number(schema: Schema) -> SearchStrategy[float]:
    """A number, and none that JSON has no word for."""
    low, high = schema.get("ge", schema.get("gt")), schema.get("le", schema.get("lt"))
    wide = 1e9 + abs(low or 0) + abs(high or 0)
    return st.floats(
        -wide if low is None else float(low),
        wide if high is None else float(high),
        exclude_min=schema.get("gt") is not None,
        exclude_max=schema.get("lt") is not None,
        allow_nan=False,
    )


def moment(schema: Schema, *, may_be_naive: bool) -> SearchStrategy[str]:
    """A moment with its offset, or where the contract knows the zone without."""
    least, most = _between(schema, FIRST, LAST, step=INSTANT)
    if schema.get("now_op") == "future":
        least, most = LAST.replace(year=2100), LAST.replace(year=2200)
    naive = st.datetimes(least.replace(tzinfo=None), most.replace(tzinfo=None)).map(datetime.isoformat)
    if schema.get("tz_constraint") == "naive":
        return naive
    aware = st.builds(_with_offset, st.datetimes(least, most), st.sampled_from(OFFSETS))
    return aware | naive if may_be_naive and schema.get("tz_constraint") is None else aware


OFFSETS: Final = (UTC, timezone(timedelta(hours=2)), timezone(-timedelta(hours=5, minutes=30)))


def _with_offset(utc: datetime, zone: timezone) -> str:
    local = utc.replace(tzinfo=UTC).astimezone(zone)
    return local.isoformat().replace("+00:00", "Z")


def day(schema: Schema) -> SearchStrategy[str]:
    """A date."""
    least, most = _between(schema, FIRST.date(), LAST.date(), step=timedelta(days=1))
    if schema.get("now_op") == "future":
        least, most = date(2100, 1, 1), date(2200, 1, 1)
    return st.dates(least, most).map(date.isoformat)


def time_of_day(schema: Schema) -> SearchStrategy[str]:
    """A time of day."""
    least, most = _between(schema, time.min, time.max, step=None)
    return st.times(least, most).map(time.isoformat)


def duration(schema: Schema) -> SearchStrategy[int]:
    """So many seconds."""
    least, most = _between(schema, timedelta(0), timedelta(days=30), step=INSTANT)
    return st.integers(math.ceil(least.total_seconds()), math.floor(most.total_seconds()))


def _between(schema: Schema, first: Any, last: Any, *, step: timedelta | None) -> tuple[Any, Any]:
    """What the bounds allow, a step off those that are not reached; else from first to last."""
    low, high = _bound(schema, "ge", "gt", step), _bound(schema, "le", "lt", step and -step)
    if low is None:
        low = first if high is None else min(first, high)
    return low, max(last, low) if high is None else high


def _bound(schema: Schema, reached: str, passed: str, step: timedelta | None) -> Any:
    bound = schema.get(reached, schema.get(passed))
    if isinstance(bound, datetime) and bound.tzinfo is not None:
        bound = bound.astimezone(UTC).replace(tzinfo=None)
    return bound if bound is None or step is None or reached in schema else bound + step
