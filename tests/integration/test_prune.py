"""What a prune spares: custom fields, facts, what is in the quarantine and what is not merged yet."""

import json
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from pydantic import AwareDatetime
from sqlalchemy import String, func, select
from sqlalchemy.orm import Mapped
from tests.memory import Given, pages
from tests.property.club import Club, DimName, DimPerson, DimPersonProfile, FactPresence, club

from strandline.errors import DeclarationError
from strandline.model import (
    AccumulatingSnapshot,
    CustomFields,
    Dimension,
    Fact,
    Mapper,
    attribute,
    field,
    grain,
    measure,
    milestone,
    references,
)
from strandline.pipeline import Pipeline, Rejects, RunReport, run
from strandline.pipeline.pruning import PruneReport, StreamPrune, prune
from strandline.pipeline.replay import replay
from strandline.source import Pages, Record, Source, stream
from strandline.testing.written import row_versions
from strandline.warehouse import prune as pruning
from strandline.warehouse import state
from strandline.warehouse.check import check
from strandline.warehouse.database import Database
from strandline.warehouse.prune import Cut


class Boat(Record):
    """A boat."""

    id: str
    at: AwareDatetime
    colour: str = "red"
    berth: str | None = None
    size: int = 1


class Marina(Source):
    """Boats."""

    def __init__(self, *records: Given) -> None:
        super().__init__()
        self.records = records

    @stream(Boat, key="id", effective_at="at", deleted="gone")
    def boats(self) -> Pages:
        """What it was given."""
        return pages(self.records)


class DimYacht(Dimension, CustomFields):
    """A boat; the colour keeps its history."""

    colour: Mapped[str] = attribute(String(10), scd=2)
    size: Mapped[int] = attribute()


class FactYachtMooring(Fact):
    """Where each boat lies."""

    boat_id: Mapped[str] = grain(String(20))
    yacht_key: Mapped[int] = references(DimYacht)
    size: Mapped[int] = measure(additive=True)


class FactYachtLife(AccumulatingSnapshot):
    """One row a boat."""

    boat_id: Mapped[str] = grain(String(20))
    came_at: Mapped[datetime | None] = milestone()


class MarinaBoat(Mapper[Boat, DimYacht]):
    """Boats."""

    colour = field("colour")
    size = field("size")


class MarinaMooring(Mapper[Boat, FactYachtMooring]):
    """Moorings."""

    boat_id = field("id")
    yacht_key = field("id")
    size = field("size")


class MarinaLife(Mapper[Boat, FactYachtLife]):
    """Lives of boats."""

    boat_id = field("id")
    came_at = field("at")


marina = Pipeline("marina")
marina.sync(Marina.boats, MarinaBoat, rejects=Rejects(count=1000))
marina.sync(Marina.boats, MarinaMooring)
only_boats = Pipeline("boats")
only_boats.sync(Marina.boats, MarinaBoat, rejects=Rejects(count=1000))


def boat(day: int, key: str = "a", **said: Any) -> dict[str, Any]:
    """A boat as of a day in March."""
    return {"id": key, "at": datetime(2026, 3, day, tzinfo=UTC).isoformat(), **said}


def load(database: Database, *records: Given, pipeline: Pipeline = marina) -> RunReport:
    return run(pipeline, database, sources={"marina": Marina(*records)})


def cut(database: Database, *pipelines: Pipeline) -> StreamPrune:
    report: PruneReport = prune(pipelines or [marina], database, ["marina.boats"], older_than=timedelta(0))
    return report.streams[0]


def custom(database: Database) -> dict[str, Any]:
    with database.connect() as connection:
        found = connection.scalars(select(DimYacht.table().c.custom_fields).where(DimYacht.key_column() > 0))
        fields = dict(found.first() or {})
    return {name: (it["value"], it["first_seen"][8:10], it["last_seen"][8:10]) for name, it in fields.items()}


def entries(database: Database) -> int:
    log = marina.readings[0].raw
    with database.connect() as connection:
        return connection.scalar(select(func.count()).select_from(log)) or 0


def test_custom_fields_are_known_from_before_the_horizon(warehouse: Database) -> None:
    """First seen as ever, and what stopped coming then has the value of its last record."""
    load(warehouse, boat(1, flag="NO", mast=2), boat(2, flag="SE", mast=3), boat(3, flag="SE"), boat(4))
    load(warehouse, boat(5, flag="DK"), boat(9, flag="FI"))
    before = custom(warehouse)
    assert cut(warehouse).entries > 0
    replay(marina, warehouse)
    assert custom(warehouse) == before == {"flag": ("FI", "01", "09"), "mast": (3, "01", "02")}
    load(warehouse, boat(12, flag="IS", oars=2))
    load(warehouse, boat(11, flag="IS", oars=1))

    assert custom(warehouse) == {"flag": ("IS", "01", "12"), "mast": (3, "01", "02"), "oars": (2, "11", "12")}


def test_a_fact_has_the_latest_word_whatever_was_pruned(warehouse: Database) -> None:
    load(warehouse, boat(1, size=1), boat(3, size=3), boat(5, size=5))
    cut(warehouse)
    load(warehouse, boat(4, size=4), boat(2, size=2))
    replay(marina, warehouse)

    with warehouse.connect() as connection:
        assert connection.scalars(select(FactYachtMooring.table().c.size)).all() == [5]


