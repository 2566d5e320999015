"""Rules on aggregates: what may be summed up, and summed up again."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any, Final

from sqlalchemy import Column, Label
from sqlalchemy.sql import functions, visitors
from sqlalchemy.sql.functions import FunctionElement

from strandline.model.aggregate import Aggregate, declared_query
from strandline.model.column import EventTime, Measure, Period, Reference, role
from strandline.model.prepared import Prepared
from strandline.pipeline.lint.rule import Found, Rules
from strandline.pipeline.lint.star import Star

RULES: Final = Rules()


def _measures(aggregate: type[Aggregate]) -> Iterator[tuple[Column[Any], Any]]:
    """The measures of an aggregate, each with what calculates it."""
    selected = declared_query(aggregate).selected_columns
    for column in aggregate.measures():
        written = selected[column.name]
        yield column, written.element if isinstance(written, Label) else written


def _summed(written: Any) -> Iterator[Column[Any]]:
    """The columns that are summed in an expression as they are."""
    for it in visitors.iterate(written):
        if isinstance(it, functions.sum):
            yield from (argument for argument in it.clauses if isinstance(argument, Column))


def _additive(column: Column[Any]) -> object:
    """What is declared of a measure; True for what is none."""
    meaning = role(column)
    return meaning.additive if isinstance(meaning, Measure) else True


@RULES.star("error")
def sum_over_time(star: Star) -> Iterator[Found]:
    """A sum of balances over days counts what lay there every day once a day.

    Group by the period as well, or take the average or the last one.
    """
    for aggregate in star.aggregates:
        if _groups_by_time(aggregate):
            continue
        for column, written in _measures(aggregate):
            for summed in _summed(written):
                if _additive(summed) == "semi":
                    what = f"{column.name} sums {summed.name} over time, which is semi-additive"
                    yield Found(aggregate, column.name, what)


def _groups_by_time(aggregate: type[Aggregate]) -> bool:
    """Whether each group is of one period: it has the period of the fact, or the key of a day."""
    columns = [it for group in aggregate.groups() for it in visitors.iterate(group) if isinstance(it, Column)]
    meanings = [role(it) for it in columns]
    return any(
        isinstance(it, Period | EventTime)
        or (isinstance(it, Reference) and issubclass(it.dimension, Prepared))
        for it in meanings
    )


@RULES.star("error")
def aggregate_additivity(star: Star) -> Iterator[Found]:
    """Whoever sums an aggregate up to the year takes what is declared additive at its word.

    Declare measure(…, additive=False) for an average, a minimum, a maximum and a count of distinct values, or
    keep sum and count instead.
    """
    for aggregate in star.aggregates:
        for column, written in _measures(aggregate):
            if _additive(column) is True and (how := _not_additive(written)):
                what = f"{column.name} is {how}, and declared as if it could be summed"
                yield Found(aggregate, column.name, what)


def _not_additive(written: Any) -> str | None:
    """How a measure is calculated that cannot be summed up further; None where it can, or nobody knows."""
    for it in visitors.iterate(written):
        name = getattr(it, "name", "") if isinstance(it, FunctionElement) else ""
        if name in ("avg", "min", "max"):
            return f"calculated with {name}"
        if name == "count" and any(_is_distinct(part) for part in visitors.iterate(it)):
            return "a count of distinct values"
    return None


def _is_distinct(part: Any) -> bool:
    operator = getattr(part, "operator", None)
    return getattr(operator, "__name__", "") == "distinct_op"
