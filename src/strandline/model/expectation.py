"""Expectations: what must hold among the rows of a table, checked against its model when they are declared.

Those of rows look at each row, or at rows that share a value; `fresh` looks at the table. What asks a source
is in `pipeline.reconciliation`. An expectation says nothing of how it is looked at: that is
`warehouse.expectation`.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from datetime import timedelta
from typing import Any, ClassVar

from msgspec import Struct
from sqlalchemy import Column, ColumnElement, Date, DateTime
from sqlalchemy.sql import visitors
from sqlalchemy.types import TypeDecorator, TypeEngine
from typing_extensions import override

from strandline.errors import DeclarationError
from strandline.model.column import ROLE, Outrigger
from strandline.model.dimension import Dimension
from strandline.model.fact import Fact
from strandline.model.path import nearest

Model = type[Dimension] | type[Fact]


class Expectation(Struct, frozen=True, eq=False):
    """Something that is expected of the rows of a model."""

    columns: tuple[str, ...]

    kind: ClassVar[str]
    of_rows: ClassVar[bool] = True
    """Looked at for the rows of a merge; else for the table, also where nothing was merged."""

    @property
    def name(self) -> str:
        """What the ledger calls it: not_null(segment)."""
        return f"{self.kind}({', '.join(self.columns)})"

    @property
    def what(self) -> str:
        """What there is where it is broken: "no segment"."""
        raise NotImplementedError

    def check(self, model: Model, *, where: str) -> None:
        """Raise DeclarationError where the model has not what is expected of it."""
        if not self.columns:
            raise DeclarationError(f"{where} names no column", hint=f'{self.kind}("<column>")')
        known = model.table().c.keys()
        for name in self.columns:
            if name not in known:
                raise DeclarationError(
                    f"{where}: {name!r} is no column of {model.__name__}", hint=nearest(str(name), known)
                )


class Unique(Expectation, frozen=True, eq=False):
    """No two rows have the same values."""

    kind = "unique"

    @property
    @override
    def what(self) -> str:
        return f"the same {' and '.join(self.columns)}"


class NotNull(Expectation, frozen=True, eq=False):
    """No value is empty."""

    kind = "not_null"

    @property
    @override
    def what(self) -> str:
        return f"no {' or no '.join(self.columns)}"


class Accepted(Expectation, frozen=True, eq=False):
    """Every value is one of these, or empty."""

    values: tuple[Any, ...]

    kind = "accepted"

    @property
    @override
    def what(self) -> str:
        return f"another {self.columns[0]} than {', '.join(map(repr, self.values))}"

    @override
    def check(self, model: Model, *, where: str) -> None:
        super().check(model, where=where)
        if not self.values or None in self.values:
            raise DeclarationError(
                f"{where}: the accepted values are {list(self.values)!r}",
                hint="Give one at least; an empty value is not looked at, for that is what not_null is for.",
            )


class Refers(Expectation, frozen=True, eq=False):
    """Every reference leads to a member whose record has come, but for this share of the rows."""

    share: float

    kind = "refers"

    @property
    @override
    def what(self) -> str:
        allowed = f" (more than {self.share:.2%})" if self.share else ""
        return f"nobody who is known by {' or '.join(self.columns)}{allowed}"

    @override
    def check(self, model: Model, *, where: str) -> None:
        super().check(model, where=where)
        if not 0 <= self.share < 1:
            raise DeclarationError(
                f"{where}: share={self.share} is no share", hint="Give share=0.01 for one in a hundred."
            )
        known = references_of(model)
        for name in self.columns:
            if name not in known:
                raise DeclarationError(
                    f"{where}: {name} refers to nobody",
                    hint=f"Name one of {', '.join(known)}." if known else "Declare references(…) first.",
                )


class Holds(Expectation, frozen=True, eq=False):
    """A condition of one's own is true of each row."""

    title: str
    condition: Any

    kind = "holds"

    @property
    @override
    def name(self) -> str:
        return f"{self.kind}({self.title})"

    @property
    @override
    def what(self) -> str:
        return f'"{self.title}" is false'

    @override
    def check(self, model: Model, *, where: str) -> None:
        if not isinstance(self.condition, ColumnElement):
            raise DeclarationError(
                f"{where}: {self.condition!r} is no condition",
                hint=f'holds("what it says", {model.__name__}.<column> > 0)',
            )
        named = [it for it in visitors.iterate(self.condition) if isinstance(it, Column)]
        strange = [it for it in named if _table_of(it) != model.table().key]
        if strange or not named:
            told = ", ".join(str(it) for it in strange) or "no column"
            raise DeclarationError(
                f"{where}: the condition names {told}", hint=f"Let it name columns of {model.__name__} only."
            )


class Fresh(Expectation, frozen=True, eq=False):
    """The latest value is no older than this."""

    within: timedelta

    kind = "fresh"
    of_rows = False

    @property
    @override
    def what(self) -> str:
        return f"no {self.columns[0]} within {self.within}"

    @override
    def check(self, model: Model, *, where: str) -> None:
        super().check(model, where=where)
        column = model.table().c[self.columns[0]]
        if not isinstance(_plain(column.type), Date | DateTime):
            raise DeclarationError(
                f"{where}: {column.name} is a {column.type}, and no time", hint="Name a time or a date."
            )
        if self.within <= timedelta(0):
            raise DeclarationError(
                f"{where}: within={self.within!r} is no time that passes", hint="within=timedelta(days=2)"
            )


def unique(*columns: str) -> Expectation:
    """No two rows have the same values in these columns; of a dimension, no two members that are current. A
    row with an empty one is not looked at.
    """
    return Unique(columns)


def not_null(*columns: str) -> Expectation:
    """None of these columns is empty."""
    return NotNull(columns)


def accepted(column: str, values: Iterable[Any]) -> Expectation:
    """The column has one of these values, or is empty."""
    if isinstance(values, str):
        raise DeclarationError(
            f"accepted({column!r}, {values!r}): the values are one text", hint=f"Give a list: [{values!r}]."
        )
    return Accepted((column,), tuple(values))


def refers(*columns: str, share: float = 0.0) -> Expectation:
    """These references lead to members whose records have come: neither to the unknown one nor to one that is
    inferred. `share` of all rows of the table may be otherwise. One that names nobody is right.
    """
    return Refers(columns, share)


def holds(title: str, condition: Any) -> Expectation:
    """A condition on the model's columns is not false for any row: `holds("is paid",
    FactOrder.paid_amount >= FactOrder.total_amount)`.
    """
    return Holds((), title, condition)


def fresh(column: str, *, within: timedelta) -> Expectation:
    """The latest value that the source has brought is no older than this when a run looks."""
    return Fresh((column,), within)


def references_of(model: Model) -> Sequence[str]:
    """The columns that lead to members of dimensions."""
    if issubclass(model, Fact):
        return [*model.references(), *model.date_references()]
    return [it.info[ROLE].of for it in model.companions(Outrigger)]


def _table_of(column: Column[Any]) -> str | None:
    return getattr(column.table, "key", None)


def _plain(type_: TypeEngine[Any]) -> TypeEngine[Any]:
    plain: Any = type_
    while isinstance(plain, TypeDecorator):
        plain = plain.impl_instance
    found: TypeEngine[Any] = plain
    return found
