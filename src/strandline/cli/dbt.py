"""The commands `strandline dbt …`: what dbt wants to know of the warehouse."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from strandline.cli.option import App, AsJson, importing

dbt_app = typer.Typer(help="dbt beside the warehouse.", no_args_is_help=True)


@dbt_app.callback()
def dbt() -> None:
    """What dbt wants to know of the warehouse."""


@dbt_app.command()
def sources(
    name: Annotated[str | None, typer.Argument(help="Only what this pipeline fills.")] = None,
    output: Annotated[
        Path | None, typer.Option("--output", help="Write this file, as in dbt/models/sources.yml.")
    ] = None,
    source: Annotated[
        str, typer.Option("--source", help="What dbt is to call it, as in source('strandline', …).")
    ] = "strandline",
    app: App = None,
    as_json: AsJson = False,
) -> None:
    """Write the sources.yml of the models: columns, what they are, freshness and tests."""
    from strandline.cli import commands, dbt_files
    from strandline.cli import output as out
    from strandline.pipeline import dbt_sources

    settings = commands.read_settings(app=app)
    with importing(settings.app):
        pipelines = commands.find(settings) if name is None else [commands.choose(name, settings)]
    made = dbt_sources.document(pipelines, schema=settings.schemas.warehouse, name=source)
    if output is not None:
        dbt_files.write(output, made)
    if as_json:
        out.print_json(made)
    elif output is None:
        dbt_files.show(made)
    else:
        tables = made["sources"][0]["tables"]
        out.tell(f"{output}: {len(tables)} table{'' if len(tables) == 1 else 's'}.")
