"""Custom fields: what records carry and their contract does not name, kept beside a model's own columns.

    class DimCustomer(Dimension, CustomFields):
        \"\"\"A customer, with whatever the customers' system adds.\"\"\"

    select(DimCustomer).where(DimCustomer.custom_is(region="EU"), DimCustomer.is_current)

`custom_fields` holds, by name, `{"value": …, "first_seen": …, "last_seen": …, "deprecated": false}`. The
moments are effective times of the member's records: of the first and of the last one that carried the field.
A field that the last record no longer carries is deprecated, and keeps its last value. All versions of a
member show the same; a row of a fact has what the record carries that it was made of.
"""

import json
from dataclasses import dataclass
from typing import Any, Final

from sqlalchemy import ColumnElement, Index, Table, and_, literal
from sqlalchemy.dialects.postgresql import JSONB
from sqlalchemy.ext.compiler import compiles
from sqlalchemy.orm import Mapped, mapped_column
from sqlalchemy.sql.compiler import SQLCompiler
from sqlalchemy.sql.functions import FunctionElement
from sqlalchemy.types import JSON, Boolean, Text

from strandline.model.column import ROLE

CUSTOM_FIELDS: Final = "custom_fields"
JSON_FIELDS: Final = JSON(none_as_null=True).with_variant(JSONB(none_as_null=True), "postgresql")


@dataclass(frozen=True)
class Custom:
    """What a column with custom fields means."""


class CustomFields:
    """Give a dimension or fact a column `custom_fields` for what its records carry besides their contract."""

    custom_fields: Mapped[dict[str, Any] | None] = mapped_column(
        JSON_FIELDS,
        nullable=True,
        sort_order=800,
        info={ROLE: Custom()},
        comment="By name: value, first_seen, last_seen, deprecated",
    )

    @classmethod
    def custom(cls, name: str) -> ColumnElement[Any]:
        """The value of a field: take it `.as_string()`, `.as_numeric(18, 2)` or `.as_boolean()`."""
        column: ColumnElement[Any] = cls.custom_fields[(name, "value")]
        return column

    @classmethod
    def custom_is(cls, **values: Any) -> ColumnElement[bool]:
        """Whether the fields have these values; the column's index answers it."""
        held = (_Holds(_column(cls), json.dumps({name: {"value": it}}), name) for name, it in values.items())
        return and_(*held)

    @classmethod
    def has_custom(cls, name: str) -> ColumnElement[bool]:
        """Whether there is such a field, deprecated or not; the column's index answers it."""
        return _Has(_column(cls), name)


def index_custom_fields(table: Table) -> None:
    """Let `custom_is` and `has_custom` find rows without reading all of them."""
    column = table.c.get(CUSTOM_FIELDS)
    if column is not None and isinstance(column.info.get(ROLE), Custom):
        # Of the two classes of operators the one that knows whether there is a field, too.
        Index(None, column, postgresql_using="gin").ddl_if(dialect="postgresql")


def _column(cls: type[Any]) -> ColumnElement[Any]:
    column: ColumnElement[Any] = cls.__table__.c[CUSTOM_FIELDS]
    return column


class _Holds(FunctionElement[bool]):
    type = Boolean()
    inherit_cache = True
    name = "holds_custom_field"

    def __init__(self, column: ColumnElement[Any], document: str, name: str) -> None:
        super().__init__(column, literal(document, Text), literal(_path(name, "value"), Text))


class _Has(FunctionElement[bool]):
    type = Boolean()
    inherit_cache = True
    name = "has_custom_field"

    def __init__(self, column: ColumnElement[Any], name: str) -> None:
        super().__init__(column, literal(name, Text), literal(_path(name), Text))


def _path(*names: str) -> str:
    """The way to a value as SQLite spells it."""
    return "$" + "".join(f".{json.dumps(name, ensure_ascii=False)}" for name in names)


@compiles(_Holds)
def _contains(element: _Holds, compiler: SQLCompiler, **options: Any) -> str:
    column, document, _ = (compiler.process(it, **options) for it in element.clauses)
    return f"{column} @> CAST({document} AS jsonb)"


@compiles(_Holds, "sqlite")
def _extracts(element: _Holds, compiler: SQLCompiler, **options: Any) -> str:
    column, document, path = (compiler.process(it, **options) for it in element.clauses)
    return f"json_extract({column}, {path}) IS json_extract({document}, {path})"


@compiles(_Has)
def _exists(element: _Has, compiler: SQLCompiler, **options: Any) -> str:
    column, name, _ = (compiler.process(it, **options) for it in element.clauses)
    return f"{column} ? {name}"


@compiles(_Has, "sqlite")
def _has_type(element: _Has, compiler: SQLCompiler, **options: Any) -> str:
    column, _, path = (compiler.process(it, **options) for it in element.clauses)
    return f"json_type({column}, {path}) IS NOT NULL"
