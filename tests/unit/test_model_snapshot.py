"""Snapshots: what is declared, what follows from it, and what cannot be."""

from collections.abc import Callable
from datetime import UTC, date, datetime, timedelta
from decimal import Decimal
from itertools import pairwise
from typing import Any

import pytest
from sqlalchemy import String, make_url
from sqlalchemy.orm import Mapped

from strandline.errors import DeclarationError, RecordRejected
from strandline.model import (
    AccumulatingSnapshot,
    DimDate,
    Fact,
    Mapper,
    PeriodicSnapshot,
    degenerate,
    event_time,
    field,
    grain,
    lag,
    measure,
    milestone,
    period,
    references,
)
from strandline.model.conversion import compile_mapper
from strandline.model.milestone import predecessors
from strandline.model.period import Every, first_day, steps
from strandline.pipeline import Pipeline
from strandline.source import Pages, Record, Source, stream

POSTGRES = make_url("postgresql+psycopg://").get_dialect()()


class Claim(Record):
    """A claim."""

    id: str
    number: int = 0
    reported: datetime | None = None
    decided: datetime | None = None
    paid: datetime | None = None


class Insurer(Source):
    """Claims."""

    @stream(Claim, key="id")
    def claims(self) -> Pages:
        """None."""
        return iter(())


class FactClaim(AccumulatingSnapshot):
    """One row a claim."""

    claim_id: Mapped[str] = grain(String(10))
    reported_at: Mapped[datetime | None] = milestone()
    decided_at: Mapped[datetime | None] = milestone(after="reported_at")
    paid_at: Mapped[datetime | None] = milestone(after="decided_at")
    days_to_pay: Mapped[Decimal | None] = lag("reported_at", "paid_at", unit="days")
    paid_date_key: Mapped[int] = references(DimDate, on="paid_at")


class InsurerClaim(Mapper[Claim, FactClaim]):
    """Claims."""

    claim_id = field("id")
    reported_at = field("reported")
    decided_at = field("decided")
    paid_at = field("paid")


def day(number: int) -> datetime:
    return datetime(2026, 1, number, tzinfo=UTC)


def test_milestones_lags_and_what_follows_them_are_known() -> None:
    assert list(FactClaim.milestones()) == ["reported_at", "decided_at", "paid_at"]
    assert predecessors(FactClaim.table(), "paid_at") == ["decided_at", "reported_at"]
    assert FactClaim.following()["paid_date_key"] == "paid_at"
    assert FactClaim.lags()["days_to_pay"].seconds == 86_400
    assert FactClaim.table().c.days_to_pay.comment == "Days from reported_at to paid_at"


def test_the_first_milestone_is_the_event_time_where_none_is_declared() -> None:
    found = FactClaim.event_time_column()

    assert found is not None
    assert found.name == "reported_at"


@pytest.mark.parametrize(
    ("claim", "words"),
    [
        (Claim(id="1", reported=day(2), decided=day(1)), "decided_at (from decided)"),
        (Claim(id="1", reported=day(2), paid=day(1)), "paid_at (from paid)"),
    ],
)
def test_a_record_whose_milestones_are_the_wrong_way_round_is_refused(claim: Claim, words: str) -> None:
    """Also when the milestone between them is not known."""
    conversion = compile_mapper(InsurerClaim, POSTGRES)
    with pytest.raises(ValueError, match="lies before"):
        conversion.convert(claim, 1, "1", day(1), day(1))
    why = conversion.explain(claim)

    assert why.rule == "milestone"
    assert why.message == (
        f"InsurerClaim.{words}: 2026-01-01 00:00:00+00:00 lies before reported_at,"
        " which is 2026-01-02 00:00:00+00:00"
    )


class FactClaimPaid(Fact, deletes="reverse"):
    """One row a claim, and one that negates it."""

    claim_id: Mapped[str] = grain(String(10))
    paid_at: Mapped[datetime] = event_time()
    paid_date_key: Mapped[int] = references(DimDate, on="paid_at")


class InsurerPaid(Mapper[Claim, FactClaimPaid]):
    """Claims."""

    claim_id = field("id")
    paid_at = field("paid")


