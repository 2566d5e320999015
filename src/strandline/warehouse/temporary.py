"""Temporary tables, which end with their transaction on both databases, or are done away with earlier, where
it goes on with another merge.
"""

from __future__ import annotations

from typing import Any, Final

from sqlalchemy import Column, Connection, MetaData, Table, Text, text

from strandline.warehouse.dialect import is_sqlite

ON_SQLITE: Final = "SELECT name FROM sqlite_temp_master WHERE type = 'table' AND name NOT LIKE 'sqlite_%'"
ON_POSTGRESQL: Final = """
    SELECT relname FROM pg_class WHERE relnamespace = pg_my_temp_schema() AND relkind = 'r'
"""


def table(name: str, *columns: Column[Any], on_commit: str = "DROP") -> Table:
    """A temporary table with these columns."""
    return Table(name, MetaData(), *columns, prefixes=["TEMPORARY"], postgresql_on_commit=on_commit)


def members(name: str, *more: Column[Any], on_commit: str = "DROP") -> Table:
    """A temporary table of members by their natural keys, and of what is known of each."""
    return table(name, Column("source_id", Text, primary_key=True), *more, on_commit=on_commit)


def drop_all(connection: Connection) -> None:
    """Drop every temporary table of this connection."""
    on_sqlite = is_sqlite(connection)
    names = connection.scalars(text(ON_SQLITE if on_sqlite else ON_POSTGRESQL)).all()
    schema = "temp" if on_sqlite else "pg_temp"
    quote = connection.dialect.identifier_preparer.quote
    for name in names:
        connection.execute(text(f"DROP TABLE {schema}.{quote(name)}"))
