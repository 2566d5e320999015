"""A table that is filled for the first time: its indexes are built at the end, and are what they were."""

from datetime import UTC, datetime

import pytest
from sqlalchemy import Connection, String, text
from sqlalchemy.orm import Mapped

from strandline.errors import WarehouseError
from strandline.model import Dimension, Fact, Mapper, attribute, event_time, field, grain, references
from strandline.pipeline import Pipeline, run
from strandline.source import Page, Pages, Record, Source, stream
from strandline.warehouse import schema
from strandline.warehouse.database import Database
from strandline.warehouse.index import WORTHWHILE, built_afterwards

PAGES = 10


class Bale(Record):
    """A bale that was loaded onto a ship."""

    id: str
    at: datetime


class Quay(Source):
    """As many bales as it takes."""

    @stream(Bale, key="id", effective_at="at")
    def bales(self) -> Pages:
        """Pages of bytes, made quickly."""
        size = WORTHWHILE // PAGES
        for page in range(PAGES):
            records = [
                b'{"id": "B%d", "at": "2026-01-01T00:00:00Z"}' % number
                for number in range(page * size, (page + 1) * size)
            ]
            yield Page(records, page + 1, "memory", status=200, fetched_at=datetime.now(UTC), size=size)


class DimBale(Dimension):
    """A bale."""

    label: Mapped[str] = attribute(String(20), scd=2)


class FactLoading(Fact):
    """One row per bale."""

    bale_id: Mapped[str] = grain(String(20))
    loaded_at: Mapped[datetime] = event_time()
    bale_key: Mapped[int] = references(DimBale, as_of="loaded_at", missing="infer")


class QuayBale(Mapper[Bale, DimBale]):
    """Bales."""

    label = field("id")


class QuayLoading(Mapper[Bale, FactLoading]):
    """Loadings."""

    bale_id = field("id")
    loaded_at = field("at")
    bale_key = field("id")


quay = Pipeline("quay")
quay.sync(Quay.bales, QuayBale)
quay.sync(Quay.bales, QuayLoading)

FACT = FactLoading.table()


def indexes(connection: Connection) -> list[tuple[str, str, bool]]:
    """The indexes of both tables, as PostgreSQL has them, and whether each is a constraint's."""
    query = text(
        "SELECT indexdef, tablename, EXISTS (SELECT FROM pg_constraint WHERE conname = indexname)"
        " FROM pg_indexes WHERE tablename IN ('dim_bale', 'fact_loading') ORDER BY 1"
    )
    return [tuple(row) for row in connection.execute(query)]


@pytest.fixture
def made(warehouse: Database) -> Database:
    """The tables, with nothing in them."""
    with warehouse.begin() as connection:
        schema.prepare(warehouse, connection, models=quay.models, others=[])
    return warehouse


def filled(database: Database, *, rows: int = WORTHWHILE) -> list[tuple[str, str, bool]]:
    """Fill the fact in a transaction that is taken back; its indexes meanwhile."""
    with database.connect() as connection:
        with built_afterwards(database, connection, FACT, rows=rows):
            return indexes(connection)


def test_a_large_first_load_leaves_every_index_as_it_was(made: Database) -> None:
    with made.connect() as connection:
        before = indexes(connection)
    report = run(quay, made, sources={"quay": Quay()}, workers=0)
    with made.connect() as connection:
        after = indexes(connection)
        found = connection.execute(
            text("SELECT count(*), count(DISTINCT bale_key) FROM warehouse.fact_loading WHERE bale_key > 0")
        ).one()

    assert report.status == "done"
    assert tuple(found) == (WORTHWHILE, WORTHWHILE)
    assert after == before
    assert len(before) >= 5


def test_meanwhile_they_are_not_there(made: Database) -> None:
    assert not any("fact_loading" in it for _, it, _ in filled(made))


def test_a_small_load_leaves_them_alone(made: Database) -> None:
    with made.connect() as connection:
        before = indexes(connection)
    assert filled(made, rows=WORTHWHILE - 1) == before


