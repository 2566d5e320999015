"""What must be known of a table's or query's columns to read them: asked of the database, once a read."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Final

from sqlalchemy import Connection, DateTime, FromClause, Select, String, inspect, literal_column, select, text
from sqlalchemy.exc import NoSuchTableError

from strandline.errors import UnexpectedResponse


@dataclass(frozen=True, slots=True)
class Column:
    """A column of what is read."""

    name: str
    is_binary: bool = False
    is_text: bool = False
    has_zone: bool | None = None
    """For a time; None: not known, or no time."""
    may_be_null: bool = True


# PostgreSQL's numbers for its types, which never change.
BYTEA: Final = 17
TEXTS: Final = (18, 19, 25, 1042, 1043)
ZONED: Final[Mapping[int, bool]] = {1114: False, 1184: True}

POSTGRESQL: Final = text("""
    SELECT attname, attnotnull OR typnotnull AS filled,
        coalesce(nullif(typbasetype, 0), atttypid)::bigint AS number
    FROM pg_attribute JOIN pg_type ON pg_type.oid = atttypid
    WHERE attrelid = to_regclass(:name) AND attnum > 0 AND NOT attisdropped ORDER BY attnum
""")


def of_table(
    connection: Connection, name: str, *, schema: str | None, is_postgresql: bool, where: str
) -> list[Column]:
    """The columns of a table or view. Raises UnexpectedResponse if there is none of that name."""
    if is_postgresql:
        found = connection.execute(POSTGRESQL, {"name": quoted(connection, (schema, name))}).all()
        columns = [_of_type(it.attname, it.number, may_be_null=not it.filled) for it in found]
    else:
        columns = _reflected(connection, name, schema)
    if not columns:
        raise UnexpectedResponse(
            f"{where}: there is no table of that name that the user may see",
            hint="Correct the name; one in another schema is written schema.table.",
        )
    return columns


def quoted(connection: Connection, parts: tuple[str | None, str]) -> str:
    """Schema and name, as to_regclass reads them."""
    quote = connection.dialect.identifier_preparer.quote
    return ".".join(quote(part) for part in parts if part)


def of_query(connection: Connection, query: FromClause, *, is_postgresql: bool) -> list[Column]:
    """The columns of a query, with their types where PostgreSQL tells them."""
    everything: Select[Any] = select(literal_column("*")).select_from(query)
    result = connection.execute(everything.limit(0))
    names, types = [*result.keys()], list[Any]()
    if is_postgresql and result.cursor is not None:
        types = [it[1] for it in result.cursor.description]
    return [_of_type(*it) for it in zip(names, types, strict=True)] if types else [*map(Column, names)]


def _of_type(name: str, number: int, *, may_be_null: bool = True) -> Column:
    return Column(
        name,
        is_binary=number == BYTEA,
        is_text=number in TEXTS,
        has_zone=ZONED.get(number),
        may_be_null=may_be_null,
    )


def _reflected(connection: Connection, name: str, schema: str | None) -> list[Column]:
    try:
        found = inspect(connection).get_columns(name, schema=schema)
    except NoSuchTableError:
        return []
    return [
        Column(
            it["name"],
            is_binary=getattr(it["type"], "python_type", None) is bytes,
            is_text=isinstance(it["type"], String),
            has_zone=it["type"].timezone if isinstance(it["type"], DateTime) else None,
            may_be_null=it["nullable"],
        )
        for it in found
    ]
