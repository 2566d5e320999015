"""Dimensions, facts and their columns: what is declared, and what cannot be."""

from collections.abc import Callable
from datetime import date, datetime
from typing import Any

import pytest
import sqlalchemy as sa
from sqlalchemy import String
from sqlalchemy.orm import Mapped

from strandline.errors import DeclarationError
from strandline.model import (
    Calendar,
    Dimension,
    Fact,
    JunkDimension,
    Months,
    Span,
    attribute,
    degenerate,
    event_time,
    grain,
    measure,
    references,
)
from strandline.model.base import snake_case
from strandline.model.calendar import describe
from strandline.model.dimension import special_members
from strandline.model.fact import facts_of


class DimPart(Dimension):
    """A part."""

    label: Mapped[str] = attribute(String(3), scd=2)
    colour: Mapped[str] = attribute(sa.Enum("red", "blue", native_enum=False), scd=0)
    weight: Mapped[int | None] = attribute()


class DimFlags(JunkDimension):
    """Flags."""

    is_big: Mapped[bool] = attribute()


class Week(Calendar):
    """A week."""

    span = Span(date(2026, 1, 1), date(2026, 1, 7))


class FactUse(Fact):
    """One row a use of a part."""

    use_id: Mapped[str] = grain()
    used_at: Mapped[datetime] = event_time()
    part_key: Mapped[int] = references(DimPart, missing="unknown")
    substitute_key: Mapped[int] = references(DimPart, as_of=None, missing="reject")
    used_date_key: Mapped[int] = references(Week, on="used_at")


def test_a_dimension_knows_its_columns_by_what_they_mean() -> None:
    assert [column.name for column in DimPart.attributes()] == ["label", "colour", "weight"]
    assert [column.name for column in DimPart.attributes(0, 2)] == ["label", "colour"]
    assert [column.name for column in DimPart.required()] == ["label", "colour"]
    assert (DimPart.key_column().name, DimPart.durable_key_column().name) == ("part_key", "part_durable_key")
    assert DimPart(part_key=1).key == 1


def test_special_members_say_their_word_where_it_fits() -> None:
    """Cut to the column's length; an enumeration has no word for them."""
    unknown, nobody = special_members(DimPart)

    assert (unknown["label"], nobody["label"], unknown["weight"]) == ("Unk", "Not", None)
    assert unknown["colour"] is None


def test_a_fact_knows_its_references_by_role() -> None:
    assert list(FactUse.references()) == ["part_key", "substitute_key"]
    assert list(FactUse.date_references()) == ["used_date_key"]
    assert [column.name for column in FactUse.table().primary_key] == ["use_id", "source_system"]
    assert "part_missing" in FactUse.table().c
    assert "substitute_missing" not in FactUse.table().c


def test_a_team_may_have_an_abstract_base_of_its_own() -> None:
    class TeamFact(Fact):
        """What all facts of a team have."""

        __abstract__ = True
        reviewed: Mapped[bool | None] = degenerate()
        part_key: Mapped[int] = references(DimPart)

    class FactOfTeam(TeamFact):
        """One row a use."""

        of_team_id: Mapped[str] = grain()

    assert list(FactOfTeam.references()) == ["part_key"]
    assert set(facts_of(DimPart)) >= {FactUse, FactOfTeam}
    assert TeamFact not in set(facts_of(DimPart))


@pytest.mark.parametrize(
    ("name", "expected"),
    [("NetLedger", "net_ledger"), ("HTTPLog", "http_log"), ("DimX", "dim_x"), ("A1B", "a1_b")],
)
def test_tables_are_called_like_their_classes_in_snake_case(name: str, expected: str) -> None:
    assert snake_case(name) == expected


def _no_attribute() -> object:
    class DimEmpty(Dimension):
        """Nothing."""

    return DimEmpty


def _taken_name() -> object:
    class DimTaken(Dimension):
        version: Mapped[int] = attribute()

    return DimTaken


def _staged_name() -> object:
    class FactStaged(Fact):
        staged_id: Mapped[str] = grain()
        effective_at: Mapped[datetime] = event_time()

    return FactStaged


def _type_four() -> object:
    return attribute(scd=4)


def _no_grain() -> object:
    class FactGrainless(Fact):
        grainless_id: Mapped[str] = sa.orm.mapped_column(primary_key=True)
        amount: Mapped[int] = measure()

    return FactGrainless


def _as_of_nothing() -> object:
    class FactAsOf(Fact):
        as_of_id: Mapped[str] = grain()
        part_key: Mapped[int] = references(DimPart, as_of="used_at")

    return FactAsOf


def _date_without_on() -> object:
    class FactDateless(Fact):
        dateless_id: Mapped[str] = grain()
        date_key: Mapped[int] = references(Week)

    return FactDateless


def _on_of_no_date() -> object:
    class FactOn(Fact):
        on_id: Mapped[str] = grain()
        at: Mapped[datetime] = event_time()
        part_key: Mapped[int] = references(DimPart, on="at")

    return FactOn


def _policy() -> object:
    policy: Any = "invent"
    return references(DimPart, missing=policy)


def _gap() -> object:
    policy: Any = "first"
    return references(DimPart, gap=policy)


