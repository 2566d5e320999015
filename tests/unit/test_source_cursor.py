"""The mark moves forward, never too far, and what is asked for never skips a record."""

from datetime import UTC, date, datetime, timedelta
from typing import Any
from zoneinfo import ZoneInfo

import pytest
from hypothesis import given
from hypothesis import strategies as st

from strandline.errors import DeclarationError, OrderBroken
from strandline.source import Cursor, Precision

NOON = datetime(2026, 3, 4, 12, 30, 45, 123456, tzinfo=UTC)

NAIVE = datetime.fromisoformat("2026-01-01T00:00:00")

moments = st.datetimes(
    datetime.fromisoformat("1990-01-01"), datetime.fromisoformat("2090-01-01"), timezones=st.just(UTC)
)
lags = st.timedeltas(timedelta(0), timedelta(days=400))
zones = st.sampled_from(["UTC", "Europe/Berlin", "America/Los_Angeles", "Pacific/Auckland", "Asia/Kolkata"])


def test_without_a_mark_there_is_nothing_to_ask_from() -> None:
    assert Cursor("at").since(None) is None


@pytest.mark.parametrize(
    ("precision", "since"),
    [
        (Precision.MICROSECOND, NOON),
        (Precision.MILLISECOND, NOON.replace(microsecond=123000)),
        (Precision.SECOND, NOON.replace(microsecond=0)),
        (Precision.MINUTE, NOON.replace(second=0, microsecond=0)),
        (Precision.DAY, date(2026, 3, 4)),
    ],
)
def test_what_is_asked_for_has_the_precision_of_the_sources_filter(precision: Precision, since: Any) -> None:
    assert Cursor("at", precision=precision).since(NOON) == since
    assert type(Cursor("at", precision=precision).since(NOON)) is type(since)


def test_a_day_is_a_day_of_the_sources_zone() -> None:
    """At 02:00 UTC it is still yesterday in New York, and a filter by today would lose yesterday's
    evening.
    """
    cursor = Cursor("at", precision=Precision.DAY, zone="America/New_York")

    assert cursor.since(datetime(2026, 3, 4, 2, tzinfo=UTC)) == date(2026, 3, 3)


@pytest.mark.parametrize(
    ("mark", "asked"),
    [
        ("2026-10-25T00:30:00Z", date(2026, 10, 25)),  # 02:30, for the first time
        ("2026-10-25T01:30:00Z", date(2026, 10, 25)),  # 02:30, for the second
        ("2026-10-25T22:59:59Z", date(2026, 10, 25)),  # the last second of a day of 25 hours
        ("2026-10-25T23:00:00Z", date(2026, 10, 26)),
        ("2026-03-28T23:00:00Z", date(2026, 3, 29)),  # the first second of a day of 23 hours
        ("2026-03-29T21:59:59Z", date(2026, 3, 29)),
        ("2026-03-29T22:00:00Z", date(2026, 3, 30)),
    ],
)
def test_a_day_on_which_clocks_change_is_one_day(mark: str, asked: date) -> None:
    cursor = Cursor("at", precision=Precision.DAY, zone="Europe/Berlin")

    assert cursor.since(datetime.fromisoformat(mark)) == asked


def test_a_window_over_a_change_of_clocks_is_as_long_as_it_says() -> None:
    mark = datetime(2026, 10, 25, 4, tzinfo=ZoneInfo("Europe/Berlin"))

    assert Cursor("at", lookback=timedelta(hours=3)).since(mark) == datetime(2026, 10, 25, tzinfo=UTC)


@pytest.mark.parametrize("changed", ["2026-03-29", "2026-10-25", "2026-06-15"])
def test_an_exclusive_filter_by_day_asks_for_the_day_before_a_change_of_clocks_too(changed: str) -> None:
    day = date.fromisoformat(changed)
    cursor = Cursor("at", precision=Precision.DAY, inclusive=False, unique=True, zone="Europe/Berlin")
    for hour in range(24):
        mark = datetime(day.year, day.month, day.day, hour, 15, tzinfo=ZoneInfo("Europe/Berlin"))
        asked = cursor.since(mark)
        assert isinstance(asked, date)
        assert asked < day


def test_lookback_reads_a_window_again() -> None:
    assert Cursor("at", lookback=timedelta(hours=2)).since(NOON) == NOON - timedelta(hours=2)
    assert Cursor("day", lookback=timedelta(hours=30)).since(date(2026, 3, 4)) == date(2026, 3, 2)


def test_looking_back_beyond_the_calendar_starts_at_its_beginning() -> None:
    assert Cursor("at", lookback=timedelta(days=900_000)).since(NOON) == datetime.min.replace(tzinfo=UTC)
    assert Cursor("day", lookback=timedelta(days=900_000)).since(date(2026, 3, 4)) == date.min


