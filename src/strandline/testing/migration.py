"""Migrations tried on data: up, down and up again, one by one."""

from __future__ import annotations

import re
from collections.abc import Callable, Collection, Iterator, Mapping, Sequence
from dataclasses import dataclass, fields, is_dataclass
from pathlib import Path
from typing import Any, Final

from sqlalchemy import Connection, text

from strandline.warehouse.database import Database

Fill = Callable[[Connection, str], None]

LOST: Final = re.compile(r"(?:drops the (?:column|table)|narrows) (\S+)")
NOT_THEIRS: Final = ("alembic_version", "migration_step")
VIEWS: Final = text("""
    SELECT n.nspname || '.' || c.relname, pg_get_viewdef(c.oid)
    FROM pg_class c JOIN pg_namespace n ON n.oid = c.relnamespace
    WHERE c.relkind = 'v' AND n.nspname = ANY(:schemas) ORDER BY 1
""")
SCHEMAS: Final = text("""
    SELECT nspname FROM pg_namespace
    WHERE nspname !~ '^pg_' AND nspname <> 'information_schema' ORDER BY nspname
""")


def assert_migrations_round_trip(
    database: Database, folder: Path | str = ".", *, fill: Fill | None = None
) -> None:
    """Apply every revision of the project in this folder to an empty database, take it back, and apply it
    again: each time tables, constraints, indexes, comments and views are what they were, and so are the rows,
    but for what the revision says that it loses.

    `fill(connection, revision)` is called behind each revision, to add the rows that the next one meets. A
    revision that changes rows for good names their columns: `rewrites = ["warehouse.dim_customer.segment"]`.
    """
    from strandline.pipeline import migration
    from strandline.warehouse.migration import environment

    folder = Path(folder)
    below = "base"
    for it in reversed(list(environment.need(folder).walk_revisions())):
        first = snapshot(database)
        migration.upgrade(folder, database, to=it.revision, allow_destructive=True)
        then = snapshot(database)
        migration.downgrade(folder, database, to=below, allow_destructive=True)
        _compare(first, snapshot(database), _lost(it, "upgrade"), f"{it.revision}, taken back")
        migration.upgrade(folder, database, to=it.revision, allow_destructive=True)
        _compare(then, snapshot(database), _lost(it, "downgrade"), f"{it.revision}, applied again")
        if fill is not None:
            with database.begin() as connection:
                fill(connection, it.revision)
        below = it.revision


def _lost(revision: Any, direction: str) -> set[str]:
    said = getattr(revision.module, "loses", {}).get(direction, ())
    lost = {found[1] for it in said if (found := LOST.search(it))}
    return lost | set(getattr(revision.module, "rewrites", ()))


@dataclass(frozen=True)
class Snapshot:
    """What is in a database."""

    shapes: dict[str, Any]
    views: dict[str, str]
    rows: dict[str, list[dict[str, Any]]]


def snapshot(database: Database) -> Snapshot:
    """Everything that is in its schemas, but for what migrations note of themselves."""
    from strandline.warehouse.migration import shape

    layers = {actual: layer for layer, actual in database.schemas.model_dump().items()}
    shapes, rows = {}, {}
    with database.begin() as connection:
        schemas = list(connection.scalars(SCHEMAS))
        for schema in schemas:
            for name, it in shape.read(connection, schema, shape.tables_in(connection, schema)).items():
                if name not in NOT_THEIRS:
                    at = f"{layers.get(schema, schema)}.{name}"
                    shapes[at], rows[at] = it, _rows(connection, schema, name, list(it.columns))
        views = dict(map(tuple, connection.execute(VIEWS, {"schemas": schemas})))
    return Snapshot(shapes, views, rows)


def _rows(connection: Connection, schema: str, table: str, columns: list[str]) -> list[dict[str, Any]]:
    from strandline.warehouse.migration.work import Place, quote, run

    shown = ", ".join(f"{quote(it)}::text" for it in columns)
    found = run(connection, f"SELECT {shown} FROM {Place(schema, table).sql}")  # noqa: S608  # of the catalog
    return [dict(zip(columns, row, strict=True)) for row in found]


def _compare(before: Snapshot, now: Snapshot, lost: Collection[str], when: str) -> None:
    wrong = [*_differences(before.shapes, now.shapes), *_differences(before.views, now.views)]
    for name in before.rows.keys() & now.rows.keys() - set(lost):
        was, is_ = (_without(it.rows[name], name, lost) for it in (before, now))
        if was != is_:
            gone, new = ([row for row in one if row not in other] for one, other in ((was, is_), (is_, was)))
            wrong.append(f"{name}: {len(is_)} rows and not {len(was)}, {_first(gone)} became {_first(new)}")
    assert not wrong, f"revision {when}: {'; '.join(wrong)}"


def _first(rows: Sequence[Mapping[str, Any]]) -> str:
    return str(rows[0]) if rows else "none"


def _differences(before: Mapping[str, Any], now: Mapping[str, Any]) -> Iterator[str]:
    """What is another than it was, in words."""
    for name in sorted(before.keys() | now.keys()):
        if name not in now or name not in before:
            yield f"{name} is {'not there any more' if name in before else 'still there'}"
        elif before[name] == now[name]:
            continue
        elif is_dataclass(before[name]) and type(before[name]) is type(now[name]):
            parts = [
                {it.name: getattr(side[name], it.name) for it in fields(before[name]) if it.compare}
                for side in (before, now)
            ]
            yield from (f"{name}, {it}" for it in _differences(*parts))
        elif isinstance(before[name], Mapping):
            yield from (f"{name}: {it}" for it in _differences(before[name], now[name]))
        else:
            yield f"{name} is {now[name]!r} and not {before[name]!r}"


def _without(rows: list[dict[str, Any]], table: str, lost: Collection[str]) -> list[dict[str, Any]]:
    kept = [{name: it for name, it in row.items() if f"{table}.{name}" not in lost} for row in rows]
    return sorted(kept, key=lambda row: [(name, str(it)) for name, it in sorted(row.items())])
