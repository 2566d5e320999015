"""The linter on a database: what must hold in the tables, and what pipelines expect of them."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from sqlalchemy import Connection

from strandline.pipeline import survey
from strandline.pipeline.definition import Pipeline
from strandline.pipeline.inspection import Answers
from strandline.pipeline.lint import catalog
from strandline.pipeline.lint.database import EXPECTATION
from strandline.pipeline.lint.lint import Linter
from strandline.pipeline.lint.rule import Found
from strandline.pipeline.survey import Surveyed
from strandline.warehouse import check, schema, state
from strandline.warehouse.database import Database


@dataclass(frozen=True)
class Tables:
    """What was looked at in the database."""

    there: list[str]
    missing: list[str]
    """The tables that are not there yet."""
    expectations: int
    """How many expectations were looked at."""


def look(linter: Linter, database: Database, pipelines: Sequence[Pipeline]) -> Tables:
    """Look at the tables of these pipelines that are there, all at one moment."""
    models = list(dict.fromkeys(model for pipeline in pipelines for model in pipeline.models))
    with database.connect() as connection:
        catalog_ = schema.read_catalog(database, connection, [it.table() for it in models])
        there = [it for it in models if catalog_.columns(database, it.table()) is not None]
        connection.rollback()
        wants_expectations = linter.wants(EXPECTATION)
        answers = survey.ask(pipelines, there) if wants_expectations else {}
        survey.stand_still(connection)
        _look_at_rows(linter, connection, there)
        looked_at = (
            _look_at_expectations(linter, database, connection, pipelines, there=there, answers=answers)
            if wants_expectations
            else []
        )
    missing = [it.table().name for it in models if it not in there]
    return Tables([it.table().name for it in there], missing, len(looked_at))


def _look_at_rows(linter: Linter, connection: Connection, models: Sequence[type[Any]]) -> None:
    wanted = [rule for rule in check.RULES if linter.wants(catalog.ALL[rule])]
    for rule in wanted:
        linter.hear(catalog.ALL[rule], [])  # it was looked at, whatever is found
    for model in models:
        for it in check.check(connection, [model], rules=wanted):
            found = Found(model, None, it.what, subject=it.table, rows=it.rows, sample=it.sample)
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
