"""The plan of a pipeline: tables to make, ranges to read, rows to write and locks, with nothing changed.

    outlook = plan(sales, database)

Tables are made and rows are merged as a run does it, in one transaction that is taken back. A run may go on
beside it: the plan waits for its merges no longer than it is patient, and a merge that begins meanwhile waits
for the plan.
"""

from __future__ import annotations

import time
from datetime import UTC, datetime
from importlib.metadata import version
from typing import Final

from sqlalchemy import Connection, func, select

from strandline.errors import DeclarationError, SchemaOutOfDate, StrandlineError
from strandline.pipeline.definition import Pipeline
from strandline.pipeline.plan import asked, locks, rehearsal, statement
from strandline.pipeline.plan.outlook import LockOutlook, Outlook, Problem
from strandline.pipeline.plan.rehearsal import Rehearsal
from strandline.pipeline.report import RunReport, Silence
from strandline.pipeline.running import Run
from strandline.warehouse import lock, schema, state
from strandline.warehouse.database import Database
from strandline.warehouse.dialect import is_sqlite

PATIENCE: Final = 5.0
"""So many seconds what others hold is waited for."""


def plan(
    pipeline: Pipeline, database: Database, *, is_quick: bool = False, patience: float = PATIENCE
) -> Outlook:
    """What a run of the pipeline would do. With `is_quick` the entries of the raw log that are not merged are
    counted only. What others hold is waited for so many seconds.

    Raises DeclarationError on SQLite, which has one connection that changes nothing for nobody.
    """
    if is_sqlite(database.engine):
        raise DeclarationError("plan: SQLite is for tests, and has no plan", hint="Give a PostgreSQL.")
    began, outlook = time.monotonic(), Outlook(pipeline.name)
    with database.connect() as connection:
        one_run = Run(pipeline, database, connection, Silence())
        try:
            with connection.begin() as transaction:
                _look(one_run, outlook, is_quick=is_quick, patience=patience)
                transaction.rollback()
        except SchemaOutOfDate as error:
            _stop(one_run, outlook, error)
        finally:
            lock.release_all(connection)  # a warehouse that is migrated is held for as long as a session is
        outlook.locks[:0] = _locks(pipeline, outlook)
    outlook.seconds = round(time.monotonic() - began, 3)
    return outlook


def _look(one_run: Run, outlook: Outlook, *, is_quick: bool, patience: float) -> None:
    connection, pipeline = one_run.connection, one_run.pipeline
    rehearsal.be_patient(connection, seconds=patience)
    stages = [it.staged for it in one_run.targets.values()]
    stages += [it.seen for it in pipeline.readings if it.sweep is not None]
    outlook.stages = statement.stages(one_run.database, connection, stages)
    gone = statement.prepare(one_run, outlook.statements)
    for target in one_run.targets.values():
        target.dropped = gone.get(target.sync.model.table(), ())
    number = -(connection.scalar(select(func.pg_backend_pid())) or 1)
    one_run.report = RunReport(pipeline.name, number, datetime.now(UTC), "plan")
    rehearsal.begin(connection, pipeline=pipeline.name, run_id=number, version=version("strandline"))
    outlook.streams += asked.find(connection, pipeline)
    performed = Rehearsal(one_run, outlook)
    performed.look()
    if not is_quick:
        performed.perform()


def _stop(one_run: Run, outlook: Outlook, error: StrandlineError) -> None:
    """A run would stop before it reads anything; what it would have read is told where that is known."""
    outlook.problem = Problem.of(error)
    with one_run.connection.begin() as transaction:
        if _has_marks(one_run.database, one_run.connection):
            outlook.streams += asked.find(one_run.connection, one_run.pipeline)
        transaction.rollback()


def _has_marks(database: Database, connection: Connection) -> bool:
    tables = [state.read_mark, state.sweep]
    catalog = schema.read_catalog(database, connection, tables)
    return all(catalog.columns(database, it) is not None for it in tables)


def _locks(pipeline: Pipeline, outlook: Outlook) -> list[LockOutlook]:
    if outlook.problem is not None:
        return []
    return [*locks.of_tables(outlook), *locks.of_streams(pipeline), *locks.of_merges(pipeline)]
