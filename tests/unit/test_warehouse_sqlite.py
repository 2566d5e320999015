"""SQLite as a warehouse: what a user's fast test relies on, and what it keeps exactly."""

import sqlite3
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta, timezone
from decimal import Decimal
from pathlib import Path
from typing import Any

import pytest
from sqlalchemy import Numeric, String, column, func, insert, select, text
from sqlalchemy.orm import Mapped
from tests.memory import Given, pages

from strandline.errors import (
    DeclarationError,
    SchemaOutOfDate,
    WarehouseBusy,
    WarehouseError,
    WarehouseUnreachable,
)
from strandline.model import (
    Dimension,
    Fact,
    Mapper,
    Money,
    attribute,
    event_time,
    field,
    grain,
    measure,
    references,
)
from strandline.pipeline import Pipeline, RunReport, run
from strandline.settings import Schemas
from strandline.source import Pages, Record, Source, stream
from strandline.testing import assert_drawn
from strandline.warehouse import ledger, reject
from strandline.warehouse.database import Database


class Boat(Record):
    """A boat, as the harbour tells of it."""

    id: str
    at: datetime
    name: str | None = None
    worth: Decimal | None = None


class Landing(Record):
    """A catch that a boat landed."""

    id: str
    boat: str
    landed_at: datetime
    price: Decimal
    weight: Decimal


class Harbour(Source):
    """Boats and their landings, in memory."""

    def __init__(self) -> None:
        super().__init__()
        self.boat_records: list[Given] = []
        self.landing_records: list[Given] = []

    @stream(Boat, key="id", effective_at="at", deleted="gone")
    def boats(self) -> Pages:
        """What it was given."""
        return pages(self.boat_records)

    @stream(Landing, key="id", effective_at="landed_at")
    def landings(self) -> Pages:
        """What it was given."""
        return pages(self.landing_records)


class DimTrawler(Dimension):
    """A boat."""

    boat_name: Mapped[str] = attribute(String(12), scd=2)
    worth: Mapped[Decimal | None] = attribute(Money, scd=2)


class FactCatch(Fact):
    """One row a landing."""

    landing_id: Mapped[str] = grain()
    landed_at: Mapped[datetime] = event_time()
    trawler_key: Mapped[int] = references(DimTrawler)
    price: Mapped[Decimal] = measure(Money)
    weight: Mapped[Decimal] = measure(Numeric)


class HarbourTrawler(Mapper[Boat, DimTrawler]):
    """Boats."""

    boat_name = field("name")
    worth = field("worth")


class HarbourCatch(Mapper[Landing, FactCatch]):
    """Landings."""

    landing_id = field("id")
    landed_at = field("landed_at")
    trawler_key = field("boat")
    price = field("price")
    weight = field("weight")


harbour = Pipeline("harbour")
harbour.sync(Harbour.boats, HarbourTrawler)
harbour.sync(Harbour.landings, HarbourCatch)

SHOWN = select(DimTrawler.table()).where(DimTrawler.source_system == "harbour")


@pytest.fixture
def database() -> Iterator[Database]:
    database = Database("sqlite://")
    yield database
    database.close()


def load(database: Database, *boats: Given, landings: tuple[Given, ...] = ()) -> RunReport:
    source = Harbour()
    source.boat_records, source.landing_records = list(boats), list(landings)
    return run(harbour, database, sources={"harbour": source})


def boat(day: int, name: str = "Anna", **said: str) -> dict[str, Any]:
    return {"id": "B-1", "at": f"2026-03-0{day}T00:00:00.000001Z", "name": name, **said}


def landing(price: str, **said: str) -> dict[str, Any]:
    return {"id": f"L-{price}", "boat": "B-1", "landed_at": "2026-03-02T00:00:00Z", "price": price, **said}


