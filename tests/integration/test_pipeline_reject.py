"""Rejects: kept with their reason while the rest goes on, counted, tried again, and too many of them."""

from collections.abc import Iterator
from datetime import datetime
from typing import Any

import pytest
from sqlalchemy import String, text
from sqlalchemy.orm import Mapped
from tests.garden import (
    START,
    DimPlant,
    Garden,
    GardenSettings,
    Plant,
    Tree,
    Wood,
    WoodPlant,
    count,
    load,
    plant,
)
from tests.memory import Given, pages

from strandline.model import Dimension, Fact, Mapper, attribute, event_time, field, grain, references
from strandline.pipeline import Pipeline, Rejects, run
from strandline.source import Pages, Record, Source, stream
from strandline.testing import ScriptedApi, assert_drawn
from strandline.warehouse.database import Database


@pytest.fixture
def api() -> Iterator[ScriptedApi]:
    with ScriptedApi() as api:
        yield api


def test_rejects_are_kept_with_their_reason_and_the_rest_goes_on(
    warehouse: Database, api: ScriptedApi
) -> None:
    """Refused by the contract, by the mapper, or by the column, which COPY tells."""
    wrong: list[dict[str, Any]] = [
        {"id": "naive", "changed": "2026-01-01T00:00:00"},
        {"id": "method", "height": -1},
        {"id": "long", "label": "thirteen char"},
        {"id": "nul", "label": "a\0b"},
        {"id": "big", "height": 2**31},
        {"id": "flag", "gone": "perhaps"},
    ]
    records = [{**plant(number), **it} for number, it in enumerate(wrong)]
    api.serve("/unordered", [*records, plant(20), plant(21)])
    report = load(warehouse, api)

    assert (report.status, report.exit_code, report.streams[0].rejected) == ("partial", 3, 6)
    assert count(warehouse, "warehouse.dim_plant") == 2
    with warehouse.connect() as connection:
        assert_drawn(
            connection,
            text("SELECT source_id, target, field, rule, reason FROM strandline.reject ORDER BY raw_id"),
            r"""
            | source_id | target   | field   | rule           | reason |
            | naive     | ''       | changed | timezone_aware | Plant.changed: Input should have timezone info, got '2026-01-01T00:00:00' |
            | method    | DimPlant | height  | ValueError     | GardenPlant.height: a height of -1 |
            | long      | DimPlant | label   | type           | GardenPlant.label: 'thirteen char' is 13 characters long, and the column holds 12 |
            | nul       | DimPlant | label   | type           | GardenPlant.label: 'a\\x00b' holds a NUL character, which PostgreSQL cannot store |
            | big       | DimPlant | height  | type           | GardenPlant.height: 2147483648 is outside a 32-bit integer |
            | flag      | ''       | gone    | tombstone_flag | Plant.gone: is neither yes, no nor a time, got 'perhaps' |
            """,  # noqa: E501  # drawn as it is
            ordered=True,
        )


class Memo(Record):
    """A memo; what is in it is nobody's business."""

    id: str
    content: dict[str, Any]


class Desk(Source):
    """Memos."""

    def __init__(self, *memos: Given) -> None:
        super().__init__()
        self.memos = memos

    @stream(Memo, key="id")
    def memos_sent(self) -> Pages:
        """What it was given."""
        return pages(self.memos)


class DimMemo(Dimension):
    """A memo."""

    content: Mapped[dict[str, Any]] = attribute()


class DeskMemo(Mapper[Memo, DimMemo]):
    """Memos."""

    content = field("content")


def test_a_row_that_only_the_server_can_refuse_is_found_by_trying(warehouse: Database) -> None:
    """A NUL deep in JSON looks like nothing from outside; the two bad ones of forty go, the others stay."""
    pipeline = Pipeline("desk")
    pipeline.sync(Desk.memos_sent, DeskMemo)
    memos = [{"id": str(it), "content": {"a": ["\0" if it in (7, 30) else "b"]}} for it in range(40)]
    report = run(pipeline, warehouse, sources={"desk": Desk(*memos)})

    assert (report.status, report.streams[0].rejected) == ("partial", 2)
    assert report.targets[0].counts["members"] == 38
    with warehouse.connect() as connection:
        assert_drawn(
            connection,
            text("SELECT source_id, field, rule, reason FROM strandline.reject"),
            """
            | source_id | field | rule | reason                                          |
            | 7         | ''    | type | DeskMemo: unsupported Unicode escape sequence |
            | 30        | ''    | type | DeskMemo: unsupported Unicode escape sequence |
            """,
        )


