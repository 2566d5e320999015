"""What of a table is there already, as PostgreSQL writes it: asked by the steps of a migration."""

from __future__ import annotations

from typing import Any, Final

from strandline.warehouse.migration.work import Place, Work

NOT_VALID: Final = " NOT VALID"

COLUMN: Final = """
    SELECT a.attname AS name, format_type(a.atttypid, a.atttypmod) AS type, a.attnotnull AS is_required,
        pg_get_expr(d.adbin, d.adrelid) AS default, a.attidentity <> '' AS has_identity
    FROM pg_attribute a LEFT JOIN pg_attrdef d ON d.adrelid = a.attrelid AND d.adnum = a.attnum
    WHERE a.attrelid = to_regclass(:table) AND a.attnum > 0 AND NOT a.attisdropped
    ORDER BY a.attnum
"""
INDEX: Final = """
    SELECT i.indisvalid AS is_valid, i.indisunique AS is_unique, pg_get_indexdef(i.indexrelid) AS definition
    FROM pg_index i WHERE i.indexrelid = to_regclass(:index)
"""
CONSTRAINT: Final = """
    SELECT convalidated AS is_valid, pg_get_constraintdef(oid) AS definition
    FROM pg_constraint WHERE conrelid = to_regclass(:table) AND conname = :name
"""
RELATION: Final = """
    SELECT relkind AS kind, obj_description(oid, 'pg_class') AS comment, relpages AS pages
    FROM pg_class WHERE oid = to_regclass(:name)
"""
SCHEMA: Final = "SELECT FROM pg_namespace WHERE nspname = :name"


def columns(work: Work, table: Place) -> dict[str, Any]:
    """The columns of the table by name; none: it is not there."""
    return {it.name: it for it in work.ask(COLUMN, table=table.sql)}


def relation(work: Work, place: Place) -> Any | None:
    """The table, view or index of that name."""
    return next(iter(work.ask(RELATION, name=place.sql)), None)


def has_schema(work: Work, name: str) -> bool:
    """Whether the schema is there."""
    return bool(work.ask(SCHEMA, name=name))


def index_definition(definition: str, *, is_unique: bool) -> str:
    """What an index is, without its name and its table's."""
    return ("UNIQUE " if is_unique else "") + definition.partition(" USING ")[2]


def index(work: Work, place: Place) -> tuple[str, bool] | None:
    """The definition of the index, and whether it was built to its end."""
    found = next(iter(work.ask(INDEX, index=place.sql)), None)
    return found and (index_definition(found.definition, is_unique=found.is_unique), found.is_valid)


def constraint(work: Work, table: Place, name: str) -> tuple[str, bool] | None:
    """The definition of the constraint, and whether all rows are known to keep it."""
    found = next(iter(work.ask(CONSTRAINT, table=table.sql, name=name)), None)
    return found and (found.definition.removesuffix(NOT_VALID), found.is_valid)
