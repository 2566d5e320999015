"""Loading: rejects are kept and the rest goes on, marks move with their records, a failure is resumed."""

from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from typing import Any, ClassVar

import pytest
from pydantic import AwareDatetime
from sqlalchemy import Integer, String, text
from sqlalchemy.orm import Mapped
from tests.memory import Given, pages

from strandline.model import Dimension, Fact, Mapper, attribute, event_time, field, grain, references
from strandline.pipeline import Pipeline, Rejects, RunReport, run
from strandline.pipeline.load import Load
from strandline.source import (
    Cursor,
    HttpSource,
    PageNumber,
    Pages,
    Record,
    Retry,
    Source,
    SourceSettings,
    stream,
)
from strandline.testing import ScriptedApi, Status, assert_drawn
from strandline.warehouse.database import Database

START = datetime(2026, 1, 1, tzinfo=UTC)


class Plant(Record):
    """A plant."""

    id: str
    label: str = "a plant"
    height: int | None = None
    bed: str | None = None
    changed: AwareDatetime


class GardenSettings(SourceSettings):
    """Where the garden's API is."""

    base_url: str


class Garden(HttpSource):
    """Plants, in two endpoints: one in the order of their changes, one in none."""

    settings: GardenSettings
    retry: ClassVar[Retry] = Retry(attempts=1)

    @stream(Plant, key="id", cursor=Cursor("changed", ordered=True), deleted="gone")
    def ordered(self, since: datetime | None) -> Pages:
        """In the order of their changes."""
        return self.pages("/ordered", params={"since": since}, paginator=PageNumber(), records="data")

    @stream(Plant, key="id", cursor=Cursor("changed"), deleted="gone")
    def unordered(self, since: datetime | None) -> Pages:
        """In no order."""
        return self.pages("/unordered", params={"since": since}, paginator=PageNumber(), records="data")


class DimPlant(Dimension):
    """A plant."""

    label: Mapped[str] = attribute(String(12), scd=2)
    height: Mapped[int | None] = attribute(Integer)


class GardenPlant(Mapper[Plant, DimPlant]):
    """Plants."""

    label = field("label")

    def height(self, record: Plant) -> int | None:
        """In millimetres; a plant that grows downwards is a mistake."""
        if record.height is not None and record.height < 0:
            raise ValueError(f"a height of {record.height}")
        return record.height


@pytest.fixture
def api() -> Iterator[ScriptedApi]:
    with ScriptedApi() as api:
        yield api


@pytest.fixture(autouse=True)
def small_chunks() -> Iterator[None]:
    """A chunk a page, so that tests need few records."""
    before, Load.chunk_records = Load.chunk_records, 5
    yield
    Load.chunk_records = before


def plant(number: int, **said: Any) -> dict[str, Any]:
    """A plant that changed in minute `number`."""
    return {"id": f"P{number}", "changed": (START + timedelta(minutes=number)).isoformat(), **said}


def load(
    database: Database, api: ScriptedApi, name: str = "unordered", *, rejects: Rejects | None = None
) -> RunReport:
    """One run of one stream."""
    pipeline = Pipeline("garden")
    pipeline.sync(Garden.streams()[name], GardenPlant, rejects=rejects)
    with Garden(settings=GardenSettings(base_url=api.url)) as source:
        return run(pipeline, database, sources={"garden": source})


def count(database: Database, table: str) -> int:
    """How many real rows there are."""
    where = "WHERE plant_key > 0" if table.endswith("dim_plant") else ""
    with database.connect() as connection:
        found: int = connection.scalar(text(f"SELECT count(*) FROM {table} {where}"))
    return found


def mark(database: Database, name: str) -> str | None:
    """The read mark's minute."""
    query = text("SELECT mark FROM strandline.read_mark WHERE stream = :stream")
    with database.connect() as connection:
        found = connection.scalar(query, {"stream": f"garden.{name}"})
    return None if found is None else found.removeprefix("datetime:2026-01-01T").removesuffix(":00+00:00")


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


def test_the_mark_of_an_ordered_stream_moves_with_every_chunk(warehouse: Database, api: ScriptedApi) -> None:
    """When the source dies on page 3, two pages are safe; the next run asks for what comes after them."""
    api.serve("/ordered", [plant(number) for number in range(1, 26)], page_size=5, since_field="changed")
    api.fail("/ordered", Status(500), request=3)
    report = load(warehouse, api, "ordered")

    assert report.status == "failed"
    assert report.streams[0].kind == "SourceUnavailable"
    assert (mark(warehouse, "ordered"), count(warehouse, "raw.garden_ordered")) == ("00:10", 10)
    assert count(warehouse, "warehouse.dim_plant") == 0

    again = load(warehouse, api, "ordered")
    asked = api.requests_to("/ordered")[3].query["since"]
    assert asked == "2026-01-01T00:10:00Z"
    assert (again.status, again.streams[0].stored, again.streams[0].resumed) == ("done", 15, 10)
    assert count(warehouse, "warehouse.dim_plant") == 25
    assert mark(warehouse, "ordered") == "00:25"


