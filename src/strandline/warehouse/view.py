"""A view of each raw log that reads its payloads as JSON: `raw.crm_customers_json` of `raw.crm_customers`.

The log keeps bytes, and not all bytes are JSON that the database can hold: a NUL escape, a lone surrogate, a
byte that is no UTF-8. Such an entry has no `record`, and `not_json` says why; no query fails for it. On
PostgreSQL two functions in our schema see to it, for its own pg_input_is_valid came with version 16. SQLite
only tells whether it is JSON, and that on our connections.

The views hold nothing, and are made again when a stream's log gets another column.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any, Final

from sqlalchemy import (
    ColumnElement,
    Connection,
    Dialect,
    MetaData,
    Table,
    Text,
    and_,
    case,
    cast,
    func,
    literal,
    not_,
    select,
    sql,
    text,
)
from sqlalchemy.dialects.postgresql import JSONB
from xxhash import xxh3_64_hexdigest

from strandline.model.base import OWN
from strandline.warehouse import raw
from strandline.warehouse.database import Database
from strandline.warehouse.dialect import is_sqlite

FUNCTIONS: Final = (
    """
    CREATE OR REPLACE FUNCTION {schema}.json_of(payload bytea) RETURNS jsonb
    LANGUAGE plpgsql IMMUTABLE STRICT AS $$
    BEGIN
        RETURN convert_from(payload, 'UTF8')::jsonb;
    EXCEPTION WHEN data_exception OR program_limit_exceeded THEN
        RETURN NULL;
    END $$
    """,
    """
    CREATE OR REPLACE FUNCTION {schema}.not_json(payload bytea) RETURNS text
    LANGUAGE plpgsql STABLE STRICT AS $$
    DECLARE
        message text;
        detail text;
    BEGIN
        PERFORM convert_from(payload, 'UTF8')::jsonb;
        RETURN NULL;
    EXCEPTION WHEN data_exception OR program_limit_exceeded THEN
        GET STACKED DIAGNOSTICS message = MESSAGE_TEXT, detail = PG_EXCEPTION_DETAIL;
        RETURN concat_ws(': ', message, nullif(detail, ''));
    END $$
    """,
)
"""Dollars and braces are theirs; `{schema}` is ours."""

COMMENTS: Final = text("""
    SELECT c.relname, obj_description(c.oid, 'pg_class') AS made_from
    FROM pg_class c JOIN pg_namespace n ON n.oid = c.relnamespace
    WHERE c.relkind = 'v' AND n.nspname = :schema
""")


def view_name(stream: str) -> str:
    """What the view of a stream's raw log is called."""
    return raw.table_name(f"{stream}_json")


def find_stale(database: Database, connection: Connection, logs: Iterable[Table]) -> list[Table]:
    """The raw logs whose views are missing or made for other columns."""
    logs = list(logs)
    if not logs:
        return []
    there = _definitions(database, connection, logs[0])
    return [log for log in logs if there.get(_name(log)) != _definition(database, connection, log)]


def create(database: Database, connection: Connection, logs: Iterable[Table]) -> None:
    """Make the views of these logs, anew where they are there; the caller keeps others from doing so."""
    logs = list(logs)
    if logs and not is_sqlite(connection):
        schema = database.engine.dialect.identifier_preparer.quote(getattr(database.schemas, OWN))
        for function in FUNCTIONS:
            connection.exec_driver_sql(function.replace("{schema}", schema))
    for log in logs:
        view = qualified(database, log)
        connection.exec_driver_sql(f"DROP VIEW IF EXISTS {view}")
        connection.exec_driver_sql(f"CREATE VIEW {view} AS {_query(database, connection, log)}")
        if not is_sqlite(connection):
            connection.exec_driver_sql(
                f"COMMENT ON VIEW {view} IS '{_definition(database, connection, log)}'"
            )


def qualified(database: Database, log: Table) -> str:
    """The view of this raw log as it is called in this database, quoted."""
    return database.qualified(Table(_name(log), MetaData(schema=log.schema)))


def _name(log: Table) -> str:
    return view_name(str(log.info[raw.STREAM]))


def _definitions(database: Database, connection: Connection, log: Table) -> dict[str, str]:
    """What the views that are there were made from."""
    schema = database.schema_of(log)
    if not is_sqlite(connection):
        found = connection.execute(COMMENTS, {"schema": schema})
        return {row.relname: row.made_from for row in found}
    master = sql.table("sqlite_master", *map(sql.column, ("name", "sql", "type")), schema=schema)
    views = select(master.c.name, master.c.sql).where(master.c.type == "view")
    # The schema is told by its name here, and needs no translation.
    found = connection.execute(views, execution_options={"schema_translate_map": {}})
    return {row.name: row.sql for row in found}


def _definition(database: Database, connection: Connection, log: Table) -> str:
    """What says whether a view is the right one: on SQLite its statement, on PostgreSQL its comment."""
    query = _query(database, connection, log)
    if is_sqlite(connection):
        return f"CREATE VIEW {database.engine.dialect.identifier_preparer.quote(_name(log))} AS {query}"
    made_from = xxh3_64_hexdigest("".join([query, *FUNCTIONS]).encode())
    return f"The raw log of {log.info[raw.STREAM]} as JSON ({made_from})"


def _query(database: Database, connection: Connection, log: Table) -> str:
    if not is_sqlite(connection):
        return json_query(log, database.schemas.model_dump(), dialect=database.engine.dialect)
    return _selected(log, _read_on_sqlite(log), database.schemas.model_dump(), database.engine.dialect)


def json_query(log: Table, schemas: Mapping[str, str], *, dialect: Dialect) -> str:
    """What the view of a raw log selects on PostgreSQL, where the layers' schemas are called so."""
    return _selected(log, _read(log, schemas[OWN]), schemas, dialect)


def _selected(
    log: Table,
    read: tuple[ColumnElement[Any], ColumnElement[Any]],
    schemas: Mapping[str, str],
    dialect: Dialect,
) -> str:
    record, not_json = read
    names = ["operation", "effective_at", "cursor_value", "fetched_at", "run_id", "request"]
    names += ["tie_break"] if "tie_break" in log.c else []
    query = select(
        log.c.raw_id,
        log.c.source_id,
        record.label("record"),
        not_json.label("not_json"),
        *(log.c[name] for name in names),
    )
    return str(
        query.compile(
            dialect=dialect,
            schema_translate_map=dict(schemas),
            render_schema_translate=True,
            compile_kwargs={"literal_binds": True},
        )
    )


def _read(log: Table, own: str) -> tuple[ColumnElement[Any], ColumnElement[Any]]:
    ours = getattr(func, own)
    return ours.json_of(log.c.payload, type_=JSONB), ours.not_json(log.c.payload, type_=Text)


def _read_on_sqlite(log: Table) -> tuple[ColumnElement[Any], ColumnElement[Any]]:
    words = cast(log.c.payload, Text)
    is_json = and_(func.strandline_is_text(log.c.payload) == 1, func.json_valid(words) == 1)
    return case((is_json, func.json(words))), case((not_(is_json), literal("malformed JSON")))
