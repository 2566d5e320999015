"""Rows by the thousands, batch after batch, in PostgreSQL's binary form: a third of the work of its text."""

from __future__ import annotations

from collections.abc import Generator, Sequence
from typing import Any

from psycopg import ServerCursor
from psycopg.pq import Format
from sqlalchemy import Connection, Row, Select

from strandline.warehouse.dialect import is_sqlite


class _Binary(ServerCursor[Any]):
    """A server-side cursor whose rows come in binary form."""

    def __init__(self, *args: Any, **options: Any) -> None:
        super().__init__(*args, **options)
        self.format = Format.BINARY


def batches(
    connection: Connection, found: Select[Any], *, size: int
) -> Generator[Sequence[Row[Any]], None, None]:
    """What is found, so many rows at once. Its columns have types that PostgreSQL brings along: of others,
    such as an enumeration, the driver would give the bytes.
    """
    with _binary(connection, found, size) as rows:
        yield from rows.partitions()


def _binary(connection: Connection, found: Select[Any], size: int) -> Any:
    options = {"yield_per": size}
    if is_sqlite(connection):
        return connection.execute(found, execution_options=options)
    driver: Any = connection.connection.dbapi_connection
    before, driver.server_cursor_factory = driver.server_cursor_factory, _Binary
    try:
        return connection.execute(found, execution_options=options)  # which makes the cursor
    finally:
        driver.server_cursor_factory = before
