"""Aggregates as they are declared: what their query must be, and what is told when it is not."""

import re
from collections.abc import Callable
from datetime import datetime
from decimal import Decimal
from itertools import count as counting
from types import new_class
from typing import Any

import pytest
from sqlalchemy import JSON, Enum, String, Text, func, literal, select, union_all
from sqlalchemy.orm import Mapped, aliased

from strandline.errors import DeclarationError
from strandline.model import (
    Aggregate,
    DimDate,
    Dimension,
    Fact,
    Money,
    attribute,
    degenerate,
    event_time,
    grain,
    measure,
    references,
)
from strandline.model.aggregate import aggregates_of
from strandline.warehouse.touched import touched_by


class DimMotorist(Dimension):
    """An owner, who lives in a town."""

    segment: Mapped[str] = attribute(String(20), scd=2)


class FactToll(Fact):
    """One row a toll."""

    toll_id: Mapped[str] = grain(String(20))
    paid_at: Mapped[datetime] = event_time()
    paid_date_key: Mapped[int] = references(DimDate, on="paid_at")
    owner_key: Mapped[int] = references(DimMotorist)
    gate: Mapped[str | None] = degenerate(String(20))
    price: Mapped[Decimal] = measure(Money, additive=False)
    amount: Mapped[Decimal] = measure(Money)


class FactGate(Fact):
    """One row a gate."""

    gate_id: Mapped[str] = grain(String(20))


numbers = counting(1)


def declare(query: Callable[[], Any], *, kind: Any = None, **options: Any) -> type[Aggregate]:
    """An aggregate by gate with this query."""
    body = {
        "__module__": __name__,
        "__annotations__": {"gate": Mapped[str], "tolls": Mapped[int]},
        "gate": grain(kind or String(20)),
        "tolls": measure(),
        "query": staticmethod(query),
    }
    # Each is a class of its own: a declarative base knows a name once.
    name = f"AggToll{next(numbers)}"
    made: type[Aggregate] = new_class(name, (Aggregate,), options, lambda namespace: namespace.update(body))
    return made


def by_gate() -> Any:
    """A query that is right."""
    return select(FactToll.gate, func.count().label("tolls")).select_from(FactToll).group_by(FactToll.gate)


def test_a_query_is_known_by_its_fact_and_what_it_reads() -> None:
    other = aliased(FactToll, name="other")

    def query() -> Any:
        found = select(other.gate, func.count().label("tolls"))
        found = found.join(DimMotorist, DimMotorist.key == other.owner_key)
        return found.join(DimDate, DimDate.date_key == other.paid_date_key).group_by("gate")

    found = declare(query)

    assert found.fact() is FactToll
    assert set(found.reads()) == {FactToll, DimMotorist, DimDate}
    assert not found.distant()
    assert found in aggregates_of({FactToll})
    assert found in touched_by(DimMotorist)
    assert found not in aggregates_of({FactGate})


def test_a_dimension_that_is_joined_more_often_than_referred_to_is_distant() -> None:
    again = aliased(DimMotorist, name="again")

    def query() -> Any:
        return by_gate().join(DimMotorist, DimMotorist.key == FactToll.owner_key).join(again, again.key == 1)

    assert declare(query).distant() == {DimMotorist}


def test_an_empty_group_is_one_group_in_the_database_too() -> None:
    found = declare(by_gate)
    (index,) = found.table().indexes

    assert all(column.nullable for column in (*found.grain(), *found.measures()))
    assert [str(it) for it in index.expressions] == [
        f"coalesce(analytics.{found.__tablename__}.gate, '')",
        f"analytics.{found.__tablename__}.gate IS NULL",
    ]


def _unlike_selected() -> Any:
    gate = func.upper(FactToll.gate)
    return select(gate.label("gate"), func.count().label("tolls")).group_by(func.upper(FactToll.gate))


def test_an_expression_may_be_written_twice() -> None:
    assert declare(_unlike_selected).fact() is FactToll


