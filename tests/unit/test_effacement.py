"""Effacement: which values of a record are the person's, and what stands for them."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Annotated, Any

import msgspec
from msgspec.structs import replace
from pydantic import AwareDatetime
from sqlalchemy import String, make_url
from sqlalchemy.orm import Mapped
from tests.memory import pages

from strandline.model import (
    Bridge,
    Dimension,
    Fact,
    Mapper,
    attribute,
    degenerate,
    field,
    grain,
    line,
    line_number,
    references,
)
from strandline.model.conversion import compile_mapper
from strandline.pipeline import Pipeline
from strandline.pipeline.effacement import Effacer, Entry
from strandline.pipeline.target import Target
from strandline.source import Pages, Personal, Record, Source, stream
from strandline.warehouse.mention import OWN, Named
from strandline.warehouse.staging import staging_table

NOW = datetime(2026, 1, 5, tzinfo=UTC)


class Party(Record):
    """Somebody."""

    id: str
    mail: Annotated[str | None, Personal()] = None


class Guest(Record):
    """A line of a stay."""

    guest: str
    mail: Annotated[str | None, Personal()] = None


class Stay(Record):
    """A stay with several people."""

    id: str
    payer: Party | None = None
    owner: str | None = None
    phone: Annotated[str | None, Personal()] = None
    since: Annotated[AwareDatetime | None, Personal()] = None
    birth: Annotated[AwareDatetime, Personal()] = NOW
    guests: list[Guest] | None = None
    friends: list[str] | None = None


class Hotel(Source):
    """Stays."""

    name = "hotel_of_effacement"

    @stream(Stay, key="id")
    def stays(self) -> Pages:
        """None."""
        return pages([])


class DimLodger(Dimension):
    """Who stays."""

    lodger_name: Mapped[str | None] = attribute(String(20))


class BridgeFriend(Bridge, to=DimLodger):
    """With whom."""


class FactLodging(Fact):
    """One row a stay."""

    stay_id: Mapped[str] = grain(String(20))
    payer_key: Mapped[int] = references(DimLodger)
    owner_key: Mapped[int] = references(DimLodger)
    friends_key: Mapped[int] = references(BridgeFriend)
    birth: Mapped[str] = degenerate(String(40))


class FactLodgingGuest(Fact):
    """One row a guest of a stay."""

    stay_id: Mapped[str] = grain(String(20))
    guest_number: Mapped[int] = grain()
    guest_key: Mapped[int] = references(DimLodger)


class HotelStay(Mapper[Stay, FactLodging]):
    """A stay."""

    stay_id = field("id")
    payer_key = field("payer.id")
    friends_key = field("friends")
    birth = field("birth", using=str)

    def owner_key(self, record: Stay) -> str | None:
        """In capitals."""
        return record.owner.upper() if record.owner else None


class HotelGuest(Mapper[Stay, FactLodgingGuest], each="guests"):
    """Its guests."""

    stay_id = field("id")
    guest_number = line_number()
    guest_key = line("guest")


hotel = Pipeline("effacement")
hotel.sync(Hotel.stays, HotelStay)
hotel.sync(Hotel.stays, HotelGuest)


def effacer() -> Effacer:
    """As a run has it."""
    targets = []
    for sync in hotel.syncs:
        conversion = compile_mapper(sync.mapper, make_url("postgresql+psycopg://").get_dialect()())
        targets.append(Target(sync, conversion, staging_table(sync.staging_name, conversion.columns), 0))
    return Effacer(Hotel.stays, targets)


def named(key: str, *, until: datetime | None = None, dimension: str = "DimLodger") -> Named:
    """Somebody who was erased."""
    return Named(dimension, "hotel_of_effacement", key, until)


def effaced(of: list[Named], **said: Any) -> dict[str, Any]:
    """What a stay becomes."""
    payload = msgspec.json.encode({"id": "1", **said})
    entry = Entry(1, "1", payload, "upsert", NOW, NOW)
    found = effacer().efface(entry, of)
    return dict(msgspec.json.decode(found.payload if found else payload))


PAYER = {"id": "a", "mail": "ma"}
GUESTS = [{"guest": "b", "mail": "mb"}, {"guest": "c", "mail": "mc"}]


def test_a_personal_field_is_of_the_mention_that_stands_nearest() -> None:
    stay = {"payer": PAYER, "guests": GUESTS}
    assert effaced([named("a")], **stay) == {"id": "1", "payer": {"id": "a", "mail": None}, "guests": GUESTS}
    assert effaced([named("c")], **stay)["guests"] == [GUESTS[0], {"guest": "c", "mail": None}]
    assert effaced([named("c")], **stay)["payer"] == PAYER
    assert effaced([named("x")], **stay) == {"id": "1", **stay}


def test_what_is_as_near_to_several_goes_with_each() -> None:
    for key in ("a", "b"):
        assert effaced([named(key)], payer=PAYER, guests=GUESTS, phone="12")["phone"] is None
    assert effaced([named("a"), named("b")], payer=PAYER, guests=GUESTS)["guests"][1] == GUESTS[1]


def test_a_mention_by_a_method_and_one_in_a_group_are_found() -> None:
    assert effaced([named("OWN")], owner="own", phone="12")["phone"] is None
    assert effaced([named("own")], owner="own", phone="12")["phone"] == "12"
    assert effaced([named("f")], friends=["e", "f"], phone="12")["phone"] is None


def test_what_may_not_be_empty_becomes_the_first_word_that_fits() -> None:
    found = effaced([named("a")], payer=PAYER, since="2020-01-01T00:00:00Z", birth="1980-01-01T00:00:00Z")
    assert (found["since"], found["birth"]) == (None, 0)
    assert effaced([named("a")], **{name: it for name, it in found.items() if name != "id"}) == found


def test_a_record_that_is_refused_in_any_case_is_emptied_too() -> None:
    found = effaced([named("a")], payer=PAYER, birth="no moment", guests="none")
    assert (found["birth"], found["payer"]["mail"], found["guests"]) == (None, None, "none")


def test_what_took_effect_later_stays() -> None:
    earlier = named("a", until=datetime(2026, 1, 4, tzinfo=UTC))
    assert effaced([earlier], payer=PAYER)["payer"] == PAYER


def test_of_a_members_own_record_everything_personal_goes() -> None:
    found = effaced([named("1", dimension=OWN)], payer=PAYER, phone="12", guests=GUESTS)
    assert (found["phone"], found["payer"]["mail"]) == (None, None)
    assert [it["mail"] for it in found["guests"]] == [None, None]


def test_a_mention_that_only_another_pipeline_maps_is_found_by_its_place() -> None:
    """Its pipeline has noted where it is."""
    elsewhere = named("z", dimension="DimOfAnother")
    placed = replace(elsewhere, places=frozenset({("guests", "guest")}))
    stay = {"payer": PAYER, "guests": [{"guest": "z", "mail": "mz"}, *GUESTS]}

    assert effaced([elsewhere], **stay) == {"id": "1", **stay}
    assert effaced([placed], **stay)["guests"] == [{"guest": "z", "mail": None}, *GUESTS]
