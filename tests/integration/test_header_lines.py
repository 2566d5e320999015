"""Header and lines, at the database: a record is taken or refused whole, and found again by its key."""

from collections.abc import Callable
from typing import Any, ClassVar

import pytest
from pydantic import Field
from sqlalchemy import Integer, String, text
from sqlalchemy.orm import Mapped
from tests.memory import Given, pages

from strandline.errors import DeclarationError
from strandline.model import (
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
from strandline.natural_key import NaturalKeys
from strandline.pipeline import Pipeline, RunReport, run
from strandline.source import Pages, Record, Source, stream
from strandline.testing import assert_drawn
from strandline.warehouse.database import Database


class Leg(Record):
    """A line of a trip."""

    to: str
    note: dict[str, Any] = Field(default_factory=dict)


class Trip(Record):
    """A trip with its legs."""

    id: str
    code: int = 0
    legs: list[Leg] = Field(default_factory=list)


class Port(Record):
    """A port."""

    id: str


class Harbour(Source):
    """Trips and ports."""

    name = "harbour"

    def __init__(self, *trips: Given) -> None:
        super().__init__()
        self.sent = trips

    @stream(Port, key="id")
    def ports(self) -> Pages:
        """Two."""
        return pages([{"id": "oslo"}, {"id": "rome"}])

    @stream(Trip, key="id")
    def trips(self) -> Pages:
        """What it was given."""
        return pages(self.sent)


class DimPort(Dimension):
    """A port."""

    label: Mapped[str | None] = attribute(String(20))


class FactLeg(Fact):
    """One row a leg."""

    trip_id: Mapped[str] = grain(String(20))
    leg: Mapped[int] = grain(Integer)
    port_key: Mapped[int] = references(DimPort, missing="reject")
    note: Mapped[dict[str, Any]] = degenerate()
    label: Mapped[str] = degenerate(String(4))


class HarbourPort(Mapper[Port, DimPort]):
    """Ports."""

    label = field("id")


class HarbourLeg(Mapper[Trip, FactLeg], each="legs"):
    """Legs."""

    trip_id = field("id")
    leg = line_number()
    port_key = line("to")
    note = line("note")
    label = line("to")


harbour = Pipeline("harbour")
harbour.sync(Harbour.ports, HarbourPort)
harbour.sync(Harbour.trips, HarbourLeg)


def load(database: Database, **trips: list[Any]) -> RunReport:
    """One run with these trips, each with where its legs lead to."""
    sent = [
        {"id": name, "legs": [leg if isinstance(leg, dict) else {"to": leg} for leg in legs]}
        for name, legs in trips.items()
    ]
    return run(harbour, database, sources={"harbour": Harbour(*sent)})


def check_legs(database: Database, drawing: str) -> None:
    """Whether the legs are as drawn."""
    query = text("SELECT trip_id, leg, label FROM warehouse.fact_leg ORDER BY 1, 2")
    with database.connect() as connection:
        assert_drawn(connection, query, drawing, ordered=True)


def check_rejects(database: Database, drawing: str) -> None:
    """Whether the rejects are as drawn."""
    query = text("SELECT source_id, field, rule, reason FROM strandline.reject ORDER BY source_id")
    with database.connect() as connection:
        assert_drawn(connection, query, drawing)


def test_a_record_of_which_one_line_is_refused_is_refused_whole(warehouse: Database) -> None:
    """By the column, by the server alone, or because a member is missing; each is counted once."""
    report = load(
        warehouse,
        good=["oslo", "rome"],
        long=["oslo", "istanbul", "singapore"],
        missing=["oslo", "pisa", "bari"],
        nul=["rome", {"to": "oslo", "note": {"a": ["\0"]}}, "oslo"],
        other=["rome"],
    )

    assert (report.status, [it.rejected for it in report.streams]) == ("partial", [0, 3])
    check_legs(
        warehouse,
        """
        | trip_id | leg | label |
        | good    | 1   | oslo  |
        | good    | 2   | rome  |
        | other   | 1   | rome  |
        """,
    )
    check_rejects(
        warehouse,
        """
        | source_id | field    | rule    | reason |
        | long      | label    | type    | HarbourLeg.label: 'istanbul' is 8 characters long, and the column holds 4 |
        | missing   | port_key | missing | FactLeg.port_key: no member harbour:bari in DimPort |
        | nul       | ''       | type    | HarbourLeg: unsupported Unicode escape sequence |
        """,  # noqa: E501  # drawn as it is
    )


def test_a_bad_record_leaves_the_lines_that_were_known_before(warehouse: Database) -> None:
    load(warehouse, a=["oslo", "rome"], b=["oslo"])
    report = load(warehouse, a=["rome", "pisa"], b=["rome", "oslo"])

    counts = report.targets[-1].counts
    assert [counts[it] for it in ("inserted", "updated", "deleted", "rejected")] == [1, 1, 0, 1]
    check_legs(
        warehouse,
        """
        | trip_id | leg | label |
        | a       | 1   | oslo  |
        | a       | 2   | rome  |
        | b       | 1   | rome  |
        | b       | 2   | oslo  |
        """,
    )


def test_a_record_that_has_no_line_any_more_has_no_row(warehouse: Database) -> None:
    load(warehouse, a=["oslo", "rome"], b=["oslo"])
    report = load(warehouse, a=[], b=["oslo"])

    assert (report.status, report.targets[-1].counts["deleted"]) == ("done", 2)
    check_legs(
        warehouse,
        """
        | trip_id | leg | label |
        | b       | 1   | oslo  |
        """,
    )


class FactPortCall(Fact):
    """One row a port that a trip calls at: no measure, the row itself is the fact."""

    trip_id: Mapped[str] = grain(String(20))
    port: Mapped[str] = grain(String(20))
    port_key: Mapped[int] = references(DimPort)


class HarbourCall(Mapper[Trip, FactPortCall], each="legs"):
    """Calls."""

    trip_id = field("id")
    port = line("to")
    port_key = line("to")


def test_a_record_with_two_lines_at_one_grain_is_a_reject_that_says_where(warehouse: Database) -> None:
    pipeline = Pipeline("calls")
    pipeline.sync(Harbour.trips, HarbourCall)
    legs = [[{"to": "oslo"}, {"to": "rome"}, {"to": "oslo"}, {"to": "rome"}], [{"to": "oslo"}]]
    sent = [{"id": f"T{number}", "legs": it} for number, it in enumerate(legs)]
    report = run(pipeline, warehouse, sources={"harbour": Harbour(*sent)})

    assert (report.status, report.streams[0].rejected) == ("partial", 1)
    assert report.targets[0].counts["inserted"] == 1
    check_rejects(
        warehouse,
        """
        | source_id | field         | rule  | reason |
        | T0        | trip_id, port | lines | FactPortCall: trip_id T0, port oslo is the grain of several lines of the record |
        """,  # noqa: E501  # drawn as it is
    )


class FactLegTrip(Fact):
    """A fact whose grain does not begin with the key."""

    leg: Mapped[int] = grain(Integer)
    trip_id: Mapped[str] = grain(String(20))


class HarbourLegTrip(Mapper[Trip, FactLegTrip], each="legs"):
    """Legs, the other way round."""

    trip_id = field("id")
    leg = line_number()


class Loose(Harbour):
    """A source that spells its keys as it likes."""

    name = "loose"
    natural_keys: ClassVar[NaturalKeys] = NaturalKeys(ignore_case=True)

    @stream(Trip, key="id")
    def loose_trips(self) -> Pages:
        """What it was given."""
        return pages(self.sent)


@pytest.mark.parametrize(
    ("declare", "message"),
    [
        (
            lambda it: it.sync(Harbour.trips, HarbourLegTrip),
            "could not be found again in FactLegTrip, whose grain begins",
        ),
        (lambda it: it.sync(Loose.loose_trips, HarbourCall), "loose spells its keys in several ways"),
    ],
)
def test_lines_that_could_not_be_found_again_are_refused_when_declared(
    declare: Callable[[Pipeline], object], message: str
) -> None:
    with pytest.raises(DeclarationError, match=message):
        declare(Pipeline("wrong"))
