"""Combinations: one text for the same values, another for others, and the mappers that make them."""

from collections.abc import Callable
from datetime import UTC, date, datetime, timedelta, timezone
from decimal import Decimal
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from sqlalchemy import Enum, Numeric, SmallInteger, String
from sqlalchemy.orm import Mapped

from strandline.errors import DeclarationError
from strandline.model import Dimension, Fact, JunkDimension, Mapper, attribute, combination, field, grain
from strandline.model import references as refers_to
from strandline.model.combination import combine, part_of
from strandline.pipeline import Pipeline
from strandline.source import READ_TIME, Pages, Record, Source, stream


class DimMix(JunkDimension):
    """One column of every kind."""

    text: Mapped[str | None] = attribute(String(5))
    truth: Mapped[bool | None] = attribute()
    count: Mapped[int | None] = attribute(SmallInteger)
    exact: Mapped[Decimal | None] = attribute(Numeric(9, 3))
    day: Mapped[date | None] = attribute()
    moment: Mapped[datetime | None] = attribute()
    colour: Mapped[str | None] = attribute(Enum("red", "blue", native_enum=False))


START = datetime(1950, 1, 1, tzinfo=UTC)
hours = st.integers(0, 30)
zones = st.integers(-12, 12).map(lambda hours: timezone(timedelta(hours=hours)))
some_moments = st.builds(lambda hours, zone: (START + timedelta(hours=hours)).astimezone(zone), hours, zones)
exact = st.decimals(-100, 100, places=3) | st.sampled_from([Decimal("1.0"), Decimal("-0"), Decimal(1)])
rows = st.tuples(
    st.none() | st.text(st.characters(exclude_categories=["Cs"], exclude_characters="\0"), max_size=5),
    st.none() | st.booleans(),
    st.none() | st.integers(-(2**15), 2**15 - 1),
    st.none()
    | st.decimals(-100, 100, places=3)
    | st.sampled_from([Decimal("1.0"), Decimal("-0"), Decimal(1)]),
    st.none() | st.dates(),
    st.none() | some_moments,
    st.none() | st.sampled_from(["red", "blue"]),
)


def text_of(row: tuple[Any, ...]) -> str:
    """The combination of bound values."""
    columns = DimMix.attributes()
    return combine(tuple(part_of(column)(value) for column, value in zip(columns, row, strict=True)))


@given(rows, rows)
def test_two_rows_have_one_combination_exactly_if_they_are_equal(
    one: tuple[Any, ...], other: tuple[Any, ...]
) -> None:
    assert (text_of(one) == text_of(other)) == (one == other)


@given(rows)
def test_the_values_are_found_again_in_the_combination(row: tuple[Any, ...]) -> None:
    found = tuple(DimMix.values(text_of(row)).values())

    assert found == row
    assert text_of(found) == text_of(row)


@pytest.mark.parametrize(
    ("column", "value"),
    [
        ("text", "longer"),
        ("text", "a\0"),
        ("text", "\ud800"),
        ("text", 1),
        ("count", 2**15),
        ("count", "1"),
        ("exact", 1.5),
        ("moment", START.replace(tzinfo=None)),
        ("moment", 1),
    ],
)
def test_what_a_column_cannot_hold_makes_no_combination(column: str, value: object) -> None:
    with pytest.raises(ValueError, match=r".+"):
        part_of(DimMix.table().c[column])(value)


class Order(Record):
    """An order."""

    id: str
    gift: bool = False


class Parcel(Record):
    """Something else."""

    id: str
    gift: bool = False


class DimGift(JunkDimension):
    """Whether it is a gift."""

    gift: Mapped[bool] = attribute()


class DimGiver(Dimension):
    """Who buys."""

    buyer: Mapped[str | None] = attribute()


class FactGift(Fact):
    """One row an order."""

    order_id: Mapped[str] = grain()
    gift_key: Mapped[int] = refers_to(DimGift)
    buyer_key: Mapped[int] = refers_to(DimGiver)


class OrderGift(Mapper[Order, DimGift]):
    """Of an order."""

    gift = field("gift")


class ParcelGift(Mapper[Parcel, DimGift]):
    """Of a parcel."""

    gift = field("gift")


def _mapped_by_a_path() -> object:
    class ByPath(Mapper[Order, FactGift]):
        order_id = field("id")
        gift_key = field("gift")
        buyer_key = field("id")

    return ByPath


def _not_mapped() -> object:
    class Without(Mapper[Order, FactGift]):
        order_id = field("id")
        buyer_key = field("id")

    return Without


def _of_another_record() -> object:
    class OfParcel(Mapper[Order, FactGift]):
        order_id = field("id")
        gift_key = combination(ParcelGift)
        buyer_key = field("id")

    return OfParcel


def _of_a_dimension() -> object:
    class OfBuyer(Mapper[Order, FactGift]):
        order_id = field("id")
        gift_key = combination(OrderGift)
        buyer_key = combination(OrderGift)

    return OfBuyer


class Shop(Source):
    """Orders."""

    @stream(Order, key="id", effective_at=READ_TIME)
    def orders(self) -> Pages:
        """None."""
        yield from ()


@pytest.mark.parametrize(
    ("declare", "message"),
    [
        (_mapped_by_a_path, "ByPath.gift_key is Field(path='gift'"),
        (_not_mapped, "Without leaves columns of FactGift empty that must be filled: gift_key"),
        (_of_another_record, "OfParcel.gift_key: ParcelGift takes Parcel, and the record is Order"),
        (
            _of_a_dimension,
            "combination(OrderGift), and FactGift.buyer_key refers to DimGiver",
        ),
        (lambda: Pipeline("x").sync(Shop.orders, OrderGift), "DimGift is filled by the facts"),
    ],
)
def test_a_mistake_is_told_when_it_is_declared(declare: Callable[[], object], message: str) -> None:
    with pytest.raises(DeclarationError) as caught:
        declare()

    assert message in caught.value.message
    assert caught.value.hint
