"""The quarantine: what is told of a reject, and when it leaves."""

from typing import Any

from sqlalchemy import select
from tests.garden import DimPlant, Plant, Wood, plant
from tests.integration.test_pipeline_reject import WoodTree
from tests.memory import Given, pages

from strandline.model import Mapper, field
from strandline.pipeline import Pipeline, Rejects, RunReport, run
from strandline.pipeline.release import retry
from strandline.source import Pages, Source, stream
from strandline.warehouse import reject, state
from strandline.warehouse.database import Database


class Bed(Source):
    """Plants in memory."""

    name = "bed"

    def __init__(self, *records: Given) -> None:
        super().__init__()
        self.records = records

    @stream(Plant, key="id", effective_at="changed", deleted="gone")
    def plants(self) -> Pages:
        """What it was given, one page each."""
        return pages(*([it] for it in self.records))


class LateBed(Bed):
    """The same, which may know of the future."""

    name = "bed"

    @stream(Plant, key="id", effective_at="changed", deleted="gone", future=None)
    def plants(self) -> Pages:
        """What it was given."""
        return pages(self.records)


class LowPlant(Mapper[Plant, DimPlant]):
    """Plants that are not high."""

    label = field("label")

    def height(self, record: Plant) -> int | None:
        """At most 10."""
        if (record.height or 0) > 10:
            raise ValueError("too high")
        return record.height


class AnyPlant(Mapper[Plant, DimPlant]):
    """Plants of any height."""

    label = field("label")
    height = field("height")


def load(
    database: Database,
    *records: dict[str, Any],
    mapper: type[Mapper[Any, Any]] = LowPlant,
    rejects: Rejects | None = None,
    source: type[Bed] = Bed,
) -> RunReport:
    pipeline = Pipeline("bed")
    pipeline.sync(source.plants, mapper, rejects=rejects)
    return run(pipeline, database, sources={"bed": source(*records)})


def noted(database: Database) -> list[Any]:
    with database.connect() as connection:
        return list(connection.execute(select(state.reject).order_by(state.reject.c.reject_id)).all())


def heights(database: Database) -> list[Any]:
    table = DimPlant.table().c
    with database.connect() as connection:
        rows = select(table.source_id, table.height, table.is_deleted).where(table.plant_key > 0)
        return [tuple(row) for row in connection.execute(rows.order_by(table.source_id, table.version))]


def test_a_reject_counts_how_often_its_very_payload_came_again(warehouse: Database) -> None:
    """Also within one run, also without a key; another payload is another reject."""
    bad, keyless = plant(1, height=11), {**plant(2), "id": ""}
    load(warehouse, bad, plant(3), keyless)
    load(warehouse, bad, plant(3), keyless, bad, keyless)
    load(warehouse, {**bad, "height": 12}, plant(3))
    first, second, third = noted(warehouse)

    assert (first.repeats, second.repeats, third.repeats) == (2, 2, 0)
    assert (first.run_id, first.last_run_id, third.run_id) == (1, 2, 3)
    assert first.rejected_at < first.last_seen_at < third.rejected_at


def test_the_next_run_of_a_mended_mapper_releases_below_the_threshold_too(warehouse: Database) -> None:
    """And the run after that has nothing to try."""
    load(warehouse, plant(1, height=11), plant(2))
    report = load(warehouse, mapper=AnyPlant)

    assert (report.status, report.streams[0].released, report.streams[0].rejected) == ("done", 1, 0)
    assert (heights(warehouse), noted(warehouse)) == ([("P1", 11, False), ("P2", None, False)], [])
    assert load(warehouse, mapper=AnyPlant).targets == []


def test_a_record_of_the_future_is_released_by_a_stream_that_allows_it(warehouse: Database) -> None:
    """A deletion that was refused is a deletion when it is released."""
    ahead = {"changed": "2999-01-01T00:00:00+00:00"}
    load(warehouse, plant(1, height=1), {**plant(2, height=2), **ahead}, {**plant(1), **ahead, "gone": True})
    assert [it.rule for it in noted(warehouse)] == ["future", "future"]
    report = load(warehouse, source=LateBed)

    assert report.streams[0].released == 2
    assert heights(warehouse) == [("P1", 1, True), ("P2", 2, False)]


def test_what_is_discarded_counts_no_more_and_is_not_resumed(warehouse: Database) -> None:
    """Too many, so nothing was merged; two are discarded, and the rest comes through."""
    nothing = Rejects(count=0, share=None)
    records = [plant(1, height=11), plant(2, height=11), plant(3)]
    assert load(warehouse, *records, rejects=nothing).status == "failed"
    with warehouse.begin() as connection:
        numbers = [it.reject_id for it in noted(warehouse)]
        assert reject.discard(connection, numbers, reason="weeds", by="me") == 2
    report = load(warehouse, mapper=AnyPlant, rejects=nothing)

    assert (report.status, report.streams[0].rejected) == ("done", 0)
    assert heights(warehouse) == [("P3", None, False)]
    assert {(it.state, it.discard_reason, it.discarded_by) for it in noted(warehouse)} == {
        ("discarded", "weeds", "me")
    }


def test_a_reject_that_is_tried_again_in_vain_keeps_its_number_and_its_beginning(warehouse: Database) -> None:
    load(warehouse, plant(1, height=11), rejects=Rejects(count=0, share=None))
    load(warehouse)
    (found,) = noted(warehouse)

    assert (found.reject_id, found.run_id, found.last_run_id, found.state) == (1, 1, 2, "open")


def test_a_fact_that_missed_its_member_is_released_by_a_retry_when_the_member_is_there(
    warehouse: Database,
) -> None:
    """In vain at first, which is no new reject."""
    wood, pipeline = Wood(), Pipeline("wood")
    pipeline.sync(Wood.trees, WoodTree)
    wood.tree_records = [{"id": "T", "plant": "P1", "at": plant(9)["changed"]}]
    run(pipeline, warehouse, sources={"wood": wood})
    in_vain = retry(pipeline, warehouse)
    beds = Pipeline("beds")
    beds.sync(Wood.plants, AnyPlant)
    wood.plant_records = [plant(1)]
    run(beds, warehouse, sources={"wood": wood})
    released = retry(pipeline, warehouse)

    assert (in_vain.status, in_vain.targets[0].counts["rejected"]) == ("partial", 0)
    assert (released.status, released.targets[0].counts["inserted"]) == ("done", 1)
    assert noted(warehouse) == []


def test_what_nobody_has_merged_yet_waits_for_the_next_run(warehouse: Database) -> None:
    load(warehouse, plant(1, height=11), plant(2), rejects=Rejects(count=0, share=None))
    pipeline = Pipeline("bed")
    pipeline.sync(Bed.plants, AnyPlant)
    report = retry(pipeline, warehouse)

    assert (report.targets, heights(warehouse), len(noted(warehouse))) == ([], [], 1)
