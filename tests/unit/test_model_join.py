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


class DimLodger(Dimension):
    """Somebody who lodges."""

    lodger_name: Mapped[str] = attribute(String(20))
    rating: Mapped[str | None] = attribute(String(20), scd=6)
    mood: Mapped[str | None] = attribute(String(20), scd=3)


class DimLodgerProfile(MiniDimension, of=DimLodger):
    """What changes often about a lodger."""

    age_band: Mapped[str | None] = attribute(String(12))


class DimLodgingFlags(JunkDimension):
    """Flags of a lodging."""

    has_breakfast: Mapped[bool] = attribute(Boolean)


class BridgeLodger(Bridge, to=DimLodger):
    """Everybody in a room."""


class FactLodging(Fact):
    """One row a lodging."""

    lodging_id: Mapped[str] = grain(String(10))
    arrived_at: Mapped[datetime] = event_time()
    left_at: Mapped[datetime | None] = measure(additive=False)
    lodger_key: Mapped[int] = references(DimLodger)
    paying_lodger_key: Mapped[int] = references(DimLodger, durable=True)
    lodger_profile_key: Mapped[int] = references(DimLodgerProfile)
    lodging_flags_key: Mapped[int] = references(DimLodgingFlags)
    lodger_group_key: Mapped[int] = references(BridgeLodger)
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
    parts = text.replace("warehouse.", "").replace("fact_lodging.", "").split(" LEFT OUTER JOIN ")
    return parts[1:]


def test_each_dimension_is_joined_once_for_each_role_that_it_plays() -> None:
    lodgings = star(FactLodging)

    assert list(lodgings.roles) == [
        "lodger",
        "paying_lodger",
        "lodger_profile",
        "lodging_flags",
        "arrival_date",
        "departure_date",
    ]
    assert joins(lodgings.as_was(FactLodging.nights)) == [
        "dim_lodger AS lodger ON lodger.lodger_key = lodger_key",
        "dim_lodger AS paying_lodger ON paying_lodger.lodger_key = paying_lodger_key",
        "dim_lodger_profile AS lodger_profile ON lodger_profile.lodger_profile_key = lodger_profile_key",
        "dim_lodging_flags AS lodging_flags ON lodging_flags.lodging_flags_key = lodging_flags_key",
        "dim_date AS arrival_date ON arrival_date.date_key = arrival_date_key",
        "dim_date AS departure_date ON departure_date.date_key = departure_date_key",
    ]


def test_members_as_they_are_are_found_by_the_version_or_by_the_durable_key() -> None:
    had, now, paying = joins(star(FactLodging, "lodger", "paying_lodger").as_is(FactLodging.nights))

    assert had == "dim_lodger AS lodger_then ON lodger_then.lodger_key = lodger_key"
    assert now == (
        "dim_lodger AS lodger ON lodger.source_id = lodger_then.source_id AND lodger.source_system ="
        " lodger_then.source_system AND (lodger.is_current OR lodger.is_deleted)"
    )
    assert paying == (
        "dim_lodger AS paying_lodger ON paying_lodger.lodger_durable_key = paying_lodger_durable_key"
        " AND (paying_lodger.is_current OR paying_lodger.is_deleted)"
    )


def test_a_mini_dimension_shows_the_combination_that_the_member_has_now() -> None:
    history = "lodger_profile_history"
    had, now = joins(star(FactLodging, "lodger_profile").as_is(FactLodging.nights))

    assert had == (
        f"dim_lodger_profile_history AS {history} ON {history}.lodger_profile_history_durable_key ="
        f" lodger_profile_durable_key AND ({history}.is_current OR {history}.is_deleted)"
    )
    key = f"{history}.lodger_profile_key"
    assert now == f"dim_lodger_profile AS lodger_profile ON lodger_profile.lodger_profile_key = {key}"


def test_columns_are_called_after_the_role_and_nothing_is_said_twice() -> None:
    names = [column.name for column in star(FactLodging, "lodger", "paying_lodger", "arrival_date").columns()]

    assert names[:4] == ["lodging_id", "arrived_at", "left_at", "nights"]
    assert names[5:8] == ["lodger_name", "lodger_rating", "lodger_mood"]
    assert {"lodger_current_rating", "paying_lodger_previous_mood", "arrival_date_name"} < set(names)
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
    assert Role(role, FactLodging.table().c.lodger_key, None).label(column) == label


def test_a_star_is_executed_as_it_stands_on_sqlite_as_well() -> None:
    lodgings, database = star(FactLodging), Database("sqlite://")
    models: list[schema.Model] = [
        DimLodger,
        DimLodgerProfile,
        DimLodgerProfile.history,
        DimLodgingFlags,
        BridgeLodger,
        FactLodging,
    ]

    with database.begin() as connection:
        schema.prepare(database, connection, models=models, others=[DimDate.table()])
        for query in (lodgings.as_was(), lodgings.as_is(), lodgings.as_of(NOON)):
            assert connection.execute(query).all() == []
            assert connection.scalar(select(func.count()).select_from(query.subquery())) == 0
    database.close()


def test_a_role_that_nobody_plays_is_told() -> None:
    with pytest.raises(DeclarationError, match="no dimension plays the role 'lodgr' there") as caught:
        star(FactLodging, "lodgr")
    assert caught.value.hint == "Did you mean 'lodger'?"
    with pytest.raises(DeclarationError):
        star(FactLodging, "lodger")["arrival_date"]
    with pytest.raises(AttributeError, match="no dimension plays that role"):
        _ = star(FactLodging).payer
    assert star(FactLodging)["lodger"] is not star(FactLodging).lodger
    assert star(FactFloor).columns()[0].name == "floor_id"


def test_a_moment_without_a_zone_is_refused() -> None:
    naive = datetime(2026, 3, 1)  # noqa: DTZ001  # what is refused

    with pytest.raises(DeclarationError, match="has no time zone"):
        as_of(DimLodger, naive)
    with pytest.raises(DeclarationError, match="has no time zone"):
        modified_since(FactLodging, naive)
    with pytest.raises(DeclarationError, match="it has no event time"):
        FactFloor().age_in_days(NOON)
