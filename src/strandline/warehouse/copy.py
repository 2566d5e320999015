"""COPY: rows of tuples into a table, in the binary format where psycopg knows every type.

The fast way trusts the rows. When PostgreSQL or the driver refuses one, the whole COPY is taken back and
`faults` says, row by row, which value it was; the caller sets those records aside and copies the rest.

SQLite has no COPY, and takes anything: there the rows are inserted, and `faults` is asked of each before.
"""

from __future__ import annotations

import struct
from collections.abc import Callable, Iterable, Sequence
from datetime import date, datetime
from decimal import Decimal
from typing import Any, Final

import psycopg
from psycopg.adapt import AdaptersMap, Dumper
from psycopg.pq import Format
from psycopg.types.json import Json, Jsonb
from psycopg.types.string import BytesBinaryDumper
from sqlalchemy import (
    BigInteger,
    Boolean,
    Column,
    Connection,
    Date,
    DateTime,
    Dialect,
    Enum,
    Float,
    Integer,
    Numeric,
    SmallInteger,
    String,
    sql,
)
from sqlalchemy.types import TypeDecorator, TypeEngine

from strandline.warehouse.database import driver
from strandline.warehouse.dialect import is_sqlite

REFUSED: Final = (psycopg.DataError, TypeError, ValueError, AttributeError, OverflowError, struct.error)
"""What a value that does not fit its column raises, in the driver or in the server."""

SIGNATURE: Final = b"PGCOPY\n\xff\r\n\0" + bytes(8)
"""What binary COPY begins with: https://www.postgresql.org/docs/current/sql-copy.html"""

ALIASES: Final = {
    "timestamp with time zone": "timestamptz",
    "timestamp without time zone": "timestamp",
    "double precision": "float8",
    "float": "float8",
    "character varying": "varchar",
}


def copy(
    connection: Connection,
    table: str,
    *,
    columns: Sequence[Column[Any]],
    rows: Iterable[Sequence[Any]],
    packed: Sequence[bytes | bytearray] = (),
) -> None:
    """Append the rows, tuples in the order of the columns, to the table (its qualified name, quoted); before
    them those that are packed: see `packed`.
    """
    if is_sqlite(connection):
        _insert(connection, columns, rows)
        return
    names = ", ".join(f'"{column.name}"' for column in columns)
    types = binary_types(columns, connection.dialect)
    how = "" if types is None else " (FORMAT BINARY)"
    with driver(connection).cursor() as cursor:
        register_dumpers(cursor.adapters)
        with cursor.copy(f"COPY {table} ({names}) FROM STDIN{how}".encode()) as sink:
            if types is not None:
                sink.set_types(types)
            if packed:
                sink.write(SIGNATURE)
                for piece in packed:
                    sink.write(piece)
            write = sink.write_row
            for row in rows:
                write(row)


class _Integer4(Dumper):
    """An integer of four bytes, packed in C, and refused where it is larger: psycopg's own wraps, and
    2147483648 becomes -2147483648.
    """

    format = Format.BINARY
    oid = psycopg.adapters.types["int4"].oid
    dump: Any = staticmethod(struct.Struct("!i").pack)


class _Integer2(Dumper):
    """One of two bytes."""

    format = Format.BINARY
    oid = psycopg.adapters.types["int2"].oid
    dump: Any = staticmethod(struct.Struct("!h").pack)


def register_dumpers(adapters: AdaptersMap) -> None:
    """Let values be written as COPY is to have them."""
    # What psycopg finds for bytea is written in Python, for a type that is not ours; this one is in C.
    adapters.register_dumper(bytes, BytesBinaryDumper)
    adapters.register_dumper(int, _Integer4)
    adapters.register_dumper(int, _Integer2)


def binary_types(columns: Sequence[Column[Any]], dialect: Dialect) -> list[str] | None:
    """The names of the columns' types, if psycopg knows all of them; else None, and COPY takes text."""
    types = [_type_name(column, dialect) for column in columns]
    return types if all(psycopg.adapters.types.get(name) is not None for name in types) else None


