"""Workers: what is taken apart elsewhere is what this process would have made of it, whatever the records."""

from collections.abc import Iterator, Sequence
from contextlib import ExitStack

import pytest
from hypothesis import example, given
from sqlalchemy import make_url, text
from tests.effort import cases
from tests.memory import Given
from tests.workshop import START, Workshop, WorkshopTool, WorkshopUse, tool, tools, workshop

from strandline.pipeline import run
from strandline.pipeline.definition import Sync
from strandline.pipeline.desk import Desk, Order, packers_for
from strandline.pipeline.intake import Intake
from strandline.pipeline.load import Load
from strandline.pipeline.replay import replay
from strandline.pipeline.target import Target, target_of
from strandline.pipeline.team import Team
from strandline.testing import postgres
from strandline.warehouse.database import Database
from strandline.warehouse.packed import PackedEntries, raw_ids

STORED = {
    "raw.workshop_tools": "raw_id, source_id, payload, operation, cursor_value, effective_at, request",
    "warehouse.dim_tool": "source_id, version, valid_from, is_deleted, label, weight, custom_fields",
    "warehouse.fact_tool_use": "tool_id, use, used_at, minutes, note, source_id",
    "strandline.reject": "raw_id, source_id, target, field, rule, reason",
    "strandline.field": "stream, path, records, filled, types, examples",
    "strandline.read_mark": "stream, mark",
    "strandline.request": "number, records, bytes",
}


@pytest.fixture(scope="module")
def pair(request: pytest.FixtureRequest) -> Iterator[tuple[Database, Database]]:
    """Two warehouses, which are to hold the same."""
    server, template = (request.getfixturevalue(it) for it in ("postgres_server", "warehouse_template"))
    before, Load.chunk_records, Team.slice_entries = (Load.chunk_records, Team.slice_entries), 10, 3
    with ExitStack() as opened:
        made = [Database(opened.enter_context(postgres.copy(server, template))) for _ in range(2)]
        yield made[0], made[1]
        for it in made:
            it.close()
    Load.chunk_records, Team.slice_entries = before


def stored(database: Database) -> dict[str, list[str]]:
    """Everything, but for when it was done."""
    with database.begin() as connection:
        return {
            table: sorted(map(str, connection.execute(text(f"SELECT {columns} FROM {table}"))))
            for table, columns in STORED.items()
        }


@given(records=tools(min_size=30))
@cases(2)
def test_a_run_with_workers_stores_what_one_without_stores(
    pair: tuple[Database, Database], records: list[Given]
) -> None:
    """Time after time, into what is there already."""
    told = []
    for database, workers in zip(pair, (0, 1), strict=True):
        report = run(workshop, database, sources={"workshop": Workshop(records)}, workers=workers)
        it = report.streams[0]
        told.append((it.status, it.pages, it.records, it.stored, it.unchanged, it.rejected, it.mark_after))

    assert told[0] == told[1]
    assert stored(pair[0]) == stored(pair[1])


@given(records=tools(min_size=30))
@cases(2)
def test_a_replay_with_workers_makes_what_one_without_makes(
    pair: tuple[Database, Database], records: list[Given]
) -> None:
    """Of tables that are no longer what the raw log says."""
    found = []
    for database, workers in zip(pair, (0, 1), strict=True):
        run(workshop, database, sources={"workshop": Workshop(records)}, workers=0)
        right = stored(database)
        with database.begin() as connection:
            # Of who is known by key only no record tells.
            told = "tool_key > 0 AND NOT is_inferred"
            connection.execute(text(f"UPDATE warehouse.dim_tool SET label = '?' WHERE {told}"))
            connection.execute(text("UPDATE warehouse.fact_tool_use SET minutes = minutes + 1"))
        report = replay(workshop, database, workers=workers)
        assert stored(database) == right
        found.append([(it.status, it.replayed, it.rejected) for it in report.streams])

    assert found[0] == found[1]


def targets() -> list[Target]:
    rows = make_url("postgresql+psycopg://").get_dialect()()
    return [
        target_of(Sync(Workshop.tools, it), sources=[Workshop], rows=rows)
        for it in (WorkshopTool, WorkshopUse)
    ]


def taken(records: Sequence[Given], *, desks: int, is_packed: bool = False) -> Intake:
    """What an intake has taken in, of the pages as they come or of what so many desks have made of them."""
    intake = Intake(Workshop.tools, targets(), run_id=1)
    rows = make_url("postgresql+psycopg://").get_dialect()()
    packers = packers_for(Workshop.tools, intake.targets, rows) if is_packed else None
    apart = [Desk(Workshop.tools, intake.targets, run_id=1, packers=packers) for _ in range(desks)]
    for number, page in enumerate(Workshop.tools.read(Workshop(records), None), 1):
        page.fetched_at = START
        if not apart:
            intake.take(page, number)
            continue
        part = apart[number % desks].take(Order(page, number, intake.next_raw_id))
        intake.next_raw_id += len(page.records)
        intake.add(page, number, part)
    return intake


@given(records=tools(), desks=...)
@cases(30)
def test_pages_taken_apart_by_turns_are_the_pages(records: list[Given], desks: bool) -> None:
    alone, together = taken(records, desks=0), taken(records, desks=1 + desks)
    assert together.chunk == alone.chunk
    assert together.highest == alone.highest
    assert together.next_raw_id == alone.next_raw_id
    for ours, theirs in zip(together.targets, alone.targets, strict=True):
        assert repr(ours.rows) == repr(theirs.rows)


@example(records=[b"{", b"{", tool(0), tool(0, uses=[{"minutes": 2**40}]), tool(0)], kept=[])
@given(records=tools(), kept=...)
@cases(30)
def test_entries_that_are_packed_are_the_entries(records: list[Given], kept: list[bool]) -> None:
    """All of them, and those that are left when some are taken out. The rows of a part with a value that does
    not fit its column stay rows, behind those that are packed until the stager sorts what is refused.
    """
    alone, packed = taken(records, desks=0), taken(records, desks=2, is_packed=True)
    entries, found = alone.chunk.entries, packed.chunk.entries
    assert list(found) == entries
    assert packed.chunk.keys == alone.chunk.keys
    assert packed.highest == alone.highest
    assert packed.chunk.rejects == alone.chunk.rejects
    if isinstance(found, PackedEntries):
        places = [place for place, is_kept in enumerate(kept[: len(entries)]) if is_kept]
        left = found.only(places)
        assert list(left) == [entries[it] for it in places]
        assert list(raw_ids(left)) == [entries[it][0] for it in places]
        assert [left.hash_at(it) for it in range(len(left))] == [entries[it][3] for it in places]
    for ours, theirs in zip(packed.targets, alone.targets, strict=True):
        staged = sorted([*ours.packed.raw_ids, *(row[0] for row in ours.rows)])
        assert staged == [row[0] for row in theirs.rows]
