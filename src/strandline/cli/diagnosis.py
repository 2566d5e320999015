"""What `strandline doctor` looks at, one thing after the other; what cannot be looked at is a finding too."""

from __future__ import annotations

import shutil
from collections.abc import Iterator
from pathlib import Path
from typing import Any, Final

from sqlalchemy import Connection

from strandline.cli import commands, configuration
from strandline.cli.configuration import Found
from strandline.errors import SchemaOutOfDate, StrandlineError
from strandline.settings import Settings
from strandline.settings.problem import in_reading_order
from strandline.warehouse import health, lock, schema
from strandline.warehouse.database import Database
from strandline.warehouse.dialect import is_sqlite
from strandline.warehouse.health import Finding

GIGABYTE: Final = 1024**3
LOW: Final = 2 * GIGABYTE
"""With less than that free a first load may not end."""
EMPTY: Final = GIGABYTE // 4


def examine(*, database_url: str | None, app: str | None) -> Iterator[Finding]:
    """Everything that a run needs."""
    found = configuration.look({"database_url": database_url, "app": app})
    yield _versions()
    yield from _settings(found)
    if found.settings is None:
        yield Finding("database", "info", "it was not asked, for the settings do not say where it is")
        return
    yield from _disk(found.settings)
    if found.settings.database_url is None and not found.settings.home.exists():
        told = f"there is none yet: a run starts an embedded PostgreSQL in {found.settings.home}"
        yield Finding("database", "info", told)
        return
    try:
        with commands.warehouse(found.settings) as database:
            yield from _database(database, found)
    except StrandlineError as error:
        yield Finding("database", "error", error.message, error.hint)


def _versions() -> Finding:
    known = {name: it for name, it in commands.versions().items() if it is not None}
    return Finding("versions", "ok", ", ".join(f"{name} {it}" for name, it in known.items()))


def _settings(found: Found) -> Iterator[Finding]:
    configuration.try_sources(found)
    for it in in_reading_order(found.problems):
        told = f"{it.variable} is not set" if it.variable else it.text
        remedy = f"Set {it.variable} in the environment or in .env." if it.variable else None
        yield Finding("settings", "warning" if it.is_warning else "error", told, remedy)
    if not found.problems:
        sources = ", ".join(it.name for it in found.sources) or "no source"
        yield Finding("settings", "ok", f"{', '.join(found.files) or 'no file'}; {sources}")


def _disk(settings: Settings) -> Iterator[Finding]:
    """The disk of the embedded database, where that is used; another server's cannot be seen from here."""
    if settings.database_url is not None:
        return
    place = next(it for it in (settings.home.absolute(), *settings.home.absolute().parents) if it.exists())
    usage = shutil.disk_usage(place)
    told = f"{usage.free / GIGABYTE:.1f} of {usage.total / GIGABYTE:.1f} GB are free at {settings.home}"
    if usage.free >= LOW:
        yield Finding("disk", "ok", told)
        return
    remedy = "Free some space, or move it: stop it, move the folder, and set STRANDLINE_HOME."
    yield Finding("disk", "error" if usage.free < EMPTY else "warning", told, remedy)


def _database(database: Database, found: Found) -> Iterator[Finding]:
    with database.connect() as connection:
        yield Finding("database", "ok", database.shown)
        if is_sqlite(connection):
            yield Finding("server", "info", "SQLite is for tests: there is nothing else to look at")
            return
        with connection.begin():
            yield from health.server(connection)
            yield from health.speed(connection)
        with connection.begin():
            yield from health.rights(database, connection, is_migrated=database.migrations is not None)
        with connection.begin():
            yield health.clock(connection)
            yield health.connections(connection)
        yield from _tables(database, connection, found.pipelines)
        with connection.begin():
            streams = [it.stream.qualified_name for pipeline in found.pipelines for it in pipeline.readings]
            yield from health.locks(database, connection, streams)


def _tables(database: Database, connection: Connection, pipelines: list[Any]) -> Iterator[Finding]:
    """Whether the tables are as the models say: by migrations, or by what a run would find."""
    try:
        if database.migrations is not None:
            connection.rollback()
            yield from _migrations(database, pipelines)
            return
        models = list(dict.fromkeys(model for pipeline in pipelines for model in pipeline.models))
        with connection.begin():
            missing = schema.missing(database, connection, models)
    except SchemaOutOfDate as error:
        yield Finding("tables", "error", error.message, error.hint)
        return
    if missing:
        yield Finding("tables", "info", f"{', '.join(missing)}: not there yet; the next run makes them")
    else:
        yield Finding("tables", "ok", "they are as the models say")


def _migrations(database: Database, pipelines: list[Any]) -> Iterator[Finding]:
    from strandline.pipeline import migration

    state = migration.status(Path.cwd(), database, migration.needed(pipelines))
    upgrade = "Type: strandline migrate upgrade"
    with database.connect() as connection, connection.begin():
        applying = lock.holders(connection, [lock.MIGRATION]).get(lock.MIGRATION)
    for half in state.half_applied[-1:]:
        where = f"in step {half['number']}, {half['what']}"
        if applying is not None:
            told = f"revision {half['revision']} is being applied, {where} (session {applying.pid})"
            yield Finding("migrations", "info", told)
            return
        yield Finding("migrations", "error", f"revision {half['revision']} was broken off {where}", upgrade)
    for it in state.pending:
        told = f"behind by {it['revision']}: {it['message']}"
        losses = "; it loses data, so read it first" if it["loses"] else ""
        yield Finding("migrations", "error", told, f"{upgrade}{losses}")
    for difference in state.differences or ():
        remedy = 'Type: strandline migrate revision -m "what is new"'
        yield Finding("migrations", "error", f"the models differ: {difference}", remedy)
    if state.is_current:
        yield Finding("migrations", "ok", f"the warehouse is at the head, {state.head or 'the beginning'}")