def test_what_is_in_the_quarantine_stays_and_can_be_released(warehouse: Database) -> None:
    """And so does what follows it, for it may be put before that yet."""
    load(warehouse, boat(1), boat(2, size=2), boat(3, size="many"), boat(4, size=4), boat(5, size=5), boat(6))
    pruned = cut(warehouse)

    assert (pruned.entries, entries(warehouse)) == (0, 6)
    with warehouse.begin() as connection:
        connection.execute(state.reject.update().values(state=state.DISCARDED))
    assert cut(warehouse).entries == 3
    assert cut(warehouse).entries == 0


def test_what_a_target_has_not_merged_stays(warehouse: Database) -> None:
    """A model that is declared and not built yet needs all of it."""
    load(warehouse, *(boat(day) for day in range(1, 9)), pipeline=only_boats)
    assert cut(warehouse, only_boats, marina).entries == 0
    load(warehouse, boat(9))

    assert cut(warehouse, only_boats, marina).entries == 7


def test_a_target_that_nobody_declares_is_told(warehouse: Database) -> None:
    load(warehouse, *(boat(day) for day in range(1, 9)))
    told = cut(warehouse, only_boats)

    assert told.status == "failed"
    assert "it fills FactYachtMooring too" in (told.error or "")


def test_a_stream_whose_every_record_is_needed_is_passed_by(warehouse: Database) -> None:
    lives = Pipeline("lives")
    lives.sync(Marina.boats, MarinaLife)
    load(warehouse, boat(1), boat(2), boat(3), pipeline=lives)
    told = cut(warehouse, lives)

    assert (told.status, told.entries, entries(warehouse)) == ("kept", 0, 3)
    assert told.reason == "a row of FactYachtLife is made of all records of its key"


def test_a_stream_that_nobody_reads_is_told(warehouse: Database) -> None:
    with pytest.raises(DeclarationError, match=r"no pipeline reads 'marina\.cars'"):
        prune([marina], warehouse, ["marina.cars"])


def test_a_new_dimension_begins_behind_the_horizon(warehouse: Database) -> None:
    """What was kept of before for other reasons would tell half of it."""
    load(warehouse, boat(1), boat(2, size=2), boat(3, size=3), pipeline=only_boats)
    assert (cut(warehouse, only_boats).entries, entries(warehouse)) == (1, 2)
    with warehouse.begin() as connection:
        connection.execute(DimYacht.table().delete().where(DimYacht.key_column() > 0))
        connection.execute(state.applied_mark.delete())
    load(warehouse, boat(9, colour="blue"), pipeline=only_boats)

    with warehouse.connect() as connection:
        v = DimYacht.table().c
        found = connection.execute(select(v.colour, v.valid_from).where(v.version > 0, v.yacht_key > 0))
        assert sorted((it.colour, it.valid_from.day) for it in found) == [("blue", 9), ("red", 3)]


def test_a_prune_that_was_killed_between_two_batches_is_gone_on_with(warehouse: Database) -> None:
    """What is still there of before the horizon is not counted upon, and goes the next time."""
    load(warehouse, *(boat(day, colour=f"{day % 3}", mast=day) for day in range(1, 10)))
    prune([marina], warehouse, ["marina.boats"], older_than=timedelta(days=1))  # makes its tables
    table, (reading,) = DimYacht.table(), marina.readings
    cutting = Cut(reading.raw, "marina.boats", "marina", datetime.now(UTC), 9, (DimYacht,))
    with warehouse.begin() as connection:
        found = pruning.choose(warehouse, connection, cutting)
        prune_id = pruning.begin(connection, cutting, exported_to=None, run_id=1)
        pruning.delete_batch(connection, cutting, after=0, prune_id=prune_id, size=3)
    before = row_versions(warehouse, table)
    assert (found.entries, entries(warehouse)) == (8, 6)
    replay(marina, warehouse)
    assert row_versions(warehouse, table) == before
    load(warehouse, boat(5, colour="new"))

    assert row_versions(warehouse, table) == before
    assert cut(warehouse).entries == 5
    replay(marina, warehouse)
    assert row_versions(warehouse, table) == before


def test_what_is_made_of_a_history_besides_stays_as_it_was(warehouse: Database) -> None:
    """A mini-dimension, its outrigger, a rollup and the facts of all; with a late record they go on."""
    history = DimPersonProfile.history
    models = (DimPerson, DimPersonProfile, history, DimName, FactPresence)
    source = Club()
    source.person_records = [person(day, "ab"[day // 4 % 2], 4 * day) for day in range(1, 13)]
    source.visit_records = [visit(day) for day in range(1, 13)]
    run(club, warehouse, sources={"club": source})
    before = row_versions(warehouse, *(it.table() for it in models))
    report = prune([club], warehouse, ["club.persons", "club.visits"], older_than=timedelta(0))
    replay(club, warehouse)
    assert report.streams[0].entries > 0
    assert row_versions(warehouse, *(it.table() for it in models)) == before
    for days in ([20], [18, 3]):
        source.person_records = [person(day, f"{day}", 1) for day in days]
        source.visit_records = [visit(day) for day in days]
        run(club, warehouse, sources={"club": source})

    with warehouse.connect() as connection:
        assert check(connection, [DimPerson, history, FactPresence]) == []
        p = DimPerson.table().c
        found = connection.scalars(select(p.called).where(p.person_key > 0).order_by(p.version))
        assert found.all() == ["a", "b", "a", "b", "18", "20"]


def person(day: int, name: str, age: int) -> bytes:
    """A person as of a day in March."""
    return json.dumps({**boat(day, "p"), "name": name, "age": age}).encode()


def visit(day: int) -> bytes:
    """A visit of that person."""
    said = boat(day, f"v{day}")
    return json.dumps({**said, "visited_at": said["at"], "person": "p"}).encode()
