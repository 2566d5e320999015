"""The date dimension: a row a day, keyed yyyymmdd, with ISO weeks and a fiscal year that starts in any month.

A fiscal year is named after the calendar year in which it ends; one that starts in January is the calendar
year. Weeks are those of ISO 8601: Monday first, week 1 holds the year's first Thursday.
"""

from collections.abc import Iterator
from dataclasses import dataclass, field
from datetime import date, timedelta
from typing import Any, ClassVar

from sqlalchemy import Boolean, Date, Integer, SmallInteger, String, Table
from sqlalchemy.orm import Mapped, mapped_column

from strandline.errors import DeclarationError
from strandline.model.base import Base
from strandline.model.column import NOT_APPLICABLE_KEY, UNKNOWN_KEY

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


def date_key(day: date) -> int:
    """The day as the number yyyymmdd."""
    return day.year * 10_000 + day.month * 100 + day.day


class Calendar(Base):
    """A date dimension; `DimDate` is the ready one."""

    __abstract__ = True
    span: ClassVar[Span] = Span()

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
    fiscal_year: Mapped[int | None] = mapped_column(
        SmallInteger(), comment="Named after the year in which it ends"
    )
    fiscal_quarter: Mapped[int | None] = mapped_column(SmallInteger())
    fiscal_period: Mapped[int | None] = mapped_column(SmallInteger(), comment="1 to 12")

    @classmethod
    def table(cls) -> Table:
        """The mapped table."""
        table = cls.__table__
        assert isinstance(table, Table)
        return table

    @classmethod
    def cover(cls, span: Span) -> None:
        """Set the days that the dimension covers and the fiscal year; the next run adds or corrects rows."""
        cls.span = span


class DimDate(Calendar):
    """The calendar: a row a day."""


def special_days() -> list[dict[str, Any]]:
    """The members -1 unknown and -2 not applicable."""
    words = {UNKNOWN_KEY: "Unknown", NOT_APPLICABLE_KEY: "Not applicable"}
    blank = dict.fromkeys(COLUMNS)
    return [{**blank, "date_key": key, "date_name": word} for key, word in words.items()]


def describe(day: date, *, fiscal_start_month: int = 1) -> dict[str, Any]:
    """One day's row."""
    iso_year, iso_week, day_of_week = day.isocalendar()
    starts_late = fiscal_start_month > 1
    fiscal_period = (day.month - fiscal_start_month) % 12 + 1
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
        "fiscal_year": day.year + (starts_late and day.month >= fiscal_start_month),
        "fiscal_quarter": (fiscal_period - 1) // 3 + 1,
        "fiscal_period": fiscal_period,
    }


def rows(span: Span) -> Iterator[dict[str, Any]]:
    """Every row of the dimension: the two special members, then a row a day."""
    yield from special_days()
    for day in span.days():
        yield describe(day, fiscal_start_month=span.fiscal_start_month)


COLUMNS = tuple(DimDate.table().c.keys())
