"""Outriggers and hierarchies as they are declared: what they bring along, and what cannot be."""

from collections.abc import Callable

import pytest
from pydantic import BaseModel
from sqlalchemy import String
from sqlalchemy.dialects import postgresql
from sqlalchemy.orm import Mapped

from strandline.errors import DeclarationError
from strandline.model import Dimension, Hierarchy, Mapper, attribute, field
from strandline.model.conversion import compile_mapper
from strandline.model.dimension import special_members
from strandline.natural_key import NaturalKeys
from strandline.pipeline.definition import Pipeline
from strandline.source import Pages, Record, Source, stream


class DimRegion(Dimension):
    """A region."""

    region_name: Mapped[str | None] = attribute()


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


@pytest.mark.parametrize(
    ("declare", "message"),
    [
        (_no_dimension, "DimKiosk.town_id: outrigger=String is no dimension"),
        (_no_text, "DimStall.town_id: outrigger=DimTown: a natural key is text, and the column is BIGINT"),
        (_its_own_key, "DimMarket.market_id: it brings market_durable_key along, which is there already"),
        (_of_nothing, "BridgeNothing does not say whose hierarchy it is, or by which column"),
        (_by_nothing, 'BridgeRegion: parent="parent_id" is no attribute of DimRegion'),
        (_by_number, 'BridgeLevel: parent="parent": a natural key is text, and the column is BIGINT'),
    ],
)
def test_what_cannot_be_is_told_when_it_is_declared(declare: Callable[[], object], message: str) -> None:
    with pytest.raises(DeclarationError) as caught:
        declare()

    assert message in caught.value.message
    assert caught.value.hint
