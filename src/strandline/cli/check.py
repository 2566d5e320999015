"""The command `strandline check`: the star linter, on the models and on the database."""

from __future__ import annotations

from typing import Annotated, Any, Literal

import typer

from strandline.cli.option import App, AsJson, DatabaseUrl, importing
from strandline.errors import DeclarationError

Format = Literal["text", "json", "github"]


def check(
    name: Annotated[str | None, typer.Argument(help="Only what belongs to this pipeline.")] = None,
    offline: Annotated[
        bool, typer.Option("--offline", help="Look at what is declared only; no database is asked.")
    ] = False,
    only: Annotated[list[str] | None, typer.Option("--only", help="Only this rule; may be repeated.")] = None,
    strict: Annotated[bool, typer.Option("--strict", help="End with 1 for a warning, too.")] = False,
    rules: Annotated[
        bool, typer.Option("--rules", help="Tell which rules there are, and check nothing.")
    ] = False,
    format: Annotated[  # noqa: A002  # the option's name
        Format, typer.Option("--format", help="For people, for programs, or as annotations of GitHub.")
    ] = "text",
    database_url: DatabaseUrl = None,
    app: App = None,
    as_json: AsJson = False,
) -> None:
    """Check models, mappers and contracts by rules of good stars, and what must hold in the warehouse."""
    from strandline.cli import checking, commands, findings

    shape: Format = "json" if as_json else format
    if rules:
        findings.print_rules(checking.rules(only or []), as_json=shape == "json")
        return
    settings = commands.read_settings(database_url, app)
    with importing(settings.app):
        pipelines = commands.find(settings)
        chosen = None if name is None else [commands.choose(name, settings)]
    if not pipelines:
        raise DeclarationError(
            f"{settings.app}: no pipeline is declared",
            hint="Name the module that declares one: --app MODULE.",
        )
    checked: Any = checking.check(pipelines, settings, chosen=chosen, only=only or [], is_offline=offline)
    findings.print_checked(checked, shape=shape)
    raise typer.Exit(checked.exit_code(is_strict=strict or settings.check.strict))
