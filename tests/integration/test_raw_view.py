"""The view of a raw log: JSON where the payload is JSON, a reason where it is none, and no query fails."""

import json
from decimal import Decimal
from typing import Any

import pytest
from sqlalchemy import Row, text
from sqlalchemy.orm import Mapped
from tests.end_to_end.corpus.json_case import ACCEPTED, CASES, REJECTED
from tests.memory import Given, pages

from strandline.errors import DeclarationError, SchemaOutOfDate
from strandline.model import Dimension, Mapper, attribute, field
from strandline.pipeline import Pipeline, Rejects, RunReport, run
from strandline.settings import Schemas
from strandline.source import Cursor, Pages, Record, Source, stream
from strandline.warehouse.database import Database


class Crate(Record):
    """A crate."""

    id: str
    content: str = ""
    edition: int = 0


class Dock(Source):
    """Crates, and the same with a cursor or a tie-break."""

    def __init__(self, *records: Given) -> None:
        super().__init__()
        self.records = records

    @stream(Crate, key="id")
    def crates(self) -> Pages:
        """What it was given."""
        return pages(self.records)

    @stream(Crate, key="id")
    def crates_json(self) -> Pages:
        """A name that the view of the other has."""
        return pages(self.records)


class SettledDock(Source):
    """The same crates, once ties are settled."""

    name = "dock"

    @stream(Crate, key="id", tie_break="edition")
    def crates(self) -> Pages:
        """None."""
        return pages([])


class CountedDock(Source):
    """The same crates, once their cursor is a number."""

    name = "dock"

    @stream(Crate, key="id", cursor=Cursor("edition"))
    def crates(self, since: int | None) -> Pages:
        """None."""
        return pages([])


class DimDockCrate(Dimension):
    """A crate."""

    content: Mapped[str] = attribute()


class DockCrate(Mapper[Crate, DimDockCrate]):
    """Crates."""

    content = field("content")


def load(database: Database, *records: Given, source: type[Source] = Dock) -> RunReport:
    """One run."""
    pipeline = Pipeline("dock")
    pipeline.sync(source.streams()["crates"], DockCrate, rejects=Rejects(count=10**9))
    given = Dock(*records) if source is Dock else source()
    return run(pipeline, database, sources={"dock": given})


COLUMNS = ["raw_id", "source_id", "record", "not_json", "operation", "effective_at", "cursor_value"]
COLUMNS += ["fetched_at", "run_id", "request"]


def read(database: Database) -> list[Row[Any]]:
    """What the view makes of the payloads; a few are larger or deeper than Python's own reader takes."""
    query = text("SELECT CAST(record AS text) AS record, not_json FROM raw.dock_crates_json ORDER BY raw_id")
    with database.connect() as connection:
        return list(connection.execute(query))


def columns(database: Database) -> list[str]:
    with database.connect() as connection:
        return list(connection.execute(text("SELECT * FROM raw.dock_crates_json")).keys())


def test_a_record_is_json_with_what_the_log_knows_of_it(warehouse: Database) -> None:
    load(warehouse, {"id": "a", "content": "tea"}, {"id": "b", "content": "ore", "tags": ["wet", 1.5]})
    query = """
        SELECT source_id, record ->> 'content', not_json, operation, run_id
        FROM raw.dock_crates_json WHERE record -> 'tags' ? 'wet'
    """
    with warehouse.connect() as connection:
        assert connection.exec_driver_sql(query).all() == [("b", "ore", None, "upsert", 1)]

    assert columns(warehouse) == COLUMNS


