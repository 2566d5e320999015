"""What dbt wants to know of the tables that a pipeline fills, as the document of a sources.yml.

Tests are what the models say: keys are unique and never empty, references lead to a member that is there.
What a pipeline expects of a column becomes a test too, and `fresh` the table's freshness.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from typing import Any, Final

from sqlalchemy import Column, Table, UniqueConstraint
from sqlalchemy.dialects import postgresql

from strandline.model.dimension import Dimension
from strandline.model.expectation import Accepted, Expectation, Fresh, NotNull, Unique
from strandline.model.fact import Fact
from strandline.pipeline.definition import Pipeline
from strandline.pipeline.expectation import Expected

SOURCE: Final = "strandline"
"""What dbt calls them all, unless told."""

PERIODS: Final = (("day", 86_400), ("hour", 3_600), ("minute", 60))


def document(
    pipelines: Sequence[Pipeline], *, schema: str, name: str = SOURCE, database: str | None = None
) -> dict[str, Any]:
    """The document, a table for each model in the order in which they are declared."""
    models = dict.fromkeys(model for it in pipelines for model in it.models)
    expected = [it for pipeline in pipelines for it in pipeline.expectations]
    source: dict[str, Any] = {"name": name, "description": "What strandline loads."}
    source |= {"database": database} if database else {}
    source |= {"schema": schema, "tables": [_table(it, expected, source=name) for it in models]}
    return {"version": 2, "sources": [source]}


def _table(model: Any, expected: Iterable[Expected], *, source: str) -> dict[str, Any]:
    table: Table = model.table()
    own = [it for it in expected if it.model is model]
    targets = _targets(model)
    told: dict[str, Any] = {"name": str(table.name), "description": table.comment or ""}
    told |= _freshness(own)
    columns = []
    for it in table.columns:
        tests = _tests(it, own, refers_to=targets.get(it.name), source=source)
        column = {"name": str(it.name), "description": it.comment or "", "data_type": _type(it)}
        columns.append({**column, **({"data_tests": tests} if tests else {})})
    return {**told, "columns": columns}


def _type(column: Column[Any]) -> str:
    return column.type.compile(postgresql.dialect()).lower()  # type: ignore[no-untyped-call]


def _targets(model: Any) -> dict[str, tuple[Table, str]]:
    """Table and column that each reference of a fact leads to."""
    if not issubclass(model, Fact):
        return {}
    found = {**model.references(), **model.date_references()}
    targets = {name: it.dimension for name, it in found.items()} | model.combinations()
    return {
        name: (of.table(), of.durable_key_column().name if _is_durable(found, name) else _key(of.table()))
        for name, of in targets.items()
    }


def _is_durable(found: Mapping[str, Any], name: str) -> bool:
    return (
        name in found
        and getattr(found[name], "gives", None) is not None
        and issubclass(found[name].dimension, Dimension)
    )


def _key(table: Table) -> str:
    return next(iter(table.primary_key)).name


def _tests(
    column: Column[Any],
    expected: Sequence[Expected],
    *,
    refers_to: tuple[Table, str] | None,
    source: str,
) -> list[Any]:
    tests: list[Any] = [
        *(["unique"] if _is_unique(column) else []),
        *([] if column.nullable else ["not_null"]),
    ]
    if refers_to is not None:
        table, field = refers_to
        to = f"source('{source}', '{table.name}')"
        tests.append({"relationships": {"arguments": {"to": to, "field": str(field)}}})
    for it in expected:
        name, test = _of_expectation(it.expectation, column.name)
        if name is None or name in tests:
            continue
        config = {"severity": "warn"} if it.severity == "warn" else {}
        config |= _live(it.model)
        tests.append({name: {**test, **({"config": config} if config else {})}} if test or config else name)
    return tests


def _live(model: Any) -> dict[str, str]:
    """Of a dimension nothing is expected of old versions, and of members that no source has described."""
    if not issubclass(model, Dimension):
        return {}
    return {"where": f"is_current and not is_inferred and {model.key_column().name} > 0"}


def _of_expectation(wanted: Expectation, column: str) -> tuple[str | None, dict[str, Any]]:
    """What dbt calls it, where it is of this column and dbt knows it."""
    if column not in wanted.columns:
        return None, {}
    match wanted:
        case NotNull():
            return "not_null", {}
        case Accepted() if all(isinstance(it, str | int) for it in wanted.values):
            are_texts = all(isinstance(it, str) for it in wanted.values)
            quote = {} if are_texts else {"quote": False}
            return "accepted_values", {"arguments": {"values": list(wanted.values), **quote}}
        case Unique() if wanted.columns == (column,):
            return "unique", {}
    return None, {}


def _is_unique(column: Column[Any]) -> bool:
    table: Table = column.table
    alone = [[it.name for it in one.columns] for one in (table.primary_key, *_uniques(table))]
    return [column.name] in alone


def _uniques(table: Table) -> list[Any]:
    constraints = [it for it in table.constraints if isinstance(it, UniqueConstraint)]
    # One of some rows only, as of the current ones, says nothing of all.
    whole = [it for it in table.indexes if it.unique and it.dialect_options["postgresql"]["where"] is None]
    return [*constraints, *whole]


def _freshness(expected: Iterable[Expected]) -> dict[str, Any]:
    found: dict[str, Any] = {}
    column = None
    for it in expected:
        if isinstance(it.expectation, Fresh):
            limit = "warn_after" if it.severity == "warn" else "error_after"
            found[limit] = _period(it.expectation.within.total_seconds())
            column = it.expectation.columns[0]
    return {"config": {"loaded_at_field": column, "freshness": found}} if found else {}


def _period(seconds: float) -> dict[str, Any]:
    """In dbt's words, rounded up."""
    for name, length in PERIODS:
        if seconds >= length and seconds % length == 0:
            return {"count": int(seconds // length), "period": name}
    return {"count": max(1, -int(-seconds // 60)), "period": "minute"}
