"""Whether anything was written to a table, also a row that is as it was."""

from __future__ import annotations

from typing import Any

from sqlalchemy import Connection, Table, column, inspect, literal_column, select, text

from strandline.warehouse.database import Database
from strandline.warehouse.dialect import is_sqlite


def row_versions(database: Database, *tables: Table) -> list[tuple[Any, ...]]:
    """Something that stays the same for as long as nobody writes to these tables.

    PostgreSQL's own mark of who wrote a row changes with every write, also an identical one. On SQLite
    triggers count the writes, from the first call on.
    """
    with database.begin() as connection:
        if is_sqlite(database.engine):
            return [_count(connection, database, table) for table in tables]
        return [
            (table.name, *row)
            for table in tables
            for row in connection.execute(
                select(*table.primary_key, literal_column("xmin::text").label("written_by"))
                .select_from(table)
                .order_by(*table.primary_key)
            )
        ]


def _count(connection: Connection, database: Database, table: Table) -> tuple[Any, ...]:
    counter = f"written_{table.name}"
    if not inspect(connection).has_table(counter):
        connection.execute(text(f"CREATE TABLE main.{counter} (what TEXT)"))
        for what in ("INSERT", "UPDATE", "DELETE"):
            note = f"INSERT INTO {counter} VALUES ('{what}')"  # noqa: S608  # our own names
            trigger = f"CREATE TEMPORARY TRIGGER {counter}_{what} AFTER {what} ON {database.qualified(table)}"
            connection.execute(text(f"{trigger} BEGIN {note}; END"))
    return (table.name, len(connection.execute(select(column("what")).select_from(text(counter))).all()))
