"""Fiscal years: by months from any month on, by whole weeks in a 4-4-5 pattern, or as a list says.

A year of weeks has 52 or 53 of them and ends on one weekday: on the last one of a month, or on the one
nearest to the month's end. American retailers end theirs on the Saturday nearest to 31 January, with 4-5-4
weeks in a quarter, and name it after the year in which it began (National Retail Federation, 4-5-4 calendar).
The 53rd week belongs to the last period.
"""

from __future__ import annotations

from bisect import bisect_right
from calendar import monthrange
from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import date, timedelta
from itertools import pairwise
from typing import Any, Final, Literal, NamedTuple, Protocol

from strandline.errors import DeclarationError

Pattern = Literal["4-4-5", "4-5-4", "5-4-4"]
Weekday = Literal["monday", "tuesday", "wednesday", "thursday", "friday", "saturday", "sunday"]

PATTERNS: Final[dict[str, tuple[int, ...]]] = {"4-4-5": (4, 4, 5), "4-5-4": (4, 5, 4), "5-4-4": (5, 4, 4)}
WEEKDAYS: Final = ("monday", "tuesday", "wednesday", "thursday", "friday", "saturday", "sunday")


class Fiscal(NamedTuple):
    """Where a day stands in its fiscal year; the week is None in years that are not made of weeks."""

    year: int
    quarter: int | None
    period: int
    week: int | None


def check_day(day: object, *, where: str) -> None:
    """Raise DeclarationError for what is no date: a datetime or a text equals none, so it would never be
    found.
    """
    if type(day) is not date:
        raise DeclarationError(
            f"{where}: {day!r} is no date",
            hint='Give date(2026, 12, 25) or date.fromisoformat("…").',
        )


class FiscalYear(Protocol):
    """A rule for fiscal years."""

    def place(self, day: date) -> Fiscal | None:
        """Where the day stands; None outside of the years that are declared."""


@dataclass(frozen=True)
class Months:
    """Twelve months from the first of `start` on; the year is named after that in which it ends."""

    start: int = 1

    def __post_init__(self) -> None:
        _check_month(self.start, where=f"Months(start={self.start})")

    def place(self, day: date) -> Fiscal:
        """Periods are months."""
        period = (day.month - self.start) % 12 + 1
        year = day.year + (self.start > 1 and day.month >= self.start)
        return Fiscal(year, (period - 1) // 3 + 1, period, None)


@dataclass(frozen=True)
class Weeks:
    """Whole weeks in a pattern, `Weeks("4-5-4", ends="saturday", month=1, rule="nearest", named="start")`.

    The year ends on a weekday: with the rule "last" on the last one in the month, with "nearest" on the one
    nearest to the month's last day. It is named after the calendar year in which it ends ("end") or begins
    ("start"); one that ends with December is that calendar year either way.
    """

    pattern: Pattern
    ends: Weekday = "saturday"
    month: int = 12
    rule: Literal["last", "nearest"] = "last"
    named: Literal["start", "end"] = "end"

    def __post_init__(self) -> None:
        where = f"Weeks({self.pattern!r})"
        _check_month(self.month, where=where)
        for option, value, known in (
            ("pattern", self.pattern, tuple(PATTERNS)),
            ("ends", self.ends, WEEKDAYS),
            ("rule", self.rule, ("last", "nearest")),
            ("named", self.named, ("start", "end")),
        ):
            if value not in known:
                raise DeclarationError(
                    f"{where}: {option}={value!r} is not known", hint=f"Give one of {', '.join(known)}."
                )

    def place(self, day: date) -> Fiscal:
        """Weeks from the first day of the year on; periods by the pattern."""
        ending = next(year for year in (day.year, day.year + 1, day.year - 1) if self._holds(year, day))
        first = self.last_day(ending - 1) + timedelta(days=1)
        week = (day - first).days // 7 + 1
        period = self._period(week)
        # One that ends with December is that calendar year, whichever days it borrows at its ends.
        year = ending if self.named == "end" or self.month == 12 else ending - 1
        return Fiscal(year, (period - 1) // 3 + 1, period, week)

    def last_day(self, year: int) -> date:
        """The last day of the fiscal year that ends with `month` of this calendar year."""
        month_end = date(year, self.month, monthrange(year, self.month)[1])
        back = (month_end.weekday() - WEEKDAYS.index(self.ends)) % 7
        days = 7 - back if self.rule == "nearest" and back > 3 else -back
        return month_end + timedelta(days=days)

    def _holds(self, year: int, day: date) -> bool:
        return self.last_day(year - 1) < day <= self.last_day(year)

    def _period(self, week: int) -> int:
        last = 0
        for period, weeks in enumerate(PATTERNS[self.pattern] * 4, 1):
            last += weeks
            if week <= last:
                return period
        return 12


@dataclass(frozen=True)
class Period:
    """A fiscal period that a list declares: its year, its number in the year, its first and last day."""

    year: int
    number: int
    first: date
    last: date

    def __post_init__(self) -> None:
        where = f"Period({self.year}, {self.number})"
        for day in (self.first, self.last):
            check_day(day, where=where)
        if self.number < 1:
            raise DeclarationError(f"{where}: {self.number} is no period", hint="Number them from 1.")

    def __str__(self) -> str:
        return f"period {self.number} of {self.year} ({self.first} to {self.last})"


@dataclass(frozen=True)
class Periods:
    """Fiscal periods as a list gives them, without gaps and overlaps; quarters where a year has twelve."""

    periods: Sequence[Period]
    _firsts: list[date] = field(init=False, repr=False, compare=False)
    _twelve: set[int] = field(init=False, repr=False, compare=False)
    """The years of the periods 1 to 12."""

    def __post_init__(self) -> None:
        ordered = tuple(sorted(self.periods, key=lambda period: period.first))
        _check_periods(ordered)
        numbers = {period.year: [it.number for it in ordered if it.year == period.year] for period in ordered}
        settled: dict[str, Any] = {
            "periods": ordered,
            "_firsts": [period.first for period in ordered],
            "_twelve": {year for year, found in numbers.items() if found == list(range(1, 13))},
        }
        for name, value in settled.items():
            object.__setattr__(self, name, value)

    def place(self, day: date) -> Fiscal | None:
        """The period that holds the day."""
        found = bisect_right(self._firsts, day) - 1
        if found < 0 or day > self.periods[found].last:
            return None
        period = self.periods[found]
        quarter = (period.number - 1) // 3 + 1 if period.year in self._twelve else None
        return Fiscal(period.year, quarter, period.number, None)


def _check_periods(ordered: Sequence[Period]) -> None:
    if not ordered:
        raise DeclarationError("Periods: there are none", hint="Give at least one Period.")
    for period in ordered:
        if period.last < period.first:
            raise DeclarationError(
                f"Periods: {period} ends before it begins", hint="Give the first day first."
            )
    for before, after in pairwise(ordered):
        if after.first <= before.last:
            raise DeclarationError(
                f"Periods: {before} and {after} overlap",
                hint="A day belongs to one period: correct their ends.",
            )
        if after.first > before.last + timedelta(days=1):
            raise DeclarationError(
                f"Periods: between {before} and {after} days are missing",
                hint="Let each begin after the other.",
            )
        if (after.year, after.number) <= (before.year, before.number):
            raise DeclarationError(
                f"Periods: {after} follows {before}", hint="Let years and numbers rise with the days."
            )


def _check_month(month: int, *, where: str) -> None:
    if not 1 <= month <= 12:
        raise DeclarationError(f"{where}: {month} is no month", hint="1 to 12.")
