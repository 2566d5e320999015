"""Stars and the other selects: which joins they make, what their columns are called, what they refuse."""

from datetime import UTC, datetime
from decimal import Decimal
from typing import Any

import pytest
from sqlalchemy import Boolean, Integer, String, func, select
from sqlalchemy.orm import Mapped

from strandline.errors import DeclarationError
from strandline.model import (
    Bridge,
    DimDate,
    Dimension,
    Fact,
    JunkDimension,
    MiniDimension,
    Money,
    as_of,
    attribute,
    event_time,
    grain,
    measure,
    modified_since,
    references,
    star,
)
from strandline.model.join import Role
from strandline.model.value import DIALECT
from strandline.warehouse import schema
from strandline.warehouse.database import Database

NOON = datetime(2026, 3, 1, 12, tzinfo=UTC)


class DimInmate(Dimension):
    """Somebody who lodges."""

    inmate_name: Mapped[str] = attribute(String(20))
    rating: Mapped[str | None] = attribute(String(20), scd=6)
    mood: Mapped[str | None] = attribute(String(20), scd=3)


class DimInmateProfile(MiniDimension, of=DimInmate):
    """What changes often about a inmate."""

    age_band: Mapped[str | None] = attribute(String(12))


class DimSojournFlags(JunkDimension):
    """Flags of a sojourn."""

    has_breakfast: Mapped[bool] = attribute(Boolean)


class BridgeInmate(Bridge, to=DimInmate):
    """Everybody in a room."""


class FactSojourn(Fact):
    """One row a sojourn."""

    sojourn_id: Mapped[str] = grain(String(10))
    arrived_at: Mapped[datetime] = event_time()
    left_at: Mapped[datetime | None] = measure(additive=False)
    inmate_key: Mapped[int] = references(DimInmate)
    paying_inmate_key: Mapped[int] = references(DimInmate, durable=True)
    inmate_profile_key: Mapped[int] = references(DimInmateProfile)
    sojourn_flags_key: Mapped[int] = references(DimSojournFlags)
    inmate_group_key: Mapped[int] = references(BridgeInmate)
    arrival_date_key: Mapped[int] = references(DimDate, on="arrived_at")
    departure_date_key: Mapped[int] = references(DimDate, on="left_at")
    nights: Mapped[int] = measure(Integer)
    amount: Mapped[Decimal] = measure(Money)


class FactFloor(Fact):
    """A fact of which nobody knows when."""

    floor_id: Mapped[str] = grain(String(10))


def joins(query: Any) -> list[str]:
    """Its joins, one each, without the fact's own name before columns."""
    text = " ".join(str(query.compile(dialect=DIALECT)).split())
    parts = text.replace("warehouse.", "").replace("fact_sojourn.", "").split(" LEFT OUTER JOIN ")
    return parts[1:]


def test_each_dimension_is_joined_once_for_each_role_that_it_plays() -> None:
    sojourns = star(FactSojourn)

    assert list(sojourns.roles) == [
        "inmate",
        "paying_inmate",
        "inmate_profile",
        "sojourn_flags",
        "arrival_date",
        "departure_date",
    ]
    assert joins(sojourns.as_was(FactSojourn.nights)) == [
        "dim_inmate AS inmate ON inmate.inmate_key = inmate_key",
        "dim_inmate AS paying_inmate ON paying_inmate.inmate_key = paying_inmate_key",
        "dim_inmate_profile AS inmate_profile ON inmate_profile.inmate_profile_key = inmate_profile_key",
        "dim_sojourn_flags AS sojourn_flags ON sojourn_flags.sojourn_flags_key = sojourn_flags_key",
        "dim_date AS arrival_date ON arrival_date.date_key = arrival_date_key",
        "dim_date AS departure_date ON departure_date.date_key = departure_date_key",
    ]


