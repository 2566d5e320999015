"""What a table is, as PostgreSQL's catalog says it: of those that are there, and of what models would become.

A model's table is made as a temporary table, looked at, and rolled back. So both are in PostgreSQL's own
words, and a condition, an expression or an exclusion is compared as it is, not as somebody has written it.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Any, Final

from sqlalchemy import Connection, ForeignKeyConstraint, MetaData, Table, inspect, text
from sqlalchemy.engine.reflection import ObjectScope
from sqlalchemy.types import TypeEngine

from strandline.model.base import SCHEMAS
from strandline.warehouse.migration.catalog import NOT_VALID, index_definition
from strandline.warehouse.migration.work import DIALECT, quote

TEMPORARY: Final = "pg_temp"
SERIAL: Final = re.compile(r"nextval\('.+_seq'::regclass\)")

COLUMNS: Final = text("""
    SELECT c.relname AS table, a.attname AS name, format_type(a.atttypid, a.atttypmod) AS type,
        a.attnotnull AS is_required, pg_get_expr(d.adbin, d.adrelid) AS default, a.attidentity AS identity,
        a.attgenerated AS generated, col_description(c.oid, a.attnum) AS comment
    FROM pg_class c
    JOIN pg_attribute a ON a.attrelid = c.oid AND a.attnum > 0 AND NOT a.attisdropped
    LEFT JOIN pg_attrdef d ON d.adrelid = a.attrelid AND d.adnum = a.attnum
    WHERE c.relnamespace = (SELECT oid FROM pg_namespace WHERE nspname = :schema)
        AND c.relkind IN ('r', 'p') AND c.relname = ANY(:tables)
    ORDER BY c.relname, a.attnum
""")
CONSTRAINTS: Final = text("""
    SELECT c.relname AS table, n.conname AS name, pg_get_constraintdef(n.oid) AS definition,
        n.convalidated AS is_valid, n.contype AS kind
    FROM pg_constraint n JOIN pg_class c ON c.oid = n.conrelid
    WHERE c.relnamespace = (SELECT oid FROM pg_namespace WHERE nspname = :schema)
        AND c.relname = ANY(:tables) AND n.contype IN ('p', 'u', 'c', 'f', 'x')
    ORDER BY c.relname, n.contype <> 'p', n.conname
""")
INDEXES: Final = text("""
    SELECT c.relname AS table, x.relname AS name, pg_get_indexdef(i.indexrelid) AS definition,
        i.indisunique AS is_unique, i.indisvalid AS is_valid
    FROM pg_index i JOIN pg_class c ON c.oid = i.indrelid JOIN pg_class x ON x.oid = i.indexrelid
    WHERE c.relnamespace = (SELECT oid FROM pg_namespace WHERE nspname = :schema)
        AND c.relname = ANY(:tables) AND NOT EXISTS (
            SELECT FROM pg_constraint n WHERE n.conindid = i.indexrelid AND n.contype IN ('p', 'u', 'x'))
    ORDER BY c.relname, x.relname
""")
TABLES: Final = text("""
    SELECT relname AS name, obj_description(oid, 'pg_class') AS comment FROM pg_class
    WHERE relnamespace = (SELECT oid FROM pg_namespace WHERE nspname = :schema)
        AND relkind IN ('r', 'p') AND relpersistence <> 'u'
    ORDER BY relname
