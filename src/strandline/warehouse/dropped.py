"""Columns that a model no longer has, and its table still does: they stay, and stop changing.

A new version of a member takes them over from the one before it. What would keep new rows from being written,
a check or NOT NULL on such a column, is told with the statement that takes it away.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from functools import cache

from sqlalchemy import Column, Connection, MetaData, Table, inspect, text
from sqlalchemy.types import NullType

from strandline.warehouse.database import Database
from strandline.warehouse.dialect import is_sqlite

OBSTACLES = text("""
    SELECT a.attname, a.attnotnull, c.conname
    FROM pg_attribute a
    LEFT JOIN pg_constraint c ON c.conrelid = a.attrelid AND c.contype = 'c' AND a.attnum = ANY(c.conkey)
    WHERE a.attrelid = to_regclass(:table) AND a.attname = ANY(:columns)
      AND (a.attnotnull OR c.conname IS NOT NULL)
    ORDER BY a.attnum, c.conname
""")


@cache  # the same table again, so that SQLAlchemy finds the statements that it has compiled for it
def with_dropped(table: Table, columns: tuple[str, ...]) -> Table:
    """The table with these columns besides those of its model."""
    if not columns:
        return table
    extended = table.to_metadata(MetaData())
    for name in columns:
        extended.append_column(Column(name, NullType()))
    return extended


def obstacles(
    database: Database, connection: Connection, *, table: Table, columns: Sequence[str]
) -> tuple[list[str], list[str]]:
    """What of these columns stands in the way of new rows, and the statements that mend it."""
    quote, qualified = connection.dialect.identifier_preparer.quote, database.qualified(table)
    wrong, mend = [], []
    for name, is_required, check in (
        _on_sqlite(connection, table=table, schema=database.schema_of(table), columns=columns)
        if is_sqlite(connection)
        else connection.execute(OBSTACLES, {"table": qualified, "columns": list(columns)})
    ):
        if is_required:
            wrong.append(f"{name} is NOT NULL, and its model has no such column")
            mend.append(f"ALTER TABLE {qualified} ALTER COLUMN {quote(name)} DROP NOT NULL;")
        if check is not None:
            wrong.append(f"{check} asks for {name}, and its model has no such column")
            mend.append(f"ALTER TABLE {qualified} DROP CONSTRAINT IF EXISTS {quote(check)};")
    return wrong, mend


def _on_sqlite(
    connection: Connection, *, table: Table, schema: str | None, columns: Sequence[str]
) -> Iterator[tuple[str, bool, str | None]]:
    there = inspect(connection)
    checks = there.get_check_constraints(table.name, schema=schema)
    for column in there.get_columns(table.name, schema=schema):
        if (name := column["name"]) in columns:
            asking = [it["name"] for it in checks if re.search(rf"\b{re.escape(name)}\b", it["sqltext"])]
            yield from ((name, not column["nullable"], check) for check in asking or [None])
