"""The command `strandline discover`: what a tap or a connector can read, as Python that declares it."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import Annotated

import typer

from strandline.cli.option import AsJson, importing


def discover(
    source: Annotated[str, typer.Argument(help="Module and class of the source, as in sources:Erp.")],
    streams: Annotated[list[str] | None, typer.Argument(help="Only these streams; all unless told.")] = None,
    as_json: AsJson = False,
) -> None:
    """Ask a Singer tap or an Airbyte connector what it can read, and print contracts and methods for it."""
    from msgspec.structs import asdict

    from strandline.cli import output
    from strandline.pipeline import program
    from strandline.source import offer

    with importing(source.partition(":")[0]):
        wanted = program.find(source, folder=Path.cwd())
    with wanted() as asked:
        offered = asked.offered()
    known = {it.name: it for it in offered}
    for name in streams or ():
        if name not in known:
            raise offer.unknown(source, name, list(known))
    chosen = [known[name] for name in streams] if streams else offered
    if as_json:
        output.print_json({"streams": [asdict(it) for it in chosen]})
    else:
        sys.stdout.write(offer.draft(chosen))
