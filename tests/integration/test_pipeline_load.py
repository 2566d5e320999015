"""Loading: marks move with their records, a failure is resumed, and running again writes nothing."""

from collections.abc import Iterator

import pytest
from sqlalchemy import text
from tests.garden import (
    Garden,
    GardenPlant,
    GardenSettings,
    Wood,
    WoodPlant,
    count,
    load,
    plant,
)

from strandline.pipeline import Pipeline, run
from strandline.pipeline.load import Load
from strandline.testing import ScriptedApi, Status
from strandline.warehouse.database import Database


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


def mark(database: Database, name: str) -> str | None:
    """The read mark's minute."""
    query = text("SELECT mark FROM strandline.read_mark WHERE stream = :stream")
    with database.connect() as connection:
        found = connection.scalar(query, {"stream": f"garden.{name}"})
    return None if found is None else found.removeprefix("datetime:2026-01-01T").removesuffix(":00+00:00")


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


def test_a_full_run_finds_what_the_filter_has_hidden(warehouse: Database, api: ScriptedApi) -> None:
    api.serve("/ordered", [plant(minute) for minute in (1, 2, 9)], since_field="changed")
    load(warehouse, api, "ordered")
    api.serve("/ordered", [plant(minute) for minute in (1, 2, 5, 9)], since_field="changed")
    assert load(warehouse, api, "ordered").streams[0].stored == 0

    report = load(warehouse, api, "ordered", full=True)
    assert "since" not in api.requests_to("/ordered")[-1].query
    assert (report.status, report.streams[0].stored, report.streams[0].unchanged) == ("done", 1, 3)
    assert (mark(warehouse, "ordered"), count(warehouse, "warehouse.dim_plant")) == ("00:09", 4)
    with warehouse.connect() as connection:
        kinds = connection.scalars(text("SELECT kind FROM strandline.run ORDER BY run_id")).all()
    assert kinds == ["run", "run", "full run"]


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
