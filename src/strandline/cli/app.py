"""The command `strandline`: what can be typed, and the one place where every known error ends.

Data goes to stdout, everything said about it to stderr. Exit codes: 0 done, 1 failed or stopped, 2 wrong
usage or declaration, 3 done with rejects or with streams that failed.
"""

from __future__ import annotations

import gc
import os
import sys
from datetime import UTC, datetime
from typing import Annotated

import typer

from strandline.cli import asked
from strandline.cli.advise import advise
from strandline.cli.check import check
from strandline.cli.config import config_app, telling_all
from strandline.cli.dbt import dbt_app
from strandline.cli.discover import discover
from strandline.cli.doctor import doctor
from strandline.cli.fields import fields_app
from strandline.cli.generate import generate_app
from strandline.cli.grants import grants
from strandline.cli.init import init
from strandline.cli.marks import marks_app
from strandline.cli.migrate import migrate_app
from strandline.cli.option import (
    App,
    AsJson,
    DatabaseUrl,
    Pieces,
    Width,
    Workers,
    importing,
    stoppable,
)
from strandline.cli.plan import plan
from strandline.cli.profile import profile
from strandline.cli.quarantine import quarantine_app
from strandline.cli.removal import erase, erasures, prune, restore
from strandline.cli.runs import runs
from strandline.errors import EXIT_DONE, EXIT_FAILED, StrandlineError

app = typer.Typer(
    help="From any API, ERP, file or database into a star schema on PostgreSQL.",
    no_args_is_help=True,
    add_completion=False,
    pretty_exceptions_enable=False,
    rich_markup_mode=None,
)
database_app = typer.Typer(help="The embedded PostgreSQL of this folder.", no_args_is_help=True)
app.add_typer(quarantine_app, name="quarantine")
app.add_typer(fields_app, name="fields")
app.add_typer(generate_app, name="generate")
app.add_typer(dbt_app, name="dbt")
app.add_typer(config_app, name="config")
app.add_typer(marks_app, name="marks")
app.add_typer(migrate_app, name="migrate")
app.add_typer(database_app, name="database")


@app.command()
def run(
    name: Annotated[str, typer.Argument(help="The pipeline's name.")],
    database_url: DatabaseUrl = None,
    app: App = None,
    full: Annotated[
        bool, typer.Option("--full", help="Read everything, wherever the read marks stand.")
    ] = False,
    confirm_deletes: Annotated[
        list[str] | None,
        typer.Option("--confirm-deletes", help="Any number may be gone from this stream; may be repeated."),
    ] = None,
    workers: Workers = None,
    width: Width = None,
    profile: Annotated[bool, typer.Option("--profile", help="Tell where the time went.")] = False,
    as_json: AsJson = False,
) -> None:
    """Read what is new and merge it."""
    from strandline.cli import commands, output, progress, watch

    with telling_all(name, database_url=database_url, app=app, workers=workers), stoppable():
        settings = commands.read_settings(database_url, app, workers=workers)
        pipeline = watch.choose(name, settings)
        with progress.shown(sys.stderr) as shown:
            report = commands.run(
                pipeline,
                settings,
                full=full,
                confirm_deletes=confirm_deletes or (),
                profile=profile,
                width=width,
                progress=shown,
            )
    output.print_run(report, as_json=as_json)
    raise typer.Exit(report.exit_code)


@app.command()
def backfill(
    stream: Annotated[str, typer.Argument(help="The stream, as in crm.customers.")],
    since: Annotated[str, typer.Option("--from", help="From where, as in 2026-03-01; UTC unless told.")],
    until: Annotated[str | None, typer.Option("--to", help="Up to where; up to now unless told.")] = None,
    chunk: Annotated[
        str | None, typer.Option("--chunk", help="A piece at a time: day, week, 12h, 7d, or 1000 numbers.")
    ] = None,
    fresh: Annotated[
        bool, typer.Option("--fresh", help="Begin over, also where a backfill of the same was stopped.")
    ] = False,
    database_url: DatabaseUrl = None,
    app: App = None,
    workers: Workers = None,
    width: Pieces = None,
    as_json: AsJson = False,
) -> None:
    """Read a part of a stream once more; its read mark stays where it is."""
    from strandline.cli import backfill, commands, output, progress, watch

    with telling_all(database_url=database_url, app=app, workers=workers), stoppable():
        settings = commands.read_settings(database_url, app, workers=workers)
        pipelines = watch.find(settings)
        wanted = backfill.read(pipelines, stream, since=since, until=until, chunk=chunk)
        with progress.shown(sys.stderr) as shown:
            report = backfill.fill(
                pipelines, settings, stream, wanted, is_fresh=fresh, width=width, progress=shown
            )
    output.print_run(report, as_json=as_json)
    raise typer.Exit(report.exit_code)


