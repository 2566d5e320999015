"""What statements within a transaction leave behind in PostgreSQL's own books: rows written by table, and the
locks that keep others out.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import Final

from sqlalchemy import Connection, Table, text

from strandline.pipeline.plan.outlook import LockOutlook
from strandline.warehouse.database import Database

WRITTEN: Final = text("""
    SELECT schemaname, relname, n_tup_ins, n_tup_upd, n_tup_del
    FROM pg_stat_xact_user_tables
    WHERE n_tup_ins + n_tup_upd + n_tup_del > 0 AND schemaname NOT LIKE 'pg_temp%'
""")

STRONG: Final = text("""
    SELECT n.nspname, c.relname, l.mode
    FROM pg_locks AS l
    JOIN pg_class AS c ON c.oid = l.relation
    JOIN pg_namespace AS n ON n.oid = c.relnamespace
    WHERE l.pid = pg_backend_pid() AND l.locktype = 'relation' AND c.relkind IN ('r', 'p')
        AND n.nspname NOT LIKE 'pg_%'
        AND l.mode IN ('ShareLock', 'ShareRowExclusiveLock', 'ExclusiveLock', 'AccessExclusiveLock')
""")

Name = tuple[str, str]

MODES: Final = {
    "ShareLock": "SHARE",
    "ShareRowExclusiveLock": "SHARE ROW EXCLUSIVE",
    "ExclusiveLock": "EXCLUSIVE",
    "AccessExclusiveLock": "ACCESS EXCLUSIVE",
}


@dataclass
class Trace:
    """What was written and locked within."""

    written: dict[Name, tuple[int, int, int]] = field(default_factory=dict)
    strong: set[tuple[Name, str]] = field(default_factory=set)

    def writes(self, database: Database, *, but: Sequence[Table]) -> dict[str, dict[str, int]]:
        """Rows inserted, updated and deleted, by table; without these, and what strandline notes itself."""
        left_out = {it.name for it in but}
        return {
            f"{schema}.{table}": dict(zip(("inserted", "updated", "deleted"), rows, strict=True))
            for (schema, table), rows in sorted(self.written.items())
            if table not in left_out and schema != database.schemas.strandline
        }

    def locks(self, step: str, *, but: Sequence[Table]) -> Iterator[LockOutlook]:
        """The locks on tables: on those that are written, and those that keep readers or writers out."""
        left_out = {it.name for it in but}
        tables = [f"{schema}.{table}" for schema, table in sorted(self.written) if table not in left_out]
        if tables:
            why = "rows are written: readers and other writers go on, what alters the table waits"
            yield LockOutlook(step, "ROW EXCLUSIVE", ", ".join(tables), why)
        for (schema, table), mode in sorted(self.strong):
            if table not in left_out:
                why = "indexes of a table that is filled for the first time are built at the end"
                yield LockOutlook(step, MODES[mode], f"{schema}.{table}", why)


@contextmanager
def traced(connection: Connection) -> Iterator[Trace]:
    """Find out what is written and locked within."""
    trace = Trace()
    written, strong = _written(connection), _strong(connection)
    yield trace
    for name, rows in _written(connection).items():
        before = written.get(name, (0, 0, 0))
        more = (rows[0] - before[0], rows[1] - before[1], rows[2] - before[2])
        if any(more):
            trace.written[name] = more
    trace.strong = _strong(connection) - strong


def _written(connection: Connection) -> dict[Name, tuple[int, int, int]]:
    rows = connection.execute(WRITTEN)
    return {(schema, table): (ins, upd, gone) for schema, table, ins, upd, gone in rows}


def _strong(connection: Connection) -> set[tuple[Name, str]]:
    return {((schema, table), mode) for schema, table, mode in connection.execute(STRONG)}
