"""A club whose dimensions have too much in them; each line says by which rule."""

from datetime import datetime
from decimal import Decimal
from typing import Any

from pydantic import AwareDatetime
from sqlalchemy import Index, Integer, String
from sqlalchemy.orm import Mapped

from strandline import (
    DimDate,
    Dimension,
    Fact,
    Mapper,
    Money,
    Pages,
    Pipeline,
    Record,
    attribute,
    event_time,
    field,
    grain,
    references,
    stream,
)
from strandline.source import Source, paged


class Entry(Record):
    """Whatever a club writes down."""

    id: str
    at: AwareDatetime
    anything: Any


class Club(Source):
    """A club."""

    @stream(Entry, key="id", effective_at="at")
    def entries(self) -> Pages:
        """None."""
        return paged([])


class DimCountry(Dimension):
    """A country."""

    continent: Mapped[str] = attribute(String(40))


class DimTown(Dimension):
    """A town."""

    town_name: Mapped[str] = attribute(String(40))
    country_id: Mapped[str | None] = attribute(outrigger=DimCountry)


class DimMember(Dimension):  # fault: wide-dimension
    """A member; thirteen attributes are enough here."""

    member_name: Mapped[str] = attribute(String(40))
    town_id: Mapped[str | None] = attribute(outrigger=DimTown)  # fault: outrigger-chain
    last_visit_at: Mapped[datetime | None] = attribute(scd=2)  # fault: volatile-attribute
    paid_amount: Mapped[Decimal | None] = attribute(Money, scd=2)  # fault: measure-as-attribute
    phone_number: Mapped[str | None] = attribute(String(20))  # fault: personal-unmarked
    home_street: Mapped[str | None] = attribute(String(60), pii=True, scd=2)  # fault: personal-history
    league: Mapped[str | None] = attribute(String(20))
    team: Mapped[str | None] = attribute(String(20))
    shirt: Mapped[int | None] = attribute(Integer)
    shoe: Mapped[int | None] = attribute(Integer)
    locker: Mapped[int | None] = attribute(Integer)
    belt: Mapped[int | None] = attribute(Integer)
    cap: Mapped[int | None] = attribute(Integer)
    scarf: Mapped[int | None] = attribute(Integer)


class DimPitch(Dimension):  # fault: all-history
    """A pitch."""

    pitch_name: Mapped[str] = attribute(String(40), scd=2)
    surface: Mapped[str] = attribute(String(40), scd=2)
    lighting: Mapped[str] = attribute(String(40), scd=2)
    shape: Mapped[str] = attribute(String(40), scd=2)
    drainage: Mapped[str] = attribute(String(40), scd=2)
    league: Mapped[str] = attribute(String(60), scd=2)  # fault: conformed-type


class FactMatch(Fact):  # fault: redundant-index
    """One row a match and member."""

    __table_args__ = (Index("ix_match_member", "member_key"),)

    match_id: Mapped[str] = grain(String(20))
    kicked_off_at: Mapped[datetime] = event_time()
    kicked_off_date_key: Mapped[int] = references(DimDate, on="kicked_off_at")
    member_key: Mapped[int] = references(DimMember)
    pitch_key: Mapped[int] = references(DimPitch)


ANYTHING = field("anything", default=None)


class ClubCountry(Mapper[Entry, DimCountry]):
    """Countries."""

    continent = ANYTHING


class ClubTown(Mapper[Entry, DimTown]):
    """Towns."""

    town_name = ANYTHING
    country_id = ANYTHING


class ClubMember(Mapper[Entry, DimMember]):
    """Members."""

    member_name = ANYTHING
    town_id = ANYTHING
    last_visit_at = ANYTHING
    paid_amount = ANYTHING
    phone_number = ANYTHING
    home_street = ANYTHING
    league = ANYTHING
    team = ANYTHING
    shirt = ANYTHING
    shoe = ANYTHING
    locker = ANYTHING
    belt = ANYTHING
    cap = ANYTHING
    scarf = ANYTHING


class ClubPitch(Mapper[Entry, DimPitch]):
    """Pitches."""

    pitch_name = ANYTHING
    surface = ANYTHING
    lighting = ANYTHING
    shape = ANYTHING
    drainage = ANYTHING
    league = ANYTHING


class ClubMatch(Mapper[Entry, FactMatch]):
    """Matches."""

    match_id = field("id")
    kicked_off_at = field("at")
    member_key = ANYTHING
    pitch_key = ANYTHING


club = Pipeline("club")
for each in (ClubCountry, ClubTown, ClubMember, ClubPitch, ClubMatch):
    club.sync(Club.entries, each)
