"""Expectations that ask the source: how many rows there should be, and what they should come to."""

from __future__ import annotations

from decimal import Decimal
from typing import Any

from sqlalchemy import Numeric
from sqlalchemy.types import TypeDecorator
from typing_extensions import override

from strandline.errors import DeclarationError
from strandline.model.expectation import Expectation, Model
from strandline.source.reconciliation import Reconciliation
from strandline.source.stream import Source


class Reconciled(Expectation, frozen=True, eq=False):
    """The rows that a source has brought are as many, or come to as much, as it says."""

    said: Any
    """A Reconciliation."""
    tolerance: Decimal
    share: Decimal

    of_rows = False

    @property
    @override
    def name(self) -> str:
        return f"{self.kind}({', '.join([*self.columns, self.said.qualified_name])})"

    @property
    @override
    def what(self) -> str:
        return f"another {'sum of ' + self.columns[0] if self.columns else 'count'}"

    def accepts(self, ours: Decimal, theirs: Decimal) -> bool:
        """Whether the two are near enough."""
        return abs(ours - theirs) <= max(self.tolerance, self.share * abs(theirs))

    @override
    def check(self, model: Model, *, where: str) -> None:
        if not isinstance(self.said, Reconciliation) or not issubclass(self.said.source or object, Source):
            raise DeclarationError(
                f"{where}: {self.said!r} is nothing that a source can be asked for",
                hint="Give a method of a source under @reconciliation, as <Source>.<method>.",
            )
        if self.tolerance < 0 or self.share < 0:
            raise DeclarationError(f"{where}: nothing can be nearer than equal", hint="Leave it out.")
        if self.columns:
            super().check(model, where=where)
            _check_number(model, self.columns[0], where=where)


class RowCount(Reconciled, frozen=True, eq=False):
    """As many rows as the source says."""

    kind = "row_count"


class Total(Reconciled, frozen=True, eq=False):
    """The column comes to what the source says."""

    kind = "total"


def row_count(
    said: Reconciliation, *, tolerance: int | Decimal = 0, share: float | Decimal = 0
) -> Expectation:
    """The source has brought as many rows as it says it has; of a dimension, current members. The two may
    differ by `tolerance`, or by this share of what the source says.
    """
    return RowCount((), said, Decimal(tolerance), Decimal(str(share)))


def total(
    column: str, said: Reconciliation, *, tolerance: int | Decimal = 0, share: float | Decimal = 0
) -> Expectation:
    """The column's sum over what the source has brought is what the source says, give or take `tolerance` or
    this share of it.
    """
    return Total((column,), said, Decimal(tolerance), Decimal(str(share)))


def _check_number(model: Model, name: str, *, where: str) -> None:
    type_: Any = model.table().c[name].type
    while isinstance(type_, TypeDecorator):
        type_ = type_.impl_instance
    python = getattr(type_, "python_type", None) if not isinstance(type_, Numeric) else Decimal
    if python not in (int, Decimal, float):
        raise DeclarationError(f"{where}: {name} is a {type_}, which has no sum", hint="Name a number.")