""")


@dataclass(frozen=True)
class ColumnShape:
    """A column."""

    name: str
    type: str
    is_required: bool
    default: str | None
    identity: str
    """`a` always, `d` by default, empty: none."""
    generated: str
    comment: str | None
    as_python: TypeEngine[Any] = field(compare=False)


@dataclass(frozen=True)
class Shape:
    """A table; constraints and indexes are definitions by name."""

    columns: Mapping[str, ColumnShape]
    constraints: Mapping[str, str]
    indexes: Mapping[str, str]
    comment: str | None = None
    unproven: frozenset[str] = frozenset()
    """The constraints that rows may not keep, and the indexes that were not built to their end."""


def tables_in(connection: Connection, schema: str) -> dict[str, str | None]:
    """The tables of the schema with their comments."""
    return {it.name: it.comment for it in connection.execute(TABLES, {"schema": schema})}


def read(connection: Connection, schema: str, tables: Iterable[str]) -> dict[str, Shape]:
    """The shapes of these tables of the schema."""
    wanted = {"schema": schema, "tables": sorted(tables)}
    if not wanted["tables"]:
        return {}
    types = _types(connection, schema, wanted["tables"])
    columns: dict[str, dict[str, ColumnShape]] = {}
    for it in connection.execute(COLUMNS, wanted):
        said = {name: value for name, value in it._mapping.items() if name != "table"}
        if SERIAL.fullmatch(it.default or ""):
            said |= {"default": None, "identity": "d"}  # the same, in PostgreSQL's older words
        shape = ColumnShape(**said, as_python=types[it.table][it.name])
        columns.setdefault(it.table, {})[it.name] = shape
    constraints: dict[str, dict[str, str]] = {}
    indexes: dict[str, dict[str, str]] = {}
    unproven: dict[str, set[str]] = {}
    for it in connection.execute(CONSTRAINTS, wanted):
        constraints.setdefault(it.table, {})[it.name] = it.definition.removesuffix(NOT_VALID)
        unproven.setdefault(it.table, set()).update([] if it.is_valid else [it.name])
    for it in connection.execute(INDEXES, wanted):
        definition = index_definition(it.definition, is_unique=it.is_unique)
        indexes.setdefault(it.table, {})[it.name] = definition
        unproven.setdefault(it.table, set()).update([] if it.is_valid else [it.name])
    comments = tables_in(connection, schema)
    return {
        name: Shape(
            found,
            constraints.get(name, {}),
            indexes.get(name, {}),
            comments.get(name),
            frozenset(unproven.get(name, ())),
        )
        for name, found in columns.items()
    }


def _types(
    connection: Connection, schema: str, tables: Sequence[str]
) -> dict[str, dict[str, TypeEngine[Any]]]:
    found = inspect(connection).get_multi_columns(schema=schema, filter_names=tables, scope=ObjectScope.ANY)
    return {name: {it["name"]: it["type"] for it in columns} for (_, name), columns in found.items() if name}


def declared(connection: Connection, tables: Sequence[Table]) -> dict[tuple[str, str], Shape]:
    """The shapes that these tables would have, by schema and name; the connection has no transaction."""
    found: dict[tuple[str, str], Shape] = {}
    for schema in dict.fromkeys(str(table.schema) for table in tables):
        of_schema = [table for table in tables if table.schema == schema]
        with connection.begin() as transaction:
            shapes = _try_out(connection, of_schema)
            transaction.rollback()
        found |= {(schema, name): shape for name, shape in shapes.items()}
    return found


def _try_out(connection: Connection, tables: Sequence[Table]) -> dict[str, Shape]:
    for table in tables:
        _without_references(table).create(connection, checkfirst=False)
    actual = connection.scalar(text("SELECT pg_my_temp_schema()::regnamespace::text"))
    if not tables or actual is None:
        return {}
    shapes = read(connection, actual, [table.name for table in tables])
    return {
        table.name: replace(
            shapes[table.name], constraints={**shapes[table.name].constraints, **dict(_references(table))}
        )
        for table in tables
    }


def _without_references(table: Table) -> Table:
    """A copy of the table that can be made by itself."""
    copied = table.to_metadata(MetaData(naming_convention=table.metadata.naming_convention), schema=TEMPORARY)
    for constraint in [it for it in copied.constraints if isinstance(it, ForeignKeyConstraint)]:
        copied.constraints.remove(constraint)
    return copied


def _references(table: Table) -> Iterator[tuple[str, str]]:
    """The foreign keys, as PostgreSQL would tell them; the layers' schemas in braces."""
    for constraint in table.foreign_key_constraints:
        named = DIALECT.identifier_preparer.format_constraint(constraint)
        referred = constraint.referred_table
        schema = f"{{{referred.schema}}}" if referred.schema in SCHEMAS else quote(str(referred.schema))
        theirs = ", ".join(quote(it.column.name) for it in constraint.elements)
        ours = ", ".join(quote(it.name) for it in constraint.columns)
        rules = [
            f" ON UPDATE {constraint.onupdate.upper()}" if constraint.onupdate else "",
            f" ON DELETE {constraint.ondelete.upper()}" if constraint.ondelete else "",
            " DEFERRABLE" if constraint.deferrable else "",
            " INITIALLY DEFERRED" if (constraint.initially or "").upper() == "DEFERRED" else "",
        ]
        target = f"{schema}.{quote(referred.name)}({theirs})"
        yield str(named).strip('"'), f"FOREIGN KEY ({ours}) REFERENCES {target}{''.join(rules)}"
