"""The tables of a warehouse: created when they are missing, compared when they are there, never altered.

A model that differs from its table is told with the statement that would mend it. Staging tables hold nothing
that matters and are made again when they differ.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from typing import Any, Final

from msgspec import Struct
from sqlalchemy import Column, Connection, DefaultClause, Table, text
from sqlalchemy.schema import CreateSchema

from strandline.errors import SchemaOutOfDate, WarehouseBusy
from strandline.model.aggregate import Aggregate
from strandline.model.audit import DimAudit
from strandline.model.base import SCHEMAS, STAGING
from strandline.model.bridge import Bridge
from strandline.model.combination import Combination
from strandline.model.dimension import Dimension
from strandline.model.fact import Fact
from strandline.model.hierarchy import Hierarchy
from strandline.model.prepared import Prepared
from strandline.warehouse import dropped, lock, log_index, managed, newborn, raw, spelling, state, view
from strandline.warehouse.database import Database
from strandline.warehouse.dialect import is_sqlite

Model = (
    type[Dimension]
    | type[Fact]
    | type[Prepared]
    | type[Combination]
    | type[Hierarchy]
    | type[Bridge]
    | type[Aggregate]
)

Dropped = Mapping[Table, tuple[str, ...]]
"""The columns that a table has and its model has not, where there are any."""

INDEX: Final = "index"

COLUMNS: Final = text("""
    SELECT n.nspname, c.relname, a.attname,
        CASE c.relkind WHEN 'i' THEN 'index' ELSE format_type(a.atttypid, a.atttypmod) END
    FROM pg_namespace n
    LEFT JOIN pg_class c ON c.relnamespace = n.oid AND c.relkind IN ('r', 'p', 'i')
    LEFT JOIN pg_attribute a ON a.attrelid = c.oid AND a.attnum > 0 AND NOT a.attisdropped
        AND c.relkind <> 'i'
    WHERE n.nspname = ANY(:schemas)
""")


class Catalog(Struct, frozen=True):
    """What the database holds in our schemas: types by column by qualified table, and indexes."""

    schemas: frozenset[str]
    tables: dict[tuple[str, str], dict[str, str]]
    indexes: frozenset[tuple[str, str]]
    """(schema, name); SQLite is not asked."""

    def columns(self, database: Database, table: Table) -> dict[str, str] | None:
        """The types of a table's columns; None when it is not there."""
        return self.tables.get((actual_schema(database, table), table.name))


def actual_schema(database: Database, table: Table) -> str:
    """What the schema of the table is called in this database."""
    assert table.schema is not None
    actual: str = database.schemas.model_dump().get(table.schema, table.schema)
    return actual


def _columns(connection: Connection, schemas: Iterable[str]) -> Iterable[Any]:
    """What these schemas hold, as (schema, table, column, type); an index has no column and that type. A
    schema without tables stands there too, and a table without columns.
    """
    if is_sqlite(connection):
        from strandline.warehouse import sqlite

        return sqlite.columns(connection)
    return connection.execute(COLUMNS, {"schemas": sorted(schemas)})


def read_catalog(database: Database, connection: Connection, tables: Iterable[Table]) -> Catalog:
    """Read what is there, in one query."""
    wanted = {*database.schemas.model_dump().values(), *(actual_schema(database, table) for table in tables)}
    found: dict[tuple[str, str], dict[str, str]] = {}
    schemas, indexes = set(), set()
    for schema, name, column, type_ in _columns(connection, wanted):
        schemas.add(schema)
        if column is None and type_ == INDEX:
            indexes.add((schema, name))
        elif name is not None:
            found.setdefault((schema, name), {})[column] = type_
    return Catalog(frozenset(schemas), found, frozenset(indexes))


def prepare(
    database: Database, connection: Connection, *, models: Sequence[Model], others: Sequence[Table]
) -> Dropped:
    """Make every table of the models, `others` (raw and staging) and our own be there, or raise
    SchemaOutOfDate. The columns that models no longer have.
    """
    tables = [*state.OWN_TABLES.sorted_tables, DimAudit.table(), *others, *tables_of(models)]
    catalog = read_catalog(database, connection, tables)
    if is_managed(database, catalog):
        return _find_migrated(database, connection, catalog, models=models, tables=tables)
    if not _is_complete(database, catalog, tables):
        lock.share_and_take(connection, shared=(), exclusive=["strandline schema"])
        catalog = read_catalog(database, connection, tables)
        _create(database, connection, catalog, tables)
    gone = _dropped(database, catalog, models)
    _refuse_differences(database, connection, catalog, tables, gone)
    _mend_logs(database, connection, catalog, others)
    _keep_views(database, connection, others)
    new = [model for model in models if catalog.columns(database, model.table()) is None]
    is_first = catalog.columns(database, DimAudit.table()) is None
    _add_rows(connection, models, new, is_first=is_first)
    return gone


