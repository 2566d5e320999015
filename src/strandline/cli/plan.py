"""The command `strandline plan`: what a run or a deploy would do, with nothing changed."""

from __future__ import annotations

import sys
from typing import Annotated

import typer

from strandline.cli.option import App, AsJson, DatabaseUrl, importing, stoppable
from strandline.errors import EXIT_DONE, DeclarationError


def plan(
    name: Annotated[str | None, typer.Argument(help="Only this pipeline.")] = None,
    quick: Annotated[
        bool,
        typer.Option("--quick", help="Count what is not merged yet, and do not find out what becomes of it."),
    ] = False,
    sql: Annotated[
        bool, typer.Option("--sql", help="Print the statements that make tables, and nothing else.")
    ] = False,
    database_url: DatabaseUrl = None,
    app: App = None,
    as_json: AsJson = False,
) -> None:
    """Tell what a run would do: tables to make, ranges to read, rows to write, locks. Nothing is changed."""
    from strandline.cli import commands, planned

    settings = commands.read_settings(database_url, app)
    with stoppable():
        with importing(settings.app):
            pipelines = commands.find(settings) if name is None else [commands.choose(name, settings)]
        if not pipelines:
            raise DeclarationError(
                f"{settings.app}: no pipeline is declared",
                hint="Name the module that declares one: --app MODULE.",
            )
        found = planned.find(pipelines, settings, is_quick=quick or sql)
    if sql:
        sys.stdout.write(planned.statements(found))
    else:
        planned.show(found, as_json=as_json)
    raise typer.Exit(max((it.exit_code for it in found), default=EXIT_DONE))
