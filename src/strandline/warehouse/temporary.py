"""Temporary tables, which end with their transaction: done away with earlier, where it goes on with another
merge.
"""

from __future__ import annotations

from typing import Final

from sqlalchemy import Connection, text

from strandline.warehouse.dialect import is_sqlite
from strandline.warehouse.sqlite import TEMPORARY_TABLES

ON_POSTGRESQL: Final = """
    SELECT relname FROM pg_class WHERE relnamespace = pg_my_temp_schema() AND relkind = 'r'
"""


def drop_all(connection: Connection) -> None:
    """Drop every temporary table of this connection."""
    on_sqlite = is_sqlite(connection)
    names = connection.scalars(text(TEMPORARY_TABLES if on_sqlite else ON_POSTGRESQL)).all()
    schema = "temp" if on_sqlite else "pg_temp"
    quote = connection.dialect.identifier_preparer.quote
    for name in names:
        connection.execute(text(f"DROP TABLE {schema}.{quote(name)}"))
