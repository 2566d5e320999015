"""A ward whose samples are read twice: by a first contract and mappers that refuse too much, and by mended
ones.
"""

from datetime import datetime
from typing import Annotated

from pydantic import AwareDatetime, Field
from sqlalchemy import String
from sqlalchemy.orm import Mapped
from tests.memory import pages

from strandline.model import Dimension, Fact, Mapper, attribute, degenerate, event_time, field, grain
from strandline.pipeline import Pipeline, Rejects
from strandline.source import Pages, Record, Source, Zone, stream


class FirstSample(Record):
    """A sample: small, and at a time of which everything is known."""

    id: str
    at: AwareDatetime
    label: str
    size: Annotated[int, Field(le=5)]


class Sample(Record):
    """A sample, a little larger if need be, and in UTC if nothing is said."""

    id: str
    at: Annotated[datetime, Zone("UTC")]
    label: str
    size: Annotated[int, Field(le=8)]


class FirstWard(Source):
    """Samples, as they were read at first."""

    name = "ward"

    def __init__(self, records: list[bytes]) -> None:
        super().__init__()
        self.records = records

    @stream(FirstSample, key="id", effective_at="at")
    def samples(self) -> Pages:
        """What it was given."""
        return pages(self.records)


class Ward(Source):
    """Samples, as they are read now."""

    name = "ward"

    def __init__(self, records: list[bytes]) -> None:
        super().__init__()
        self.records = records

    @stream(Sample, key="id", effective_at="at")
    def samples(self) -> Pages:
        """What it was given."""
        return pages(self.records)


class DimSwab(Dimension):
    """A sample; the label keeps its history."""

    label: Mapped[str] = attribute(String(12), scd=2)


class FactSwab(Fact):
    """One row a sample."""

    sample_id: Mapped[str] = grain(String(40))
    taken_at: Mapped[datetime] = event_time()
    label: Mapped[str] = degenerate(String(12))


def refuse(label: str, *, unless: str) -> str:
    """The label, but for what a mapper does not know yet."""
    if label == unless:
        raise ValueError(f"what is {label!r}?")
    return label


class FirstDimMapper(Mapper[FirstSample, DimSwab]):
    """Does not know what m is."""

    def label(self, record: FirstSample) -> str:
        """As it is."""
        return refuse(record.label, unless="m")


class FirstFactMapper(Mapper[FirstSample, FactSwab]):
    """Does not know what f is."""

    sample_id = field("id")
    taken_at = field("at")

    def label(self, record: FirstSample) -> str:
        """As it is."""
        return refuse(record.label, unless="f")


class DimMapper(Mapper[Sample, DimSwab]):
    """Knows all labels that are short enough."""

    label = field("label")


class FactMapper(Mapper[Sample, FactSwab]):
    """Never gets to know what n is."""

    sample_id = field("id")
    taken_at = field("at")

    def label(self, record: Sample) -> str:
        """As it is."""
        return refuse(record.label, unless="n")


EVERYTHING = Rejects(count=10**6)

first_ward = Pipeline("ward")
first_ward.sync(FirstWard.samples, FirstDimMapper, rejects=EVERYTHING)
first_ward.sync(FirstWard.samples, FirstFactMapper)
ward = Pipeline("ward")
ward.sync(Ward.samples, DimMapper, rejects=EVERYTHING)
ward.sync(Ward.samples, FactMapper)
