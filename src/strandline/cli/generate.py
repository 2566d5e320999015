"""The commands `strandline generate …`: code to begin with."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from strandline.cli.option import AsJson
from strandline.cli.profile import Headers, Probe

generate_app = typer.Typer(help="Code to begin with.", no_args_is_help=True)


@generate_app.callback()
def generate() -> None:
    """Code to begin with, for you to go on with."""


@generate_app.command("source")
def source(
    name: Annotated[str, typer.Argument(help="What the source is to be called, as in net_ledger.")],
    begin: Annotated[
        list[str],
        typer.Option(
            "--from",
            help="A sample (file or address; one for each stream), an OpenAPI document or a JSON Schema.",
        ),
    ],
    out: Annotated[
        Path | None, typer.Option("--out", help="The folder to write into; one of that name unless told.")
    ] = None,
    stream: Annotated[
        list[str] | None,
        typer.Option("--stream", help="Only this stream of a document, or what a sample's is called."),
    ] = None,
    fact: Annotated[
        list[str] | None,
        typer.Option("--fact", help="A stream that tells of what happened: a fact, and no dimension."),
    ] = None,
    reference: Annotated[
        list[str] | None,
        typer.Option("--reference", help="Whom a field of a fact points at, as in customer_id=DimCustomer."),
    ] = None,
    header: Headers = None,
    probe: Probe = False,
    app: Annotated[
        str | None,
        typer.Option("--app", help="The modules of your pipelines, whose dimensions a fact may refer to."),
    ] = None,
    as_json: AsJson = False,
) -> None:
    """Write a source, a model, a mapper and a test from a sample or a document."""
    from strandline.cli import generating

    asked = generating.Asked(
        name,
        begin,
        stream or (),
        header or (),
        facts=fact or (),
        references=reference or (),
        app=app,
        probe=probe,
    )
    told = generating.generate(asked, out=out)
    generating.print_generated(told, as_json=as_json)
