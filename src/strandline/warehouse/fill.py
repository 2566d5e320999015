"""A new column of a dimension that is there already: filled from the raw log, without new versions.

What a column was before it was declared is not told by versions that nobody made for it. So each member's
last record fills it in its latest version, and in all of them where the column is the same on all; the first
record fills a column that keeps its first value. From then on it is compared like every other.
"""

from __future__ import annotations

from collections.abc import Collection
from typing import Any

from sqlalchemy import ColumnElement, Connection, Select, Table, func, not_, or_, select, true, update

from strandline.model.dimension import Dimension
from strandline.warehouse import audit, raw
from strandline.warehouse.event import differ
from strandline.warehouse.late import Log


def last_entries(log: Log) -> Select[Any]:
    """Each member's last record that has been applied."""
    return _one_each(log, is_last=True)


def first_entries(log: Log) -> Select[Any]:
    """Each member's first record that has been applied."""
    return _one_each(log, is_last=False)


def _one_each(log: Log, *, is_last: bool) -> Select[Any]:
    entry = log.raw
    when = entry.c.effective_at.desc() if is_last else entry.c.effective_at
    settles = [entry.c.tie_break.desc().nulls_last()] if "tie_break" in entry.c else []
    place = func.row_number().over(
        partition_by=entry.c.source_id, order_by=[when, *settles, entry.c.raw_id.desc()]
    )
    ranked = (
        select(*raw.entry_columns(entry), place.label("place"))
        .where(log.holds(entry), entry.c.source_id.is_not(None))
        .where(entry.c.operation.in_([raw.UPSERT, raw.RETURN]))
        .subquery("ranked")
    )
    return select(*(it for it in ranked.c if it.name != "place")).where(ranked.c.place == 1)


def fill_last(
    connection: Connection,
    *,
    dimension: type[Dimension],
    staged: Table,
    source_system: str,
    columns: Collection[str],
    run_id: int,
) -> int:
    """Fill these columns from the staged last records; how many versions were written."""
    same = {name: of for name, of in dimension.overwritten().items() if name in columns}
    own = {
        column.name: column.name
        for column in dimension.attributes(2)
        if column.name in columns and column.name not in same
    }
    table = dimension.table()
    is_latest = or_(table.c.is_current, table.c.is_deleted)
    written = _fill(connection, dimension, staged, source_system, same, run_id, where=true())
    return written + _fill(connection, dimension, staged, source_system, own, run_id, where=is_latest)


def fill_first(
    connection: Connection,
    *,
    dimension: type[Dimension],
    staged: Table,
    source_system: str,
    columns: Collection[str],
    run_id: int,
) -> int:
    """Fill those of these columns that keep their first value from the staged first records."""
    first = {column.name: column.name for column in dimension.attributes(0) if column.name in columns}
    return _fill(connection, dimension, staged, source_system, first, run_id, where=true())


def _fill(
    connection: Connection,
    dimension: type[Dimension],
    staged: Table,
    source_system: str,
    becomes: dict[str, str],
    run_id: int,
    *,
    where: ColumnElement[bool],
) -> int:
    if not becomes:
        return 0
    table, s = dimension.table(), staged.c
    values: dict[str, Any] = {name: s[of] for name, of in becomes.items()}
    written: int = connection.execute(
        update(table)
        .where(table.c.source_system == source_system, table.c.source_id == s.source_id)
        .where(
            not_(table.c.is_inferred), where, differ([table.c[name] for name in values], [*values.values()])
        )
        .values(
            **values,
            updated_at=func.now(),
            run_id=run_id,
            audit_key=audit.key(),
            schema_version=dimension.__schema_version__,
        )
    ).rowcount
    return written