def test_members_as_they_are_are_found_by_the_version_or_by_the_durable_key() -> None:
    had, now, paying = joins(star(FactSojourn, "inmate", "paying_inmate").as_is(FactSojourn.nights))

    assert had == "dim_inmate AS inmate_then ON inmate_then.inmate_key = inmate_key"
    assert now == (
        "dim_inmate AS inmate ON inmate.source_id = inmate_then.source_id AND inmate.source_system ="
        " inmate_then.source_system AND (inmate.is_current OR inmate.is_deleted)"
    )
    assert paying == (
        "dim_inmate AS paying_inmate ON paying_inmate.inmate_durable_key = paying_inmate_durable_key"
        " AND (paying_inmate.is_current OR paying_inmate.is_deleted)"
    )


def test_a_mini_dimension_shows_the_combination_that_the_member_has_now() -> None:
    history = "inmate_profile_history"
    had, now = joins(star(FactSojourn, "inmate_profile").as_is(FactSojourn.nights))

    assert had == (
        f"dim_inmate_profile_history AS {history} ON {history}.inmate_profile_history_durable_key ="
        f" inmate_profile_durable_key AND ({history}.is_current OR {history}.is_deleted)"
    )
    key = f"{history}.inmate_profile_key"
    assert now == f"dim_inmate_profile AS inmate_profile ON inmate_profile.inmate_profile_key = {key}"


def test_columns_are_called_after_the_role_and_nothing_is_said_twice() -> None:
    names = [column.name for column in star(FactSojourn, "inmate", "paying_inmate", "arrival_date").columns()]

    assert names[:4] == ["sojourn_id", "arrived_at", "left_at", "nights"]
    assert names[5:8] == ["inmate_name", "inmate_rating", "inmate_mood"]
    assert {"inmate_current_rating", "paying_inmate_previous_mood", "arrival_date_name"} < set(names)
    assert len(names) == len(set(names))


@pytest.mark.parametrize(
    ("role", "column", "label"),
    [
        ("customer", "customer_name", "customer_name"),
        ("customer", "segment", "customer_segment"),
        ("bill_to_customer", "customer_name", "bill_to_customer_name"),
        ("order_date", "date_name", "order_date_name"),
        ("date", "date", "date"),
        ("a_b", "a_b_c_d", "a_b_c_d"),
    ],
)
def test_what_ends_the_role_and_begins_the_column_is_said_once(role: str, column: str, label: str) -> None:
    assert Role(role, FactSojourn.table().c.inmate_key, None).label(column) == label


def test_a_star_is_executed_as_it_stands_on_sqlite_as_well() -> None:
    sojourns, database = star(FactSojourn), Database("sqlite://")
    models: list[schema.Model] = [
        DimInmate,
        DimInmateProfile,
        DimInmateProfile.history,
        DimSojournFlags,
        BridgeInmate,
        FactSojourn,
    ]

    with database.begin() as connection:
        schema.prepare(database, connection, models=models, others=[DimDate.table()])
        for query in (sojourns.as_was(), sojourns.as_is(), sojourns.as_of(NOON)):
            assert connection.execute(query).all() == []
            assert connection.scalar(select(func.count()).select_from(query.subquery())) == 0
    database.close()


def test_a_role_that_nobody_plays_is_told() -> None:
    with pytest.raises(DeclarationError, match="no dimension plays the role 'inmat' there") as caught:
        star(FactSojourn, "inmat")
    assert caught.value.hint == "Did you mean 'inmate'?"
    with pytest.raises(DeclarationError):
        star(FactSojourn, "inmate")["arrival_date"]
    with pytest.raises(AttributeError, match="no dimension plays that role"):
        _ = star(FactSojourn).payer
    assert star(FactSojourn)["inmate"] is not star(FactSojourn).inmate
    assert star(FactFloor).columns()[0].name == "floor_id"


def test_a_moment_without_a_zone_is_refused() -> None:
    naive = datetime(2026, 3, 1)  # noqa: DTZ001  # what is refused

    with pytest.raises(DeclarationError, match="has no time zone"):
        as_of(DimInmate, naive)
    with pytest.raises(DeclarationError, match="has no time zone"):
        modified_since(FactSojourn, naive)
    with pytest.raises(DeclarationError, match="it has no event time"):
        FactFloor().age_in_days(NOON)
