"""The statements that a run would make its tables with: it makes them, in a transaction that is taken back,
and each is noted.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from typing import Any, Final

from sqlalchemy import Connection, Table, event

from strandline.model.base import STAGING
from strandline.pipeline.running import Run
from strandline.warehouse import schema
from strandline.warehouse.database import Database
from strandline.warehouse.schema import Dropped

DDL: Final = re.compile(r"\s*(CREATE|ALTER|DROP|COMMENT)\b(?!\s+(GLOBAL|LOCAL)?\s*TEMP)", re.IGNORECASE)


@contextmanager
def noted(connection: Connection, statements: list[str]) -> Iterator[None]:
    """Note the statements within that define something."""

    def note(_connection: Any, _cursor: Any, statement: str, *_more: object) -> None:
        if DDL.match(statement):
            lines = (line.rstrip() for line in statement.strip().splitlines())
            statements.append("\n".join(line for line in lines if line))

    event.listen(connection, "before_cursor_execute", note)
    try:
        yield
    finally:
        event.remove(connection, "before_cursor_execute", note)


def prepare(one_run: Run, statements: list[str]) -> Dropped:
    """Make the tables be there as a run does, but for its stages, which a run that is going on may be using.
    Raises SchemaOutOfDate as it would.
    """
    logs = [reading.raw for reading in one_run.pipeline.readings]
    with noted(one_run.connection, statements):
        return schema.prepare(
            one_run.database, one_run.connection, models=one_run.pipeline.models, others=logs
        )


def stages(database: Database, connection: Connection, tables: Sequence[Table]) -> list[str]:
    """Those of the stages that are not there, or not as they would be."""
    catalog = schema.read_catalog(database, connection, tables)
    assert all(table.schema == STAGING for table in tables)
    return [
        database.qualified(table)
        for table in tables
        if catalog.columns(database, table)
        != {column.name: schema.spelled(database, column) for column in table.c}
    ]
