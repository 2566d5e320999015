"""Two databases, one set of statements: PostgreSQL, and SQLite for users' unit tests.

Every statement of the engine is written once, with SQLAlchemy, in forms that both understand. What only reads
differently is compiled by SQLite's own compiler in `sqlite`: now(), concat(), clock_timestamp(), IS DISTINCT
FROM of rows, UNLOGGED, exact numbers, moments in UTC. The tables of `temporary` end with their transaction on
both. For what remains there is `is_sqlite`, and this is all of it:

    copy      COPY                             INSERT of many rows
    lock      advisory locks                   none: one process, one writer
    staging   TRUNCATE, ANALYZE (columns)      DELETE, nothing
    key       the sequence of a key            the highest key there is
    raw       unnest and LATERAL               an inner query
    schema    catalog, schemas                 pragmas, attached databases

To write for both: `postgresql.insert(…).on_conflict_…`, UPDATE … FROM, DELETE … USING, RETURNING, window
functions, FILTER after plain aggregates and ANALYZE of a table work. Instead of LATERAL write an inner query,
instead of DISTINCT ON row_number(), instead of `valid_from + interval` `just_after`. An index with a
condition is a `PartialIndex`, a type JSONB is `JSON().with_variant(JSONB(), "postgresql")`, a key that
numbers itself is a `BigKey` with Identity. Keep Decimals to comparing and sum(): SQLite's other arithmetic is
in floats. A test finds out with the fixture `both` of tests/property.
"""

from __future__ import annotations

from typing import Any

from sqlalchemy import ColumnElement, Connection, DateTime, Dialect, Engine, Text, column, make_url
from sqlalchemy.ext.compiler import compiles
from sqlalchemy.sql.compiler import SQLCompiler
from sqlalchemy.sql.functions import FunctionElement

from strandline.model.custom import JSON_FIELDS

SQLITE = "sqlite"
SQLITE_DRIVER = "sqlite+strandline"


def is_sqlite(bound: Connection | Engine) -> bool:
    """Whether this is a SQLite database."""
    return bound.dialect.name == SQLITE


def of_rows(engine: Engine) -> Dialect:
    """The dialect that mappers make rows for: PostgreSQL's for both, so that both refuse the same."""
    return make_url("postgresql+psycopg://").get_dialect()() if is_sqlite(engine) else engine.dialect


class just_after(FunctionElement[Any]):  # noqa: N801  # it stands where a function does
    """The moment a microsecond after this one."""

    type = DateTime(timezone=True)
    inherit_cache = True
    name = "just_after"

    def __init__(self, moment: ColumnElement[Any]) -> None:
        super().__init__(moment)


@compiles(just_after)
def _add_an_instant(element: just_after, compiler: SQLCompiler, **options: Any) -> str:
    return f"{compiler.process(element.clauses, **options)} + interval '1 microsecond'"


@compiles(just_after, SQLITE)
def _append_a_digit(element: just_after, compiler: SQLCompiler, **options: Any) -> str:
    # Moments are compared as text there, and read only when they are whole: these are gone by then.
    return f"{compiler.process(element.clauses, **options)} || '0'"


class negated(FunctionElement[Any]):  # noqa: N801  # it stands where a function does
    """An exact number with the other sign."""

    inherit_cache = True
    name = "negated"

    def __init__(self, number: ColumnElement[Any]) -> None:
        super().__init__(number)
        self.type = number.type


@compiles(negated)
def _negate(element: negated, compiler: SQLCompiler, **options: Any) -> str:
    return f"-({compiler.process(element.clauses, **options)})"


@compiles(negated, SQLITE)
def _turn_sign(element: negated, compiler: SQLCompiler, **options: Any) -> str:
    # Exact numbers are kept as text there, and arithmetic would make floats of them.
    number = compiler.process(element.clauses, **options)
    return f"CASE WHEN {number} LIKE '-%' THEN substr({number}, 2) ELSE '-' || {number} END"


class as_json(FunctionElement[Any]):  # noqa: N801  # it stands where a function does
    """JSON text as a column keeps it."""

    inherit_cache = True
    name = "as_json"
    type = JSON_FIELDS