def test_a_fact_that_reverses_has_a_second_row_in_its_key() -> None:
    assert [column.name for column in FactClaimPaid.row_key()] == ["claim_id", "is_reversal"]
    assert [column.name for column in FactClaimPaid.grain()] == ["claim_id"]
    assert FactClaimPaid.restates_history
    assert not Fact.restates_history


def test_a_deletion_that_the_calendar_cannot_hold_is_a_reject() -> None:
    conversion = compile_mapper(InsurerPaid, POSTGRES)
    told = conversion.at_deletion(day(3))
    with pytest.raises(RecordRejected, match=r"InsurerPaid\.paid_date_key: 1999-01-03 lies outside DimDate"):
        conversion.at_deletion(day(3).replace(year=1999))

    assert told == {"paid_at": day(3), "paid_date_key": 20260103}


@pytest.mark.parametrize(
    ("every", "first"),
    [
        ("day", date(2026, 5, 14)),
        ("week", date(2026, 5, 11)),
        ("month", date(2026, 5, 1)),
        ("quarter", date(2026, 4, 1)),
        ("year", date(2026, 1, 1)),
    ],
)
def test_a_period_is_called_by_its_first_day(every: Every, first: date) -> None:
    following = list(steps(first, first + timedelta(days=800), every=every))

    assert first_day(date(2026, 5, 14), every) == first
    assert following[0] == first
    assert following == sorted({first_day(day, every) for day in following})
    assert all(first_day(it - timedelta(days=1), every) == before for before, it in pairwise(following))


def test_a_periodic_snapshot_has_its_period_in_its_key() -> None:
    class FactClaimMonth(PeriodicSnapshot, every="month", fill="last", zone="Asia/Tokyo"):
        claim_id: Mapped[str] = grain(String(10))
        month: Mapped[date] = period()
        reserve: Mapped[int] = measure(additive="semi")

    columns = FactClaimMonth.table().c
    assert [column.name for column in FactClaimMonth.row_key()] == ["claim_id", "month"]
    assert FactClaimMonth.period_of()(datetime(2026, 1, 31, 15, tzinfo=UTC)) == date(2026, 2, 1)
    assert columns.reserve.comment == "Semi-additive: it adds up over everything but time"
    assert {"is_filled", "deleted_in"} <= set(columns.keys())


def test_a_moment_that_the_zone_has_no_day_for_is_a_reject() -> None:
    class FactClaimDay(PeriodicSnapshot, every="day", zone="Asia/Tokyo"):
        claim_id: Mapped[str] = grain(String(10))
        day: Mapped[date] = period()

    class InsurerDay(Mapper[Claim, FactClaimDay]):
        claim_id = field("id")

    conversion = compile_mapper(InsurerDay, POSTGRES)
    last = datetime(9999, 12, 31, 20, tzinfo=UTC)
    with pytest.raises(OverflowError):
        conversion.convert(Claim(id="1"), 1, "1", last, last)

    assert conversion.explain(Claim(id="1"), last).field == "day"


def no_period() -> None:
    class FactClaimNoPeriod(PeriodicSnapshot, every="month"):
        claim_id: Mapped[str] = grain()


def period_of_a_plain_fact() -> None:
    class FactClaimOdd(Fact):
        claim_id: Mapped[str] = grain()
        month: Mapped[date] = period()


def no_every() -> None:
    class FactClaimNoEvery(PeriodicSnapshot):
        claim_id: Mapped[str] = grain()
        month: Mapped[date] = period()


def fill_with_zeros() -> None:
    zeros: Any = "zero"

    class FactClaimZero(PeriodicSnapshot, every="month", fill=zeros):
        claim_id: Mapped[str] = grain()
        month: Mapped[date] = period()


def no_zone() -> None:
    class FactClaimZone(PeriodicSnapshot, every="month", zone="Europe/Atlantis"):
        claim_id: Mapped[str] = grain()
        month: Mapped[date] = period()


def half_additive() -> None:
    half: Any = "half"
    measure(additive=half)


def another_policy() -> None:
    policy: Any = "forget"

    class FactClaimPolicy(Fact, deletes=policy):
        claim_id: Mapped[str] = grain()


