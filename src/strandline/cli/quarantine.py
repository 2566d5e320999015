"""The commands `strandline quarantine …`: what was refused, why, and what is to become of it."""

from __future__ import annotations

import sys
from typing import Annotated

import typer

from strandline.cli.option import App, AsJson, DatabaseUrl, importing, stoppable

quarantine_app = typer.Typer(help="Records that were refused: see, release, discard.", no_args_is_help=True)

Stream = Annotated[str | None, typer.Option("--stream", help="Only of this stream, as in crm.customers.")]
Ids = Annotated[list[int], typer.Argument(help="The numbers of the rejects, as the list shows them.")]


@quarantine_app.command("list")
def show_list(
    name: Annotated[str | None, typer.Argument(help="Only of this pipeline.")] = None,
    stream: Stream = None,
    model: Annotated[str | None, typer.Option("--model", help="Only of what this model missed.")] = None,
    rule: Annotated[str | None, typer.Option("--rule", help="Only what broke this rule.")] = None,
    state: Annotated[
        str, typer.Option("--state", help="open, superseded, discarded or all; open unless told.")
    ] = "open",
    limit: Annotated[int, typer.Option("--limit", min=1, help="How many, newest first.")] = 20,
    database_url: DatabaseUrl = None,
    as_json: AsJson = False,
) -> None:
    """Show the rejects, newest first, each with its reason."""
    from strandline.cli import reject

    choice = reject.choose(pipeline=name, stream=stream, model=model, rule=rule, state=state)
    reject.print_list(reject.find(database_url, choice, limit=limit), as_json=as_json)


@quarantine_app.command("show")
def show_one(
    reject_id: Annotated[int, typer.Argument(metavar="ID", help="The number of the reject.")],
    database_url: DatabaseUrl = None,
    as_json: AsJson = False,
) -> None:
    """Show one reject in full: its payload, the request that it came with, and what to do."""
    from strandline.cli import reject

    reject.print_one(reject.show(database_url, reject_id), as_json=as_json)


@quarantine_app.command()
def retry(
    name: Annotated[str, typer.Argument(help="The pipeline's name.")],
    stream: Stream = None,
    ids: Annotated[
        list[int] | None, typer.Option("--ids", help="Only these rejects; may be given several times.")
    ] = None,
    database_url: DatabaseUrl = None,
    app: App = None,
    as_json: AsJson = False,
) -> None:
    """Try rejects again with today's contracts and mappers, out of the raw log; no source is asked."""
    from strandline.cli import commands, output, progress, reject

    settings = commands.read_settings(database_url, app)
    with stoppable():
        with importing(settings.app):
            pipeline = commands.choose(name, settings)
        with progress.shown(sys.stderr) as shown:
            report = reject.retry(pipeline, settings, stream=stream, reject_ids=ids, progress=shown)
    output.print_run(report, as_json=as_json)
    raise typer.Exit(report.exit_code)


@quarantine_app.command()
def release(
    reject_ids: Ids, database_url: DatabaseUrl = None, app: App = None, as_json: AsJson = False
) -> None:
    """Release these rejects, with today's contracts and mappers; an error if one is refused again."""
    from strandline.cli import commands, output, reject

    settings = commands.read_settings(database_url, app)
    with stoppable():
        with importing(settings.app):
            pipelines = commands.find(settings)
        reports = reject.release(pipelines, settings, reject_ids)
    if as_json:
        output.print_json({"released": len(set(reject_ids)), "runs": [it.as_dict() for it in reports]})
        return
    for report in reports:
        output.print_run(report, as_json=False)


@quarantine_app.command()
def discard(
    reject_ids: Ids,
    reason: Annotated[str, typer.Option("--reason", help="Why: it is kept beside the reject.")] = "",
    database_url: DatabaseUrl = None,
    as_json: AsJson = False,
) -> None:
    """Set rejects aside for good: what they say stays out of every table, also in a replay."""
    from strandline.cli import output, reject

    discarded = reject.discard(database_url, reject_ids, reason=reason)
    output.print_mapping({"discarded": discarded, "reason": reason}, as_json=as_json)


@quarantine_app.command()
def trends(
    name: Annotated[str | None, typer.Argument(help="Only of this pipeline.")] = None,
    days: Annotated[
        int, typer.Option("--days", min=1, help="How many days, beside as many before; 7 unless told.")
    ] = 7,
    stream: Stream = None,
    database_url: DatabaseUrl = None,
    as_json: AsJson = False,
) -> None:
    """Show how many rejects came a day, by stream, field and rule; what grows most first."""
    from strandline.cli import reject

    choice = reject.choose(pipeline=name, stream=stream, state="all")
    reject.print_trends(reject.trends(database_url, choice, days=days), days=days, as_json=as_json)