def test_what_json_cannot_hold_is_said_and_no_query_fails(warehouse: Database) -> None:
    """The log keeps each as it is all the same."""
    load(warehouse, *(b'{"id": "%d", "note": %s}' % (it, case) for it, case in enumerate(CASES.values())))
    found = read(warehouse)
    by_case = dict(zip(CASES, found, strict=True))
    refused = {name for name, row in by_case.items() if row.not_json}

    assert all((row.record is None) is bool(row.not_json) for row in found)
    assert refused & ACCEPTED.keys() == {"text of an escaped NUL", "text of only a NUL"}
    assert refused >= REJECTED.keys()
    assert "\\u0000 cannot be converted to text" in by_case["text of an escaped NUL"].not_json
    assert "surrogate" in by_case["text of a lone first half"].not_json
    assert 'invalid byte sequence for encoding "UTF8"' in by_case["text of FF"].not_json
    assert json.loads(by_case["object of a key twice"].record)["note"] == {"a": 2}


def test_numbers_are_exact_in_the_view_as_far_as_numeric_goes(warehouse: Database) -> None:
    digits = "1234567890123456789012345678901234567890.12345"
    load(warehouse, *(b'{"id": "%s", "n": %s}' % (it, it) for it in (digits.encode(), b"1e400", b"1e200000")))
    query = "SELECT (record ->> 'n')::numeric AS n, not_json FROM raw.dock_crates_json ORDER BY raw_id"
    with warehouse.connect() as connection:
        exact, large, larger = connection.exec_driver_sql(query).all()

    assert (exact.n, large.n) == (Decimal(digits), Decimal("1e400"))
    assert larger.n is None
    assert "value overflows numeric format" in larger.not_json


def test_on_sqlite_the_view_tells_json_from_what_is_none() -> None:
    database = Database("sqlite://")
    cases = [*CASES.values(), b'1}\0{"']
    load(database, *(b'{"id": "%d", "note": %s}' % (it, case) for it, case in enumerate(cases)))
    found = read(database)
    by_case = dict(zip([*CASES, "cut by a NUL"], found, strict=True))
    refused = {name for name, row in by_case.items() if row.not_json}
    load(database)

    assert refused >= {*REJECTED, "cut by a NUL"}
    assert not refused & ACCEPTED.keys()


def test_a_run_that_changes_nothing_leaves_the_view_as_it_is(warehouse: Database) -> None:
    load(warehouse, {"id": "a"})
    query = "SELECT oid FROM pg_class WHERE relname = 'dock_crates_json'"
    with warehouse.connect() as connection:
        before = connection.scalar(text(query))
    load(warehouse, {"id": "a"})
    with warehouse.connect() as connection:
        assert connection.scalar(text(query)) == before


@pytest.mark.parametrize("source", [SettledDock, CountedDock])
def test_the_view_follows_its_log_when_the_stream_changes(warehouse: Database, source: type[Source]) -> None:
    """A column more, or another type of one, by the statement that the error tells."""
    load(warehouse, {"id": "a"})
    with pytest.raises(SchemaOutOfDate) as caught:
        load(warehouse, source=source)
    mend = (caught.value.hint or "").partition("psql: ")[2]
    with warehouse.begin() as connection:
        connection.exec_driver_sql(mend)
    load(warehouse, source=source)

    assert json.loads(read(warehouse)[0].record)["id"] == "a"
    assert columns(warehouse) == [*COLUMNS, "tie_break"][: 10 + (source is SettledDock)]


def test_schemas_may_be_called_otherwise(database_url: str) -> None:
    database = Database(database_url, Schemas(raw="Bronze log", strandline="our own"))
    load(database, {"id": "a"}, b"nonsense")
    with database.connect() as connection:
        query = 'SELECT record, not_json FROM "Bronze log".dock_crates_json ORDER BY raw_id'
        first, second = connection.exec_driver_sql(query).all()
    database.close()

    assert first == ({"id": "a"}, None)
    assert second.not_json.startswith("invalid input syntax for type json: Token")


def test_a_stream_cannot_be_called_as_the_view_of_another() -> None:
    pipeline = Pipeline("dock")
    pipeline.sync(Dock.crates, DockCrate)
    with pytest.raises(DeclarationError, match="would share the raw log dock_crates_json"):
        pipeline.sync(Dock.crates_json, DockCrate)
