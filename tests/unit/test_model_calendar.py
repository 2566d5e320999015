"""Fiscal years of months, of weeks and by a list; holidays; minutes of a day."""

from collections import Counter
from datetime import UTC, date, datetime, timedelta, timezone
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from sqlalchemy import String
from sqlalchemy.orm import Mapped

from strandline.errors import DeclarationError
from strandline.model import (
    Calendar,
    Fact,
    Months,
    Period,
    Periods,
    Span,
    TimeOfDay,
    Weeks,
    grain,
    references,
)

RETAIL = Weeks("4-5-4", ends="saturday", month=1, rule="nearest", named="start")
"""The calendar of the National Retail Federation."""


class Shift(TimeOfDay):
    """Minutes of a day in three shifts."""


class Season(Calendar):
    """A calendar for these tests."""

    span = Span(date(2023, 1, 1), date(2024, 12, 31))


@pytest.mark.parametrize(
    ("year", "first", "weeks"),
    [
        (2017, date(2017, 1, 29), 53),
        (2018, date(2018, 2, 4), 52),
        (2022, date(2022, 1, 30), 52),
        (2023, date(2023, 1, 29), 53),
        (2024, date(2024, 2, 4), 52),
        (2025, date(2025, 2, 2), 52),
    ],
)
def test_retail_years_begin_on_the_published_days(year: int, first: date, weeks: int) -> None:
    """And have 52 or 53 weeks; the 53rd belongs to the last period."""
    begin, end = RETAIL.place(first), RETAIL.place(first + timedelta(days=7 * weeks - 1))

    assert begin == (year, 1, 1, 1)
    assert end == (year, 4, 12, weeks)
    assert RETAIL.place(first - timedelta(days=1)).year == year - 1
    assert RETAIL.place(first + timedelta(days=7 * weeks)) == (year + 1, 1, 1, 1)


def test_a_year_of_weeks_may_end_on_the_last_weekday_of_a_month() -> None:
    """On the last Saturday of September, as Apple's mostly does: 2023 had 53 weeks until 30 September."""
    weeks = Weeks("5-4-4", ends="saturday", month=9)

    assert weeks.place(date(2023, 9, 30)) == (2023, 4, 12, 53)
    assert weeks.place(date(2023, 10, 1)) == (2024, 1, 1, 1)
    assert weeks.place(date(2024, 9, 28)) == (2024, 4, 12, 52)


rules = st.builds(
    Weeks,
    st.sampled_from(["4-4-5", "4-5-4", "5-4-4"]),
    ends=st.sampled_from(["friday", "saturday", "sunday"]),
    month=st.integers(1, 12),
    rule=st.sampled_from(["last", "nearest"]),
    named=st.sampled_from(["start", "end"]),
)