def missing(database: Database, connection: Connection, models: Sequence[Model]) -> list[str]:
    """The tables of these models that are not there. Raises SchemaOutOfDate where others differ."""
    tables = [*state.OWN_TABLES.sorted_tables, DimAudit.table(), *tables_of(models)]
    catalog = read_catalog(database, connection, tables)
    _refuse_differences(database, connection, catalog, tables, _dropped(database, catalog, models))
    return [it.name for it in tables if catalog.columns(database, it) is None]


def is_managed(database: Database, catalog: Catalog) -> bool:
    """Whether migrations make the tables, and runs do not."""
    return _is_versioned(database, catalog) or database.migrations is not None


def _is_versioned(database: Database, catalog: Catalog) -> bool:
    return (database.schemas.strandline, managed.VERSION_TABLE) in catalog.tables


def _find_migrated(
    database: Database,
    connection: Connection,
    catalog: Catalog,
    *,
    models: Sequence[Model],
    tables: Sequence[Table],
) -> Dropped:
    """Find everything as migrations have made it, or raise SchemaOutOfDate; only stages are made by runs."""
    if not lock.pass_by(connection, lock.MIGRATION):
        raise WarehouseBusy(
            f"{database.shown}: a migration is going on{lock.describe_holder(connection, lock.MIGRATION)}",
            hint="Wait until it has ended, then run again.",
        )
    managed.verify(database, connection, is_versioned=_is_versioned(database, catalog))
    staged = [table for table in tables if table.schema == STAGING]
    missing = [it for it in tables if it not in staged and catalog.columns(database, it) is None]
    if missing:
        raise SchemaOutOfDate(
            f"{database.shown}: {', '.join(map(database.qualified, missing))} is not there",
            hint=managed.REVISE,
        )
    if not _is_complete(database, catalog, staged):
        lock.share_and_take(connection, shared=(), exclusive=["strandline schema"])
        _create(database, connection, read_catalog(database, connection, staged), staged)
    gone = _dropped(database, catalog, models)
    _refuse_differences(database, connection, catalog, tables, gone, is_migrated=True)
    _mend_logs(database, connection, catalog, tables)
    _begin_rows(database, connection, models)
    lock.hold_together(connection, lock.MIGRATION)
    return gone


def _begin_rows(database: Database, connection: Connection, models: Sequence[Model]) -> None:
    """Add to tables that migrations have made, perhaps anew, what tables have from their creation."""
    new = newborn.find(database, connection, [DimAudit, *models])
    fresh = newborn.empty(connection, new)
    _add_rows(connection, models, [it for it in fresh if it is not DimAudit], is_first=DimAudit in fresh)
    if new:
        newborn.note(connection, new)


def _add_rows(
    connection: Connection, models: Sequence[Model], new: Sequence[Model], *, is_first: bool
) -> None:
    """Add the rows that are there from the start, and the days of a calendar that may be another now.

    What does so is loaded where it is needed: a run that finds nothing new should not wait for it.
    """
    if is_first:
        from strandline.warehouse import audit

        audit.add_special_loads(connection)
    for model in models:
        if issubclass(model, Prepared):
            from strandline.warehouse import prepared

            prepared.fill(connection, model)
    if new:
        from strandline.warehouse import inception

        inception.fill(connection, new)


def _keep_views(database: Database, connection: Connection, others: Sequence[Table]) -> None:
    """Let every raw log have the view that reads it as JSON."""
    logs = [table for table in others if raw.STREAM in table.info]
    if view.find_stale(database, connection, logs):
        lock.share_and_take(connection, shared=(), exclusive=["strandline schema"])
        view.create(database, connection, view.find_stale(database, connection, logs))


def _mend_logs(database: Database, connection: Connection, catalog: Catalog, tables: Sequence[Table]) -> None:
    """Let every raw log have the index that a first read, which was killed, has left out."""
    for log in (table for table in tables if raw.STREAM in table.info):
        index = actual_schema(database, log), log_index.name_of(database, log)
        if index not in catalog.indexes and catalog.columns(database, log) is not None:
            log_index.mend(database, connection, log)


