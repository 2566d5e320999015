"""The linter on a database: what must hold in the tables, and what pipelines expect of them."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any

from sqlalchemy import Connection, Table

from strandline.model.aggregate import Aggregate
from strandline.model.bridge import Bridge
from strandline.model.dimension import Dimension
from strandline.model.fact import Fact
from strandline.pipeline import survey
from strandline.pipeline.definition import Pipeline
from strandline.pipeline.inspection import Answers
from strandline.pipeline.lint import catalog
from strandline.pipeline.lint.database import EXPECTATION
from strandline.pipeline.lint.declared import Model
from strandline.pipeline.lint.lint import Linter
from strandline.pipeline.lint.rule import Found
from strandline.pipeline.survey import Surveyed
from strandline.warehouse import census, check, schema, soundness, state, structure
from strandline.warehouse.database import Database


@dataclass(frozen=True)
class Tables:
    """What was looked at in the database."""

    there: list[str]
    missing: list[str]
    """The tables that are not there yet."""
    expectations: int
    """How many expectations were looked at."""
    are_migrated: bool = False
    """Whether migrations make the tables, and runs do not."""


def look(linter: Linter, database: Database, pipelines: Sequence[Pipeline], *, is_whole: bool) -> Tables:
    """Look at the tables of these pipelines that are there, all at one moment; where they are all pipelines,
    also at tables that nobody declares.
    """
    models = list(dict.fromkeys(model for pipeline in pipelines for model in pipeline.models))
    with database.connect() as connection:
        catalog_ = schema.read_catalog(database, connection, [it.table() for it in models])
        there = [it for it in models if catalog_.columns(database, it.table()) is not None]
        are_migrated = schema.is_managed(database, catalog_)
        logs = _logs(pipelines, there, is_there=lambda it: catalog_.columns(database, it) is not None)
        connection.rollback()
        wants_expectations = linter.wants(EXPECTATION)
        answers = survey.ask(pipelines, there) if wants_expectations else {}
        survey.stand_still(connection)
        readable = _look_at_structure(linter, database, connection, there, is_whole=is_whole)
        _look_at_rows(linter, connection, readable, logs)
        looked_at = (
            _look_at_expectations(linter, database, connection, pipelines, there=there, answers=answers)
            if wants_expectations
            else []
        )
    missing = [it.table().name for it in models if it not in there]
    return Tables([it.table().name for it in there], missing, len(looked_at), are_migrated)


def _logs(
    pipelines: Sequence[Pipeline], models: Sequence[type[Any]], *, is_there: Callable[[Table], bool]
) -> dict[type[Any], dict[str, Table]]:
    """The raw logs that each model is made of, by the names of their sources."""
    found: dict[type[Any], dict[str, Table]] = {it: {} for it in models}
    for reading in (reading for pipeline in pipelines for reading in pipeline.readings):
        for sync in reading.syncs:
            if sync.model in found and is_there(reading.raw):
                found[sync.model][reading.stream.source_name] = reading.raw
    return found


def _look_at_structure(
    linter: Linter, database: Database, connection: Connection, models: Sequence[Any], *, is_whole: bool
) -> list[Any]:
    """The models whose tables have all that a look at their rows asks for."""
    _listen(linter, structure.RULES)
    by_table = {table: it for it in models for table in schema.tables_of([it])}
    unreadable: set[Any] = set()
    for it in structure.compare(database, connection, list(by_table)):
        model = next(model for table, model in by_table.items() if table.name == it.table)
        _tell(linter, model, it)
        if it.rule in structure.UNREADABLE:
            unreadable.add(model)
    if is_whole and linter.wants(rule := catalog.ALL["undeclared-table"]):
        declared = [Model(it, linter.star.choice).table for it in linter.star.models]
        for name in structure.undeclared(database, connection, [*declared, *by_table]):
            linter.hear(rule, [Found(None, None, "no model declares this table", subject=name)])
    return [it for it in models if not _reads(it) & unreadable]


def _reads(model: type[Any]) -> set[Any]:
    """The model, and what the checks of its rows read beside it."""
    found: set[Any] = {model}
    if issubclass(model, Fact):
        found |= set(model.combinations().values()) | set(model.bridges().values())
        found |= {it.dimension for it in (*model.references().values(), *model.date_references().values())}
    elif issubclass(model, Aggregate):
        found |= set(model.reads())
    elif issubclass(model, Dimension):
        found |= set(model.outriggers())
    elif issubclass(model, Bridge):
        found.add(model.dimension)
    return found


def _look_at_rows(
    linter: Linter,
    connection: Connection,
    models: Sequence[type[Any]],
    logs: Mapping[type[Any], Mapping[str, Table]],
) -> None:
    wanted = _listen(linter, (*check.RULES, *soundness.RULES, *census.RULES))
    now = datetime.now(UTC)
    for model in models:
        found = [
            *check.check(connection, [model], rules=wanted),
            *soundness.check(connection, model, logs=logs[model], now=now, rules=wanted),
            *census.count(connection, model, rules=wanted),
        ]
        for it in found:
            _tell(linter, model, it)


def _listen(linter: Linter, rules: Sequence[str]) -> list[str]:
    """Those of the rules that are looked at, whatever is found."""
    wanted = [rule for rule in rules if linter.wants(catalog.ALL[rule])]
    for rule in wanted:
        linter.hear(catalog.ALL[rule], [])
    return wanted


def _tell(linter: Linter, model: type[Any], it: check.Finding) -> None:
    found = Found(model, it.column, it.what, subject=it.table, rows=it.rows, sample=it.sample)
    linter.hear(catalog.ALL[it.rule], [found])


def _look_at_expectations(
    linter: Linter,
    database: Database,
    connection: Connection,
    pipelines: Sequence[Pipeline],
    *,
    there: Sequence[type[Any]],
    answers: Answers,
) -> list[Surveyed]:
    surveyed = survey.look(database, connection, pipelines, models=there, answers=answers)
    tables = {it.table().name: it for it in there}
    linter.hear(EXPECTATION, [])
    for it in surveyed:
        if it.told.status != state.PASSED:
            linter.hear(EXPECTATION, [_broken(it, tables[it.table])])
    return surveyed


def _broken(it: Surveyed, model: type[Any]) -> Found:
    told = it.told
    return Found(
        model,
        told.name,
        f"{told.name}: {told.detail}",
        subject=it.table,
        rows=told.failing,
        sample=tuple(f"{sample['source']}:{sample['key']}" for sample in told.samples),
        severity="error" if told.severity == "fail" else "warning",
    )