def test_what_was_rejected_is_rejected_again_when_it_is_resumed(
    warehouse: Database, api: ScriptedApi
) -> None:
    """Also a deletion's flag that says neither yes nor no: it must not pass as a record the second time."""
    records = [{**plant(1), "gone": "perhaps"}, plant(2, height=-1), {"id": "P3"}, plant(4)]
    api.serve("/unordered", records)
    nothing = Rejects(count=0, share=0)
    assert load(warehouse, api, rejects=nothing).status == "failed"

    again = load(warehouse, api)
    assert (again.status, again.streams[0].resumed, again.streams[0].rejected) == ("partial", 4, 3)
    assert (count(warehouse, "warehouse.dim_plant"), count(warehouse, "strandline.reject")) == (1, 3)


def test_too_many_rejects_stop_the_stream_before_anything_is_merged(
    warehouse: Database, api: ScriptedApi
) -> None:
    """Promise 6. The records are kept, so when contract or threshold is mended nothing is read again."""
    api.serve("/unordered", [plant(number, height=-1 if number < 4 else 1) for number in range(12)])
    report = load(warehouse, api, rejects=Rejects(count=3, share=0.1))

    assert report.streams[0].kind == "TooManyRejects"
    assert "4 of 12 records were rejected" in str(report.streams[0].error)
    assert count(warehouse, "warehouse.dim_plant") == 0
    assert count(warehouse, "strandline.reject") == 4
    assert load(warehouse, api, rejects=Rejects(count=3, share=0.1)).status == "failed"

    again = load(warehouse, api, rejects=Rejects(count=4, share=0.1))
    assert (again.status, again.streams[0].stored, again.streams[0].resumed) == ("partial", 0, 12)
    assert count(warehouse, "warehouse.dim_plant") == 8
    assert count(warehouse, "strandline.reject") == 4


def test_a_reject_is_forgotten_when_its_record_passes_a_mended_mapper(
    warehouse: Database, api: ScriptedApi
) -> None:
    class MendedPlant(Mapper[Plant, DimPlant]):
        """Plants, of any height."""

        label = field("label")
        height = field("height")

    api.serve("/unordered", [plant(1, height=-1), plant(2)])
    load(warehouse, api, rejects=Rejects(count=0, share=0))
    pipeline = Pipeline("garden")
    pipeline.sync(Garden.unordered, MendedPlant)
    with Garden(settings=GardenSettings(base_url=api.url)) as source:
        report = run(pipeline, warehouse, sources={"garden": source})

    assert report.status == "done"
    assert count(warehouse, "warehouse.dim_plant") == 2
    assert count(warehouse, "strandline.reject") == 0


def test_a_rejected_record_does_not_make_later_ones_late(warehouse: Database, api: ScriptedApi) -> None:
    """A broken time of 2099 in a reject must not close the door for its member."""
    broken = {**plant(1, height=-1), "changed": "2099-01-01T00:00:00Z"}
    api.serve("/unordered", [broken])
    load(warehouse, api)
    api.serve("/unordered", [plant(1, height=1)])

    assert load(warehouse, api).status == "done"
    assert count(warehouse, "warehouse.dim_plant") == 1


class FactTree(Fact):
    """A tree, which must have a plant."""

    tree_id: Mapped[str] = grain(String(20))
    planted_at: Mapped[datetime] = event_time()
    plant_key: Mapped[int] = references(DimPlant, missing="reject")


class WoodTree(Mapper[Tree, FactTree]):
    """Trees."""

    tree_id = field("id")
    planted_at = field("at")
    plant_key = field("plant")


def test_a_fact_whose_member_is_missing_is_rejected_and_makes_the_run_partial(warehouse: Database) -> None:
    wood, pipeline = Wood(), Pipeline("wood")
    pipeline.sync(Wood.plants, WoodPlant)
    pipeline.sync(Wood.trees, WoodTree)
    wood.plant_records = [plant(1)]
    wood.tree_records = [
        {"id": "known", "plant": "P1", "at": START.isoformat()},
        {"id": "none", "plant": None, "at": START.isoformat()},
        {"id": "missing", "plant": "P9", "at": START.isoformat()},
    ]
    report = run(pipeline, warehouse, sources={"wood": wood})

    assert (report.status, report.exit_code) == ("partial", 3)
    assert [it.rejected for it in report.streams] == [0, 1]
    with warehouse.connect() as connection:
        assert_drawn(
            connection,
            text("SELECT tree_id, plant_key FROM warehouse.fact_tree"),
            """
            | tree_id | plant_key |
            | known   | 1         |
            | none    | -2        |
            """,
        )
        assert_drawn(
            connection,
            text("SELECT source_id, field, rule, reason FROM strandline.reject"),
            """
            | source_id | field     | rule    | reason |
            | missing   | plant_key | missing | FactTree.plant_key: no member wood:P9 in DimPlant |
            """,
        )
        noted = text("SELECT status, rejected FROM strandline.run_stream WHERE stream = 'wood.trees'")
        assert tuple(connection.execute(noted).one()) == ("partial", 1)
