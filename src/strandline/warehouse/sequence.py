"""Surrogate keys in a row, reserved before the rows that get them are made."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
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


Positions = Mapping[str, int | None]
"""The last number that each sequence has given; None: none yet."""


def positions(database: Database, connection: Connection, keys: Iterable[Column[Any]]) -> Positions:
    """Where the sequences of these columns stand, of those that are there."""
    found: dict[str, int | None] = {}
    for key in keys:
        table = database.qualified(key.table)
        if connection.scalar(select(func.to_regclass(table))) is None:
            continue
        name = connection.scalar(select(func.pg_get_serial_sequence(table, key.name)))
        if name is not None:
            last = func.pg_sequence_last_value(func.to_regclass(name))
            found[name] = connection.scalar(select(last))
    return found


def put_back(connection: Connection, before: Positions) -> None:
    """Let the sequences stand there again. Nobody else may have taken a number since."""
    for name, last in before.items():
        connection.execute(select(func.setval(name, last or 1, last is not None)))