def _gap_without_a_moment() -> object:
    class FactTimeless(Fact):
        timeless_id: Mapped[str] = grain()
        part_key: Mapped[int] = references(DimPart, gap="unknown")

    return FactTimeless


def _durable_day() -> object:
    class FactDay(Fact):
        day_id: Mapped[str] = grain()
        at: Mapped[datetime] = event_time()
        date_key: Mapped[int] = references(Week, on="at", durable=True)

    return FactDay


def _companion() -> object:
    class FactTwin(Fact):
        twin_id: Mapped[str] = grain()
        part_durable_key: Mapped[str] = degenerate()
        part_key: Mapped[int] = references(DimPart, durable=True)

    return FactTwin


def _junk_of_floats() -> object:
    class DimFloats(JunkDimension):
        flag: Mapped[float] = attribute(sa.Float())

    return DimFloats


def _junk_with_a_history() -> object:
    class DimJunk(JunkDimension):
        flag: Mapped[str] = attribute(scd=2)

    return DimJunk


def _empty_junk() -> object:
    class DimNoJunk(JunkDimension):
        """Nothing."""

    return DimNoJunk


def _policy_of_a_combination() -> object:
    class FactJunk(Fact):
        junk_id: Mapped[str] = grain()
        flags_key: Mapped[int] = references(DimFlags, missing="unknown")

    return FactJunk


@pytest.mark.parametrize(
    ("declare", "message"),
    [
        (_junk_of_floats, "DimFloats.flag: values of Float() cannot be told apart"),
        (_junk_with_a_history, "DimJunk.flag: a combination has no history"),
        (_empty_junk, "DimNoJunk has no attribute"),
        (_policy_of_a_combination, "references(DimFlags): a combination is always there"),
        (_gap, "references(DimPart, gap='first'): not a policy that is known"),
        (_gap_without_a_moment, "FactTimeless.part_key: references(DimPart): gap='unknown' needs the moment"),
        (_durable_day, "FactDay.date_key: references(Week): durable= is for a dimension with versions"),
        (_companion, "FactTwin.part_durable_key: part_key brings a column of that name along"),
        (_no_attribute, "DimEmpty has no attribute"),
        (_taken_name, "DimTaken.version: strandline has a column of that name itself"),
        (_staged_name, "FactStaged.effective_at: strandline has a column of that name itself"),
        (_type_four, "attribute(scd=4): not a type that is known"),
        (_no_grain, "FactGrainless has no grain"),
        (_as_of_nothing, "references(DimPart): as_of='used_at' is no column of FactAsOf"),
        (_date_without_on, "FactDateless.date_key: references(Week) needs the date that is meant"),
        (_on_of_no_date, "FactOn.part_key: references(DimPart): on= is for a dimension of days or minutes"),
        (_policy, "references(DimPart, missing='invent'): not a policy that is known"),
        (lambda: Span(date(2026, 1, 2), date(2026, 1, 1)), "2026-01-02 lies after 2026-01-01"),
        (lambda: Span(fiscal_start_month=13), "fiscal_start_month=13 is no month"),
    ],
)
def test_what_cannot_be_is_told_when_it_is_declared(declare: Callable[[], object], message: str) -> None:
    with pytest.raises(DeclarationError) as caught:
        declare()

    assert message in caught.value.message
    assert caught.value.hint


@pytest.mark.parametrize(
    ("day", "iso_year", "iso_week", "day_of_week", "is_month_end"),
    [
        (date(2026, 1, 1), 2026, 1, 4, False),
        (date(2025, 12, 29), 2026, 1, 1, False),
        (date(2027, 1, 3), 2026, 53, 7, False),
        (date(2024, 2, 29), 2024, 9, 4, True),
        (date(2023, 1, 1), 2022, 52, 7, False),
    ],
)
def test_days_belong_to_iso_weeks(
    day: date, iso_year: int, iso_week: int, day_of_week: int, is_month_end: bool
) -> None:
    row = describe(day)

    assert (row["iso_year"], row["iso_week"], row["day_of_week"]) == (iso_year, iso_week, day_of_week)
    assert row["is_month_end"] is is_month_end
    assert row["is_weekend"] is (day_of_week > 5)


@pytest.mark.parametrize(
    ("start", "day", "fiscal"),
    [
        (1, date(2026, 1, 1), (2026, 1, 1)),
        (1, date(2026, 12, 31), (2026, 4, 12)),
        (4, date(2026, 3, 31), (2026, 4, 12)),
        (4, date(2026, 4, 1), (2027, 1, 1)),
        (10, date(2026, 9, 30), (2026, 4, 12)),
        (10, date(2026, 10, 1), (2027, 1, 1)),
        (12, date(2026, 12, 1), (2027, 1, 1)),
        (12, date(2026, 11, 30), (2026, 4, 12)),
    ],
)
def test_a_fiscal_year_is_named_after_the_year_in_which_it_ends(
    start: int, day: date, fiscal: tuple[int, int, int]
) -> None:
    row = describe(day, fiscal=Months(start))

    assert (row["fiscal_year"], row["fiscal_quarter"], row["fiscal_period"]) == fiscal


def test_a_calendar_has_every_day_and_two_members_that_are_none() -> None:
    keys = [row["date_key"] for row in Week.rows()]

    assert keys == [-1, -2, *range(20260101, 20260108)]
