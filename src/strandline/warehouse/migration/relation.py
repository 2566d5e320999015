"""Steps of a revision that make, rename and drop schemas and tables.

Each looks first whether it is done already, so that it can be typed again after it was broken off.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from sqlalchemy import Column, MetaData, Table
from sqlalchemy.schema import CreateTable

from strandline.errors import SchemaOutOfDate
from strandline.warehouse.migration import catalog, rule
from strandline.warehouse.migration.comment import comment_on
from strandline.warehouse.migration.rights import let_correct
from strandline.warehouse.migration.work import DIALECT, Place, Work, current, quote
from strandline.warehouse.spelling import spelled


def create_schema(name: str) -> None:
    """Make the schema, where it is missing."""
    work = current()
    with work.step(f"schema {name}") as is_due:
        # Asked first: whoever may not make schemas may not say IF NOT EXISTS either.
        if is_due and not catalog.has_schema(work, name):
            exists = "IF NOT EXISTS " if work.database is None else ""
            work.short(f"CREATE SCHEMA {exists}{quote(name)}", on=Place(name, ""))


def create_table(
    name: str,
    *columns: Column[Any],
    schema: str,
    comment: str | None = None,
    constraints: Mapping[str, str] | None = None,
    indexes: Mapping[str, str] | None = None,
) -> None:
    """Make the table with all that belongs to it; one that is there with these columns stays as it is."""
    work, at = current(), Place(schema, name)
    with work.step(f"table {at}") as is_due:
        if not is_due or _is_there(work, at, columns):
            return
        table = Table(name, MetaData(schema=schema), *columns)
        statements = [str(CreateTable(table).compile(dialect=DIALECT)).strip()]
        for named, definition in (constraints or {}).items():
            statements.append(f"ALTER TABLE {at.sql} ADD {rule.constraint(work, named, definition)}")
        statements += [rule.index(named, at, definition) for named, definition in (indexes or {}).items()]
        statements += [comment_on(at, comment)] if comment else []
        statements += [comment_on(at, it.comment, column=it.name) for it in columns if it.comment]
        work.short(*statements, *let_correct(work, at), on=at)


def _is_there(work: Work, at: Place, columns: tuple[Column[Any], ...]) -> bool:
    there = {name: it.type for name, it in catalog.columns(work, at).items()}
    if not there:
        return False
    wanted = {column.name: spelled(column.type, DIALECT) for column in columns}
    if wrong := [
        f"{name} is {there.get(name, 'not there')} and not {type_}"
        for name, type_ in wanted.items()
        if there.get(name) != type_
    ]:
        raise SchemaOutOfDate(
            f"{at} is there already, and is another one: {'; '.join(wrong)}",
            hint="Make it what the revision says, or rename it, then type: strandline migrate upgrade",
        )
    return True


def drop_table(name: str, *, schema: str) -> None:
    """Drop the table with its rows."""
    work, at = current(), Place(schema, name)
    with work.step(f"drop table {at}") as is_due:
        if is_due:
            work.destroy(f"drops the table {at}")
            work.short(f"DROP TABLE IF EXISTS {at.sql}", on=at)


def rename_table(old: str, new: str, *, schema: str) -> None:
    """Call the table something else."""
    work, at = current(), Place(schema, old)
    with work.step(f"rename table {at} to {new}") as is_due:
        if is_due and (work.database is None or catalog.relation(work, at)):
            work.short(f"ALTER TABLE {at.sql} RENAME TO {quote(new)}", on=at)
