"""The commands `strandline marks …`: how far each stream has been read, and what is set by hand."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from strandline.cli.option import App, AsJson, DatabaseUrl, importing

marks_app = typer.Typer(help="How far each stream has been read: see, set, carry over.", no_args_is_help=True)

Stream = Annotated[str, typer.Argument(help="The stream, as in crm.customers.")]
Reason = Annotated[str, typer.Option("--reason", help="Why: it is kept beside the mark.")]


@marks_app.command("list")
def show_list(database_url: DatabaseUrl = None, as_json: AsJson = False) -> None:
    """Show the read mark of every stream that has one."""
    from strandline.cli import mark

    mark.print_list(mark.find(database_url), as_json=as_json)


@marks_app.command("show")
def show_one(stream: Stream, database_url: DatabaseUrl = None, as_json: AsJson = False) -> None:
    """Show the read mark of a stream, and what was done to it by hand."""
    from strandline.cli import mark

    mark.print_one(mark.show(database_url, stream), as_json=as_json)


@marks_app.command("set")
def set_one(
    stream: Stream,
    value: Annotated[
        str | None, typer.Argument(help="The mark, as in 2026-03-01T00:00:00Z; none with --none.")
    ] = None,
    none: Annotated[
        bool, typer.Option("--none", help="Take the mark away: the next run reads everything.")
    ] = False,
    reason: Reason = "",
    database_url: DatabaseUrl = None,
    app: App = None,
    as_json: AsJson = False,
) -> None:
    """Set the read mark of a stream: the next run reads from there."""
    from strandline.cli import commands, mark

    settings = commands.read_settings(database_url, app)
    with importing(settings.app):
        pipelines = commands.find(settings)
    given = mark.given(pipelines, stream, value, is_none=none)
    mark.print_amended(mark.amend(pipelines, settings, given, reason=reason), as_json=as_json)


@marks_app.command("export")
def export(database_url: DatabaseUrl = None) -> None:
    """Print the marks of all streams as JSON, for `strandline marks import`."""
    from strandline.cli import mark, output

    output.print_json({"marks": {it["stream"]: it["mark"] for it in mark.find(database_url)}})


@marks_app.command("import")
def import_all(
    file: Annotated[Path, typer.Argument(help="What `strandline marks export` has printed; - for stdin.")],
    reason: Reason = "",
    database_url: DatabaseUrl = None,
    app: App = None,
    as_json: AsJson = False,
) -> None:
    """Set the marks that another warehouse has exported, all of them or none."""
    from strandline.cli import commands, mark

    settings = commands.read_settings(database_url, app)
    with importing(settings.app):
        pipelines = commands.find(settings)
    mark.print_amended(mark.amend(pipelines, settings, mark.exported(file), reason=reason), as_json=as_json)
