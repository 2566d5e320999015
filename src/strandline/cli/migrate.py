"""The commands `strandline migrate …`: revisions written, applied, taken back and shown."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import Annotated

import typer

from strandline.cli.option import App, AsJson, DatabaseUrl, importing, stoppable

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
    allow_destructive: Destructive = False,
    database_url: DatabaseUrl = None,
    app: App = None,
    as_json: AsJson = False,
) -> None:
    """Write the revision that brings the warehouse to what the models say."""
    from strandline.cli import commands, migration

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
            note=lambda what: print(what, file=sys.stderr),  # noqa: T201  # progress
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
            note=lambda what: print(what, file=sys.stderr),  # noqa: T201  # progress
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
