"""Everything that pipelines expect, looked at in whole tables, whoever wrote them: for `strandline check`."""

from __future__ import annotations

from collections.abc import Collection, Iterator, Sequence
from dataclasses import dataclass
from typing import Any

from sqlalchemy import Connection

from strandline.errors import StrandlineError
from strandline.pipeline import inspection
from strandline.pipeline.definition import Pipeline
from strandline.pipeline.expectation import Expected
from strandline.pipeline.inspection import Answers
from strandline.pipeline.reconciliation import Reconciled
from strandline.pipeline.report import ExpectationReport
from strandline.source.stream import Source, Stream
from strandline.warehouse.database import Database
from strandline.warehouse.dialect import is_sqlite
from strandline.warehouse.expectation import Rows


@dataclass(frozen=True)
class Surveyed:
    """One expectation, and what became of it in the whole table."""

    table: str
    told: ExpectationReport


Wanted = tuple[Expected, Rows, str]
"""An expectation, the rows that it is looked at in, and the stream that has brought them, if it is one."""


def _wanted(pipelines: Sequence[Pipeline], models: Collection[Any]) -> Iterator[Wanted]:
    """Those of rows once for the table, the others for each source that fills it."""
    for pipeline in pipelines:
        for it in pipeline.expectations:
            if it.model not in models:
                continue
            if it.expectation.of_rows:
                yield it, Rows(it.model), ""
                continue
            for stream in _filling(pipeline, it):
                yield it, Rows(it.model, stream.source_name), stream.qualified_name


def _filling(pipeline: Pipeline, wanted: Expected) -> list[Stream]:
    return [sync.stream for sync in pipeline.syncs if wanted.concerns(sync.model, sync.stream.source)]


def ask(pipelines: Sequence[Pipeline], models: Collection[Any]) -> Answers:
    """Ask the sources for what the tables are held against; one that is not set up does not answer."""
    answers: Answers = {}
    by_source: dict[type[Source], list[Expected]] = {}
    for it, _, _ in _wanted(pipelines, models):
        if isinstance(it.expectation, Reconciled):
            by_source.setdefault(it.expectation.said.source, []).append(it)
    for cls, wanted in by_source.items():
        _ask(cls, wanted, answers)
    return answers


def _ask(cls: type[Source], wanted: Sequence[Expected], answers: Answers) -> None:
    try:
        with cls() as source:
            inspection.ask(wanted, source, answers)
    except StrandlineError as error:
        for it in wanted:
            if isinstance(it.expectation, Reconciled):
                answers.setdefault(it.expectation.said.qualified_name, error)


def stand_still(connection: Connection) -> None:
    """Let everything that is looked at be of one moment, however long it takes."""
    if not is_sqlite(connection):
        connection.execution_options(isolation_level="REPEATABLE READ")


def look(
    database: Database,
    connection: Connection,
    pipelines: Sequence[Pipeline],
    *,
    models: Collection[Any],
    answers: Answers,
) -> list[Surveyed]:
    """Look at all that is expected of these models."""
    return [
        Surveyed(it.model.table().name, _inspect(database, connection, wanted, answers))
        for wanted in _wanted(pipelines, models)
        for it in wanted[:1]
    ]


def _inspect(
    database: Database, connection: Connection, wanted: Wanted, answers: Answers
) -> ExpectationReport:
    """Look at one; what the database cannot work out is told, and the others are looked at all the same."""
    it, rows, stream = wanted
    try:
        with database.named_errors(), connection.begin_nested():
            return inspection.inspect(connection, it, rows, stream=stream, answers=answers)
    except StrandlineError as error:
        status = "failed" if it.severity == "fail" else "warned"
        told = ExpectationReport(stream, it.model.__name__, it.name, it.severity, status)
        told.detail = f"it could not be looked at: {error.message}"
        return told
