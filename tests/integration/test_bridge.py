"""Groups of members: the rejects at the door, a group of thousands, and weights that somebody has changed."""

from decimal import Decimal
from typing import Any

from pydantic import AwareDatetime
from sqlalchemy import String, select, text
from sqlalchemy.orm import Mapped
from tests.memory import Given, pages

from strandline.model import Bridge, Dimension, Fact, Mapper, attribute, field, grain, references
from strandline.pipeline import Pipeline, Rejects, RunReport, run
from strandline.source import Pages, Record, Source, stream
from strandline.testing import assert_drawn
from strandline.warehouse import state
from strandline.warehouse.bridge import wrong_weights
from strandline.warehouse.check import check
from strandline.warehouse.database import Database


class Song(Record):
    """A song and who has written it."""

    id: str
    at: AwareDatetime
    writers: list[tuple[str, Decimal] | str]
    lead: str | None = None


class Label(Source):
    """Songs."""

    def __init__(self, *songs: Given) -> None:
        super().__init__()
        self.records = songs

    @stream(Song, key="id", effective_at="at")
    def songs(self) -> Pages:
        """What it was given."""
        return pages(self.records)


class DimWriter(Dimension):
    """A writer."""

    writer_name: Mapped[str | None] = attribute(String(40))


class BridgeWriter(Bridge, to=DimWriter):
    """The writers of a song."""


class DimSong(Dimension):
    """A song."""

    writers: Mapped[str | None] = attribute(scd=2, bridge=BridgeWriter)


class FactSong(Fact):
    """One row a song; its lead waits until somebody names them."""

    song_id: Mapped[str] = grain(String(40))
    writer_group_key: Mapped[int] = references(BridgeWriter)
    lead_key: Mapped[int] = references(DimWriter, missing="unknown")


class LabelSong(Mapper[Song, DimSong]):
    """The label's songs."""

    writers = field("writers")


class LabelFact(Mapper[Song, FactSong]):
    """The label's songs, as facts."""

    song_id = field("id")
    writer_group_key = field("writers", source="guild")
    lead_key = field("lead", source="guild")


label = Pipeline("label")
label.sync(Label.songs, LabelSong, rejects=Rejects(count=100))
label.sync(Label.songs, LabelFact)


def load(database: Database, *songs: dict[str, Any]) -> RunReport:
    dated = [{"at": "2026-01-01T00:00:00Z", **song} for song in songs]
    return run(label, database, sources={"label": Label(*dated)})


def test_weights_that_do_not_sum_to_one_are_told_with_their_values(warehouse: Database) -> None:
    report = load(
        warehouse,
        {"id": "1", "writers": [["ada", "0.5"], ["bob", "0.4"]]},
        {"id": "2", "writers": ["ada", "ada"]},
        {"id": "3", "writers": ["ada", "bob"]},
    )
    noted = select(state.reject.c.source_id, state.reject.c.target, state.reject.c.reason)

    assert (report.status, report.streams[0].rejected) == ("partial", 2)
    with warehouse.connect() as connection:
        assert_drawn(
            connection,
            noted.where(state.reject.c.target == "FactSong"),
            """
            | source_id | target | reason |
            | 1 | FactSong | LabelFact.writer_group_key (from writers): the weights 0.5 + 0.4 sum to 0.9, not to 1 |
            | 2 | FactSong | LabelFact.writer_group_key (from writers): 'ada' is a member twice |
            """,  # noqa: E501  # drawn as it is
        )


def test_the_same_group_of_two_sources_is_two(warehouse: Database) -> None:
    """Their natural keys are theirs; a group is of one source's members."""
    load(warehouse, {"id": "1", "writers": ["ada"]}, {"id": "2", "writers": ["ada"]})
    with warehouse.connect() as connection:
        assert_drawn(
            connection,
            text(
                "SELECT source_system, members FROM warehouse.bridge_writer_group WHERE writer_group_key > 0"
            ),
            """
            | source_system | members   |
            | label         | {"ada":1} |
            | guild         | {"ada":1} |
            """,
        )


def test_whoever_waits_for_a_member_gets_it_when_a_group_names_them(warehouse: Database) -> None:
    load(warehouse, {"id": "1", "writers": [], "lead": "bob"})
    load(warehouse, {"id": "2", "writers": ["bob"]})
    with warehouse.connect() as connection:
        assert_drawn(
            connection,
            text(
                "SELECT song_id, w.source_id FROM warehouse.fact_song"
                " JOIN warehouse.dim_writer w ON lead_key = writer_key"
            ),
            """
            | song_id | source_id      |
            | 1       | bob            |
            | 2       | not applicable |
            """,
        )


def test_a_group_may_have_thousands_of_members(warehouse: Database) -> None:
    everybody = [f"writer number {number} of the guild" for number in range(3000)]
    assert load(warehouse, {"id": "1", "writers": everybody}).status == "done"
    assert load(warehouse, {"id": "2", "writers": everybody[::-1]}).status == "done"
    with warehouse.connect() as connection:
        groups = connection.scalar(
            text("SELECT count(*) FROM warehouse.bridge_writer_group WHERE writer_group_key > 0")
        )
        assert not wrong_weights(connection, BridgeWriter)

    assert groups == 2  # the label's, and the guild's


def test_a_check_finds_weights_that_somebody_has_changed(warehouse: Database) -> None:
    load(warehouse, {"id": "1", "writers": ["ada", "bob"]})
    with warehouse.begin() as connection:
        connection.execute(
            text(
                "UPDATE warehouse.bridge_writer SET weight = 0.4 WHERE weight = 0.5 AND writer_group_key = 1"
            )
        )
        connection.execute(text("DELETE FROM warehouse.bridge_writer WHERE writer_group_key = 2"))
        findings = check(connection, label.models)

        assert wrong_weights(connection, BridgeWriter) == [(1, Decimal("0.8")), (2, Decimal(0))]
    (finding,) = findings
    assert (finding.table, finding.rule, finding.sample) == (
        "bridge_writer",
        "bridge-weights",
        ("group 1", "group 2"),
    )


def test_a_group_key_that_is_new_is_filled_for_whoever_is_there(warehouse: Database) -> None:
    load(warehouse, {"id": "1", "writers": ["ada"]})
    with warehouse.begin() as connection:
        connection.execute(text("UPDATE warehouse.dim_song SET writer_group_key = -1"))
        taken = "UPDATE strandline.applied_mark SET columns = columns - 'writer_group_key'"
        connection.execute(text(taken))
    load(warehouse)
    with warehouse.connect() as connection:
        filled = connection.scalar(text("SELECT writer_group_key FROM warehouse.dim_song WHERE song_key > 0"))

    assert filled is not None
    assert filled > 0
