"""From where to where a stream is asked for, in the words of a database: never less than what was meant.

A mark is a moment in UTC, a number, a day or a text. A column may hold local times, binary versions, or,
in SQLite, texts that say a moment in one of several ways; so the mark is put into the column's own form.
"""

from __future__ import annotations

from datetime import UTC, date, datetime, timedelta
from operator import ge, le
from typing import Any, Final
from zoneinfo import ZoneInfo

from sqlalchemy import BindParameter, ColumnElement, bindparam, func, or_
from sqlalchemy.types import NullType

from strandline.source.cursor import CursorValue
from strandline.source.sql.column import Column

SQLITE_MOMENT: Final = "%Y-%m-%d %H:%M:%f"


def bound(value: Any) -> BindParameter[Any]:
    """The value as it is: no type is told to the database, which takes that of what it is compared with."""
    return bindparam(None, value, type_=NullType(), unique=True)


def within(
    at: ColumnElement[Any],
    column: Column,
    *,
    since: CursorValue | None,
    until: CursorValue | None,
    zone: str | None,
    is_sqlite: bool,
) -> list[ColumnElement[bool]]:
    """What holds for every row from `since` to `until`, and perhaps for a few more."""
    first = None if since is None else _written(_start(since, column, zone), column)
    last = None if until is None else _written(_end(until, column, zone), column)
    conditions: list[ColumnElement[bool]] = []
    for value, compare in ((first, ge), (last, le)):
        if is_sqlite and isinstance(value, datetime):
            moment = func.strftime(SQLITE_MOMENT, at)
            meant = func.strftime(SQLITE_MOMENT, bound(value.isoformat(" ")))
            # What SQLite cannot read as a moment is nothing that may be left out.
            conditions.append(or_(moment.is_(None), compare(moment, meant)))
        elif value is not None:  # SQLite knows no days, and Python's way to write them is going away
            is_day = is_sqlite and isinstance(value, date)
            conditions.append(compare(at, bound(str(value) if is_day else value)))
    return conditions


def _written(value: CursorValue, column: Column) -> CursorValue | bytes:
    return bytes.fromhex(value) if column.is_binary and isinstance(value, str) else value


def _start(value: CursorValue, column: Column, zone: str | None) -> CursorValue:
    if not isinstance(value, datetime) or _has_zone(column, zone):
        return value
    local = value.astimezone(ZoneInfo(zone or "UTC"))
    # When clocks are set back an hour comes twice, and the second has the times of the first.
    repeated = _offset(local, fold=0) - _offset(local, fold=1)
    return local.replace(tzinfo=None) - max(repeated, timedelta(0))


def _offset(local: datetime, *, fold: int) -> timedelta:
    return local.replace(fold=fold).utcoffset() or timedelta(0)


def _end(value: CursorValue, column: Column, zone: str | None) -> CursorValue:
    if not isinstance(value, datetime) or _has_zone(column, zone):
        return value
    return value.astimezone(ZoneInfo(zone or "UTC")).replace(tzinfo=None)


def _has_zone(column: Column, zone: str | None) -> bool:
    return zone is None if column.has_zone is None else column.has_zone


def moment_of(value: CursorValue | None, zone: str) -> CursorValue | None:
    """A day as the moment at which it begins, where the column holds moments."""
    if isinstance(value, date) and not isinstance(value, datetime):
        return datetime(value.year, value.month, value.day, tzinfo=ZoneInfo(zone)).astimezone(UTC)
    return value