def test_a_coarse_exclusive_filter_starts_one_step_earlier() -> None:
    cursor = Cursor("at", precision=Precision.DAY, inclusive=False, unique=True)

    assert cursor.since(NOON) == date(2026, 3, 3)


def test_an_exclusive_filter_needs_a_unique_cursor() -> None:
    with pytest.raises(DeclarationError, match="exclusive filter loses records"):
        Cursor("at", inclusive=False)


@pytest.mark.parametrize(
    "wrong", [{"lag": timedelta(-1)}, {"lookback": timedelta(-1)}, {"zone": "Mars/Base"}]
)
def test_a_cursor_that_cannot_work_is_refused(wrong: dict[str, Any]) -> None:
    with pytest.raises(DeclarationError, match="Cursor"):
        Cursor("at", **wrong)


@given(mark=moments, precision=st.sampled_from(Precision), lookback=lags, zone=zones, exclusive=st.booleans())
def test_no_record_after_the_mark_is_skipped(
    mark: Any, precision: Precision, lookback: timedelta, zone: str, exclusive: bool
) -> None:
    """The source compares what it truncates, as a date-only API does."""
    cursor = Cursor(
        "at", precision=precision, lookback=lookback, zone=zone, inclusive=not exclusive, unique=exclusive
    )

    since: Any = cursor.since(mark)

    later = mark + timedelta(microseconds=1)
    seen_by_source: Any = precision.truncate(
        later.astimezone(ZoneInfo(zone) if precision is Precision.DAY else UTC)
    )
    if not isinstance(since, datetime):
        seen_by_source = seen_by_source.date()
    assert since < seen_by_source if exclusive else since <= seen_by_source


@given(mark=st.none() | moments, highest=st.none() | moments, start=moments, lag=lags)
def test_the_mark_never_moves_back_and_never_past_run_start_minus_lag(
    mark: Any, highest: Any, start: datetime, lag: timedelta
) -> None:
    new: Any = Cursor("at", lag=lag).advance(mark, highest=highest, run_start=start)

    if mark is not None:
        assert new >= mark
    if new is not None and new != mark:
        assert new <= start - lag
        assert new <= highest


@given(mark=st.none() | st.integers(), highest=st.integers())
def test_an_integer_cursor_knows_no_clock(mark: Any, highest: Any) -> None:
    new = Cursor("version", lag=timedelta(0)).advance(mark, highest=highest, run_start=NOON)

    assert new == (highest if mark is None else max(mark, highest))


def test_a_date_cursor_stays_within_the_day_of_the_run() -> None:
    cursor = Cursor("day", lag=timedelta(days=1))

    assert cursor.advance(None, highest=date(2030, 1, 1), run_start=NOON) == date(2026, 3, 3)


def test_a_cursor_that_changed_its_type_says_so() -> None:
    with pytest.raises(DeclarationError, match="the mark 5 is a int") as caught:
        Cursor("at").advance(5, highest=NOON, run_start=NOON)

    assert "--full" in str(caught.value.hint)
    assert Cursor("at").advance(5, highest=NOON, run_start=NOON, is_full=True) == NOON


def test_a_full_read_lowers_no_mark() -> None:
    cursor = Cursor("version", lag=timedelta(0))

    assert cursor.advance(5, highest=3, run_start=NOON, is_full=True) == 5


@given(moments | st.dates() | st.integers() | st.text())
def test_an_encoded_mark_comes_back_with_its_type(value: Any) -> None:
    cursor = Cursor("at")

    assert cursor.decode(cursor.encode(value)) == value
    assert type(cursor.decode(cursor.encode(value))) is type(value)


@pytest.mark.parametrize("value", [True, 1.5, None, NAIVE])
def test_what_cannot_be_a_mark_is_refused(value: Any) -> None:
    with pytest.raises(ValueError, match="mark"):
        Cursor("at").encode(value)


@pytest.mark.parametrize("text", ["", "2026-01-01", "float:1.5"])
def test_what_is_no_encoded_mark_is_refused(text: Any) -> None:
    with pytest.raises(ValueError, match="not an encoded mark"):
        Cursor("at").decode(text)


def test_records_that_come_out_of_their_declared_order_are_noticed() -> None:
    cursor = Cursor("at", ordered=True)

    assert cursor.follow(cursor.follow(None, 1, where="crm.customers"), 1, where="crm.customers") == 1
    with pytest.raises(OrderBroken, match=r"crm.customers: at 1 came after 2"):
        cursor.follow(2, 1, where="crm.customers")
