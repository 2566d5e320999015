"""The commands `strandline fields …`: which fields the records of a source carry."""

from __future__ import annotations

from typing import Annotated

import typer

from strandline.cli.option import App, AsJson, DatabaseUrl, importing

fields_app = typer.Typer(help="The fields that records carry.", no_args_is_help=True)


@fields_app.callback()
def fields() -> None:
    """The fields that records carry, in their contract or not."""


@fields_app.command("list")
def show_list(
    source: Annotated[str, typer.Argument(help="The source, or one stream as in crm.customers.")],
    unknown: Annotated[bool, typer.Option("--unknown", help="Only those that no contract names.")] = False,
    database_url: DatabaseUrl = None,
    as_json: AsJson = False,
) -> None:
    """Show the fields of a source's streams: types, how often they are filled, examples, since when."""
    from strandline.cli import register

    found = register.find(database_url, source, only_unknown=unknown)
    register.print_fields(found, as_json=as_json)


@fields_app.command()
def promote(
    stream: Annotated[str, typer.Argument(help="The stream, as in crm.customers.")],
    field: Annotated[str, typer.Argument(help="The field, as the source calls it.")],
    to: Annotated[str, typer.Option("--to", help="What the column is to be called.")],
    model: Annotated[
        str | None, typer.Option("--model", help="The dimension, where the stream fills several.")
    ] = None,
    type_: Annotated[
        str | None, typer.Option("--type", help="As in String(40); proposed from what was seen unless told.")
    ] = None,
    scd: Annotated[int, typer.Option("--scd", help="0, 1 or 2: what a change does.")] = 1,
    pii: Annotated[
        bool | None,
        typer.Option("--pii/--no-pii", help="Whether it points at a person; guessed unless told."),
    ] = None,
    dry_run: Annotated[bool, typer.Option("--dry-run", help="Show what would be written.")] = False,
    database_url: DatabaseUrl = None,
    app: App = None,
    as_json: AsJson = False,
) -> None:
    """Make a custom field a column: write the lines of contract, model and mapper, and the migration."""
    from strandline.cli import commands, promotion

    settings = commands.read_settings(database_url, app)
    with importing(settings.app):
        pipelines = commands.find(settings)
    told = promotion.promote(
        pipelines,
        settings,
        stream,
        field,
        column=to,
        model=model,
        type_=type_,
        scd=scd,
        is_personal=pii,
        is_dry=dry_run,
    )
    promotion.print_promotion(told, as_json=as_json)
