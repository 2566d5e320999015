"""What a field was in the records of a raw log: of which JSON types, how often, and how long."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, Final

from sqlalchemy import Connection, Text, cast, func, inspect, select, sql
from sqlalchemy.dialects.postgresql import JSONB

from strandline.model.base import RAW
from strandline.warehouse import raw, view
from strandline.warehouse.database import Database

WHOLE: Final = r"^-?\d+$"


@dataclass(frozen=True)
class Occurrence:
    """The values of one JSON type that a field had; null is no value."""

    type: str
    """string, number, boolean, object or array."""
    records: int
    longest: int
    """Characters of the longest."""
    is_whole: bool
    """Whether all are whole numbers."""


def find(database: Database, connection: Connection, *, stream: str, name: str) -> list[Occurrence]:
    """What the field was at the top of all records that are JSON, the most frequent type first."""
    log = sql.table(view.view_name(stream), sql.column("operation"), sql.column("record", JSONB), schema=RAW)
    if not inspect(connection).has_table(log.name, schema=getattr(database.schemas, RAW)):
        return []
    value: Any = log.c.record[name]
    told, kind = value.astext, func.jsonb_typeof(value)
    whole = func.coalesce(func.bool_and(cast(told, Text).regexp_match(WHOLE)), sql.false())
    found = connection.execute(
        select(kind, func.count(), func.max(func.length(told)), whole)
        .where(log.c.operation == raw.UPSERT, kind != "null")
        .group_by(kind)
        .order_by(func.count().desc())
    )
    return [Occurrence(*row) for row in found]