@app.command()
def replay(
    name: Annotated[str, typer.Argument(help="The pipeline's name.")],
    model: Annotated[
        list[str] | None, typer.Option("--model", help="Only this model; may be repeated.")
    ] = None,
    stream: Annotated[
        list[str] | None, typer.Option("--stream", help="Only what this stream fills; may be repeated.")
    ] = None,
    keys: Annotated[
        str | None,
        typer.Option("--keys", help="Only these natural keys, separated by commas."),
    ] = None,
    since: Annotated[
        datetime | None,
        typer.Option("--since", help="Only the natural keys that were read since then; UTC unless told."),
    ] = None,
    dry_run: Annotated[
        bool, typer.Option("--dry-run", help="Tell what would be different, and change nothing.")
    ] = False,
    fresh: Annotated[
        bool, typer.Option("--fresh", help="Begin over, also where a replay of the same was stopped.")
    ] = False,
    database_url: DatabaseUrl = None,
    app: App = None,
    workers: Workers = None,
    as_json: AsJson = False,
) -> None:
    """Rebuild from the raw log with today's contracts and mappers; no source is asked."""
    from strandline.cli import commands, output, progress, watch

    with telling_all(name, database_url=database_url, app=app, workers=workers), stoppable():
        settings = commands.read_settings(database_url, app, workers=workers)
        pipeline = watch.choose(name, settings)
        with progress.shown(sys.stderr) as shown:
            report = commands.replay(
                pipeline,
                settings,
                models=model or [],
                streams=stream or [],
                keys=None if keys is None else [it.strip() for it in keys.split(",") if it.strip()],
                since=since and (since if since.tzinfo else since.replace(tzinfo=UTC)),
                is_dry=dry_run,
                is_fresh=fresh,
                progress=shown,
            )
    output.print_run(report, as_json=as_json)
    raise typer.Exit(report.exit_code)


@app.command()
def status(
    name: Annotated[str | None, typer.Argument(help="Only this pipeline.")] = None,
    database_url: DatabaseUrl = None,
    runs: Annotated[int, typer.Option("--runs", min=1, help="How many runs to show.")] = 1,
    rejects: Annotated[bool, typer.Option("--rejects", help="Show what was rejected, and why.")] = False,
    expectations: Annotated[
        bool, typer.Option("--expectations", help="Show what was expected, and what was found.")
    ] = False,
    as_json: AsJson = False,
) -> None:
    """Show the last runs, the marks and the rejects."""
    from strandline.cli import commands, output

    found = commands.status(
        name,
        database_url=database_url,
        runs=runs,
        with_rejects=rejects,
        with_expectations=expectations,
    )
    output.print_status(found, as_json=as_json)


@app.command()
def why(
    table: Annotated[str, typer.Argument(help="The table or model, as in dim_customer.")],
    key: Annotated[str, typer.Argument(help="The natural key, as the source writes it.")],
    column: Annotated[str | None, typer.Argument(help="Only this column.")] = None,
    source: Annotated[str | None, typer.Option("--source", help="Only what this source says.")] = None,
    database_url: DatabaseUrl = None,
    app: App = None,
    as_json: AsJson = False,
) -> None:
    """Tell where a value came from: record, request, run and mapper."""
    from strandline.cli import commands, origin

    settings = commands.read_settings(database_url, app)
    with importing(settings.app):
        pipelines = commands.find(settings)
    told = commands.why(pipelines, settings, table=table, key=key, column=column, source=source)
    origin.print_accounts(told, as_json=as_json)


@app.command()
def demo(database_url: DatabaseUrl = None, as_json: AsJson = False) -> None:
    """Load a sample CRM and a sample shop, let a day pass, load again, and look at the result."""
    from strandline.cli import demo, progress

    gc.freeze()
    with stoppable(), progress.shown(sys.stderr) as shown:
        demo.play(database_url=database_url, as_json=as_json, progress=shown)


@app.command()
def version(as_json: AsJson = False) -> None:
    """Show the versions of strandline and of what it stands on."""
    from strandline.cli import commands, output

    output.print_mapping(commands.versions(), as_json=as_json)


@database_app.command("start")
def start_database(as_json: AsJson = False) -> None:
    """Start it, or find it running; print its URL and the psql line."""
    from strandline.cli import commands, output

    output.print_mapping(commands.start_database(), as_json=as_json)


@database_app.command("stop")
def stop_database(as_json: AsJson = False) -> None:
    """Stop it. Its data stays."""
    from strandline.cli import commands, output

    output.print_mapping(commands.stop_database(), as_json=as_json)


# Commands that have a file of their own.
for command in (
    advise,
    check,
    discover,
    doctor,
    erase,
    erasures,
    grants,
    init,
    plan,
    profile,
    prune,
    restore,
    runs,
):
    app.command()(command)


def main() -> int:
    """Run the command line; every known error ends here, and only here."""
    # httpx brings a command line of its own, and loads what that needs where it can.
    sys.modules.setdefault("httpx._main", None)  # type: ignore[arg-type]  # None: not to be had
    gc.disable()  # while modules are loaded nothing dies, and looking for it costs a tenth of the start
    try:
        asked.only(app, sys.argv[1:])()
    except StrandlineError as error:
        from strandline.cli import output

        output.print_error(error, as_json="--json" in sys.argv)
        return error.exit_code
    except BrokenPipeError:
        # Whoever read our output has gone, `| head` say; Python would complain again when it flushes at exit.
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        return EXIT_FAILED
    finally:
        gc.freeze()  # Python would look through all modules at its end, a fifth of the time of a short run
    return EXIT_DONE


if __name__ == "__main__":
    sys.exit(main())