def snapshot_that_reverses() -> None:
    class FactClaimSnapshot(AccumulatingSnapshot, deletes="reverse"):
        claim_id: Mapped[str] = grain()
        done_at: Mapped[datetime] = milestone()


def reversal_on_a_day() -> None:
    class FactClaimReversal(Fact, deletes="reverse"):
        claim_id: Mapped[str] = grain()
        done_on: Mapped[date] = event_time()


def reversal_that_is_declared() -> None:
    class FactClaimDeclared(Fact, deletes="reverse"):
        claim_id: Mapped[str] = grain()
        is_reversal: Mapped[bool] = degenerate()


def milestone_of_a_plain_fact() -> None:
    class FactClaimPlain(Fact):
        plain_id: Mapped[str] = grain()
        done_at: Mapped[datetime] = milestone()


def no_milestone() -> None:
    class FactClaimNever(AccumulatingSnapshot):
        never_id: Mapped[str] = grain()


def after_nothing() -> None:
    class FactClaimEarly(AccumulatingSnapshot):
        early_id: Mapped[str] = grain()
        done_at: Mapped[datetime] = milestone(after="begun_at")
        begun_at: Mapped[datetime] = milestone()


def milestone_that_is_a_day() -> None:
    class FactClaimDone(AccumulatingSnapshot):
        day_id: Mapped[str] = grain()
        done_on: Mapped[date] = milestone()


def lag_to_nowhere() -> None:
    class FactClaimLag(AccumulatingSnapshot):
        lag_id: Mapped[str] = grain()
        done_at: Mapped[datetime] = milestone()
        days: Mapped[Decimal] = lag("begun_at", "done_at", unit="days")


def lag_that_is_never_empty() -> None:
    class FactClaimEmpty(AccumulatingSnapshot):
        empty_id: Mapped[str] = grain()
        begun_at: Mapped[datetime] = milestone()
        done_at: Mapped[datetime | None] = milestone(after="begun_at")
        days: Mapped[Decimal] = lag("begun_at", "done_at", unit="days")


def lag_in_weeks() -> None:
    unit: Any = "weeks"
    lag("begun_at", "done_at", unit=unit)


def grain_that_is_not_the_key() -> None:
    class InsurerOther(Mapper[Claim, FactClaim]):
        def claim_id(self, record: Claim) -> str:
            return str(record.number)

    Pipeline("claims").sync(Insurer.claims, InsurerOther)


@pytest.mark.parametrize(
    ("declare", "words"),
    [
        (milestone_of_a_plain_fact, "FactClaimPlain.done_at: milestone() is for another kind of fact"),
        (no_milestone, "FactClaimNever has no milestone"),
        (after_nothing, "milestone(after='begun_at') names no milestone above it"),
        (milestone_that_is_a_day, "FactClaimDone.done_on: milestone() is a moment"),
        (lag_to_nowhere, "'begun_at' is no milestone of FactClaimLag"),
        (lag_that_is_never_empty, "is a number with decimals, empty while a milestone is"),
        (lag_in_weeks, "not a unit that is known"),
        (no_period, "FactClaimNoPeriod has no period"),
        (period_of_a_plain_fact, "FactClaimOdd.month: period() is for another kind of fact"),
        (no_every, "FactClaimNoEvery: every=None is no period that is known"),
        (fill_with_zeros, "FactClaimZero: fill='zero' is no way that is known"),
        (no_zone, "FactClaimZone: zone='Europe/Atlantis' is no time zone"),
        (half_additive, "measure(additive='half'): not a kind that is known"),
        (another_policy, "deletes='forget' is no policy that is known"),
        (snapshot_that_reverses, "is for facts that are events"),
        (reversal_on_a_day, "happens at a moment, and done_on is none"),
        (reversal_that_is_declared, "brings a column of that name along"),
        (grain_that_is_not_the_key, "a row of FactClaim is made of several records of one key"),
    ],
)
def test_what_cannot_work_is_refused_when_it_is_declared(declare: Callable[[], None], words: str) -> None:
    with pytest.raises(DeclarationError) as refused:
        declare()

    assert words in refused.value.message
    assert refused.value.hint
