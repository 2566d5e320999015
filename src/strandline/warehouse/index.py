"""Indexes of a table that is filled for the first time, its primary key's too: they are built when everything
is in it.

An index that is there while a table is filled takes each row by itself, at whatever page it belongs to; one
that is built afterwards sorts all of them first, on several cores, and takes a fraction of the time.

Where the server keeps no more of a write-ahead log than it needs (`wal_level = minimal`), what a transaction
puts into a file that it has begun itself is not logged, but written out at its commit. So the table, which is
all but empty, is first copied to a new file.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Final

from sqlalchemy import Connection, Table, text
from sqlalchemy.exc import OperationalError

from strandline.warehouse.database import Database
from strandline.warehouse.dialect import is_sqlite

WORTHWHILE: Final = 50_000
"""Rows; of fewer the building takes as long as it saves."""

MEMORY: Final = "256MB"
"""To sort in: PostgreSQL's own default makes more passes."""

# What a foreign key or a view needs stays; so does what has a meaning of its own that a definition does not
# tell, and what we may not build again.
SPARE: Final = text("""
    SELECT
        CASE WHEN u.oid IS NULL THEN format('DROP INDEX %s', i.indexrelid::regclass)
            ELSE format('ALTER TABLE %s DROP CONSTRAINT %I', i.indrelid::regclass, u.conname) END AS drop,
        CASE WHEN u.oid IS NULL THEN pg_get_indexdef(i.indexrelid)
            ELSE format('ALTER TABLE %s ADD CONSTRAINT %I %s', i.indrelid::regclass, u.conname,
                pg_get_constraintdef(u.oid)) END AS build
    FROM pg_index AS i
    JOIN pg_class AS c ON c.oid = i.indexrelid
    LEFT JOIN pg_constraint AS u ON u.conindid = i.indexrelid AND u.conrelid = i.indrelid
    WHERE i.indrelid = to_regclass(:table) AND i.indisvalid AND NOT (i.indisclustered OR i.indisreplident)
        AND (u.oid IS NULL OR u.contype IN ('p', 'u'))
        AND NOT EXISTS (SELECT FROM pg_constraint WHERE conindid = i.indexrelid AND contype = 'f')
        AND NOT EXISTS (SELECT FROM pg_depend WHERE refobjid IN (u.oid, i.indexrelid) AND deptype = 'n')
        AND obj_description(c.oid, 'pg_class') IS NULL AND obj_description(u.oid, 'pg_constraint') IS NULL
        AND pg_has_role(c.relowner, 'USAGE') AND has_schema_privilege(c.relnamespace, 'CREATE')
    ORDER BY i.indexrelid
""")


# The index to copy the table by, whichever; a table that is somebody's to order stays as it is.
COPIED_BY: Final = text("""
    SELECT format('%I', c.relname)
    FROM pg_index AS i
    JOIN pg_class AS c ON c.oid = i.indexrelid
    JOIN pg_class AS t ON t.oid = i.indrelid
    WHERE t.oid = to_regclass(:table) AND t.relkind = 'r' AND t.relpersistence = 'p'
        AND pg_has_role(t.relowner, 'USAGE') AND i.indisprimary AND i.indisvalid
        AND NOT EXISTS (SELECT FROM pg_index WHERE indrelid = t.oid AND indisclustered)
        AND current_setting('wal_level') = 'minimal'
""")


@contextmanager
def built_afterwards(
    database: Database, connection: Connection, table: Table, *, rows: int
) -> Iterator[None]:
    """Within, so many rows are put into the table, which has none, or next to none. Its indexes are built at
    the end, unless somebody is reading it: then they stay. The caller owns the transaction.
    """
    name = database.qualified(table)
    if is_sqlite(connection) or rows < WORTHWHILE or not hold(connection, name):
        yield
        return
    _begin_file(connection, name)
    spare = connection.execute(SPARE, {"table": name}).all()
    for index in spare:
        connection.exec_driver_sql(index.drop.replace("%", "%%"))
    yield
    connection.execute(text(f"SET LOCAL maintenance_work_mem = '{MEMORY}'"))
    for index in spare:
        connection.exec_driver_sql(index.build.replace("%", "%%"))


def _begin_file(connection: Connection, name: str) -> None:
    """Copy the table to a new file, if that saves the log; unlike a TRUNCATE, others see no other rows."""
    index = connection.scalar(COPIED_BY, {"table": name})
    if index is not None:
        copy = f"CLUSTER {name} USING {index}; ALTER TABLE {name} SET WITHOUT CLUSTER"
        connection.exec_driver_sql(copy.replace("%", "%%"))


def hold(connection: Connection, name: str) -> bool:
    """Whether the table is ours alone until the end of the transaction; nobody is waited for."""
    try:
        with connection.begin_nested():
            connection.execute(text(f"LOCK TABLE {name} IN ACCESS EXCLUSIVE MODE NOWAIT"))
    except OperationalError:
        return False
    return True
