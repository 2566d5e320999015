"""Pages of a list, each of which tells where the next one begins: behind its last row, and not at a number.

A token holds what the last row has in the columns of the order, of which the last is the row's own key. So
rows that come or go meanwhile move nothing, and a page deep down costs what the first one costs. An empty
value comes last, whichever way is ordered, and texts are ordered by their characters' numbers: in every
database alike.
"""

from __future__ import annotations

import base64
import binascii
import json
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import date, datetime, time
from decimal import Decimal, InvalidOperation
from typing import Any, Final, Generic, TypeVar
from uuid import UUID

from sqlalchemy import (
    JSON,
    Column,
    Date,
    DateTime,
    Enum,
    Float,
    Interval,
    LargeBinary,
    Numeric,
    Time,
    UnaryExpression,
    Uuid,
)
from sqlalchemy.sql import operators
from sqlalchemy.types import TypeDecorator
from xxhash import xxh3_64_hexdigest

from strandline.errors import DeclarationError, UnknownPage
from strandline.model.factory import columns_of
from strandline.model.value import checked

M = TypeVar("M")

UNORDERED: Final = (JSON, LargeBinary, Interval, Enum)
"""What has no order, or another one in every database."""


@dataclass(frozen=True)
class Page(Generic[M]):
    """Some rows of a list, and the token of the page behind them: None at the end."""

    rows: list[M]
    next: str | None = None

    def __iter__(self) -> Iterator[M]:
        return iter(self.rows)

    def __len__(self) -> int:
        return len(self.rows)


@dataclass(frozen=True)
class Direction:
    """A column that a list is ordered by, and which way."""

    name: str
    column: Column[Any]
    is_descending: bool

    @property
    def may_be_empty(self) -> bool:
        """Whether rows may have nothing there."""
        return bool(self.column.nullable)


Order = tuple[Direction, ...]


def ordered(model: type[Any], given: Any) -> Order:
    """By what a list is ordered: these columns of the model and, so that no two rows are alike, its key."""
    parts = given if isinstance(given, list | tuple) else (given,)
    columns = columns_of(model)
    found = [_direction(model, columns, part) for part in parts]
    names = {it.name for it in found}
    keys = [name for name, column in columns.items() if column.primary_key]
    found += [Direction(name, columns[name], is_descending=False) for name in keys if name not in names]
    return tuple(found)


def _direction(model: type[Any], columns: Mapping[str, Column[Any]], given: Any) -> Direction:
    element = getattr(given, "expression", given)
    is_descending = False
    if isinstance(element, UnaryExpression) and element.modifier in (operators.desc_op, operators.asc_op):
        is_descending = element.modifier is operators.desc_op
        element = element.element
    for name, column in columns.items():
        if isinstance(element, Column) and column.shares_lineage(element):
            if isinstance(plain(column), UNORDERED):
                break
            return Direction(name, column, is_descending)
    raise DeclarationError(
        f"{model.__name__}: a list of it cannot be ordered by {element}",
        hint=f"Name columns of {model.__name__} that have an order, as in"
        f" order_by=[{model.__name__}.updated_at.desc()].",
    )


def plain(column: Column[Any]) -> Any:
    """The type of the column under what decorates it."""
    type_ = column.type
    while isinstance(type_, TypeDecorator):
        type_ = type_.impl_instance
    return type_


def token(model: type[Any], order: Order, row: Any) -> str:
    """What the page behind this row is called."""
    values = [_written(getattr(row, it.name)) for it in order]
    text = json.dumps([_name(model, order), *values], separators=(",", ":"))
    return base64.urlsafe_b64encode(text.encode()).decode().rstrip("=")


def behind(model: type[Any], order: Order, called: str) -> Sequence[Any]:
    """The values of the row behind which the page of this name begins. Raises UnknownPage."""
    try:
        text = base64.b64decode(called.encode() + b"=" * (-len(called) % 4), altchars=b"-_", validate=True)
        name, *values = json.loads(text)
        if name == _name(model, order) and len(values) == len(order):
            return [_read(it, value) for it, value in zip(order, values, strict=True)]
    except (binascii.Error, ValueError, TypeError, AttributeError, InvalidOperation):
        pass
    raise UnknownPage(
        f"{model.__name__}: no page of this list is called {called[:40]!r}",
        hint="Give what the page before says in .next, with the same order; without it the list begins anew.",
    )


def _name(model: type[Any], order: Order) -> str:
    parts = [f"{it.name} {it.is_descending}" for it in order]
    return xxh3_64_hexdigest(" ".join([model.__name__, *parts]).encode())[:8]


def _written(value: Any) -> Any:
    return value if value is None or isinstance(value, bool | int | float | str) else str(value)


READERS: Final[dict[type, Any]] = {
    DateTime: datetime.fromisoformat,
    Date: date.fromisoformat,
    Time: time.fromisoformat,
    Float: float,
    Numeric: Decimal,
    Uuid: UUID,
}
"""From the text of a value to the value, by the kind of its column; what is derived comes first."""


def _read(it: Direction, value: Any) -> Any:
    if value is None:
        if not it.may_be_empty:
            raise ValueError("nothing there")
        return None
    kind = plain(it.column)
    read = next((reader for known, reader in READERS.items() if isinstance(kind, known)), None)
    return checked(it.column, value if read is None else read(value))
