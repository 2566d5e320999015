"""The commands `strandline migrate …`: revisions written, applied, taken back and shown."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import Annotated

import typer

from strandline.cli.option import App, AsJson, DatabaseUrl, importing, stoppable
from strandline.errors import EXIT_DONE, EXIT_FAILED

migrate_app = typer.Typer(help="The tables, changed by revisions that are reviewed.", no_args_is_help=True)

Destructive = Annotated[
    bool, typer.Option("--allow-destructive", help="Data may be lost; without it nothing is dropped.")
]
LockTimeout = Annotated[
    float, typer.Option("--lock-timeout", min=0.01, help="Seconds for which readers may have to wait.")
]
Attempts = Annotated[
    int, typer.Option("--attempts", min=1, help="How often a lock is tried for before it is given up.")
]
Batch = Annotated[int, typer.Option("--batch", min=1, help="How many rows are changed at once.")]


@migrate_app.callback()
def migrate() -> None:
    """Change the tables of the warehouse by revisions that are reviewed."""


@migrate_app.command()
def init(as_json: AsJson = False) -> None:
    """Begin with migrations: write alembic.ini and migrations/ into this folder."""
    from strandline.cli import migration
    from strandline.pipeline.migration import init

    migration.print_files(init(Path.cwd()), as_json=as_json)


@migrate_app.command()
def revision(
    message: Annotated[str, typer.Option("-m", "--message", help="What it is about.")],
    rename: Annotated[
        list[str] | None,
        typer.Option("--rename", help="As in dim_customer.name:customer_name; may be repeated."),
    ] = None,
    fill: Annotated[
        list[str] | None,
        typer.Option("--fill", help="What rows that are there get, as in fact_order.discount=0."),
    ] = None,
    data: Annotated[
        bool, typer.Option("--data", help="One that changes rows, to be filled in; tables stay as they are.")
    ] = False,
    allow_destructive: Destructive = False,
    database_url: DatabaseUrl = None,
    app: App = None,
    as_json: AsJson = False,
) -> None:
    """Write the revision that brings the warehouse to what the models say."""
    from strandline.cli import commands, migration

    if data:
        migration.print_written(migration.revise_rows(message), as_json=as_json, then="Fill it in")
        return
    settings = commands.read_settings(database_url, app)
    with importing(settings.app):
        pipelines = commands.find(settings)
    hints = migration.read_hints(rename or (), fill or (), drops=allow_destructive)
    written = migration.revise(pipelines, settings, message=message, hints=hints)
    migration.print_written(written, as_json=as_json)


@migrate_app.command()
def upgrade(
    to: Annotated[str, typer.Argument(metavar="REVISION", help="Up to which; all unless told.")] = "head",
    allow_destructive: Destructive = False,
    lock_timeout: LockTimeout = 2.0,
    attempts: Attempts = 20,
    batch: Batch = 10_000,
    database_url: DatabaseUrl = None,
    as_json: AsJson = False,
) -> None:
    """Apply revisions; what was broken off goes on where it stopped."""
    from strandline.cli import commands, migration

    settings = commands.read_settings(database_url)
    with stoppable():
        moved = migration.move(
            settings,
            to,
            is_upgrade=True,
            allow_destructive=allow_destructive,
            patience=(lock_timeout, attempts, batch),
            note=migration.say,
        )
    migration.print_moved(moved, as_json=as_json)


# -1 is no option, though it looks like one.
@migrate_app.command(context_settings={"ignore_unknown_options": True})
def downgrade(
    to: Annotated[str, typer.Argument(metavar="REVISION", help="Down to which; base, or -1 for one.")],
    allow_destructive: Destructive = False,
    lock_timeout: LockTimeout = 2.0,
    attempts: Attempts = 20,
    batch: Batch = 10_000,
    database_url: DatabaseUrl = None,
    as_json: AsJson = False,
) -> None:
    """Take revisions back."""
    from strandline.cli import commands, migration

    settings = commands.read_settings(database_url)
    with stoppable():
        moved = migration.move(
            settings,
            to,
            is_upgrade=False,
            allow_destructive=allow_destructive,
            patience=(lock_timeout, attempts, batch),
            note=migration.say,
        )
    migration.print_moved(moved, as_json=as_json)


@migrate_app.command()
def status(database_url: DatabaseUrl = None, app: App = None, as_json: AsJson = False) -> None:
    """Show by which revisions the warehouse is behind, and how the models differ from them."""
    from strandline.cli import commands, migration

    settings = commands.read_settings(database_url, app)
    with importing(settings.app):
        pipelines = commands.find(settings)
    migration.print_state(migration.look(pipelines, settings), as_json=as_json)


@migrate_app.command(context_settings={"ignore_unknown_options": True})
def sql(
    to: Annotated[
        str | None, typer.Argument(metavar="REVISION", help="Up to which, all unless told; or down.")
    ] = None,
    since: Annotated[
        str | None, typer.Option("--from", help="Behind which; the one that the warehouse is at unless told.")
    ] = None,
    downgrade: Annotated[bool, typer.Option("--downgrade", help="What takes them back.")] = False,
    database_url: DatabaseUrl = None,
) -> None:
    """Print what an upgrade would type, as a script for psql."""
    from strandline.cli import commands, migration

    settings = commands.read_settings(database_url)
    sys.stdout.write(migration.script(settings, to, since=since, is_upgrade=not downgrade))


@migrate_app.command()
def check(database_url: DatabaseUrl = None, app: App = None, as_json: AsJson = False) -> None:
    """End with 1 where the models differ from the head of the migrations, for pipelines that test."""
    from strandline.cli import commands, migration

    settings = commands.read_settings(database_url, app)
    with importing(settings.app):
        pipelines = commands.find(settings)
    state = migration.look(pipelines, settings)
    migration.print_state(state, as_json=as_json)
    raise typer.Exit(EXIT_DONE if state.is_current else EXIT_FAILED)