@given(rules, st.integers(1950, 2080))
def test_years_of_weeks_follow_each_other_without_a_gap_and_hold_whole_weeks(rule: Weeks, year: int) -> None:
    """Every day of some years: weeks of seven days, periods in the pattern, years of 52 or 53 weeks."""
    first = rule.last_day(year) + timedelta(days=1)
    days = [first + timedelta(days=number) for number in range((rule.last_day(year + 2) - first).days + 1)]
    places = [rule.place(day) for day in days]
    per_week = Counter((place.year, place.week) for place in places)
    per_period = Counter((place.year, place.period) for place in places)

    assert set(per_week.values()) == {7}
    for fiscal_year in {place.year for place in places}:
        weeks = sum(1 for found, _ in per_week if found == fiscal_year)
        pattern = [per_period[fiscal_year, period] // 7 for period in range(1, 13)]
        assert weeks in (52, 53)
        expected = [int(each) for each in rule.pattern.split("-")] * 4
        expected[-1] += weeks - 52
        assert pattern == expected
    assert places == sorted(places)


def test_periods_of_a_list_are_found_and_days_outside_have_none() -> None:
    begins = [date(2026, 1, 1) + timedelta(days=28 * number) for number in range(13)]
    thirteen = [
        Period(2026, number, first, first + timedelta(days=27)) for number, first in enumerate(begins, 1)
    ]
    periods = Periods(thirteen)

    assert periods.place(date(2026, 1, 28)) == (2026, None, 1, None)
    assert periods.place(date(2026, 1, 29)) == (2026, None, 2, None)
    assert periods.place(date(2025, 12, 31)) is None
    assert periods.place(date(2026, 12, 31)) is None


JANUARY = Period(2026, 1, date(2026, 1, 1), date(2026, 1, 31))


@pytest.mark.parametrize(
    ("periods", "why"),
    [
        ([], "there are none"),
        (
            [JANUARY, Period(2026, 2, date(2026, 1, 31), date(2026, 2, 28))],
            r"period 1 of 2026 \(2026-01-01 to 2026-01-31\) and period 2 of 2026 \(2026-01-31 .*\) overlap",
        ),
        ([JANUARY, Period(2026, 2, date(2026, 2, 2), date(2026, 2, 28))], "days are missing"),
        ([JANUARY, Period(2026, 1, date(2026, 2, 1), date(2026, 2, 28))], "is there twice"),
        ([Period(2026, 1, date(2026, 2, 1), date(2026, 1, 1))], "ends before it begins"),
    ],
)
def test_periods_that_do_not_follow_each_other_are_refused(periods: list[Period], why: str) -> None:
    with pytest.raises(DeclarationError, match=why):
        Periods(periods)


@pytest.mark.parametrize(
    ("declare", "why"),
    [
        (lambda: Weeks("4-4-4"), "pattern='4-4-4' is not known"),  # type: ignore[arg-type]  # that is the point
        (lambda: Weeks("4-4-5", ends="Sat"), "ends='Sat' is not known"),  # type: ignore[arg-type]  # that is the point
        (lambda: Weeks("4-4-5", month=0), "0 is no month"),
        (lambda: Months(13), "13 is no month"),
        (lambda: Season.cover(Span(fiscal_start_month=2), fiscal=RETAIL), "both tell the fiscal year"),
        (lambda: Shift.divide({"late": 6}), "{'late': 6} does not divide a day"),
        (lambda: Shift.divide({"early": 0, "late": 0}), "{'early': 0, 'late': 0} does not divide a day"),
        (lambda: Shift.divide({}), "does not divide a day"),
    ],
)
def test_a_declaration_that_makes_no_sense_is_refused(declare: Any, why: str) -> None:
    with pytest.raises(DeclarationError, match=why):
        declare()


def test_holidays_are_no_workdays() -> None:
    Season.cover(Span(date(2026, 12, 24), date(2026, 12, 28)), holidays={date(2026, 12, 25): "Christmas Day"})
    found = {row["full_date"]: row for row in Season.rows() if row["date_key"] > 0}

    assert [row["is_workday"] for row in found.values()] == [True, False, False, False, True]
    assert [row["holiday_name"] for row in found.values()] == [None, "Christmas Day", None, None, None]


def test_a_time_of_day_is_the_minute_that_the_clocks_of_the_zone_show() -> None:
    find = Shift.finder(zone="Europe/Berlin")
    plus_five = timezone(timedelta(hours=5))

    assert find(datetime(2026, 1, 1, 23, 30, 59, tzinfo=UTC)) == 30
    assert find(datetime(2026, 7, 1, 12, 5, tzinfo=UTC)) == 1405
    assert find(datetime(2026, 7, 1, 5, 0, tzinfo=plus_five)) == 200
    assert find(None) == -2
    with pytest.raises(ValueError, match="2026-07-01 is a date without a time"):
        find(date(2026, 7, 1))


def test_a_day_has_1440_minutes_in_declared_parts() -> None:
    Shift.divide({"night": 0, "early": 6, "late": 14, "night again": 22})
    rows = {row["time_key"]: row for row in Shift.rows()}

    assert len(rows) == 1442
    assert rows[-1]["time_name"] == "Unknown"
    assert rows[559]["part_of_day"] == "night"
    six, last = rows[600], rows[2359]
    assert (six["part_of_day"], six["time_name"], six["minute_of_day"]) == ("early", "06:00", 360)
    assert (last["part_of_day"], last["hour_12"], last["am_pm"]) == ("night again", 11, "pm")
    assert (rows[0]["hour_12"], rows[1200]["hour_12"]) == (12, 12)


def test_a_date_has_no_time_of_day() -> None:
    with pytest.raises(DeclarationError, match=r"FactNoon.time_key: .*on='day' has no time of day"):

        class FactNoon(Fact):
            """A day."""

            id: Mapped[str] = grain(String(5))
            day: Mapped[date] = grain()
            time_key: Mapped[int] = references(Shift, on="day")
