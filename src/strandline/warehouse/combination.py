"""Combinations: get the key of each, or create it, as a set.

What is staged is the combination's text. Those that are not there are inserted: they are few, and only they
pass through Python. The others cost one join. The caller holds the dimension's lock, so that nobody else adds
the same.
"""

from __future__ import annotations

from collections.abc import Sequence
from functools import cache
from typing import Any

from sqlalchemy import Column, Connection, Select, Table, func, insert, literal, select

from strandline.model.combination import COMBINATION, Combination, stored_type
from strandline.model.type import Exact
from strandline.warehouse.dialect import is_sqlite


def ensure(
    connection: Connection, *, dimension: type[Combination], combinations: Select[Any], run_id: int
) -> int:
    """Make each of these combinations (a select of their texts) be there; how many are new."""
    table, wanted = dimension.table(), combinations.distinct().subquery("wanted")
    text = wanted.c[0]
    known = select(literal(1)).where(table.c[COMBINATION] == text).exists()
    new = connection.scalars(select(text).where(text.is_not(None), ~known)).all()
    add(connection, dimension=dimension, combinations=new, run_id=run_id)
    return len(new)


def add(
    connection: Connection, *, dimension: type[Combination], combinations: Sequence[str], run_id: int
) -> None:
    """Add these combinations, none of which is there."""
    if combinations:
        one = insert(_plain(dimension)).values(created_at=func.now(), run_id=run_id)
        rows = [{COMBINATION: it, **dimension.values(it)} for it in sorted(combinations)]
        if is_sqlite(connection):  # which numbers on from the highest key, and that is -1 in a new table
            key = dimension.key_column()
            first = max(connection.scalar(select(func.max(key))) or 0, 0) + 1
            rows = [{**row, key.name: number} for number, row in enumerate(rows, first)]
        connection.execute(one, rows)


@cache  # the same table again, so that SQLAlchemy finds the statements that it has compiled for it
def _plain(dimension: type[Combination]) -> Table:
    """The table as it takes values that the column types have bound already."""
    table = dimension.table()
    own = {column.name: Column(column.name, _bound(column)) for column in dimension.attributes()}
    columns = [own.get(name, Column(name, table.c[name].type)) for name in table.c.keys()]  # noqa: SIM118  # not a dict
    return Table(table.name, type(table.metadata)(), *columns, schema=table.schema)


def _bound(column: Column[Any]) -> Any:
    # An exact number gives itself again, and SQLite would round it without its decorator.
    return column.type if isinstance(column.type, Exact) else stored_type(column.type)
