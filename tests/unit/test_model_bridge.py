"""Outriggers, hierarchies and bridges as they are declared: what they bring along, and what cannot be."""

import re
from collections.abc import Callable
from decimal import Decimal

import pytest
from pydantic import BaseModel
from sqlalchemy import String
from sqlalchemy.dialects import postgresql
from sqlalchemy.orm import Mapped

from strandline.errors import DeclarationError
from strandline.model import (
    Bridge,
    Dimension,
    Fact,
    Hierarchy,
    Mapper,
    attribute,
    field,
    grain,
    references,
)
from strandline.model.bridge import composer, parse
from strandline.model.conversion import compile_mapper
from strandline.model.dimension import special_members
from strandline.natural_key import NaturalKeys
from strandline.pipeline.definition import Pipeline
from strandline.source import Pages, Record, Source, stream


class DimRegion(Dimension):
    """A region."""

    region_name: Mapped[str | None] = attribute()


class BridgeRegions(Bridge, to=DimRegion):
    """Several regions."""


class DimTown(Dimension):
    """A town; its region is an outrigger that has an outrigger."""

    town_name: Mapped[str | None] = attribute()
    region_id: Mapped[str | None] = attribute(String(20), scd=2, outrigger=DimRegion)


class DimShop(Dimension):
    """A shop."""

    town: Mapped[str] = attribute(outrigger=DimTown)
    region_id: Mapped[str | None] = attribute(scd=6, outrigger=DimRegion)


class Shop(Record):
    """A shop, whose town has a number."""

    id: str
    town: int | None = None
    region: str | None = None


class Chain(Source):
    """A source that is never read."""

    @stream(Shop, key="id")
    def shops(self) -> Pages:
        """Nothing."""
        yield from ()


class ChainShop(Mapper[Shop, DimShop]):
    """Shops."""

    town = field("town")
    region_id = field("region", source="atlas")


def converted(record: BaseModel, **atlas: bool) -> tuple[object, ...]:
    compiled = compile_mapper(ChainShop, postgresql.dialect(), keys_of={"atlas": NaturalKeys(**atlas)})  # type: ignore[no-untyped-call]  # so it is in SQLAlchemy 2.0
    return compiled.convert(record, 1, "s", None, None)[5:]  # type: ignore[arg-type]  # not looked at


def test_an_outrigger_brings_a_durable_key_along() -> None:
    assert [it.name for it in DimShop.table().c if it.name.endswith("_durable_key")] == [
        "shop_durable_key",
        "town_durable_key",
        "region_durable_key",
    ]
    assert DimShop.outriggers() == [DimTown, DimRegion]
    assert [row["town_durable_key"] for row in special_members(DimShop)] == [-1, -2]


def test_a_pipeline_knows_the_outriggers_of_outriggers() -> None:
    pipeline = Pipeline("chain")
    pipeline.sync(Chain.shops, ChainShop)

    assert pipeline.models == [DimShop, DimTown, DimRegion]


def test_the_mapper_gives_a_natural_key_as_its_source_spells_it() -> None:
    assert converted(Shop(id="s", town=7, region="North")) == ("7", "North")
    assert converted(Shop(id="s", town=7, region="North"), ignore_case=True) == ("7", "north")


def _no_dimension() -> object:
    class DimKiosk(Dimension):
        town_id: Mapped[str] = attribute(outrigger=String)

    return DimKiosk


def _no_text() -> object:
    class DimStall(Dimension):
        town_id: Mapped[int] = attribute(outrigger=DimTown)

    return DimStall


def _its_own_key() -> object:
    class DimMarket(Dimension):
        market_id: Mapped[str] = attribute(outrigger=DimTown)

    return DimMarket


def _of_nothing() -> object:
    class BridgeNothing(Hierarchy):
        """Of nothing."""

    return BridgeNothing


def _by_nothing() -> object:
    class BridgeRegion(Hierarchy, of=DimRegion, parent="parent_id"):
        """By nothing."""

    return BridgeRegion


def _by_number() -> object:
    class DimLevel(Dimension):
        parent: Mapped[int | None] = attribute()

    class BridgeLevel(Hierarchy, of=DimLevel, parent="parent"):
        """By a number."""

    return BridgeLevel


def _no_bridge() -> object:
    class DimBooth(Dimension):
        regions: Mapped[str | None] = attribute(bridge=DimRegion)

    return DimBooth


