"""What a database has, against what models say: columns, indexes, constraints, comments.

A run makes what is missing and refuses what differs in columns; indexes and constraints it makes with their
table only, and tables are restored, altered by hand and migrated.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from typing import Any, Final

from sqlalchemy import (
    CheckConstraint,
    Column,
    Connection,
    PrimaryKeyConstraint,
    Table,
    UniqueConstraint,
    text,
)
from sqlalchemy.schema import Constraint

from strandline.model.audit import DimAudit
from strandline.model.base import WAREHOUSE
from strandline.warehouse import schema
from strandline.warehouse.check import Finding
from strandline.warehouse.database import Database
from strandline.warehouse.dialect import is_sqlite

RULES: Final = (
    *("column-missing", "column-type", "column-dropped", "column-nullability", "missing-index"),
    *("missing-constraint", "invalid-index", "unvalidated-constraint", "comment-differs", "undeclared-table"),
)

UNREADABLE: Final = ("column-missing", "column-type")
"""With these, a statement on the rows may not be one."""

PREFIXES: Final = ("dim_", "fact_", "bridge_", "agg_")

TABLES: Final = text("""
    SELECT n.nspname, c.relname, a.attname, a.attnotnull, obj_description(c.oid, 'pg_class')
    FROM pg_class AS c
    JOIN pg_namespace AS n ON n.oid = c.relnamespace
    JOIN pg_attribute AS a ON a.attrelid = c.oid AND a.attnum > 0 AND NOT a.attisdropped
    WHERE n.nspname = ANY(:schemas) AND c.relkind IN ('r', 'p')
""")

INDEXES: Final = text("""
    SELECT n.nspname, t.relname, c.relname, i.indisvalid AND i.indisready
    FROM pg_index AS i
    JOIN pg_class AS c ON c.oid = i.indexrelid
    JOIN pg_class AS t ON t.oid = i.indrelid
    JOIN pg_namespace AS n ON n.oid = t.relnamespace
    WHERE n.nspname = ANY(:schemas)
""")

CONSTRAINTS: Final = text("""
    SELECT n.nspname, t.relname, o.conname, o.convalidated
    FROM pg_constraint AS o
    JOIN pg_class AS t ON t.oid = o.conrelid
    JOIN pg_namespace AS n ON n.oid = t.relnamespace
    WHERE n.nspname = ANY(:schemas)
