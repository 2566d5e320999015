"""Columns that a model no longer has, and its table still does: they stay, and stop changing.

A new version of a member takes them over from the one before it. What would keep new rows from being written,
a check or NOT NULL on such a column, is told with the statement that takes it away.
"""

from __future__ import annotations

from collections.abc import Sequence
from functools import cache

from sqlalchemy import Column, Connection, MetaData, Table, text
from sqlalchemy.types import NullType

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
    connection: Connection, *, qualified: str, columns: Sequence[str]
) -> tuple[list[str], list[str]]:
    """What of these columns stands in the way of new rows, and the statements that mend it."""
    quote = connection.dialect.identifier_preparer.quote
    wrong, mend = [], []
    rows = connection.execute(OBSTACLES, {"table": qualified, "columns": list(columns)})
    for name, is_required, check in rows:
        if is_required:
            wrong.append(f"{name} is NOT NULL, and its model has no such column")
            mend.append(f"ALTER TABLE {qualified} ALTER COLUMN {quote(name)} DROP NOT NULL;")
        if check is not None:
            wrong.append(f"{check} asks for {name}, and its model has no such column")
            mend.append(f"ALTER TABLE {qualified} DROP CONSTRAINT IF EXISTS {quote(check)};")
    return wrong, mend
