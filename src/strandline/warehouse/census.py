"""Checks of what columns hold, counted over whole tables: those that are always empty, those that open a
version with every load, and keys of whom nobody knows.
"""

from __future__ import annotations

from collections.abc import Collection, Iterator
from typing import Any, Final

from sqlalchemy import Column, ColumnElement, Connection, case, func, select

from strandline.model.audit import DimAudit
from strandline.model.column import UNKNOWN_KEY, Attribute, Degenerate, Measure, Milestone, role
from strandline.model.dimension import Dimension
from strandline.model.fact import Fact
from strandline.warehouse.check import Finding
from strandline.warehouse.event import differ

RULES: Final = ("empty-column", "volatile-history", "unknown-share")

ENOUGH: Final = 20
"""With fewer rows or versions nothing follows from what they have in common."""

LOADS: Final = 5
"""So many loads must have written a dimension before anything is said of every one of them."""

OFTEN: Final = 0.5
"""The share of loads, and of versions, from which on a column changes with every load."""

MOST_UNKNOWN: Final = 0.05


def count(connection: Connection, model: type[Any], *, rules: Collection[str] = RULES) -> list[Finding]:
    """What the columns of this model break of these rules."""
    found: list[Finding] = []
    if issubclass(model, Dimension | Fact) and "empty-column" in rules:
        found += _empty(connection, model)
    if issubclass(model, Dimension) and "volatile-history" in rules:
        found += _volatile(connection, model)
    if issubclass(model, Fact) and "unknown-share" in rules:
        found += _unknown(connection, model)
    return found


def _empty(connection: Connection, model: type[Dimension] | type[Fact]) -> Iterator[Finding]:
    table = model.table()
    columns = [it for it in table.c if isinstance(role(it), Attribute | Degenerate | Measure | Milestone)]
    looked_at = select(func.count(), *(func.count(it) for it in columns))
    if issubclass(model, Dimension):
        looked_at = looked_at.where(model.key_column() > 0)
    rows, *filled = connection.execute(looked_at.select_from(table)).one()
    if rows >= ENOUGH:
        for column in (column for column, number in zip(columns, filled, strict=True) if not number):
            what = f"{column.name} is empty in all {rows:,} rows"
            yield Finding(table.name, "empty-column", what, column=column.name)


def _volatile(connection: Connection, dimension: type[Dimension]) -> Iterator[Finding]:
    """Columns that have changed in most new versions, where members get one with most loads."""
    tracked = dimension.attributes(2)
    loads = connection.scalar(select(func.count()).where(DimAudit.table().c.target == dimension.__name__))
    if not tracked or (loads or 0) < LOADS:
        return
    members, versions, *changed = connection.execute(_changes(dimension, tracked)).one()
    opened = versions - members
    if opened < ENOUGH or opened < OFTEN * members * ((loads or 0) - 1):
        return
    for column, number in zip(tracked, changed, strict=True):
        if number >= OFTEN * opened:
            what = f"{column.name} has opened {number:,} versions of {members:,} members in {loads:,} loads"
            yield Finding(dimension.table().name, "volatile-history", what, column=column.name)


def _changes(dimension: type[Dimension], tracked: list[Column[Any]]) -> Any:
    """How many members and versions there are, and in how many of these each column is another."""
    table = dimension.table()
    member: dict[str, Any] = {
        "partition_by": [table.c.source_system, table.c.source_id],
        "order_by": table.c.valid_from,
    }
    place = func.row_number().over(**member)
    flags: list[ColumnElement[Any]] = [
        case((differ([it], [func.lag(it).over(**member)]), 1), else_=0).label(f"changed_{number}")
        for number, it in enumerate(tracked)
    ]
    of_versions = select(place.label("place"), *flags).where(dimension.key_column() > 0).subquery()
    later = of_versions.c.place > 1
    return select(
        func.count().filter(of_versions.c.place == 1),
        func.count(),
        *(
            func.coalesce(func.sum(of_versions.c[f"changed_{number}"]).filter(later), 0)
            for number in range(len(tracked))
        ),
    )


def _unknown(connection: Connection, fact: type[Fact]) -> Iterator[Finding]:
    table, names = fact.table(), list(fact.references())
    if not names:
        return
    counted = (func.count().filter(table.c[name] == UNKNOWN_KEY) for name in names)
    rows, *unknown = connection.execute(select(func.count(), *counted).select_from(table)).one()
    for name, number in zip(names, unknown, strict=True):
        if rows >= ENOUGH and number > MOST_UNKNOWN * rows:
            what = f"{name} is unknown in {number:,} of {rows:,} rows"
            yield Finding(table.name, "unknown-share", what, rows=number, column=name)
