"""How far a stream has been read: the cursor field, the filter that it allows and the high-water mark that
follows.

The mark is min(highest cursor seen, run start − lag) and never moves back. What the source is asked for is
the mark − lookback, cut down to the precision of the source's own filter, so that a date-only API never
loses the rest of its day. An inclusive filter (`>=`) is the default, since records of the same instant at a
page's edge are lost by `>`.
"""

from __future__ import annotations

from dataclasses import KW_ONLY, dataclass
from datetime import UTC, date, datetime, timedelta
from enum import Enum
from zoneinfo import ZoneInfo, ZoneInfoNotFoundError

from strandline.errors import DeclarationError, OrderBroken

CursorValue = datetime | date | int | str

_NOTHING = timedelta(0)


class Precision(Enum):
    """The finest step that the source's own filter knows."""

    MICROSECOND = timedelta(microseconds=1)
    MILLISECOND = timedelta(milliseconds=1)
    SECOND = timedelta(seconds=1)
    MINUTE = timedelta(minutes=1)
    DAY = timedelta(days=1)

    def truncate(self, value: datetime) -> datetime:
        """The start of the step that the value lies in, on the clock of the value's own zone."""
        match self:
            case Precision.MICROSECOND:
                return value
            case Precision.MILLISECOND:
                return value.replace(microsecond=value.microsecond // 1000 * 1000)
            case Precision.SECOND:
                return value.replace(microsecond=0)
            case Precision.MINUTE:
                return value.replace(second=0, microsecond=0)
            case Precision.DAY:
                return value.replace(hour=0, minute=0, second=0, microsecond=0)


@dataclass(frozen=True)
class Cursor:
    """The contract's field that orders changes, and what the source's filter on it can do.

    `lag` holds the mark back for records that the source commits late, `lookback` re-reads a window before
    the mark. `zone` is the one in which a source with a filter by day counts its days. `ordered` promises
    that the source sends records in ascending order, which is verified. An exclusive filter
    (`inclusive=False`) needs `unique=True`; one that is also coarse is asked from one step earlier, since
    `>` would skip the rest of that step.
    """

    field: str
    _: KW_ONLY
    precision: Precision = Precision.MICROSECOND
    unique: bool = False
    inclusive: bool = True
    lag: timedelta = _NOTHING
    lookback: timedelta = _NOTHING
    ordered: bool = False
    zone: str = "UTC"

    def __post_init__(self) -> None:
        if not self.inclusive and not self.unique:
            raise DeclarationError(
                f"Cursor({self.field!r}): an exclusive filter loses records of one instant at a page's edge",
                hint="Filter with >= (the default), or declare unique=True if no two records share a value.",
            )
        if self.lag < _NOTHING or self.lookback < _NOTHING:
            raise DeclarationError(
                f"Cursor({self.field!r}): lag ({self.lag}) and lookback ({self.lookback}) cannot be negative"
            )
        try:
            ZoneInfo(self.zone)
        except (ZoneInfoNotFoundError, ValueError) as error:
            raise DeclarationError(
                f"Cursor({self.field!r}): no such time zone: {self.zone!r}",
                hint='Name one as in zone="Europe/Berlin".',
            ) from error

    def since(self, mark: CursorValue | None) -> CursorValue | None:
        """What to ask the source for: None without a mark; a date where the source's precision is the day."""
        if isinstance(mark, datetime):
            return self._since_instant(mark)
        if isinstance(mark, date):
            return _earlier_day(mark, self.lookback + self._step_back())
        return mark

    def _since_instant(self, mark: datetime) -> datetime | date:
        local = _aware(mark).astimezone(ZoneInfo(self.zone if self.precision is Precision.DAY else "UTC"))
        start = self.precision.truncate(_earlier(local, self.lookback))
        start = _earlier(start, self._step_back())
        return start.date() if self.precision is Precision.DAY else start

    def until(self, bound: CursorValue) -> CursorValue:
        """What to ask the source for at most: never less than the bound, and a date where the source's
        precision is the day.
        """
        if not isinstance(bound, datetime):
            return bound
        local = _aware(bound).astimezone(ZoneInfo(self.zone if self.precision is Precision.DAY else "UTC"))
        start = self.precision.truncate(local)
        end = start if start == local else start + self.precision.value
        return end.date() if self.precision is Precision.DAY else end

    def now(self, moment: datetime, kind: type | None) -> CursorValue | None:
        """What a run that began then asks for at most; None where the cursor is no time."""
        if kind is datetime:
            return self.until(moment)
        return moment.astimezone(ZoneInfo(self.zone)).date() if kind is date else None

    def _step_back(self) -> timedelta:
        return _NOTHING if self.inclusive or self.precision is Precision.MICROSECOND else self.precision.value

    def advance(
        self,
        mark: CursorValue | None,
        *,
        highest: CursorValue | None,
        run_start: datetime,
        is_full: bool = False,
    ) -> CursorValue | None:
        """The mark after a run: never lower than before, never past run start − lag (where the cursor
        is a time). Where everything was read a mark of another type counts for nothing.
        """
        if highest is None:
            return mark
        reached = self._within_lag(highest, run_start)
        if mark is None or (is_full and type(mark) is not type(reached)):
            return reached
        if type(mark) is not type(reached):
            raise DeclarationError(
                f"cursor {self.field!r}: the mark {mark!r} is a {type(mark).__name__},"
                f" the source now sends {type(reached).__name__} values such as {highest!r}",
                hint="Run once with --full to start a new mark.",
            )
        return reached if self.is_after(reached, mark) else mark

    def _within_lag(self, highest: CursorValue, run_start: datetime) -> CursorValue:
        limit = _earlier(_aware(run_start), self.lag)
        if isinstance(highest, datetime):
            return min(_aware(highest), limit).astimezone(UTC)
        if isinstance(highest, date):
            return min(highest, limit.astimezone(ZoneInfo(self.zone)).date())
        return highest

    def is_after(self, value: CursorValue, other: CursorValue) -> bool:
        """Whether the value lies after the other one; both of the same type."""
        match value, other:
            case datetime(), datetime():
                return value > other
            case int(), int():
                return value > other
            case str(), str():
                return value > other
            case date(), date():
                return value > other
        raise TypeError(f"cursor {self.field!r}: {value!r} and {other!r} cannot be compared")

    def follow(self, previous: CursorValue | None, value: CursorValue, *, where: str) -> CursorValue:
        """The value, once it is known not to lie before the previous one; else OrderBroken."""
        if previous is not None and self.is_after(previous, value):
            raise OrderBroken(
                f"{where}: {self.field} {value!s} came after {previous!s},"
                " but the cursor is declared ordered",
                hint="Ask the source to sort by the cursor field, or declare ordered=False.",
            )
        return value

    def typed(self, text: str, kind: type) -> CursorValue:
        """What somebody has typed, as a value of this type; a moment is UTC unless told. Or ValueError."""
        if kind is int:
            return int(text)
        if kind is date:
            return date.fromisoformat(text)
        if kind is datetime:
            moment = datetime.fromisoformat(text)
            return moment if moment.tzinfo else moment.replace(tzinfo=UTC)
        return text

    def encode(self, value: CursorValue) -> str:
        """The value as text that says its type: "datetime:2026-03-04T05:06:07+00:00", "date:…",
        "int:…", "str:…".
        """
        match value:
            case datetime():
                return f"datetime:{_aware(value).astimezone(UTC).isoformat()}"
            case date():
                return f"date:{value.isoformat()}"
            case int() if not isinstance(value, bool):
                return f"int:{value}"
            case str():
                return f"str:{value}"
        raise ValueError(f"cursor {self.field!r}: a {type(value).__name__} cannot be a mark: {value!r}")

    def decode(self, text: str) -> CursorValue:
        """The value that `encode` wrote."""
        kind, _, value = text.partition(":")
        match kind:
            case "datetime":
                return _aware(datetime.fromisoformat(value))
            case "date":
                return date.fromisoformat(value)
            case "int":
                return int(value)
            case "str":
                return value
        raise ValueError(f"cursor {self.field!r}: not an encoded mark: {text!r}")


def _aware(value: datetime) -> datetime:
    if value.tzinfo is None:
        raise ValueError(f"a naive timestamp is no mark: {value.isoformat()}")
    return value


def _earlier(value: datetime, by: timedelta) -> datetime:
    # Measured in real time, then shown on the same clock: a day with a clock change has 23 or 25 hours.
    try:
        return (value.astimezone(UTC) - by).astimezone(value.tzinfo)
    except OverflowError:
        return datetime.min.replace(tzinfo=UTC)


def _earlier_day(value: date, by: timedelta) -> date:
    whole_days = -(-by // timedelta(days=1))
    return date.fromordinal(max(1, value.toordinal() - whole_days))