def _bridge_to_nothing() -> object:
    class BridgeOpen(Bridge):
        """To nothing."""

    return BridgeOpen


def _two_groups() -> object:
    class DimFair(Dimension):
        regions: Mapped[str | None] = attribute(bridge=BridgeRegions)
        more_regions: Mapped[str | None] = attribute(bridge=BridgeRegions)

    return DimFair


def _dated_group() -> object:
    class FactFair(Fact):
        fair_id: Mapped[str] = grain()
        regions_group_key: Mapped[int] = references(BridgeRegions, missing="unknown")

    return FactFair


@pytest.mark.parametrize(
    ("declare", "message"),
    [
        (_no_dimension, "DimKiosk.town_id: outrigger=String is no dimension"),
        (_no_text, "DimStall.town_id: outrigger=DimTown: a natural key is text, and the column is BIGINT"),
        (_its_own_key, "DimMarket.market_id: it brings market_durable_key along, which is there already"),
        (_of_nothing, "BridgeNothing does not say whose hierarchy it is, or by which column"),
        (_by_nothing, 'BridgeRegion: parent="parent_id" is no attribute of DimRegion'),
        (_by_number, 'BridgeLevel: parent="parent": a natural key is text, and the column is BIGINT'),
        (_no_bridge, "attribute(bridge=DimRegion) is no bridge"),
        (_bridge_to_nothing, "BridgeOpen does not say of which dimension its groups have members"),
        (_two_groups, "DimFair.more_regions: it brings regions_group_key along, which is there already"),
        (_dated_group, "references(BridgeRegions): a group is always there, and has no versions"),
    ],
)
def test_what_cannot_be_is_told_when_it_is_declared(declare: Callable[[], object], message: str) -> None:
    with pytest.raises(DeclarationError) as caught:
        declare()

    assert message in caught.value.message
    assert caught.value.hint


@pytest.mark.parametrize(
    ("given", "text"),
    [
        (None, None),
        ([], None),
        (["b", "a"], '{"a":0.5,"b":0.5}'),
        (["c", "b", "a"], '{"a":0.333333333334,"b":0.333333333333,"c":0.333333333333}'),
        ([7], '{"7":1}'),
        ([("b", Decimal("0.250")), ("a", Decimal("0.75"))], '{"a":0.75,"b":0.25}'),
        ({"b": Decimal("0.5"), "a": Decimal("5E-1")}, '{"a":0.5,"b":0.5}'),
        ({"a": 1}, '{"a":1}'),
        ([("a", Decimal(1)), ("b", Decimal("-0"))], '{"a":1,"b":0}'),
        ([("DE", 1), ("DE", 2)], r'{"[\"DE\",\"1\"]":0.5,"[\"DE\",\"2\"]":0.5}'),
        (['"ä😀\\'], r'{"\"ä😀\\":1}'),
    ],
)
def test_the_same_members_and_weights_are_one_text(given: object, text: str | None) -> None:
    assert composer(NaturalKeys())(given) == text


def test_the_weights_of_any_number_of_members_sum_to_one() -> None:
    for count in range(1, 500):
        members = composer(NaturalKeys())(range(count))
        assert members is not None
        assert sum(parse(members).values()) == 1


@pytest.mark.parametrize(
    ("given", "message"),
    [
        ("ab", "'ab' is a str, not a list of natural keys"),
        (7, "7 is a int, not a list of natural keys"),
        (["a", "a"], "'a' is a member twice"),
        (["a", None], "None has no natural key"),
        ([("a", 0.5)], "the weight 0.5 of 'a' is a float, which is not exact; declare a Decimal"),
        ([("a", Decimal("NaN"))], "the weight NaN of 'a' does not lie between 0 and 1"),
        ([("a", Decimal("-0.1"))], "the weight -0.1 of 'a' does not lie between 0 and 1"),
        ([("a", Decimal("1e-13"))], "the weight 1E-13 of 'a' has more than 12 decimal places"),
        ([("a", Decimal(1)), "b"], "'b' has no weight, and others have"),
        (
            [("a", Decimal("0.50")), ("b", Decimal("0.4"))],
            "the weights 0.5 + 0.4 sum to 0.9, not to 1",
        ),
    ],
)
def test_what_is_no_group_is_told(given: object, message: str) -> None:
    with pytest.raises(ValueError, match=re.escape(message)):
        composer(NaturalKeys())(given)
