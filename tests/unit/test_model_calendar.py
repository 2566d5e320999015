"""Fiscal years of months, of weeks and by a list; holidays; minutes of a day."""

from collections import Counter
from datetime import UTC, date, datetime, timedelta, timezone
from types import MappingProxyType
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


@pytest.mark.parametrize(
    ("start", "day", "expected"),
    [
        (1, date(2026, 1, 1), (2026, 1, 1)),
        (1, date(2026, 12, 31), (2026, 4, 12)),
        (4, date(2026, 3, 31), (2026, 4, 12)),
        (4, date(2026, 4, 1), (2027, 1, 1)),
        (12, date(2026, 12, 1), (2027, 1, 1)),
    ],
)
def test_a_year_of_months_is_named_after_that_in_which_it_ends(
    start: int, day: date, expected: tuple[int, int, int]
) -> None:
    assert Months(start).place(day) == (*expected, None)


def test_a_year_that_ends_with_december_is_that_calendar_year_however_it_is_named() -> None:
    """Though it may begin in the December before."""
    for named in ("start", "end"):
        weeks = Weeks("4-4-5", ends="saturday", named=named)

        assert weeks.place(date(2025, 12, 28)) == (2026, 1, 1, 1)
        assert weeks.place(date(2026, 12, 26)) == (2026, 4, 12, 52)


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


@given(rules, st.integers(1950, 2080))
def test_a_year_of_weeks_ends_where_a_search_among_days_finds_its_end(rule: Weeks, year: int) -> None:
    """Found by looking at each day in turn, with no arithmetic of weekdays."""
    month_end = date(year, rule.month, 28)
    while (month_end + timedelta(days=1)).month == rule.month:
        month_end += timedelta(days=1)
    around = [month_end + timedelta(days=number) for number in range(-6, 7)]
    candidates = [day for day in around if f"{day:%A}".lower() == rule.ends]
    if rule.rule == "last":
        expected = max(day for day in candidates if day <= month_end)
    else:
        expected = min(candidates, key=lambda day: abs(day - month_end))

    assert rule.last_day(year) == expected


@given(st.dates(date(1800, 1, 1), date(2200, 12, 31)))
def test_years_that_end_on_the_sunday_nearest_to_new_year_are_those_of_iso(day: date) -> None:
    """ISO 8601 has the same rule in other words: the year holds its first Thursday."""
    place = Weeks("4-4-5", ends="sunday", month=12, rule="nearest").place(day)

    assert (place.year, place.week) == day.isocalendar()[:2]


@given(st.lists(st.integers(1, 40), min_size=1, max_size=30), st.integers(1, 14))
def test_each_day_of_a_list_stands_in_the_one_period_that_holds_it(lengths: list[int], in_year: int) -> None:
    first, periods = date(2026, 1, 1), []
    for number, length in enumerate(lengths):
        year, place = divmod(number, in_year)
        periods.append(Period(2026 + year, place + 1, first, first + timedelta(days=length - 1)))
        first += timedelta(days=length)
    listed = Periods(periods[::-1])

    for offset in range(-1, sum(lengths) + 1):
        day = date(2026, 1, 1) + timedelta(days=offset)
        holding = [(it.year, it.number) for it in periods if it.first <= day <= it.last]
        found = listed.place(day)
        assert ([(found.year, found.period)] if found else []) == holding


def test_quarters_are_those_of_the_periods_1_to_12() -> None:
    """Twelve periods under other numbers have none."""
    months = [date(2026, month, 1) for month in range(1, 13)]
    ends = [*(day - timedelta(days=1) for day in months[1:]), date(2026, 12, 31)]
    plain = Periods([Period(2026, *it) for it in zip(range(1, 13), months, ends, strict=True)])
    shifted = Periods([Period(2026, *it) for it in zip(range(2, 14), months, ends, strict=True)])

    assert [plain.place(day) for day in (months[2], months[3])] == [(2026, 1, 3, None), (2026, 2, 4, None)]
    assert shifted.place(months[2]) == (2026, None, 4, None)


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