def test_a_run_leaves_the_star_that_postgresql_would_have(database: Database) -> None:
    load(database, boat(5, "Berta"), landings=(landing("1.10", weight="3"),))
    load(database, boat(1), boat(3, "Anna", worth="0.10"))

    with database.begin() as connection:
        assert_drawn(
            connection,
            SHOWN,
            """
            | boat_name | worth | valid_from                 | valid_to                   | is_current |
            | Anna      |       | 2026-03-01 00:00:00.000001 | 2026-03-03 00:00:00.000001 | false      |
            | Anna      | 0.1   | 2026-03-03 00:00:00.000001 | 2026-03-05 00:00:00.000001 | false      |
            | Berta     |       | 2026-03-05 00:00:00.000001 |                            | true       |
        """,
        )
        versions = select(DimTrawler.version).join(FactCatch.table(), DimTrawler.key == FactCatch.trawler_key)
        assert connection.scalar(versions) == 1


def test_the_same_again_changes_nothing(database: Database) -> None:
    load(database, boat(1, worth="0.1"))
    counts = load(database, boat(1, worth="0.10")).targets[0].counts

    assert {name for name, count in counts.items() if count} == {"rebuilt"}  # looked at, and left as it was


def test_numbers_keep_all_their_digits_and_add_up(database: Database) -> None:
    """Floats would make 0.30000000000000004 of the first two."""
    digits = "1234567890.123456789012345678"
    given = [landing("0.10", weight=digits), landing("0.20", weight="1E+2"), landing("9", weight="0.5")]
    load(database, landings=tuple(given))
    with database.begin() as connection:
        prices = connection.execute(select(func.sum(FactCatch.price), func.max(FactCatch.price))).one()
        weights = connection.scalars(select(FactCatch.weight).order_by(FactCatch.weight)).all()
        dear = connection.scalars(select(FactCatch.price).where(FactCatch.price > Decimal("0.1"))).all()

    landed = FactCatch.table().c
    dearest = func.sum(landed.price).filter(landed.price > Decimal("0.15"))
    with database.begin() as connection:
        sums = select(landed.trawler_key, dearest).group_by(landed.trawler_key)
        assert connection.execute(sums.having(dearest > Decimal("9.1"))).one() == (1, Decimal("9.20"))
        assert not connection.execute(sums.having(func.sum(landed.price) > Decimal(10))).all()
    assert prices == (Decimal("9.30"), Decimal("9.00"))
    assert weights == [Decimal("0.5"), Decimal(100), Decimal(digits)]
    assert sorted(dear) == [Decimal("0.20"), Decimal("9.00")]


def test_sums_of_whole_numbers_floats_and_nothing_are_as_they_were(database: Database) -> None:
    given = text("SELECT 1 AS n, 0.5 AS f, NULL AS x UNION ALL SELECT 2, 0.25, NULL")
    rows = given.columns(column("n"), column("f"), column("x")).subquery("rows")
    with database.begin() as connection:
        found = connection.execute(select(func.sum(rows.c.n), func.sum(rows.c.f), func.sum(rows.c.x))).one()
        running = func.sum(rows.c.n).over(order_by=rows.c.n, rows=(-1, -1))
        windows = connection.scalars(select(running)).all()

    assert found == (3, 0.75, None)
    assert windows == [None, 1]


def test_moments_come_back_in_utc_whatever_their_zone_was(database: Database) -> None:
    zone = timezone(timedelta(hours=-5))
    load(database, {"id": "B-1", "at": datetime(2026, 3, 1, 20, tzinfo=zone).isoformat(), "name": "Anna"})
    with database.begin() as connection:
        found = connection.execute(
            select(DimTrawler.valid_from, DimTrawler.created_at).where(DimTrawler.key > 0)
        ).one()

    assert found.valid_from == datetime(2026, 3, 2, 1, tzinfo=UTC)
    assert abs(found.created_at - datetime.now(UTC)) < timedelta(minutes=1)


