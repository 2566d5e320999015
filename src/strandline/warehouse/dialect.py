"""Two databases, one set of statements: PostgreSQL, and SQLite for users' unit tests.

Every statement of the engine is written once, with SQLAlchemy, in forms that both understand. What only reads
differently is compiled by SQLite's own compiler in `sqlite`: now(), concat(), clock_timestamp(), IS DISTINCT
FROM of rows, UNLOGGED, exact numbers, moments in UTC. Temporary tables end with their transaction on both:
give them `prefixes=["TEMPORARY"], postgresql_on_commit="DROP"`. For what remains there is `is_sqlite`, and
this is all of it:

    copy      COPY                             INSERT of many rows
    lock      advisory locks                   none: one process, one writer
    staging   TRUNCATE, ANALYZE (columns)      DELETE, nothing
    key       the sequence of a key            the highest key there is
    raw       unnest and LATERAL               an inner query
    schema    catalog, schemas                 pragmas, attached databases

To write for both: `postgresql.insert(…).on_conflict_…`, UPDATE … FROM, DELETE … USING, RETURNING, window
functions, FILTER after plain aggregates and ANALYZE of a table work. Instead of LATERAL write an inner query,
instead of DISTINCT ON row_number(), instead of `valid_from + interval` `just_after`. An index with a
condition takes `sqlite_where` too, a type JSONB is `JSON().with_variant(JSONB(), "postgresql")`, a key that
numbers itself is a `BigKey` with Identity. Keep Decimals to comparing and sum(): SQLite's other arithmetic is
in floats. A test finds out with the fixture `both` of tests/property.
"""

from __future__ import annotations

from typing import Any

from sqlalchemy import ColumnElement, Connection, DateTime, Dialect, Engine, make_url
from sqlalchemy.ext.compiler import compiles
from sqlalchemy.sql.compiler import SQLCompiler
from sqlalchemy.sql.functions import FunctionElement

SQLITE = "sqlite"


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
