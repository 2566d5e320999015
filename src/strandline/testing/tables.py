"""The tables of pipelines, made before any test runs: then a test's warehouse has them from the start."""

from __future__ import annotations

from collections.abc import Callable

from strandline.pipeline.definition import Pipeline
from strandline.pipeline.target import target_of
from strandline.warehouse import dialect, schema
from strandline.warehouse.database import Database


def create_tables(*pipelines: Pipeline) -> Callable[[Database], None]:
    """What the fixture `warehouse_schema` may return: it makes the tables that runs of these pipelines would
    make, with calendars and special members; strandline's own in any case.
    """

    def create(database: Database) -> None:
        rows = dialect.of_rows(database.engine)
        for pipeline in pipelines:
            staged = [target_of(it, sources=pipeline.sources, rows=rows).staged for it in pipeline.syncs]
            seen = [it.seen for it in pipeline.readings if it.sweep is not None]
            logs = [it.raw for it in pipeline.readings]
            with database.begin() as connection:
                schema.prepare(database, connection, models=pipeline.models, others=[*logs, *staged, *seen])
        if not pipelines:
            with database.begin() as connection:
                schema.prepare(database, connection, models=[], others=[])

    return create
