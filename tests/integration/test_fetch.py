"""Entries that are fetched batch after batch are those of a plain query, to the type, on both databases."""

from collections.abc import Iterator
from datetime import UTC, datetime, timedelta

import pytest
from sqlalchemy import select

from strandline.warehouse import fetch, raw, schema
from strandline.warehouse.database import Database

LOG = raw.raw_table("quay.ships", cursor=None)
NOON = datetime(2026, 6, 1, 12, tzinfo=UTC)


@pytest.fixture(params=["postgresql", "sqlite"])
def database(request: pytest.FixtureRequest) -> Iterator[Database]:
    """With a raw log, in which 25 entries are."""
    made = request.getfixturevalue("warehouse") if request.param == "postgresql" else Database("sqlite://")
    with made.begin() as connection:
        schema.prepare(made, connection, models=[], others=[LOG])
        connection.execute(LOG.insert(), [entry(number) for number in range(1, 26)])
    yield made
    made.close()


def entry(number: int) -> dict[str, object]:
    return {
        "raw_id": number,
        "source_id": None if number == 3 else f"Ø{number}",
        "payload": bytes(range(number)),
        "payload_hash": bytes(16),
        "operation": "upsert",
        "effective_at": NOON + timedelta(microseconds=number),
        "fetched_at": NOON,
        "request": 1,
        "run_id": 1,
    }


def test_batches_are_what_a_plain_query_says(database: Database) -> None:
    query = select(*raw.entry_columns(LOG)).order_by(LOG.c.raw_id)
    with database.begin() as connection:
        plain = connection.execute(query).all()
        batches = [list(it) for it in fetch.batches(connection, query, size=10)]

    assert [len(it) for it in batches] == [10, 10, 5]
    found = [row for batch in batches for row in batch]
    assert found == plain
    assert [[*map(type, row)] for row in found] == [[*map(type, row)] for row in plain]
    assert found[0]._mapping.keys() == plain[0]._mapping.keys()


def test_who_streams_afterwards_gets_text_again(database: Database) -> None:
    """Which the driver reads of every type, also of those that it does not know."""
    query = select(LOG.c.raw_id)
    with database.begin() as connection:
        list(fetch.batches(connection, query, size=10))
        driver = connection.connection.dbapi_connection
        made_by = getattr(driver, "server_cursor_factory", None)

    assert made_by is None or made_by.__name__ == "ServerCursor"
