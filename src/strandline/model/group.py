"""Groups: telling whether two rows belong to one, NULL being equal to NULL, as GROUP BY has it.

`IS NOT DISTINCT FROM` says the same, and no index and no hash serve it. So a value is compared as two that
are never NULL: the value with something in its place where it is empty, and whether it is empty.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, Final

from sqlalchemy import (
    Boolean,
    Column,
    ColumnElement,
    Date,
    DateTime,
    Enum,
    Integer,
    Numeric,
    String,
    Time,
    Uuid,
    and_,
    cast,
    func,
    literal_column,
)
from sqlalchemy.types import TypeDecorator, TypeEngine

FILLERS: Final[dict[type[TypeEngine[Any]], str]] = {
    String: "''",
    Integer: "0",
    Numeric: "0",
    Boolean: "false",
    DateTime: "'1900-01-01 00:00:00+00:00'",
    Date: "'1900-01-01'",
    Time: "'00:00:00'",
    Uuid: "'00000000-0000-0000-0000-000000000000'",
}


def same_group(
    grain: Sequence[Column[Any]], one: Sequence[ColumnElement[Any]], other: Sequence[ColumnElement[Any]]
) -> ColumnElement[bool]:
    """Whether two rows are of one group, NULL being equal to NULL, in a way that indexes and hashes serve."""
    found = []
    for column, a, b in zip(grain, one, other, strict=True):
        found += [x == y for x, y in zip(comparable(column, a), comparable(column, b), strict=True)]
    return and_(*found)


def comparable(column: Column[Any], value: ColumnElement[Any]) -> list[ColumnElement[Any]]:
    """A value of the group's column as two that are never NULL."""
    kind = kind_of(column.type)
    assert kind is not None
    typed = value if kind_of(value.type) is kind else cast(value, column.type)
    return [func.coalesce(typed, literal_column(FILLERS[kind])), value.is_(None)]


def kind_of(type_: TypeEngine[Any]) -> type[TypeEngine[Any]] | None:
    """Under which of the fillers a type falls."""
    while isinstance(type_, TypeDecorator):
        type_ = type_.impl_instance
    if isinstance(type_, Enum):  # PostgreSQL has no empty word in its own
        return None
    return next((kind for kind in FILLERS if isinstance(type_, kind)), None)