class in_order(FunctionElement[Any]):  # noqa: N801  # it stands where a function does
    """JSON to be compared, whatever order its names were written in; `jsonb` has one of its own."""

    inherit_cache = True
    name = "in_order"
    type = JSON_FIELDS


@compiles(in_order)
def _leave(element: in_order, compiler: SQLCompiler, **options: Any) -> str:
    return str(compiler.process(element.clauses, **options))


@compiles(in_order, SQLITE)
def _sort(element: in_order, compiler: SQLCompiler, **options: Any) -> str:
    return f"strandline_in_order({compiler.process(element.clauses, **options)})"


class field_seen(FunctionElement[Any]):  # noqa: N801  # it stands where a function does
    """A custom field with when it was first seen, and whether it is deprecated."""

    inherit_cache = True
    name = "field_seen"
    type = JSON_FIELDS


class fields_of(FunctionElement[Any]):  # noqa: N801  # it stands where a function does
    """An aggregate: one object of names and fields, where the third argument holds."""

    inherit_cache = True
    name = "fields_of"
    type = JSON_FIELDS


class moment_text(FunctionElement[Any]):  # noqa: N801  # it stands where a function does
    """A moment in UTC as text, in the form that is compared as moments are."""

    inherit_cache = True
    name = "moment_text"
    type = Text()


def each_field(fields: ColumnElement[Any]) -> Any:
    """The names and fields of custom fields, as a table with the columns key and value."""
    return _each(fields).table_valued(column("key", Text), column("value", JSON_FIELDS)).alias()


class _each(FunctionElement[Any]):  # noqa: N801  # it stands where a function does
    inherit_cache = True
    name = "each_field"


@compiles(_each)
def _each_of_jsonb(element: _each, compiler: SQLCompiler, **options: Any) -> str:
    return f"jsonb_each({compiler.process(element.clauses, **options)})"


@compiles(_each, SQLITE)
def _each_of_json(element: _each, compiler: SQLCompiler, **options: Any) -> str:
    return f"json_each({compiler.process(element.clauses, **options)})"


@compiles(as_json)
def _as_jsonb(element: as_json, compiler: SQLCompiler, **options: Any) -> str:
    return f"CAST({compiler.process(element.clauses, **options)} AS jsonb)"


@compiles(as_json, SQLITE)
def _as_text(element: as_json, compiler: SQLCompiler, **options: Any) -> str:
    return compiler.process(element.clauses, **options)


@compiles(field_seen)
def _seen_jsonb(element: field_seen, compiler: SQLCompiler, **options: Any) -> str:
    said, first, gone = (compiler.process(it, **options) for it in element.clauses)
    return f"{said} || jsonb_build_object('first_seen', {first}, 'deprecated', {gone})"


@compiles(field_seen, SQLITE)
def _seen_json(element: field_seen, compiler: SQLCompiler, **options: Any) -> str:
    said, first, gone = (compiler.process(it, **options) for it in element.clauses)
    return f"json_set({said}, '$.first_seen', {first}, '$.deprecated', json(iif({gone}, 'true', 'false')))"


@compiles(fields_of)
def _jsonb_of(element: fields_of, compiler: SQLCompiler, **options: Any) -> str:
    name, field, holds = (compiler.process(it, **options) for it in element.clauses)
    return f"jsonb_object_agg({name}, {field}) FILTER (WHERE {holds})"


@compiles(fields_of, SQLITE)
def _json_of(element: fields_of, compiler: SQLCompiler, **options: Any) -> str:
    name, field, holds = (compiler.process(it, **options) for it in element.clauses)
    return f"json_group_object({name}, json({field})) FILTER (WHERE {holds})"


@compiles(moment_text)
def _utc_text(element: moment_text, compiler: SQLCompiler, **options: Any) -> str:
    moment = compiler.process(element.clauses, **options)
    return f"to_char({moment} AT TIME ZONE 'UTC', 'YYYY-MM-DD\"T\"HH24:MI:SS.US\"+00:00\"')"


@compiles(moment_text, SQLITE)
def _kept_text(element: moment_text, compiler: SQLCompiler, **options: Any) -> str:
    moment = compiler.process(element.clauses, **options)
    return f"replace({moment}, ' ', 'T') || '+00:00'"
