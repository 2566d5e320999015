"""Rollups of a calendar: a row a period, and the period that holds a moment."""

from datetime import UTC, date, datetime, timedelta
from typing import Any
from zoneinfo import ZoneInfo

import pytest
from hypothesis import given
from hypothesis import strategies as st

from strandline.errors import DeclarationError
from strandline.model import Calendar, CalendarRollup, DimDate, Span
from strandline.model.calendar import date_key

START = datetime(2000, 1, 2, tzinfo=UTC)


class DimTrimester(CalendarRollup, of=DimDate, attributes=("year", "quarter")):
    """Quarters."""


def test_a_rollup_has_a_row_for_each_period_of_its_calendar() -> None:
    """The key is the first day, also where the calendar begins within the period."""

    class DimPartDate(Calendar):
        """Five months."""

        span = Span(date(2026, 2, 10), date(2026, 6, 30))

    class DimPartMonth(CalendarRollup, of=DimPartDate, attributes=("year_month", "month_name")):
        """Months of them."""

    rows = list(DimPartMonth.rows())

    assert [(it["part_month_key"], it["year_month"]) for it in rows] == [
        (-1, "Unknown"),
        (-2, "Not app"),
        (20260201, "2026-02"),
        (20260301, "2026-03"),
        (20260401, "2026-04"),
        (20260501, "2026-05"),
        (20260601, "2026-06"),
    ]
    assert (rows[2]["first_date"], rows[2]["last_date"]) == (date(2026, 2, 1), date(2026, 2, 28))


@given(st.integers(0, 49 * 365 * 86400).map(lambda it: START + timedelta(seconds=it)))
def test_a_moment_is_in_the_period_that_holds_its_day(moment: datetime) -> None:
    local = moment.astimezone(ZoneInfo("Asia/Tokyo"))
    first = date(local.year, (local.month - 1) // 3 * 3 + 1, 1)

    assert TRIMESTER_OF(moment) == date_key(first)


TRIMESTER_OF = DimTrimester.finder(zone="Asia/Tokyo")


def test_a_moment_outside_the_calendar_has_no_period() -> None:
    with pytest.raises(ValueError, match="lies outside DimDate"):
        TRIMESTER_OF(datetime(1999, 12, 31, tzinfo=UTC))
    assert TRIMESTER_OF(None) == -2


def test_a_calendar_that_becomes_another_has_other_periods() -> None:
    class DimLongDate(Calendar):
        """At first a month."""

        span = Span(date(2026, 2, 1), date(2026, 2, 28))

    class DimLongMonth(CalendarRollup, of=DimLongDate, attributes=("year_month",)):
        """Months of it."""

    march = datetime(2026, 3, 5, tzinfo=UTC)
    with pytest.raises(ValueError, match="lies outside"):
        DimLongMonth.finder(zone="UTC")(march)

    DimLongDate.cover(Span(date(2026, 2, 1), date(2026, 3, 31)))
    assert DimLongMonth.finder(zone="UTC")(march) == 20260301


def test_days_that_are_alike_and_apart_are_no_period() -> None:
    class DimAnyMarch(CalendarRollup, of=DimDate, attributes=("month_name",)):
        """Months without their year."""

    with pytest.raises(DeclarationError, match="2000-01-31 and 2001-01-01 are alike in month_name"):
        list(DimAnyMarch.rows())


@pytest.mark.parametrize(
    ("options", "why"),
    [
        ({}, "does not say which days of which calendar are one"),
        ({"of": DimDate, "attributes": "year"}, "does not say which days"),
        ({"of": DimDate, "attributes": ("yearmonth",)}, "DimDate has no column 'yearmonth'"),
        ({"of": DimDate, "attributes": ("full_date",)}, "DimDate has no column 'full_date'"),
    ],
)
def test_a_rollup_of_nothing_is_refused(options: dict[str, Any], why: str) -> None:
    with pytest.raises(DeclarationError, match=why):
        type("DimWrongRollup", (CalendarRollup,), {}, **options)
