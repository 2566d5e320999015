"""Contracts within contracts, references, unions and lists of them come through contract and mapper."""

from typing import Annotated, Any, Literal

import pytest
from pydantic import Field
from sqlalchemy import String, select
from sqlalchemy.orm import Mapped
from tests.memory import pages

from strandline.errors import DeclarationError
from strandline.model import Dimension, Mapper, attribute, field
from strandline.pipeline import Pipeline, run
from strandline.source import Pages, Record, Reference, Source, stream
from strandline.warehouse import state
from strandline.warehouse.database import Database


class Firm(Record):
    """A company."""

    kind: Literal["firm"]
    number: int


class Human(Record):
    """A person."""

    kind: Literal["human"]
    first: str


class Room(Record):
    """A room, which may be within another."""

    label: str
    within: "Room | None" = None


class Lease(Record):
    """Who rents which rooms, in which currency."""

    id: str
    tenant: Annotated[Firm | Human, Field(discriminator="kind")]
    room: Room | None = None
    more: list[Room] = Field(default_factory=list)
    currency: Reference | None = None


class House(Source):
    """Leases."""

    def __init__(self) -> None:
        super().__init__()
        self.records: list[dict[str, Any]] = []

    @stream(Lease, key="id", strict=True)
    def leases(self) -> Pages:
        """What it was given."""
        return pages(self.records)


class DimLease(Dimension):
    """A lease."""

    outer_room: Mapped[str | None] = attribute(String(20))
    currency: Mapped[str | None] = attribute(String(20))
    tenant: Mapped[str] = attribute(String(20))
    rooms: Mapped[str] = attribute(String(20))


class HouseLease(Mapper[Lease, DimLease]):
    """The house's leases."""

    outer_room = field("room.within.label")
    currency = field("currency.id")

    def tenant(self, record: Lease) -> str:
        """A number or a name."""
        return str(record.tenant.number) if isinstance(record.tenant, Firm) else record.tenant.first

    def rooms(self, record: Lease) -> str:
        """All of them."""
        return ",".join(it.label for it in record.more)


house = Pipeline("house")
house.sync(House.leases, HouseLease)

LEASES: list[dict[str, Any]] = [
    {
        "id": "1",
        "tenant": {"kind": "firm", "number": 7, "branch": "north"},
        "room": {"label": "a", "within": {"label": "b", "within": {"label": "c", "colour": "red"}}},
        "currency": {"id": "1", "name": "NOK"},
    },
    {
        "id": "2",
        "tenant": {"kind": "human", "first": "Kari"},
        "more": [{"label": "x"}, {"label": "y", "m": 2}],
    },
    {"id": "3", "tenant": {"kind": "ghost"}},
    {"id": "4", "tenant": {"kind": "firm", "number": "7"}},
    {"id": "5", "tenant": {"kind": "human", "first": "Ola"}, "more": [{"label": "x"}, {"label": 2}]},
]


def test_every_level_is_validated_mapped_and_registered(warehouse: Database) -> None:
    source = House()
    source.records = LEASES
    assert run(house, warehouse, sources={"house": source}).streams[0].rejected == 3
    table, noted = DimLease.table().c, state.reject.c
    with warehouse.connect() as connection:
        columns = (table.source_id, table.outer_room, table.currency, table.tenant, table.rooms)
        leases = connection.execute(select(*columns).where(table.source_id.is_not(None))).all()
        refused = connection.execute(select(noted.source_id, noted.field, noted.rule)).all()
        unknown = connection.scalars(select(state.field.c.path).where(state.field.c.is_declared.is_(False)))
        paths = set(unknown)

    assert {tuple(it) for it in leases if it.source_id in "12"} == {
        ("1", "b", "1", "7", ""),
        ("2", None, None, "Kari", "x,y"),
    }
    assert {tuple(it) for it in refused} == {
        ("3", "tenant", "union_tag_invalid"),
        ("4", "tenant.firm.number", "int_type"),
        ("5", "more.1.label", "string_type"),
    }
    assert paths == {"tenant.branch", "room.within.within.colour", "more.m"}


def test_a_path_into_one_of_several_is_told_to_be_a_method() -> None:
    with pytest.raises(DeclarationError, match="nothing can be looked up in") as told:

        class Wrong(Mapper[Lease, DimLease]):
            """Nobody knows which of the two it is."""

            outer_room = field("tenant.number")
            currency = field("currency.id")
            tenant = field("id")
            rooms = field("id")

    assert "write a method" in str(told.value.hint)
