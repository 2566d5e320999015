"""The command `strandline profile`: what a sample of a source tells."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from strandline.cli.option import App, AsJson

Headers = Annotated[
    list[str] | None,
    typer.Option(
        "--header", help="A header of the request, as in 'Authorization: Bearer …'; may be repeated."
    ),
]
Probe = Annotated[
    bool,
    typer.Option(
        "--probe", help="Where an address tells of no further page, ask it for one in the usual ways."
    ),
]
Limit = Annotated[int, typer.Option("--limit", min=1, help="So many records at most.")]


def profile(
    sample: Annotated[str, typer.Argument(help="A file, an address, or a stream as in crm.customers.")],
    header: Headers = None,
    probe: Probe = False,
    limit: Limit = 10_000,
    html: Annotated[
        Path | None, typer.Option("--html", help="Write a page with plots into this file.")
    ] = None,
    app: App = None,
    as_json: AsJson = False,
) -> None:
    """Look at a sample: types, fill rates, keys, cursors, what is personal, where the records are, paging."""
    from strandline.cli import profile_page, profiling

    found = profiling.look(sample, headers=header or (), limit=limit, app=app, probe=probe)
    if html is not None:
        profile_page.write(found, html)
    profiling.print_profile(found, as_json=as_json, page=html)