MOMENT = datetime(2026, 12, 25, 12, 0, tzinfo=UTC)
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
        (
            [JANUARY, Period(2026, 1, date(2026, 2, 1), date(2026, 2, 28))],
            r"period 1 of 2026 \(2026-02-01 .*\) follows period 1 of 2026 \(2026-01-01 ",
        ),
        ([JANUARY, Period(2025, 12, date(2026, 2, 1), date(2026, 2, 28))], "period 12 of 2025 .* follows"),
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
        (lambda: Span(MOMENT, date(2026, 1, 2)), r"Span: datetime.* is no date"),
        (lambda: Span(date(2026, 1, 1), date(9999, 12, 31)), "9999-12-31 is out of reach"),
        (lambda: Period(2026, 0, date(2026, 1, 1), date(2026, 1, 2)), "0 is no period"),
        (lambda: Period(2026, 1, MOMENT, date(2026, 1, 2)), r"Period\(2026, 1\): datetime.* is no date"),
        (lambda: Season.cover(Span(), holidays={"2026-12-25": "Christmas"}), "'2026-12-25' is no date"),  # type: ignore[dict-item]  # that is the point
        (lambda: Season.cover(Span(), holidays={MOMENT: "Noon"}), r"holidays: datetime.* is no date"),
        (lambda: Season.cover(Span(), holidays={date(2026, 12, 25): ""}), "'', has 0 characters"),
        (lambda: Shift.divide({"day": 0, "n" * 41: 20}), "has 41 characters"),
        (lambda: Shift.divide({"day": 0, "night": 20.5}), r"20\.5} does not divide a day"),  # type: ignore[dict-item]  # that is the point
        (lambda: references(Shift, on="at", zone="Europe/Berln"), "no such time zone: 'Europe/Berln'"),
        (lambda: Shift.divide({"late": 6}), "{'late': 6} does not divide a day"),
        (lambda: Shift.divide({"early": 0, "late": 0}), "{'early': 0, 'late': 0} does not divide a day"),
        (lambda: Shift.divide({"day": 0, "never": 24}), "'never': 24} does not divide a day"),
        (lambda: Shift.divide({}), "{} does not divide a day"),
    ],
)
def test_a_declaration_that_makes_no_sense_is_refused(declare: Any, why: str) -> None:
    with pytest.raises(DeclarationError, match=why):
        declare()


def test_what_a_class_says_of_itself_is_checked_when_it_is_made() -> None:
    """As strictly as what is told to `cover` and `divide`."""
    with pytest.raises(DeclarationError, match=r"DimTwice: .* both tell the fiscal year"):

        class DimTwice(Calendar):
            """A year told twice."""

            span = Span(fiscal_start_month=4)
            fiscal = RETAIL

    with pytest.raises(DeclarationError, match="DimText: holidays: '2026-12-25' is no date"):

        class DimText(Calendar):
            """Holidays as a file has them."""

            holidays = MappingProxyType({"2026-12-25": "Christmas"})  # type: ignore[dict-item]  # that is the point

    with pytest.raises(DeclarationError, match=r"DimLate: \{'late': 6\} does not divide a day"):

        class DimLate(TimeOfDay):
            """A day that begins at six."""

            parts = MappingProxyType({"late": 6})


def test_a_refused_declaration_leaves_the_one_before() -> None:
    Season.cover(Span(date(2026, 12, 24), date(2026, 12, 28)), holidays={date(2026, 12, 25): "Christmas Day"})
    before = Season.declaration()
    with pytest.raises(DeclarationError):
        Season.cover(Span(), holidays={date(2026, 12, 25): ""})

    assert Season.declaration() == before


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


def test_an_hour_that_comes_twice_or_never_is_what_the_clocks_showed() -> None:
    """Berlin set them back at 01:00 UTC on 25 October 2026, and forward on 29 March."""
    find = Shift.finder(zone="Europe/Berlin")
    back = [find(datetime(2026, 10, 25, hour, 30, tzinfo=UTC)) for hour in (0, 1, 2)]
    forward = [find(datetime(2026, 3, 29, 0, 59, tzinfo=UTC)), find(datetime(2026, 3, 29, 1, 0, tzinfo=UTC))]

    assert back == [230, 230, 330]
    assert forward == [159, 300]


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