def _insert(connection: Connection, columns: Sequence[Column[Any]], rows: Iterable[Sequence[Any]]) -> None:
    table, names = columns[0].table, [column.name for column in columns]
    stored = [_storer(column.type, connection) for column in columns]
    values = []
    for row in rows:
        for name, why in faults(columns, row):
            raise ValueError(f"{name}: {why}")
        converted = (value if value is None else put(value) for put, value in zip(stored, row, strict=True))
        values.append(dict(zip(names, converted, strict=True)))
    # Without types, which have had their say: the rows are what a column holds.
    plain = sql.table(table.name, *(sql.column(name) for name in names), schema=table.schema)
    if values:
        connection.execute(plain.insert(), values)


def _storer(type_: TypeEngine[Any], connection: Connection) -> Callable[[Any], Any]:
    """What turns a value that COPY would take into what SQLite keeps."""
    stored = type_.dialect_impl(connection.dialect)
    if isinstance(stored, TypeDecorator):
        return _storer(stored.impl_instance, connection)
    if isinstance(type_, Enum):
        return _as_it_is  # the name already
    put = stored.bind_processor(connection.dialect) or _as_it_is
    return lambda value: put(value.obj if isinstance(value, Json | Jsonb) else value)


def _as_it_is(value: Any) -> Any:
    return value


def _type_name(column: Column[Any], dialect: Dialect) -> str:
    compiled = column.type.compile(dialect).lower()
    bare = compiled.split("(", 1)[0].strip() + compiled.partition(")")[2]
    return ALIASES.get(bare, bare)


def faults(columns: Sequence[Column[Any]], row: Sequence[Any]) -> list[tuple[str, str]]:
    """The values of a row that their columns cannot hold, as (column, why)."""
    found = []
    for column, value in zip(columns, row, strict=True):
        why = _fault(_storage(column.type), value) if value is not None else None
        if why:
            found.append((column.name, f"{_shown(value)} {why}"))
    return found


def _storage(type_: TypeEngine[Any]) -> TypeEngine[Any]:
    return _storage(type_.impl_instance) if isinstance(type_, TypeDecorator) else type_


def _shown(value: object) -> str:
    text = repr(value)
    return text if len(text) <= 80 else f"{text[:77]}…"


def _fault(type_: TypeEngine[Any], value: Any) -> str | None:
    for kind, check in CHECKS:
        if isinstance(type_, kind):
            return check(type_, value)
    return None


def _text(type_: Any, value: Any) -> str | None:
    if not isinstance(value, str):
        return f"is a {type(value).__name__}, not text"
    if "\0" in value:
        return "holds a NUL character, which PostgreSQL cannot store"
    if any("\ud800" <= character <= "\udfff" for character in value):
        return "holds half of a surrogate pair, which is no text"
    if type_.length is not None and len(value) > type_.length:
        return f"is {len(value)} characters long, and the column holds {type_.length}"
    return None


def _whole(bits: int) -> Callable[[Any, Any], str | None]:
    def check(_type: Any, value: Any) -> str | None:
        if not isinstance(value, int):
            return f"is a {type(value).__name__}, not a whole number"
        limit = 1 << (bits - 1)
        return None if -limit <= value < limit else f"is outside a {bits}-bit integer"

    return check


def _is(kind: type | tuple[type, ...], word: str) -> Callable[[Any, Any], str | None]:
    return lambda _type, value: (
        None if isinstance(value, kind) else f"is a {type(value).__name__}, not {word}"
    )


def _moment(type_: Any, value: Any) -> str | None:
    if not isinstance(value, datetime):
        return f"is a {type(value).__name__}, not a moment"
    if type_.timezone:
        return "has no time zone" if value.tzinfo is None else None
    return "has a time zone, and the column has none" if value.tzinfo is not None else None


CHECKS: Final[tuple[tuple[type, Callable[[Any, Any], str | None]], ...]] = (
    (String, _text),
    (SmallInteger, _whole(16)),
    (BigInteger, _whole(64)),
    (Integer, _whole(32)),
    (Boolean, _is(bool, "a boolean")),
    (DateTime, _moment),
    (Date, _is(date, "a date")),
    (Float, _is((int, float), "a number")),
    (Numeric, _is((int, Decimal), "an exact number")),
)
