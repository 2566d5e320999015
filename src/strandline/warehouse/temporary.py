"""Temporary tables, which end with their transaction on both databases, or are done away with earlier, where
it goes on with another merge.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any, Final

from sqlalchemy import Column, CompoundSelect, Connection, Insert, MetaData, Select, Table, Text, text
from sqlalchemy.ext.compiler import compiles
from sqlalchemy.sql.compiler import SQLCompiler

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


class _Filled(Insert):
    """A temporary table that is made of what is found, and not only filled with it: for that PostgreSQL reads
    and joins with several processes, which it never does for an INSERT.
    """

    inherit_cache = True


@compiles(_Filled)
def _make_of(element: _Filled, compiler: SQLCompiler, **options: Any) -> str:
    assert element.select is not None
    name = compiler.preparer.format_table(element.table)
    return f"CREATE TEMPORARY TABLE {name} ON COMMIT DROP AS {compiler.process(element.select, **options)}"


def fill(connection: Connection, made: Table, found: Select[Any] | CompoundSelect[Any]) -> int:
    """Make the table, with what is found for all of its columns; how many rows it has."""
    names = found.selected_columns.keys()
    if names != made.columns.keys():
        raise ValueError(f"{made.name} has the columns {made.columns.keys()}, and found are {names}")
    if is_sqlite(connection):
        made.create(connection)
        filled = Insert(made).from_select(list(names), found)
    else:
        filled = _Filled(made).from_select(list(names), found)
    return connection.execute(filled, execution_options={"preserve_rowcount": True}).rowcount


@contextmanager
def expecting_little(connection: Connection) -> Iterator[None]:
    """Within, what several processes have found costs nothing to bring together: for rows that are few, or
    that are many where the planner has no way to know. The caller owns the transaction.
    """
    if is_sqlite(connection):
        yield
        return
    connection.execute(text("SET LOCAL parallel_tuple_cost = 0"))
    yield
    connection.execute(text("SET LOCAL parallel_tuple_cost TO DEFAULT"))


def sample(connection: Connection, made: Table) -> None:
    """Tell the planner what is in the table by a tenth of the sample that ANALYZE takes: that is enough where
    no share of it is both small and asked for.
    """
    if is_sqlite(connection):
        connection.execute(text(f"ANALYZE {made.name}"))
        return
    connection.execute(
        text(
            f"SET LOCAL default_statistics_target = 10; ANALYZE {made.name};"
            " SET LOCAL default_statistics_target TO DEFAULT"
        )
    )


def drop_all(connection: Connection) -> None:
    """Drop every temporary table of this connection."""
    on_sqlite = is_sqlite(connection)
    names = connection.scalars(text(ON_SQLITE if on_sqlite else ON_POSTGRESQL)).all()
    schema = "temp" if on_sqlite else "pg_temp"
    quote = connection.dialect.identifier_preparer.quote
    for name in names:
        connection.execute(text(f"DROP TABLE {schema}.{quote(name)}"))
