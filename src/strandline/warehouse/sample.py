"""Samples of what a merge that is about to be taken back has written: some rows, beside what they were."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Final

from sqlalchemy import Connection, Select, and_, select

from strandline.model.column import role
from strandline.model.dimension import Dimension
from strandline.model.fact import Fact
from strandline.warehouse import audit
from strandline.warehouse.database import Database
from strandline.warehouse.dialect import is_sqlite

ROWS: Final = 5
VALIDITY: Final = ("valid_from", "valid_to", "is_current", "is_deleted", "is_inferred")


def take(
    database: Database, connection: Connection, model: type[Dimension] | type[Fact]
) -> list[dict[str, Any]]:
    """What columns of some rows were, as everybody else sees them, and are in this transaction: table,
    source_id, column, before, after. None on SQLite, where there is nobody else.
    """
    if is_sqlite(connection):
        return []
    table = model.table()
    written = select(table).where(table.c.audit_key == audit.key()).order_by(*table.primary_key).limit(ROWS)
    rows = connection.execute(written).mappings().all()
    with database.connect() as beside:
        before = [beside.execute(_same_row(model, row)).mappings().first() for row in rows]
    return [it for row, was in zip(rows, before, strict=True) for it in _differences(model, was, row)]


def _same_row(model: type[Dimension] | type[Fact], row: Mapping[Any, Any]) -> Select[Any]:
    table = model.table()
    return select(table).where(and_(*(it == row[it.name] for it in table.primary_key)))


def _differences(
    model: type[Dimension] | type[Fact], before: Mapping[Any, Any] | None, after: Mapping[Any, Any]
) -> list[dict[str, Any]]:
    table = model.table()
    told = [it.name for it in table.c if role(it) is not None or it.name in VALIDITY]
    return [
        {
            "table": table.name,
            "source_id": after["source_id"],
            "column": name,
            "before": None if before is None else before[name],
            "after": after[name],
        }
        for name in told
        if before is None or before[name] != after[name]
    ]