""")

Name = tuple[str, str]
"""Schema and table, as they are called in the database."""


@dataclass(frozen=True)
class Structure:
    """What the database has in our schemas."""

    nullable: dict[Name, dict[str, bool]]
    """Whether a column may be empty, by table."""
    comments: dict[Name, str | None]
    indexes: dict[Name, dict[str, bool]]
    """Whether an index is whole, by table."""
    constraints: dict[Name, dict[str, bool]]
    """Whether a constraint has been looked at in all rows, by table."""


def compare(database: Database, connection: Connection, tables: Sequence[Table]) -> list[Finding]:
    """Where these tables, which are there, are not what they are declared to be."""
    if is_sqlite(connection) or not tables:
        return []
    catalog = schema.read_catalog(database, connection, tables)
    structure = _read(database, connection, tables)
    found: list[Finding] = []
    for table in tables:
        found += _of_columns(database, table, catalog, structure)
        found += _of_names(database, table, structure)
        found += _of_comment(database, table, structure)
    return found


def undeclared(database: Database, connection: Connection, declared: Iterable[Table]) -> list[str]:
    """The tables that are called like a part of the star, and that nobody declares."""
    if is_sqlite(connection):
        return []
    known = {schema.actual_schema(database, it): set[str]() for it in (DimAudit.table(), *declared)}
    for it in (DimAudit.table(), *declared):
        known[schema.actual_schema(database, it)].add(it.name)
    there = schema.read_catalog(database, connection, [DimAudit.table(), *declared]).tables
    of_star = database.schemas.model_dump()[WAREHOUSE]
    return sorted(
        name
        for where, name in there
        if where == of_star and name.startswith(PREFIXES) and name not in known.get(where, ())
    )


def _read(database: Database, connection: Connection, tables: Sequence[Table]) -> Structure:
    schemas = {"schemas": sorted({schema.actual_schema(database, it) for it in tables})}
    structure = Structure({}, {}, {}, {})
    for where, table, column, is_required, comment in connection.execute(TABLES, schemas):
        structure.nullable.setdefault((where, table), {})[column] = not is_required
        structure.comments[where, table] = comment
    for statement, named in ((INDEXES, structure.indexes), (CONSTRAINTS, structure.constraints)):
        for where, table, name, is_whole in connection.execute(statement, schemas):
            named.setdefault((where, table), {})[name] = is_whole
    return structure


def _named(database: Database, table: Table) -> Name:
    return schema.actual_schema(database, table), table.name


def _of_columns(
    database: Database, table: Table, catalog: schema.Catalog, structure: Structure
) -> Iterator[Finding]:
    there = catalog.columns(database, table) or {}
    nullable = structure.nullable.get(_named(database, table), {})
    for column in table.c:
        wanted, found = schema.spelled(database, column), there.get(column.name)
        if found is None:
            yield _of(table, "column-missing", f"{column.name} is not there", column)
        elif found != wanted:
            yield _of(table, "column-type", f"{column.name} is {found}, and its model says {wanted}", column)
        elif nullable[column.name] != bool(column.nullable):
            now, said = ("may be empty", "may not") if nullable[column.name] else ("may not be empty", "may")
            yield _of(
                table, "column-nullability", f"{column.name} {now}, and its model says it {said}", column
            )
    for name in sorted(there.keys() - table.c.keys()):
        yield Finding(table.name, "column-dropped", f"{name} is there, and its model has no such column")


def _of_names(database: Database, table: Table, structure: Structure) -> Iterator[Finding]:
    name = _named(database, table)
    indexes, constraints = structure.indexes.get(name, {}), structure.constraints.get(name, {})
    for index in sorted(_indexes(database, table) - indexes.keys()):
        yield Finding(table.name, "missing-index", f"the index {index} is not there")
    for constraint in sorted(_constraints(database, table) - constraints.keys() - indexes.keys()):
        yield Finding(table.name, "missing-constraint", f"the constraint {constraint} is not there")
    for index in sorted(it for it, is_whole in indexes.items() if not is_whole):
        yield Finding(table.name, "invalid-index", f"the index {index} was not finished, and answers nothing")
    for constraint in sorted(it for it, is_whole in constraints.items() if not is_whole):
        yield Finding(
            table.name, "unvalidated-constraint", f"{constraint} has not been looked at in all rows"
        )


def _indexes(database: Database, table: Table) -> set[str]:
    """The names of the table's indexes, as the database cuts them."""
    prepare = database.engine.dialect.identifier_preparer
    return {str(prepare.format_index(it)).strip('"') for it in table.indexes}


def _constraints(database: Database, table: Table) -> set[str]:
    prepare = database.engine.dialect.identifier_preparer
    kinds = CheckConstraint | PrimaryKeyConstraint | UniqueConstraint
    named: list[Constraint] = [it for it in table.constraints if isinstance(it, kinds)]
    written = (prepare.format_constraint(it) for it in named)
    return {str(it).strip('"') for it in written if it is not None}


def _of_comment(database: Database, table: Table, structure: Structure) -> Iterator[Finding]:
    there = structure.comments.get(_named(database, table))
    if (there or None) != (table.comment or None):
        yield Finding(
            table.name, "comment-differs", f"its comment is {there!r}, and its model says {table.comment!r}"
        )


def _of(table: Table, rule: str, what: str, column: Column[Any]) -> Finding:
    return Finding(table.name, rule, what, column=column.name)
