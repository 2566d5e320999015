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
from collections.abc import Mapping
from decimal import Decimal
from typing import Any, Final

from msgspec import Struct
from sqlalchemy import ColumnElement, Float, Index, Numeric, Table, literal
from sqlalchemy.dialects.postgresql import JSONB
from sqlalchemy.ext.compiler import compiles
from sqlalchemy.orm import Mapped, mapped_column
from sqlalchemy.sql.compiler import SQLCompiler
from sqlalchemy.sql.functions import FunctionElement
from sqlalchemy.types import JSON, Boolean, Text
from typing_extensions import override

from strandline.errors import DeclarationError
from strandline.model.column import ROLE

CUSTOM_FIELDS: Final = "custom_fields"
JSON_FIELDS: Final = JSON(none_as_null=True).with_variant(JSONB(none_as_null=True), "postgresql")


class Custom(Struct, frozen=True):
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
        """The value of a field, of whatever type: take it `.as_string()` or `.as_boolean()` to compare it."""
        column: ColumnElement[Any] = cls.custom_fields[(name, "value")]
        return column

    @classmethod
    def custom_number(cls, name: str) -> ColumnElement[Decimal]:
        """The value of a field where it is a number; NULL where it is anything else, or there is none."""
        return _Number(_column(cls), name)

    @classmethod
    def custom_is(cls, **values: Any) -> ColumnElement[bool]:
        """Whether the fields have these values, deprecated or not; the column's index answers it. Raises
        DeclarationError for what is no JSON value.
        """
        if not values:
            raise DeclarationError("custom_is(): no field", hint='custom_is(region="EU")')
        return _Holds(_column(cls), values)

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
    column: ColumnElement[Any] = cls.custom_fields  # of an alias, too
    return column


class CustomCondition(FunctionElement[bool]):
    """What is false, and not NULL, where a row has no custom fields at all."""

    type = Boolean()

    def is_true_of(self, fields: Mapping[str, Any] | None) -> bool:
        """Whether it is true of these custom fields, in Python."""
        raise NotImplementedError


class _Holds(CustomCondition):
    inherit_cache = True
    name = "holds_custom_fields"

    def __init__(self, column: ColumnElement[Any], values: Mapping[str, Any]) -> None:
        spelled = (f'{_json(name)}: {{"value": {_json(it, of=name)}}}' for name, it in values.items())
        # A part of a list or object is in it, and is not it: these are compared besides.
        whole = [literal(name, Text) for name, it in values.items() if isinstance(it, list | tuple | dict)]
        super().__init__(column, literal(f"{{{', '.join(spelled)}}}", Text), *whole)
        self.values = {name: _read(_json(it, of=name)) for name, it in values.items()}

    @override
    def is_true_of(self, fields: Mapping[str, Any] | None) -> bool:
        held = fields or {}
        return all(name in held and _is_same(held[name]["value"], it) for name, it in self.values.items())


class _Has(CustomCondition):
    inherit_cache = True
    name = "has_custom_field"

    def __init__(self, column: ColumnElement[Any], name: str) -> None:
        super().__init__(column, literal(name, Text))
        self.name_of_field = name

    @override
    def is_true_of(self, fields: Mapping[str, Any] | None) -> bool:
        return self.name_of_field in (fields or {})


class _Number(FunctionElement[Decimal]):
    type = Numeric().with_variant(Float(asdecimal=True), "sqlite")  # whose JSON has no exact numbers
    inherit_cache = True
    name = "custom_number"

    def __init__(self, column: ColumnElement[Any], name: str) -> None:
        super().__init__(column, literal(name, Text))


def _read(text: str) -> Any:
    return json.loads(text, parse_float=Decimal)