def test_the_mark_of_an_unordered_stream_moves_at_its_end_only(warehouse: Database, api: ScriptedApi) -> None:
    """What was read before the source died is kept all the same."""
    api.serve(
        "/unordered", [plant(number) for number in range(25, 0, -1)], page_size=5, since_field="changed"
    )
    api.fail("/unordered", Status(500), request=3)
    load(warehouse, api)
    assert (mark(warehouse, "unordered"), count(warehouse, "raw.garden_unordered")) == (None, 10)

    again = load(warehouse, api)
    assert (again.status, again.streams[0].stored, again.streams[0].unchanged) == ("done", 15, 10)
    assert (mark(warehouse, "unordered"), count(warehouse, "warehouse.dim_plant")) == ("00:25", 25)


def test_pages_before_a_failure_are_kept_also_when_they_fill_no_chunk(
    warehouse: Database, api: ScriptedApi
) -> None:
    Load.chunk_records = 1000
    api.serve("/ordered", [plant(number) for number in range(1, 26)], page_size=5, since_field="changed")
    api.fail("/ordered", Status(500), request=3)
    load(warehouse, api, "ordered")

    assert (mark(warehouse, "ordered"), count(warehouse, "raw.garden_ordered")) == ("00:10", 10)


def test_an_order_that_does_not_hold_takes_the_mark_back(warehouse: Database, api: ScriptedApi) -> None:
    """Nothing is merged; what was stored stays in the log."""
    api.serve("/ordered", [plant(1)], since_field="changed")
    load(warehouse, api, "ordered")
    minutes = [*range(1, 15), 3, *range(15, 20)]
    api.serve("/ordered", [plant(minute) for minute in minutes], page_size=5, since_field="changed")
    report = load(warehouse, api, "ordered")

    assert report.streams[0].kind == "OrderBroken"
    assert report.streams[0].mark_after == report.streams[0].mark_before
    assert (mark(warehouse, "ordered"), count(warehouse, "warehouse.dim_plant")) == ("00:01", 1)

    api.serve(
        "/ordered", [plant(minute) for minute in sorted(set(minutes))], page_size=5, since_field="changed"
    )
    assert load(warehouse, api, "ordered").status == "done"
    assert count(warehouse, "warehouse.dim_plant") == 19


def test_running_again_rewrites_no_row_of_any_table(warehouse: Database, api: ScriptedApi) -> None:
    """Promise 2: not even with what was there."""
    api.serve("/unordered", map(plant, range(5)))
    load(warehouse, api)
    gone = {**plant(6), "id": "P2", "gone": True}
    api.serve("/unordered", [plant(0), plant(8, label="new"), gone, plant(7, height=-1)])
    load(warehouse, api)
    written = _row_versions(warehouse)
    load(warehouse, api)

    assert _row_versions(warehouse) == written


TABLES = "SELECT schemaname, tablename FROM pg_tables WHERE schemaname IN ('raw', 'warehouse') ORDER BY 1, 2"


def _row_versions(database: Database) -> dict[str, list[tuple[str, str]]]:
    with database.connect() as connection:
        names = [f"{schema}.{table}" for schema, table in connection.execute(text(TABLES))]
        return {
            name: [
                tuple(row) for row in connection.execute(text(f"SELECT ctid::text, xmin::text FROM {name}"))
            ]
            for name in names
        }


class Tree(Record):
    """A tree of a plant's kind."""

    id: str
    plant: str | None
    at: AwareDatetime


class Wood(Source):
    """Plants and trees in memory."""

    def __init__(self) -> None:
        super().__init__()
        self.plant_records: list[Given] = []
        self.tree_records: list[Given] = []

    @stream(Plant, key="id", effective_at="changed")
    def plants(self) -> Pages:
        """What it was given."""
        return pages(self.plant_records)

    @stream(Tree, key="id", effective_at="at")
    def trees(self) -> Pages:
        """What it was given."""
        return pages(self.tree_records)


class FactTree(Fact):
    """A tree, which must have a plant."""

    tree_id: Mapped[str] = grain(String(20))
    planted_at: Mapped[datetime] = event_time()
    plant_key: Mapped[int] = references(DimPlant, missing="reject")


class WoodPlant(Mapper[Plant, DimPlant]):
    """Plants."""

    label = field("label")


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


def test_one_stream_that_fails_leaves_the_others_whole(warehouse: Database, api: ScriptedApi) -> None:
    pipeline, wood = Pipeline("both"), Wood()
    pipeline.sync(Garden.unordered, GardenPlant)
    pipeline.sync(Wood.plants, WoodPlant)
    wood.plant_records = [plant(1)]
    api.fail("/unordered", Status(500))
    with Garden(settings=GardenSettings(base_url=api.url)) as garden:
        report = run(pipeline, warehouse, sources={"garden": garden, "wood": wood})

    assert (report.status, report.exit_code) == ("partial", 3)
    assert [it.status for it in report.streams] == ["failed", "done"]
    assert count(warehouse, "warehouse.dim_plant") == 1