def tables_of(models: Sequence[Model]) -> list[Table]:
    """The tables of the models: one each, and for a bridge that of its groups."""
    return [*(it.table() for it in models), *(it.groups for it in models if issubclass(it, Bridge))]


def _is_complete(database: Database, catalog: Catalog, tables: Sequence[Table]) -> bool:
    return all(
        catalog.columns(database, table) is not None and not _stale_staging(database, catalog, table)
        for table in tables
    )


def _stale_staging(database: Database, catalog: Catalog, table: Table) -> bool:
    there = catalog.columns(database, table)
    if table.schema != STAGING or there is None:
        return False
    return there != {column.name: spelled(database, column) for column in table.c}


def _create(database: Database, connection: Connection, catalog: Catalog, tables: Sequence[Table]) -> None:
    needed = {actual_schema(database, table) for table in tables} | {
        getattr(database.schemas, name) for name in SCHEMAS
    }
    for schema in sorted(needed - catalog.schemas):
        if is_sqlite(connection):
            from strandline.warehouse import sqlite

            sqlite.attach(connection, schema)
        else:
            connection.execute(CreateSchema(schema))
    for table in tables:
        if _stale_staging(database, catalog, table):
            table.drop(connection)
            table.create(connection)
        elif catalog.columns(database, table) is None:
            table.create(connection)


def spelled(database: Database, column: Column[Any]) -> str:
    """A column's type as the database's catalog writes it."""
    dialect = database.engine.dialect
    if is_sqlite(database.engine):
        return column.type.compile(dialect).lower().replace(", ", ",").partition(" collate ")[0]
    return spelling.spelled(column.type, dialect)


def _dropped(database: Database, catalog: Catalog, models: Sequence[Model]) -> Dropped:
    found = {}
    for model in models:
        table = model.table()
        extra = set(catalog.columns(database, table) or ()) - set(table.c.keys())
        if extra:
            found[table] = tuple(sorted(extra))
    return found


def _refuse_differences(
    database: Database,
    connection: Connection,
    catalog: Catalog,
    tables: Sequence[Table],
    gone: Dropped,
    *,
    is_migrated: bool = False,
) -> None:
    wrong: list[str] = []
    mend: list[str] = []
    for table, columns in gone.items():
        why, statements = dropped.obstacles(database, connection, table=table, columns=columns)
        wrong += [f"{table.name}: {it}" for it in why]
        mend += statements
    for table in tables:
        there = catalog.columns(database, table)
        if there is None or table.schema == STAGING:
            continue
        for column in table.c:
            wanted, found = spelled(database, column), there.get(column.name)
            if found is None:
                wrong.append(f"{table.name}.{column.name} is not there")
                mend.append(add_column(database, table, column))
            elif found != wanted:
                wrong.append(f"{table.name}.{column.name} is {found}, and its model says {wanted}")
                mend += _retype(database, table, column)
    if wrong:
        raise SchemaOutOfDate(
            f"{database.shown}: the tables differ from their models: {'; '.join(wrong)}",
            hint=_how_to_mend(connection, mend, is_migrated=is_migrated),
        )


def _how_to_mend(connection: Connection, statements: Sequence[str], *, is_migrated: bool) -> str:
    if is_sqlite(connection):
        return "Delete the file: SQLite is for tests, and is made anew."
    return managed.REVISE if is_migrated else "Look at it, then type in psql: " + " ".join(statements)


def _retype(database: Database, table: Table, column: Column[Any]) -> Iterator[str]:
    """The statements that give a column the type that its model says."""
    if raw.STREAM in table.info:  # no column changes its type while a view shows it; the next run makes ours
        yield f"DROP VIEW IF EXISTS {view.qualified(database, table)};"
    name, kind = database.engine.dialect.identifier_preparer.quote(column.name), spelled(database, column)
    yield f"ALTER TABLE {database.qualified(table)} ALTER COLUMN {name} TYPE {kind} USING {name}::{kind};"


def add_column(database: Database, table: Table, column: Column[Any]) -> str:
    """The statement that gives a table which is there already this column."""
    name = database.engine.dialect.identifier_preparer.quote(column.name)
    kind = f"{spelled(database, column)}{_default(column)}"
    return f"ALTER TABLE {database.qualified(table)} ADD COLUMN {name} {kind};"


def _default(column: Column[Any]) -> str:
    """What the rows that are there get in a new column."""
    default = column.server_default
    return f" DEFAULT {default.arg}" if isinstance(default, DefaultClause) else ""