def _is_same(held: Any, wanted: Any) -> bool:
    """Whether two values are one in JSON, in which 1 is 1.0 and true is no number."""
    if isinstance(held, bool) or isinstance(wanted, bool):
        return held is wanted
    if isinstance(held, list | tuple) and isinstance(wanted, list):
        return len(held) == len(wanted) and all(map(_is_same, held, wanted))
    if isinstance(held, dict) and isinstance(wanted, dict):
        return held.keys() == wanted.keys() and all(_is_same(held[name], wanted[name]) for name in wanted)
    if isinstance(held, float):
        held = Decimal(repr(held))
    return bool(held == wanted)


def _json(value: Any, *, of: str = "") -> str:
    """The value as JSON, numbers with all their digits."""
    if isinstance(value, Decimal) and value.is_finite():
        return format(value, "f")
    if isinstance(value, list | tuple):
        return f"[{', '.join(_json(it, of=of) for it in value)}]"
    if isinstance(value, dict):
        return f"{{{', '.join(f'{_json(str(key))}: {_json(it, of=of)}' for key, it in value.items())}}}"
    try:
        return json.dumps(value, allow_nan=False)
    except (TypeError, ValueError) as error:
        raise DeclarationError(
            f"custom_is({of}={value!r}): no JSON value",
            hint="Give it as the source sends it, as a text, say.",
        ) from error


def _parts(element: FunctionElement[Any], compiler: SQLCompiler, options: dict[str, Any]) -> list[str]:
    return [compiler.process(it, **options) for it in element.clauses]


@compiles(_Holds)
def _contains(element: _Holds, compiler: SQLCompiler, **options: Any) -> str:
    column, document, *whole = _parts(element, compiler, options)
    document = f"CAST({document} AS jsonb)"
    same = (f"{column} -> {name} -> 'value' = {document} -> {name} -> 'value'" for name in whole)
    # Or without custom fields it would be NULL, and so would be its opposite.
    return f"({' AND '.join([f'{column} IS NOT NULL', f'{column} @> {document}', *same])})"


@compiles(_Holds, "sqlite")
def _has_the_same(element: _Holds, compiler: SQLCompiler, **options: Any) -> str:
    column, document, *_ = _parts(element, compiler, options)
    type_of = "replace(json_type({0}.value, '$.value'), 'real', 'integer')".format
    value_of = "json_extract({0}.value, '$.value')".format
    same = " AND ".join(f"{it('held')} IS {it('wanted')}" for it in (type_of, value_of))
    held = f"json_each({column}) AS held WHERE held.key = wanted.key AND {same}"
    missing = f"json_each({document}) AS wanted WHERE NOT EXISTS (SELECT 1 FROM {held})"  # noqa: S608  # as compiled
    return f"(NOT EXISTS (SELECT 1 FROM {missing}))"  # noqa: S608  # as compiled


@compiles(_Has)
def _exists(element: _Has, compiler: SQLCompiler, **options: Any) -> str:
    column, name = _parts(element, compiler, options)
    return f"({column} IS NOT NULL AND {column} ? {name})"


@compiles(_Has, "sqlite")
def _has_key(element: _Has, compiler: SQLCompiler, **options: Any) -> str:
    column, name = _parts(element, compiler, options)
    return f"(EXISTS (SELECT 1 FROM json_each({column}) AS held WHERE held.key = {name}))"  # noqa: S608  # as compiled


@compiles(_Number)
def _number(element: _Number, compiler: SQLCompiler, **options: Any) -> str:
    column, name = _parts(element, compiler, options)
    value = f"{column} -> {name} -> 'value'"
    told = f"{column} -> {name} ->> 'value'"
    return f"(CASE WHEN jsonb_typeof({value}) = 'number' THEN CAST({told} AS numeric) END)"


@compiles(_Number, "sqlite")
def _float(element: _Number, compiler: SQLCompiler, **options: Any) -> str:
    column, name = _parts(element, compiler, options)
    is_number = "json_type(held.value, '$.value') IN ('integer', 'real')"
    held = f"json_each({column}) AS held WHERE held.key = {name} AND {is_number}"
    return f"(SELECT json_extract(held.value, '$.value') FROM {held})"  # noqa: S608  # as compiled
