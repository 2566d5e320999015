"""A club with persons, their profiles and their visits: a junk dimension, and a mini-dimension in two roles.

The first role of a profile finds it in a gap, the second does not and waits for whom it does not know.
"""

from datetime import datetime

from pydantic import AwareDatetime
from sqlalchemy import String
from sqlalchemy.orm import Mapped
from tests.memory import pages

from strandline.model import (
    BooleanStringType,
    Dimension,
    Fact,
    JunkDimension,
    Mapper,
    MiniDimension,
    ShrunkenDimension,
    attribute,
    bands,
    combination,
    event_time,
    field,
    grain,
    references,
)
from strandline.pipeline import Pipeline
from strandline.source import Pages, Record, Source, stream


class Person(Record):
    """A person."""

    id: str
    at: AwareDatetime
    name: str | None = None
    age: int | None = None
    town: str | None = None


class Visit(Record):
    """A visit, with two flags."""

    id: str
    at: AwareDatetime
    visited_at: AwareDatetime
    person: str | None = None
    paid: str | None = None
    way: str | None = None


class Club(Source):
    """Persons and visits."""

    def __init__(self) -> None:
        super().__init__()
        self.person_records: list[bytes] = []
        self.visit_records: list[bytes] = []

    @stream(Person, key="id", effective_at="at", deleted="gone")
    def persons(self) -> Pages:
        """What it was given."""
        return pages(self.person_records)

    @stream(Visit, key="id", effective_at="at", deleted="gone")
    def visits(self) -> Pages:
        """What it was given."""
        return pages(self.visit_records)


class DimPerson(Dimension):
    """A person; the name keeps its history."""

    called: Mapped[str | None] = attribute(String(10), scd=2)


class DimPersonProfile(MiniDimension, of=DimPerson, outrigger=True):
    """What changes often about a person."""

    age_band: Mapped[str | None] = attribute(String(12))
    town: Mapped[str | None] = attribute(String(10))


class DimName(ShrunkenDimension, of=DimPerson, attributes=("called",)):
    """The names that persons have had."""


class DimVisitFlags(JunkDimension):
    """What a visit is, besides."""

    is_paid: Mapped[bool | None] = attribute(BooleanStringType)
    way: Mapped[str | None] = attribute(String(10))


class FactPresence(Fact):
    """One row a visit."""

    visit_id: Mapped[str] = grain(String(40))
    visited_at: Mapped[datetime] = event_time()
    visit_flags_key: Mapped[int] = references(DimVisitFlags)
    person_key: Mapped[int] = references(DimPerson)
    profile_key: Mapped[int] = references(DimPersonProfile)
    member_key: Mapped[int] = references(DimPersonProfile, missing="unknown", gap="unknown")


class ClubPerson(Mapper[Person, DimPerson]):
    """Persons."""

    called = field("name")


class ClubProfile(Mapper[Person, DimPersonProfile]):
    """Their profiles."""

    age_band = field("age", using=bands(10, 20))
    town = field("town")


class ClubFlags(Mapper[Visit, DimVisitFlags]):
    """The flags of a visit."""

    is_paid = field("paid")
    way = field("way")


class ClubVisit(Mapper[Visit, FactPresence]):
    """Visits."""

    visit_id = field("id")
    visited_at = field("visited_at")
    visit_flags_key = combination(ClubFlags)
    person_key = field("person")
    profile_key = field("person")
    member_key = field("person")


club = Pipeline("club")
club.sync(Club.visits, ClubVisit)
club.sync(Club.persons, ClubProfile)
club.sync(Club.persons, ClubPerson)