def test_nobody_who_reads_is_waited_for(made: Database) -> None:
    with made.connect() as reader:
        before = indexes(reader)
        reader.execute(text("SELECT count(*) FROM warehouse.fact_loading"))
        assert filled(made) == before


def test_what_another_table_or_a_view_needs_stays(made: Database) -> None:
    with made.begin() as connection:
        connection.execute(
            text(
                "CREATE TABLE customs (bale_id varchar, source_system varchar,"
                " FOREIGN KEY (bale_id, source_system) REFERENCES warehouse.fact_loading)"
            )
        )
    kept = [it for it in filled(made) if it[1] == "fact_loading"]
    assert [is_constraint for _, _, is_constraint in kept] == [True]
    with made.begin() as connection:
        connection.execute(text("DROP TABLE customs"))
        connection.execute(
            text(
                "CREATE VIEW grouped AS SELECT bale_id, source_system, loaded_at FROM warehouse.fact_loading"
                " GROUP BY bale_id, source_system"
            )
        )
    assert [it for it in filled(made) if it[1] == "fact_loading"] == kept


def fill_twice(database: Database) -> None:
    """The same grain in two rows."""
    names = "bale_id, loaded_at, bale_key, created_at, updated_at, synced_at, source_system, source_id"
    twice = "SELECT 'B1', now(), -1, now(), now(), now(), 'quay', 'B1', 1, 1 FROM generate_series(1, 2)"
    with (
        database.begin() as connection,
        built_afterwards(database, connection, FACT, rows=WORTHWHILE),
    ):
        connection.execute(
            text(f"INSERT INTO warehouse.fact_loading ({names}, schema_version, run_id) {twice}")
        )


def test_what_is_there_twice_is_found_when_they_are_built(made: Database) -> None:
    with made.connect() as connection:
        before = indexes(connection)
    with pytest.raises(WarehouseError, match="pk_fact_loading"):
        fill_twice(made)
    with made.connect() as connection:
        assert indexes(connection) == before


def file_of(connection: Connection) -> tuple[int, bool]:
    """Which file the fact is in, and whether it is clustered."""
    query = text(
        "SELECT pg_relation_filenode('warehouse.fact_loading'), EXISTS (SELECT FROM pg_index"
        " WHERE indrelid = 'warehouse.fact_loading'::regclass AND indisclustered)"
    )
    filenode, is_clustered = connection.execute(query).one()
    return filenode, is_clustered


def needs_minimal_log(connection: Connection) -> None:
    if connection.scalar(text("SHOW wal_level")) != "minimal":
        pytest.skip("the server keeps a log that others could follow")


def test_nothing_of_it_is_logged_where_nobody_follows_the_log(made: Database) -> None:
    names = "bale_id, loaded_at, bale_key, created_at, updated_at, synced_at, source_system, source_id"
    rows = "SELECT 'B' || i, now(), -1, now(), now(), now(), 'quay', i::text, 1, 1"
    here = "SELECT pg_current_wal_insert_lsn()"
    with made.connect() as connection:
        needs_minimal_log(connection)
        before, began = file_of(connection), connection.scalar(text(here))
        with built_afterwards(made, connection, FACT, rows=WORTHWHILE):
            connection.execute(
                text(
                    f"INSERT INTO warehouse.fact_loading ({names}, schema_version, run_id) {rows}"
                    f" FROM generate_series(1, {WORTHWHILE}) AS i"
                )
            )
        logged = connection.scalar(text(f"SELECT ({here}) - '{began}'::pg_lsn"))
        after = file_of(connection)

    assert logged < 1_000_000  # and not a hundred bytes a row
    assert after[0] != before[0]
    assert not after[1]


def test_a_table_that_is_clustered_stays_in_its_file(made: Database) -> None:
    with made.begin() as connection:
        connection.execute(text("ALTER TABLE warehouse.fact_loading CLUSTER ON pk_fact_loading"))
    with made.connect() as connection:
        before = file_of(connection)
        with built_afterwards(made, connection, FACT, rows=WORTHWHILE):
            assert file_of(connection) == before
