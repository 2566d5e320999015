"""The date dimension: a row a day, keyed yyyymmdd, with ISO weeks, a fiscal year and holidays.

Weeks are those of ISO 8601: Monday first, week 1 holds the year's first Thursday. What a fiscal year can be
is told in `fiscal`; unless declared it is the calendar year.
"""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from datetime import date, datetime, timedelta
from types import MappingProxyType
from typing import Any, ClassVar
from zoneinfo import ZoneInfo

from sqlalchemy import Boolean, Date, Integer, SmallInteger, String
from sqlalchemy.orm import Mapped, mapped_column

from strandline.errors import DeclarationError
from strandline.model.column import NOT_APPLICABLE_KEY, UNKNOWN_KEY
from strandline.model.fiscal import FiscalYear, Months, check_day
from strandline.model.prepared import Finder, Prepared

DAYS = ("Monday", "Tuesday", "Wednesday", "Thursday", "Friday", "Saturday", "Sunday")
MONTHS = (
    "January", "February", "March", "April", "May", "June",
    "July", "August", "September", "October", "November", "December",
)  # fmt: skip


@dataclass(frozen=True)
class Span:
    """The days that a date dimension covers, first and last included, and the month its fiscal year starts
    in.
    """

    first: date = date(2000, 1, 1)
    last: date = date(2049, 12, 31)
    fiscal_start_month: int = field(default=1, kw_only=True)

    def __post_init__(self) -> None:
        for day in (self.first, self.last):
            check_day(day, where="Span")
            if not 1 < day.year < 9999:  # a fiscal year may reach into the years beside
                raise DeclarationError(f"Span: {day} is out of reach", hint="Give years from 2 to 9998.")
        if self.first > self.last:
            raise DeclarationError(
                f"Span: {self.first} lies after {self.last}", hint="Give the first day first."
            )
        if not 1 <= self.fiscal_start_month <= 12:
            raise DeclarationError(
                f"Span: fiscal_start_month={self.fiscal_start_month} is no month", hint="1 to 12."
            )

    def days(self) -> Iterator[date]:
        """Every day, in order."""
        for offset in range((self.last - self.first).days + 1):
            yield self.first + timedelta(days=offset)

    def __contains__(self, day: date) -> bool:
        return self.first <= day <= self.last


CALENDAR_YEAR = Months()
LONGEST_HOLIDAY = 100


def date_key(day: date) -> int:
    """The day as the number yyyymmdd."""
    return day.year * 10_000 + day.month * 100 + day.day


class Calendar(Prepared):
    """A date dimension; `DimDate` is the ready one."""

    __abstract__ = True
    span: ClassVar[Span] = Span()
    fiscal: ClassVar[FiscalYear | None] = None
    """The fiscal year; None: months, from `span.fiscal_start_month` on."""
    holidays: ClassVar[Mapping[date, str]] = MappingProxyType({})
    """The names of the days that are no workdays besides Saturdays and Sundays."""

    date_key: Mapped[int] = mapped_column(
        Integer(), primary_key=True, autoincrement=False, comment="yyyymmdd"
    )
    full_date: Mapped[date | None] = mapped_column(Date(), unique=True)
    date_name: Mapped[str] = mapped_column(String(20), comment="The day in words, or Unknown, Not applicable")
    day_of_week: Mapped[int | None] = mapped_column(SmallInteger(), comment="1 Monday … 7 Sunday")
    day_name: Mapped[str | None] = mapped_column(String(9))
    is_weekend: Mapped[bool | None] = mapped_column(Boolean())
    day_of_month: Mapped[int | None] = mapped_column(SmallInteger())
    day_of_year: Mapped[int | None] = mapped_column(SmallInteger())
    iso_week: Mapped[int | None] = mapped_column(SmallInteger(), comment="ISO 8601 week, 1 to 53")
    iso_year: Mapped[int | None] = mapped_column(
        SmallInteger(), comment="The year that the ISO week belongs to"
    )
    month: Mapped[int | None] = mapped_column(SmallInteger())
    month_name: Mapped[str | None] = mapped_column(String(9))
    year_month: Mapped[str | None] = mapped_column(String(7), comment="2026-03")
    quarter: Mapped[int | None] = mapped_column(SmallInteger())
    year: Mapped[int | None] = mapped_column(SmallInteger())
    is_month_end: Mapped[bool | None] = mapped_column(Boolean())
    fiscal_year: Mapped[int | None] = mapped_column(SmallInteger())
    fiscal_quarter: Mapped[int | None] = mapped_column(SmallInteger())
    fiscal_period: Mapped[int | None] = mapped_column(SmallInteger(), comment="Mostly months, 1 to 12")
    fiscal_week: Mapped[int | None] = mapped_column(
        SmallInteger(), comment="1 to 52 or 53, where the fiscal year is made of weeks"
    )
    is_holiday: Mapped[bool | None] = mapped_column(Boolean())
    holiday_name: Mapped[str | None] = mapped_column(String(LONGEST_HOLIDAY))
    is_workday: Mapped[bool | None] = mapped_column(Boolean(), comment="Neither weekend nor holiday")

    def __init_subclass__(cls, **arguments: Any) -> None:
        _check(cls.__name__, cls.span, fiscal=cls.fiscal, holidays=cls.holidays)
        super().__init_subclass__(**arguments)

    @classmethod
    def cover(
        cls, span: Span, *, fiscal: FiscalYear | None = None, holidays: Mapping[date, str] | None = None
    ) -> None:
        """Set the days that the dimension covers, its fiscal year and its holidays; the next run adds or
        corrects rows. Raises DeclarationError when the fiscal year is told twice, or a holiday is no date.
        """
        named = {} if holidays is None else dict(holidays)
        _check(f"{cls.__name__}.cover", span, fiscal=fiscal, holidays=named)
        cls.span, cls.fiscal, cls.holidays = span, fiscal, MappingProxyType(named)

    @classmethod
    def fiscal_year_rule(cls) -> FiscalYear:
        """How its fiscal years are counted."""
        return cls.fiscal or Months(cls.span.fiscal_start_month)

    @classmethod
    def rows(cls) -> Iterator[dict[str, Any]]:
        """The two special members, then a row a day."""
        yield from special_days()
        rule = cls.fiscal_year_rule()
        for day in cls.span.days():
            yield describe(day, fiscal=rule, holidays=cls.holidays)

    @classmethod
    def declaration(cls) -> str:
        """Span, fiscal year and holidays."""
        return repr((cls.span, cls.fiscal, sorted(cls.holidays.items()), COLUMNS))

    @classmethod
    def finder(cls, *, zone: str) -> Finder:
        """A function from a moment to the key of its day in the zone; ValueError outside the calendar."""
        tz = ZoneInfo(zone)

        def find(moment: datetime | date | None) -> int:
            if moment is None:
                return NOT_APPLICABLE_KEY
            day = moment.astimezone(tz).date() if isinstance(moment, datetime) else moment
            if day not in cls.span:
                raise ValueError(
                    f"{day} lies outside {cls.__name__} ({cls.span.first} to {cls.span.last});"
                    f" widen it with {cls.__name__}.cover(...)"
                )
            return date_key(day)

        return find


