"""A model or column that a user has declared, with what rules ask of it: its role, and its kind of value."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from functools import cached_property
from typing import Any, Final

from sqlalchemy import (
    ARRAY,
    JSON,
    Boolean,
    Column,
    Date,
    DateTime,
    Enum,
    Float,
    Integer,
    Interval,
    LargeBinary,
    Numeric,
    String,
    Table,
)
from sqlalchemy.types import TypeDecorator

from strandline.model.aggregate import Aggregate
from strandline.model.base import RESERVED
from strandline.model.bridge import Bridge
from strandline.model.column import (
    Attribute,
    Degenerate,
    EventTime,
    Grain,
    Lag,
    Measure,
    Milestone,
    Period,
    Reference,
    role,
)
from strandline.model.combination import Combination, stored_type
from strandline.model.dimension import Dimension
from strandline.model.fact import Fact
from strandline.model.hierarchy import Hierarchy
from strandline.model.prepared import Prepared
from strandline.model.shrunken import ShrunkenDimension
from strandline.model.type import Exact, Money
from strandline.settings.check import Choice

DECLARABLE = (Attribute, Degenerate, EventTime, Grain, Lag, Measure, Milestone, Period, Reference)
"""What a column means that a user has written; the others come along with one."""

DEFAULT: Final = Choice()

OF_OURS = (Dimension, Combination, Prepared, Fact, Bridge, Hierarchy, Aggregate)


@dataclass(frozen=True)
class Model:
    """A model, and how the project that declares it wants to be checked."""

    cls: type[Any]
    choice: Choice

    @property
    def table(self) -> Table:
        """The mapped table."""
        table = self.cls.__table__
        assert isinstance(table, Table)
        return table

    @property
    def is_plain(self) -> bool:
        """Whether it is a table of the user's own, which no run touches."""
        return not issubclass(self.cls, OF_OURS)

    @property
    def columns(self) -> Iterator[Declared]:
        """The columns that its user has declared."""
        if issubclass(self.cls, Prepared | ShrunkenDimension | Hierarchy | Bridge):
            return
        for column in self.table.c:
            is_own = column.name not in RESERVED if self.is_plain else isinstance(role(column), DECLARABLE)
            if is_own:
                yield Declared(self.cls, column, self.choice)


@dataclass(frozen=True)
class Declared:
    """A column of a model."""

    model: type[Any]
    column: Column[Any]
    choice: Choice = DEFAULT

    @property
    def name(self) -> str:
        """Its name."""
        return self.column.name

    @property
    def meaning(self) -> object:
        """What it means to the star; None for a column of a plain model."""
        return role(self.column)

    @property
    def attribute(self) -> Attribute | None:
        """What it is as an attribute of a dimension."""
        return self.meaning if isinstance(self.meaning, Attribute) else None

    @property
    def measure(self) -> Measure | None:
        """What it is as a measure, of a fact or of an aggregate."""
        return self.meaning if isinstance(self.meaning, Measure) else None

    @cached_property
    def stored(self) -> Any:
        """The type under whatever decorates it."""
        return stored_type(self.column.type)

    @property
    def is_required(self) -> bool:
        """Whether a row must have it."""
        return bool(self.column.info.get("required", not self.column.nullable))

    @property
    def names_member(self) -> bool:
        """Whether it holds the natural key of somebody else."""
        it = self.attribute
        return it is not None and (it.outrigger is not None or it.bridge is not None or it.is_parent)

    @property
    def is_decorated(self) -> bool:
        """Whether its type has a policy of its own for what it takes."""
        return isinstance(self.column.type, TypeDecorator)

    @property
    def is_text(self) -> bool:
        """Text of any length."""
        return isinstance(self.stored, String) and not isinstance(self.stored, Enum)

    @property
    def is_float(self) -> bool:
        """A number that is not exact."""
        stored = self.stored
        return isinstance(stored, Float) or (isinstance(stored, Numeric) and not stored.asdecimal)

    @property
    def is_exact(self) -> bool:
        """A decimal number."""
        return isinstance(self.stored, Numeric) and not self.is_float

    @property
    def is_whole(self) -> bool:
        """A whole number."""
        return isinstance(self.stored, Integer)

    @property
    def is_number(self) -> bool:
        """A number of any kind."""
        return self.is_float or self.is_exact or self.is_whole

    @property
    def is_boolean(self) -> bool:
        """Yes or no."""
        return isinstance(self.stored, Boolean)

    @property
    def is_moment(self) -> bool:
        """A date with a time."""
        return isinstance(self.stored, DateTime) and not isinstance(self.column.type, Interval)

    @property
    def is_day(self) -> bool:
        """A date without a time."""
        return isinstance(self.stored, Date)

    @property
    def is_money(self) -> bool:
        """Declared as money."""
        return isinstance(self.column.type, Money)

    @property
    def is_structured(self) -> bool:
        """Several values in one."""
        return isinstance(self.stored, JSON | ARRAY)

    @property
    def is_binary(self) -> bool:
        """Bytes that mean nothing to a database."""
        return isinstance(self.stored, LargeBinary)

    @property
    def scale(self) -> int | None:
        """How many decimal places an exact number has."""
        type_ = self.column.type
        return type_.scale if isinstance(type_, Exact) else getattr(self.stored, "scale", None)