a_gate: Any = FactToll.gate
count = func.count().label("tolls")
WRONG: dict[str, tuple[Callable[[], Any], str]] = {
    "none": (lambda: None, "query() is None, and no select"),
    "union": (lambda: union_all(by_gate(), by_gate()), "and no select"),
    "missing": (lambda: select(a_gate).group_by(a_gate), "query() has no tolls, unlike"),
    "extra": (lambda: by_gate().add_columns(literal(1).label("more")), "query() gives more, unlike"),
    "ungrouped": (lambda: by_gate().group_by(None), "query() does not group by gate"),
    "finer": (lambda: by_gate().group_by(FactToll.amount), "groups by fact_toll.amount, which is no column"),
    "limited": (lambda: by_gate().limit(3), "leaves rows out by LIMIT, OFFSET or DISTINCT"),
    "distinct": (lambda: by_gate().distinct(), "leaves rows out by LIMIT, OFFSET or DISTINCT"),
    "clock": (lambda: by_gate().where(FactToll.paid_at < func.now()), "asks for now(), and what it gives"),
    "day": (lambda: by_gate().where(FactToll.paid_at < func.current_date()), "asks for CURRENT_DATE, and"),
    "prices": (
        lambda: select(a_gate, func.sum(FactToll.price).label("tolls")).group_by(a_gate),
        "sums fact_toll.price, which is declared additive=False",
    ),
    "no fact": (
        lambda: select(DimMotorist.segment.label("gate"), count).group_by(DimMotorist.segment),
        "query() reads no fact",
    ),
    "two facts": (lambda: by_gate().join(FactGate, FactGate.gate_id == a_gate), "reads FactToll, FactGate"),
    "having": (lambda: by_gate().having(func.count() > 1), "has a HAVING, so a change of one group may"),
    "share": (
        lambda: select(a_gate, func.sum(func.count()).over().label("tolls")).group_by(a_gate),
        "has a window function, so a change of one group may",
    ),
    "within": (
        lambda: by_gate().where(a_gate.in_(select(FactGate.gate_id))),
        "has a query within, so a change of one group may",
    ),
}


@pytest.mark.parametrize(("query", "why"), WRONG.values(), ids=WRONG)
def test_a_query_that_cannot_be_kept_up_is_told_when_it_is_declared(
    query: Callable[[], Any], why: str
) -> None:
    with pytest.raises(DeclarationError, match=re.escape(why)) as told:
        declare(query)

    assert told.value.hint


@pytest.mark.parametrize("name", ["having", "share"])
def test_what_concerns_several_groups_is_refreshed_in_full(name: str) -> None:
    assert declare(WRONG[name][0], refresh="full").is_refreshed_in_full


@pytest.mark.parametrize("kind", [JSON(), Enum("a", "b", name="kind")])
def test_nothing_is_grouped_by_what_cannot_be_empty_in_a_comparison(kind: Any) -> None:
    with pytest.raises(DeclarationError, match="nothing to group by"):
        declare(by_gate, kind=kind)


def test_a_way_of_refreshing_that_is_unknown_is_told() -> None:
    with pytest.raises(DeclarationError, match="refresh='nightly' is not a way"):
        declare(by_gate, refresh="nightly")


def test_an_aggregate_without_a_grain_or_a_query_is_told() -> None:
    with pytest.raises(DeclarationError, match="AggNothing has no grain"):

        class AggNothing(Aggregate):
            """Nothing to group by."""

            tolls: Mapped[int] = measure()

    with pytest.raises(DeclarationError, match="AggUnasked has no query"):

        class AggUnasked(Aggregate):
            """No query."""

            gate: Mapped[str] = grain(Text)


def test_a_column_is_a_group_or_a_measure() -> None:
    with pytest.raises(DeclarationError, match=r"AggOdd.note: neither a grain nor a measure"):

        class AggOdd(Aggregate):
            """A column that nobody calculates."""

            gate: Mapped[str] = grain(Text)
            note: Mapped[str] = degenerate(Text)
