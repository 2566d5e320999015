"""A warehouse that is emptied, so that it can be loaded anew: quicker than making another one."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any, Final

from sqlalchemy import ColumnElement, Table, delete, select, true

from strandline.errors import DeclarationError
from strandline.model.audit import DimAudit
from strandline.model.bridge import Bridge
from strandline.model.combination import Combination
from strandline.model.dimension import Dimension
from strandline.model.hierarchy import Hierarchy
from strandline.model.prepared import Prepared
from strandline.pipeline.definition import Pipeline
from strandline.warehouse import schema, state
from strandline.warehouse.database import Database

KEPT: Final = (state.declared, state.aggregate)
"""What is known of days and of queries stays true."""


def refuse_records(pipeline: Pipeline, database: Database, *, what: str) -> None:
    """Raise DeclarationError where the warehouse holds records of the pipeline's streams: they would go."""
    logs = {it.stream.qualified_name: it.raw for it in pipeline.readings}
    with database.begin() as connection:
        catalog = schema.read_catalog(database, connection, logs.values())
        for name, log in logs.items():
            if catalog.columns(database, log) and connection.execute(select(log.c.raw_id).limit(1)).first():
                raise DeclarationError(
                    f"{what}: there are records of {name} in {database.shown}, and they would be deleted",
                    hint="Give it an empty warehouse of the test's own: the fixture warehouse, or sqlite://.",
                )


def empty(pipeline: Pipeline, database: Database) -> None:
    """Delete all that runs of the pipeline have brought; tables, days and special members stay."""
    doomed = list(_doomed(pipeline))
    with database.begin() as connection:
        catalog = schema.read_catalog(database, connection, [table for table, _ in doomed])
        for table, which in doomed:
            if catalog.columns(database, table):
                connection.execute(delete(table).where(which))


def _doomed(pipeline: Pipeline) -> Iterator[tuple[Table, ColumnElement[bool]]]:
    for table in state.OWN_TABLES.sorted_tables:
        if table not in KEPT:
            yield table, true()
    for reading in pipeline.readings:
        yield reading.raw, true()
    yield DimAudit.table(), DimAudit.key_column() > 0
    for model in pipeline.models:
        yield from _rows_of(model)


def _rows_of(model: Any) -> Iterator[tuple[Table, ColumnElement[bool]]]:
    table: Table = model.table()
    if issubclass(model, Dimension | Combination):
        yield table, model.key_column() > 0
    elif issubclass(model, Bridge):
        yield table, table.c[model.group_key()] > 0
        yield model.groups, model.groups.c[model.group_key()] > 0
    elif issubclass(model, Hierarchy):
        yield table, table.c.descendant_durable_key > 0
    elif not issubclass(model, Prepared):
        yield table, true()
