"""The command `strandline advise`: whether to buy, adopt, mix or build what reads a source, and why."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import Annotated

import typer

from strandline.cli.option import AsJson


def advise(
    source: Annotated[
        str | None, typer.Option("--source", help="Its name, as in hubspot, or what you call it.")
    ] = None,
    unlisted: Annotated[
        bool, typer.Option("--unlisted", help="It is in no catalogue: your own, say.")
    ] = False,
    records: Annotated[str | None, typer.Option("--records", help="How many it has, as in 200k, 2M.")] = None,
    changes: Annotated[
        str | None,
        typer.Option("--changes", help="How many are new or changed in a month, as in 50k, or 10%."),
    ] = None,
    customisation: Annotated[
        str | None,
        typer.Option(
            "--customisation",
            help="How much of what you want is beyond its standard objects: none, some, most.",
        ),
    ] = None,
    team: Annotated[
        str | None,
        typer.Option("--team", help="How many people who write Python look after your pipelines, as in 0.5."),
    ] = None,
    budget: Annotated[
        str | None,
        typer.Option("--budget", help="What services and servers for it may cost in a year, in US dollars."),
    ] = None,
    freshness: Annotated[
        str | None, typer.Option("--freshness", help="How old the data may be, as in 1d, 1h, 15m, 5s.")
    ] = None,
    fivetran: Annotated[
        bool | None,
        typer.Option("--fivetran/--no-fivetran", help="Whether Fivetran's list of connectors has it."),
    ] = None,
    file: Annotated[
        Path | None,
        typer.Option("--file", help="Answers, and assumptions of your own, in YAML; options go before it."),
    ] = None,
    as_json: AsJson = False,
) -> None:
    """Build or buy: tell which way to read a source fits, why, and what each costs over three years."""
    from strandline import advice
    from strandline.cli import advised, output

    answers: dict[str, str | bool | None] = {
        "source": source,
        "unlisted": unlisted or None,
        "records": records,
        "changes": changes,
        "customisation": customisation,
        "team": team,
        "budget": budget,
        "freshness": freshness,
        "fivetran": fivetran,
    }
    given = {name: it for name, it in answers.items() if it is not None}
    if not given and file is None and not as_json and sys.stdin.isatty() and sys.stderr.isatty():
        given = advised.ask()
    found = advice.advise(advice.read(given, file=file))
    if as_json:
        output.print_json(found.as_dict())
    else:
        advised.print_advice(found)
