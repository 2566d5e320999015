"""Steps of a revision that add, change and drop columns of a table in use."""

from __future__ import annotations

import re
from typing import Any, Final

from sqlalchemy import Column, MetaData, Table
from sqlalchemy.schema import CreateColumn
from sqlalchemy.types import TypeEngine

from strandline.errors import SchemaOutOfDate
from strandline.warehouse.migration import batch, bookkeeping, catalog
from strandline.warehouse.migration.comment import comment_on
from strandline.warehouse.migration.rights import let_correct
from strandline.warehouse.migration.rule import require
from strandline.warehouse.migration.work import DIALECT, Place, Work, current, quote
from strandline.warehouse.spelling import spelled

CONSTANT: Final = re.compile(
    r"\s*\(?(NULL|TRUE|FALSE|[-+]?\d+(\.\d+)?|(\w[\w ]* )?'([^']|'')*'"
    r"|now\(\)|CURRENT_TIMESTAMP|CURRENT_DATE)\)?"
    r'(::[\w ",().]+?)?\s*',
    re.IGNORECASE,
)


def is_constant(expression: str | None) -> bool:
    """Whether it is the same for every row: then PostgreSQL need not write the rows that are there."""
    return expression is not None and CONSTANT.fullmatch(expression) is not None


def add_column(table: str, column: Column[Any], *, schema: str, fill: str | None = None) -> None:
    """Give the table this column, and the rows that are there the value of `fill`, in SQL.

    What is the same for all rows takes no time; an expression over other columns is written in batches. A
    column that must be filled is so from the end on.
    """
    work, at = current(), Place(schema, table)
    with work.step(f"column {at}.{column.name}") as is_due:
        if is_due:
            _add(work, at, column, fill)


def _add(work: Work, at: Place, column: Column[Any], fill: str | None) -> None:
    default = _default(column)
    given = fill if fill is not None else default
    there = catalog.columns(work, at).get(column.name)
    type_ = spelled(column.type, DIALECT)
    if there is None:
        _declare(work, at, column, given=given, default=default)
    elif there.type != type_:
        raise SchemaOutOfDate(
            f"{at}.{column.name} is there already, and is {there.type} and not {type_}",
            hint="Make it what the revision says, or rename it, then type the same again.",
        )
    if given is not None and not is_constant(given):
        batch.write(work, at, {column.name: given}, where=f"{quote(column.name)} IS NULL")
    if not column.nullable:
        require(work, at, column.name)


def _declare(work: Work, at: Place, column: Column[Any], *, given: str | None, default: str | None) -> None:
    name, alter = quote(column.name), f"ALTER TABLE {at.sql}"
    now = given if is_constant(given) else None
    if column.identity is not None or column.computed is not None:
        Table("any", MetaData(), column)
        spec = str(CreateColumn(column).compile(dialect=DIALECT))
    else:
        spec = f"{name} {column.type.compile(DIALECT)}" + (f" DEFAULT {now}" if now else "")
        spec += " NOT NULL" if now and not column.nullable else ""
    statements = [f"{alter} ADD COLUMN {spec}"]
    if now != default and column.computed is None:
        becomes = f"SET DEFAULT {default}" if default else "DROP DEFAULT"
        statements.append(f"{alter} ALTER COLUMN {name} {becomes}")
    statements += [comment_on(at, column.comment, column=column.name)] if column.comment else []
    work.short(*statements, *let_correct(work, at), on=at)


def _default(column: Column[Any]) -> str | None:
    if column.server_default is None or column.computed is not None or column.identity is not None:
        return None
    compiler = DIALECT.ddl_compiler(DIALECT, None)  # type: ignore[arg-type]  # nothing to be compiled as a whole
    return compiler.get_column_default_string(column)


def drop_column(table: str, column: str, *, schema: str) -> None:
    """Drop the column with what is in it."""
    work, at = current(), Place(schema, table)
    with work.step(f"drop column {at}.{column}") as is_due:
        if is_due:
            work.destroy(f"drops the column {at}.{column}")
            work.short(f"ALTER TABLE {at.sql} DROP COLUMN IF EXISTS {quote(column)}", on=at)


def require_column(table: str, column: str, *, schema: str) -> None:
    """Let no row be without a value in the column."""
    work, at = current(), Place(schema, table)
    with work.step(f"{at}.{column} must be filled") as is_due:
        if is_due:
            require(work, at, column)


def release_column(table: str, column: str, *, schema: str) -> None:
    """Let a row be without a value in the column."""
    work, at = current(), Place(schema, table)
    with work.step(f"{at}.{column} may be empty") as is_due:
        if is_due:
            work.short(f"ALTER TABLE {at.sql} ALTER COLUMN {quote(column)} DROP NOT NULL", on=at)


def set_default(table: str, column: str, default: str | None, *, schema: str) -> None:
    """What new rows get where nobody says what; None: nothing."""
    work, at = current(), Place(schema, table)
    with work.step(f"default of {at}.{column}") as is_due:
        if is_due:
            becomes = "DROP DEFAULT" if default is None else f"SET DEFAULT {default}"
            work.short(f"ALTER TABLE {at.sql} ALTER COLUMN {quote(column)} {becomes}", on=at)


def rename_column(table: str, old: str, new: str, *, schema: str, model: str | None = None) -> None:
    """Call the column something else; of this model, which runs know to have filled it."""
    work, at = current(), Place(schema, table)
    with work.step(f"rename column {at}.{old} to {new}") as is_due:
        if is_due and (work.database is None or old in catalog.columns(work, at)):
            work.short(f"ALTER TABLE {at.sql} RENAME COLUMN {quote(old)} TO {quote(new)}", on=at)
        if is_due and model is not None:
            bookkeeping.rename_filled(work, model, old, new)


def change_type(
    table: str, column: str, type_: TypeEngine[Any], *, schema: str, using: str | None = None
) -> None:
    """Let the column be of another type; `using` says, in SQL, what becomes of a value."""
    from strandline.warehouse.migration import retype

    work, at = current(), Place(schema, table)
    becomes = spelled(type_, DIALECT)
    with work.step(f"{at}.{column} becomes {becomes}") as is_due:
        if is_due:
            retype.change(work, at, column, becomes, using=using)
