"""The commands `strandline fields …`: which fields the records of a source carry."""

from __future__ import annotations

from typing import Annotated

import typer

from strandline.cli.option import AsJson, DatabaseUrl

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