def _check(where: str, span: Span, *, fiscal: FiscalYear | None, holidays: Mapping[date, str]) -> None:
    if fiscal is not None and span.fiscal_start_month != 1:
        raise DeclarationError(
            f"{where}: {span} and {fiscal} both tell the fiscal year",
            hint="Leave fiscal_start_month out of the span.",
        )
    for day, name in holidays.items():
        check_day(day, where=f"{where}: holidays")
        if not 0 < len(name) <= LONGEST_HOLIDAY:
            raise DeclarationError(
                f"{where}: holidays: the name of {day}, {name!r}, has {len(name)} characters",
                hint=f"Give 1 to {LONGEST_HOLIDAY}.",
            )


class DimDate(Calendar):
    """The calendar: a row a day."""


def special_days() -> list[dict[str, Any]]:
    """The members -1 unknown and -2 not applicable."""
    words = {UNKNOWN_KEY: "Unknown", NOT_APPLICABLE_KEY: "Not applicable"}
    blank = dict.fromkeys(COLUMNS)
    return [{**blank, "date_key": key, "date_name": word} for key, word in words.items()]


def describe(
    day: date, *, fiscal: FiscalYear = CALENDAR_YEAR, holidays: Mapping[date, str] = MappingProxyType({})
) -> dict[str, Any]:
    """One day's row."""
    iso_year, iso_week, day_of_week = day.isocalendar()
    place = fiscal.place(day)
    return {
        "date_key": date_key(day),
        "full_date": day,
        "date_name": f"{day.day} {MONTHS[day.month - 1]} {day.year}",
        "day_of_week": day_of_week,
        "day_name": DAYS[day_of_week - 1],
        "is_weekend": day_of_week > 5,
        "day_of_month": day.day,
        "day_of_year": day.timetuple().tm_yday,
        "iso_week": iso_week,
        "iso_year": iso_year,
        "month": day.month,
        "month_name": MONTHS[day.month - 1],
        "year_month": f"{day.year:04}-{day.month:02}",
        "quarter": (day.month - 1) // 3 + 1,
        "year": day.year,
        "is_month_end": (day + timedelta(days=1)).month != day.month,
        "fiscal_year": place and place.year,
        "fiscal_quarter": place and place.quarter,
        "fiscal_period": place and place.period,
        "fiscal_week": place and place.week,
        "is_holiday": day in holidays,
        "holiday_name": holidays.get(day),
        "is_workday": day_of_week <= 5 and day not in holidays,
    }


COLUMNS = tuple(DimDate.table().c.keys())
