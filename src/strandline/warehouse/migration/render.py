"""Steps as Python, as they stand in a revision."""

from __future__ import annotations

import re
from collections.abc import Iterable
from dataclasses import replace
from typing import Any, Final

from alembic.autogenerate import render_python_code
from alembic.operations.ops import AddColumnOp, UpgradeOps
from alembic.runtime.migration import MigrationContext
from sqlalchemy import Column, Computed, Identity, text

from strandline.model.base import SCHEMAS
from strandline.warehouse.migration.shape import ColumnShape, Shape
from strandline.warehouse.migration.work import DIALECT

WIDTH: Final = 104
"""As wide as a line may be before it is broken."""


_CONTEXT: Final = MigrationContext.configure(dialect=DIALECT)


class Code(str):
    """Python that stands as it is, among values that are to be written."""

    __slots__ = ()


def schema(name: str) -> Code:
    """A schema by its layer, so that it can be called something else elsewhere."""
    return Code(f"schemas.{name}" if name in SCHEMAS else repr(name))


def call(step: str, *values: Any, **named: Any) -> str:
    """The call of a step; what is None is left out."""
    words = [_written(it) for it in values]
    words += [f"{name}={_written(it)}" for name, it in named.items() if it is not None]
    line = f"online.{step}({', '.join(words)})"
    if len(line) <= WIDTH and "\n" not in line:
        return line
    return f"online.{step}(\n" + "".join(f"{_indented(it)},\n" for it in words) + ")"


def _written(value: Any) -> str:
    if isinstance(value, Code):
        return value
    if isinstance(value, dict):
        return "{\n" + "".join(f"    {_quoted(key)}: {_quoted(it)},\n" for key, it in value.items()) + "}"
    return _quoted(value) if isinstance(value, str) else repr(value)


def _quoted(value: str) -> str:
    """As formatters have it."""
    written = repr(value)
    return f'"{written[1:-1]}"' if written[0] == "'" and '"' not in value else written


def _indented(written: str) -> str:
    return "\n".join(f"    {line}" for line in written.split("\n"))


def column(shape: ColumnShape) -> Code:
    """The column as SQLAlchemy has it: a revision outlives the classes of today."""
    extra: list[Any] = [Identity(always=shape.identity == "a")] if shape.identity else []
    is_computed = bool(shape.generated) and shape.default is not None
    extra += [Computed(str(shape.default), persisted=True)] if is_computed else []
    declared: Column[Any] = Column(
        shape.name,
        shape.as_python,
        *extra,
        nullable=not shape.is_required,
        server_default=None if shape.default is None or is_computed else text(shape.default),
        comment=shape.comment,
    )
    lines = render_python_code(
        UpgradeOps([AddColumnOp("t", declared)]), migration_context=_CONTEXT
    ).splitlines()
    (line,) = (it.strip() for it in lines if not it.strip().startswith("#"))
    return Code(line.removeprefix("op.add_column('t', ").removesuffix(")"))


def type_(shape: ColumnShape) -> Code:
    """The type alone."""
    bare = replace(shape, name="c", is_required=False, default=None, identity="", generated="", comment=None)
    return Code(column(bare).removeprefix("sa.Column('c', ").removesuffix(", nullable=True)"))


def table(layer: str, name: str, shape: Shape) -> str:
    """The step that makes a table."""
    return call(
        "create_table",
        name,
        *(column(it) for it in shape.columns.values()),
        constraints=dict(shape.constraints) or None,
        indexes=dict(shape.indexes) or None,
        comment=shape.comment,
        schema=schema(layer),
    )


def imports(lines: Iterable[str]) -> str:
    """What the lines need."""
    written = "\n".join(lines)
    needed = ["import sqlalchemy as sa"] if "sa." in written else []
    needed += ["from alembic import op"] if re.search(r"\bop\.", written) else []
    needed += ["from sqlalchemy.dialects import postgresql"] if "postgresql." in written else []
    return "\n".join(needed)