def test_what_its_column_cannot_hold_is_a_reject_as_on_postgresql(database: Database) -> None:
    report = load(database, boat(1, "A name far too long"), {**boat(2), "id": "B-2"})
    with database.begin() as connection:
        (found,) = reject.find(database, connection, reject.Choice(), limit=5)

    assert report.status == "partial"
    assert "is 19 characters long, and the column holds 12" in found["reason"]


def test_the_ledger_tells_the_runs(database: Database) -> None:
    with database.begin() as connection:
        assert not ledger.exists(database, connection)
    load(database, boat(1))
    with database.begin() as connection:
        assert ledger.exists(database, connection)
        (told,) = ledger.runs(connection, pipeline="harbour", limit=5)

    assert told["status"] == "done"
    assert told["started_at"] <= told["finished_at"] <= datetime.now(UTC)
    assert told["targets"][0]["counts"]["versions"] == 1


def test_files_keep_the_warehouse_for_whoever_opens_them_next(tmp_path: Path) -> None:
    url, schemas = f"sqlite:///{tmp_path / 'shop.db'}", Schemas(warehouse="gold")
    for day in (1, 2):
        database = Database(url, schemas)
        load(database, boat(day, f"Anna {day}"))
        database.close()

    with sqlite3.connect(tmp_path / "shop.gold.db") as connection:
        found = connection.execute("SELECT boat_name FROM dim_trawler WHERE trawler_key > 0").fetchall()
    connection.close()
    assert found == [("Anna 1",), ("Anna 2",)]


def test_a_table_that_differs_from_its_model_is_told_and_not_altered(tmp_path: Path) -> None:
    database = Database(f"sqlite:///{tmp_path / 'shop.db'}")
    load(database, boat(1))
    with database.begin() as connection:
        connection.execute(text("ALTER TABLE warehouse.dim_trawler DROP COLUMN worth"))
        connection.execute(
            text("ALTER TABLE warehouse.dim_trawler ADD COLUMN colour TEXT NOT NULL DEFAULT ''")
        )

    with pytest.raises(SchemaOutOfDate) as caught:
        load(database, boat(2))

    database.close()
    assert "dim_trawler.worth is not there" in caught.value.message
    assert "colour is NOT NULL, and its model has no such column" in caught.value.message
    assert "Delete the file" in str(caught.value.hint)


def test_a_run_inside_of_an_open_transaction_is_refused_with_the_reason(database: Database) -> None:
    with database.connect() as connection:
        connection.execute(text("SELECT 1"))
        with pytest.raises(WarehouseBusy, match="within a transaction") as caught:
            load(database, boat(1))

    assert "one connection" in str(caught.value.hint)


def test_a_folder_that_is_not_there_is_told(tmp_path: Path) -> None:
    with pytest.raises(WarehouseUnreachable, match="unable to open") as caught:
        load(Database(f"sqlite:///{tmp_path / 'nowhere' / 'shop.db'}"), boat(1))

    assert "folder" in str(caught.value.hint)


def test_two_writers_of_one_file_do_not_wait_for_ever(tmp_path: Path) -> None:
    url = f"sqlite:///{tmp_path / 'shop.db'}?timeout=0.01"
    one, other = Database(url), Database(url)
    load(one, boat(1))
    with one.begin() as connection:
        connection.execute(text("DELETE FROM strandline.run"))
        with pytest.raises(WarehouseBusy, match="locked"):
            load(other, boat(2))
    one.close()
    other.close()


def test_what_sqlite_refuses_otherwise_is_told_in_its_words(database: Database) -> None:
    load(database, boat(1))
    table = DimTrawler.table()
    again = insert(table).from_select(table.c.keys(), select(table))
    with pytest.raises(WarehouseError, match="UNIQUE"), database.begin() as connection:
        connection.execute(again)


def test_another_database_is_neither(tmp_path: Path) -> None:
    with pytest.raises(DeclarationError, match="mysql is neither PostgreSQL nor, for tests, SQLite"):
        Database("mysql://localhost/shop")
