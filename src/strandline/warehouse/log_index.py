"""The index on the natural keys of a raw log, which a first read does without while it looks nobody up.

A third of the time in which PostgreSQL stores an entry goes into it. While every key that comes lies behind
all before it, nobody is looked up, so it is left out at the first chunk behind which more are to come, and
built again, sorted and on several cores, when somebody is looked up or all is read. A run that was killed
leaves the log without it: the next one builds it before anything else.
"""

from __future__ import annotations

from typing import Final

from sqlalchemy import Connection, Index, Table, text
from sqlalchemy.schema import CreateIndex, DropIndex

from strandline.warehouse.database import Database
from strandline.warehouse.dialect import is_sqlite
from strandline.warehouse.index import MEMORY, hold

IS_OURS: Final = text("SELECT pg_has_role(relowner, 'USAGE') FROM pg_class WHERE oid = to_regclass(:table)")


class LogIndex:
    """The index of one raw log, whose stream's lock the caller holds."""

    def __init__(self, database: Database, connection: Connection, table: Table) -> None:
        self._database = database
        self._connection = connection
        self._table = table
        self._is_left_out: bool | None = None
        """None: that was not tried yet."""

    def leave_out(self) -> None:
        """Do without it from now on, unless somebody is at the table, or it is not ours. The caller owns the
        transaction.
        """
        if self._is_left_out is None:
            self._is_left_out = self._can_be_left_out()
            if self._is_left_out:
                self._connection.execute(DropIndex(index_of(self._table)))

    def build(self) -> None:
        """Have it. The caller owns the transaction."""
        if self._is_left_out:
            _build(self._connection, self._table)
            self._is_left_out = False

    def _can_be_left_out(self) -> bool:
        name = self._database.qualified(self._table)
        return (
            not is_sqlite(self._connection)
            and bool(self._connection.scalar(IS_OURS, {"table": name}))
            and hold(self._connection, name)
        )


def index_of(log: Table) -> Index:
    """The index on the natural keys of this raw log."""
    (index,) = log.indexes
    return index


def name_of(database: Database, log: Table) -> str:
    """What it is called in this database."""
    name = database.engine.dialect.identifier_preparer.format_index(index_of(log))
    return name.strip('"')


def mend(database: Database, connection: Connection, log: Table) -> None:
    """Build the index that a log lacks of which a first read was killed, if it is ours. The caller owns the
    transaction.
    """
    if not is_sqlite(connection) and connection.scalar(IS_OURS, {"table": database.qualified(log)}):
        _build(connection, log)


def _build(connection: Connection, log: Table) -> None:
    connection.execute(text(f"SET LOCAL maintenance_work_mem = '{MEMORY}'"))
    connection.execute(CreateIndex(index_of(log), if_not_exists=True))
