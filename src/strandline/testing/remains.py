"""What runs have left behind in a warehouse, as text to be compared: stars, raw logs, rejects, marks."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import UTC, date, datetime, timedelta
from typing import Any, Final

from sqlalchemy import Connection, column, func, inspect, select, table, text

from strandline.model.aggregate import Aggregate
from strandline.model.base import RAW, models_below
from strandline.model.bridge import Bridge
from strandline.model.combination import Combination
from strandline.model.dimension import Dimension
from strandline.model.fact import Fact
from strandline.model.hierarchy import Hierarchy
from strandline.testing.difference import spell
from strandline.testing.star import stars
from strandline.warehouse import raw, state
from strandline.warehouse.database import Database

KINDS: Final[tuple[Any, ...]] = (Dimension, Fact, Combination, Bridge, Hierarchy, Aggregate)

Rows = dict[str, dict[str, str]]
"""The values of each row by column, as text."""

Remains = Mapping[str, Rows]
"""The rows of each table."""

ABOUT_NOW: Final = timedelta(days=1)
"""A mark that is so close to the run depends on when that was."""


def remains(database: Database, began: str, *, queries: Mapping[str, str]) -> Remains:
    """What there is of all models whose tables are there, of raw logs, rejects and marks, and what the
    queries give, by their names. What began when it was read, since then, is told so.
    """
    since = datetime.fromisoformat(began)
    with database.connect() as connection:
        declared: list[Any] = [it for kind in KINDS for it in models_below(kind)]
        models = database.present(connection, declared)
        found: dict[str, Rows] = {
            name: {row: _told(said) for row, said in rows.items()}
            for name, rows in stars(models, connection, read_since=since).items()
        }
        found |= _logs(database, connection)
        found["rejects"] = _rejects(connection)
        found["read marks"] = _marks(connection, since)
        found["applied marks"] = _applied(connection)
        for name, query in queries.items():
            rows = connection.execute(text(query)).mappings()
            found[name] = {f"row {number}": _told(it) for number, it in enumerate(rows, 1)}
    return found


def _told(row: Mapping[Any, Any]) -> dict[str, str]:
    return {str(name): spell(value) for name, value in row.items()}


def _logs(database: Database, connection: Connection) -> dict[str, Rows]:
    """What every raw log holds, each entry once, and how often in a row it is there."""
    schema = database.schemas.raw
    return {
        f"{schema}.{name}": _log(connection, name)
        for name in sorted(inspect(connection).get_table_names(schema=schema))
    }


def _log(connection: Connection, name: str) -> Rows:
    log = table(name, *map(column, ("raw_id", "source_id", "operation", "payload")), schema=RAW)
    found: Rows = {}
    last: dict[str, str] = {}
    for entry in connection.execute(select(log).order_by(log.c.raw_id)):
        told = f"{entry.source_id} {entry.operation} {bytes(entry.payload).decode(errors='backslashreplace')}"
        is_again = last.get(entry.source_id) == told
        last[entry.source_id] = told
        row = found.setdefault(told, {"is there twice": "no"})
        row["is there twice"] = "yes" if is_again else row["is there twice"]
    return found


def _rejects(connection: Connection) -> Rows:
    c = state.reject.c
    rows = connection.execute(select(c.stream, c.target, c.source_id, c.field, c.rule, c.state))
    return {", ".join(map(str, row[:-1])): {"state": str(row[-1])} for row in rows}


def _marks(connection: Connection, since: datetime) -> Rows:
    c = state.read_mark.c
    return {
        it.stream: {"mark": _settled(it.mark, since)} for it in connection.execute(select(c.stream, c.mark))
    }


def _settled(mark: str, since: datetime) -> str:
    """The mark, unless it depends on when it was moved."""
    kind, _, value = mark.partition(":")
    if kind == "datetime" and datetime.fromisoformat(value) >= since - ABOUT_NOW:
        return "about now"
    if kind == "date" and date.fromisoformat(value) >= (since - ABOUT_NOW).astimezone(UTC).date():
        return "about now"
    return mark


def _applied(connection: Connection) -> Rows:
    """How far each target is behind its raw log."""
    found: Rows = {}
    c = state.applied_mark.c
    for it in connection.execute(select(c.stream, c.target, c.raw_id)).all():
        log = table(raw.table_name(it.stream), column("raw_id"), schema=RAW)
        last = connection.scalar(select(func.max(log.c.raw_id))) or 0
        found[f"{it.stream} to {it.target}"] = {"entries behind": str(last - it.raw_id)}
    return found
