"""Surrogate keys in a row, reserved before the rows that get them are made."""

from __future__ import annotations

from typing import Any

from sqlalchemy import Column, Connection, func, select

from strandline.warehouse.database import Database
from strandline.warehouse.dialect import is_sqlite


def reserve(database: Database, connection: Connection, key: Column[Any], count: int) -> int:
    """The first of `count` values of this column in a row that nobody else gets."""
    if is_sqlite(connection):
        return max(connection.scalar(select(func.max(key))) or 0, 0) + 1
    sequence = func.pg_get_serial_sequence(database.qualified(key.table), key.name)
    last = connection.scalar(select(func.setval(sequence, func.nextval(sequence) + (count - 1))))
    assert isinstance(last, int)
    return last - count + 1
