"""Build or buy, asked and told on a terminal."""

from __future__ import annotations

import sys
from collections.abc import Iterator

import typer

from strandline.advice import catalogue, situation
from strandline.advice.advising import Advice
from strandline.advice.answer import Answers
from strandline.cli import output
from strandline.cli.paper import Console, Table, console
from strandline.errors import SettingsWrong

REASON_COLUMNS = {"answer": "answer", "told": "", "says": "so"}
AGAINST_COLUMNS = {"way": "way", "answer": "answer", "told": "", "says": "what stands against it"}
COST_COLUMNS = {
    "setup_days": "days at first",
    "upkeep_days_a_year": "days a year",
    "fee_a_year": "fees a year",
    "people": "people",
    "fees": "fees",
    "total": "all",
}
ASSUMPTION_COLUMNS = {"name": "assumption", "value": "value", "why": "what it is, and where from"}
NOT_ASKED = ("source", "unlisted")
"""The source is asked for first, and whether it is listed follows from it."""


def ask() -> dict[str, str | bool]:
    """Ask for every answer; Enter takes what is in brackets, and what cannot be is asked again."""
    typer.echo("Eight answers at the most; Enter takes what stands in brackets.", err=True)
    given = dict(_ask_source())
    for name, info in Answers.model_fields.items():
        if name not in NOT_ASKED and (told := _ask(name, info.description or name, given)) is not None:
            given[name] = told
    return given


def _ask_source() -> Iterator[tuple[str, str | bool]]:
    source = ""
    while not source:
        source = _prompt(Answers.model_fields["source"].description or "source")
    while catalogue.find(source) is None:
        typer.echo(f"  {situation.unknown(source)}", err=True)
        again = _prompt("Its name there; Enter where it is in no catalogue")
        if not again:
            yield "unlisted", True
            break
        source = again
    yield "source", source


def _ask(name: str, question: str, given: dict[str, str | bool]) -> str | bool | None:
    """The answer, as it was typed; None where what is assumed is right."""
    assumed = {"budget": "no limit", "fivetran": "don't know"}
    default = assumed.get(name) or Answers(source="x").shown()[name].removesuffix(" a month")
    while True:
        typed = _prompt(f"{question} [{default}]")
        if typed in ("", assumed.get(name)):
            return None
        told = _truth(typed) if name == "fivetran" else typed
        try:
            situation.read({**given, name: told})
            return told
        except SettingsWrong as error:
            typer.echo(f"  {error.problems[0].message}", err=True)


def _prompt(question: str) -> str:
    """What is typed; asked on stderr, for stdout is the advice's."""
    typer.echo(f"{question}: ", err=True, nl=False)
    typed = sys.stdin.readline()
    if not typed:
        typer.echo(err=True)
        raise typer.Abort
    return typed.strip()


def _truth(typed: str) -> str | bool:
    return {"y": True, "yes": True, "n": False, "no": False}.get(typed.lower(), typed)


def print_advice(advice: Advice) -> None:
    """The recommendation first, then why, what all ways cost, and with what that was worked out."""
    out = console()
    name = advice.way.value if advice.way else "stream"
    if advice.fits or advice.way is None:
        out.print(f"[bold]Recommended: {name}[/bold]: {advice.title}.")
    else:
        out.print(f"[bold]No way fits all answers.[/bold] The nearest is {name}: {advice.title}.")
    _print_answers(out, advice)
    reasons = [it.as_dict() for it in advice.reasons]
    out.print()
    out.print(output.table(reasons, columns=REASON_COLUMNS, title="Why"))
    if advice.must_change:
        rows = [it.as_dict() for it in advice.must_change]
        out.print()
        out.print(output.table(rows, columns=REASON_COLUMNS, title="What would have to change"))
    _print_costs(out, advice)
    against = [
        {**it.as_dict(), "way": option.way.value}
        for option in advice.options
        for it in option.obstacles
        if advice.way not in (None, option.way)
    ]
    if against:
        out.print()
        out.print(output.table(against, columns=AGAINST_COLUMNS, title="Why not the others"))
    out.print()
    out.print("[bold]Connector and strandline together[/bold]")
    for step in advice.steps:
        out.print(f"- {step}", soft_wrap=True)
    _print_assumptions(out, advice)


def _print_answers(out: Console, advice: Advice) -> None:
    """What was not told is shown, for it decides as well."""
    shown = advice.situation.answers.shown()
    assumed = [f"{name} {shown[name]}" for name in advice.situation.answers.assumed() if name in shown]
    if assumed:
        out.print(f"Not told, so assumed: {', '.join(assumed)}.", soft_wrap=True)


def _print_costs(out: Console, advice: Advice) -> None:
    """A way that is not there has no price."""
    rows = []
    for option in advice.options:
        shown = [f"{option.cost.as_dict()[it]:,.10g}" if option.is_there else "-" for it in COST_COLUMNS]
        rows.append([option.way.value, "yes" if option.fits else "no", *shown])
    headings = ["way", "fits", *COST_COLUMNS.values()]
    title = f"What it costs over {advice.situation.assumptions.years} years, in US dollars"
    out.print()
    out.print(Table(headings, rows, [False, False, *(True for _ in COST_COLUMNS)], title))


def _print_assumptions(out: Console, advice: Advice) -> None:
    rows = [
        {**it, "value": f"{it['value']:,g}{' (yours)' if it['is_set'] else ''}"}
        for it in advice.situation.assumptions.rows()
    ]
    out.print()
    title = "Worked out with these assumptions; set yours in a file: assumptions: {engineer_day: 900}"
    out.print(output.table(rows, columns=ASSUMPTION_COLUMNS, title=title))
