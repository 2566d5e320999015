"""The commands that take something away: a person, or old entries of the raw log, which can come back."""

from __future__ import annotations

import sys
from datetime import UTC, datetime
from pathlib import Path
from typing import Annotated

import typer

from strandline.cli.option import App, AsJson, DatabaseUrl, importing, stoppable


def erase(
    source: Annotated[str, typer.Argument(help="The stream, as in crm.customers.")],
    key: Annotated[str, typer.Argument(help="The natural key, as the source writes it.")],
    reason: Annotated[str, typer.Option("--reason", help="Why: it is kept with the certificate.")] = "",
    until: Annotated[
        datetime | None,
        typer.Option("--until", help="Only what took effect up to then; UTC unless told."),
    ] = None,
    reject: Annotated[
        list[int] | None,
        typer.Option("--reject", help="A reject without a key that is of them too; may be repeated."),
    ] = None,
    only_pii: Annotated[
        bool, typer.Option("--only-pii", help="Only what is personal; everything else of the history stays.")
    ] = False,
    pseudonymise_key: Annotated[
        bool, typer.Option("--pseudonymise-key", help="Put a random key in the place of the natural key.")
    ] = False,
    dry_run: Annotated[bool, typer.Option("--dry-run", help="Tell what would be changed.")] = False,
    database_url: DatabaseUrl = None,
    app: App = None,
    as_json: AsJson = False,
) -> None:
    """Erase what a source has said of somebody, in every table; facts are kept."""
    from strandline.cli import commands, erasure, progress

    settings = commands.read_settings(database_url, app)
    with stoppable():
        with importing(settings.app):
            pipelines = commands.find(settings)
        with progress.shown(sys.stderr) as shown:
            certificate = erasure.erase(
                pipelines,
                settings,
                source,
                key,
                reason=reason,
                until=until and (until if until.tzinfo else until.replace(tzinfo=UTC)),
                reject_ids=reject or [],
                only_pii=only_pii,
                pseudonymise=pseudonymise_key,
                is_dry=dry_run,
                progress=shown,
            )
    erasure.print_certificate(certificate, as_json=as_json)


def erasures(database_url: DatabaseUrl = None, as_json: AsJson = False) -> None:
    """Show the certificates of what was erased."""
    from strandline.cli import erasure

    erasure.print_certificates(erasure.certificates(database_url), as_json=as_json)


def prune(
    name: Annotated[str, typer.Argument(help="The pipeline's name.")],
    stream: Annotated[
        list[str] | None, typer.Option("--stream", help="Only this stream; may be repeated.")
    ] = None,
    older_than: Annotated[
        str | None,
        typer.Option("--older-than", help="What was read longer ago, as in 400d; else as the streams say."),
    ] = None,
    export: Annotated[
        Path | None, typer.Option("--export", help="Write it to Parquet files in this folder before.")
    ] = None,
    dry_run: Annotated[
        bool, typer.Option("--dry-run", help="Tell what would go, and change nothing.")
    ] = False,
    database_url: DatabaseUrl = None,
    app: App = None,
    as_json: AsJson = False,
) -> None:
    """Delete old entries of the raw log; what they made stays."""
    from strandline.cli import commands, progress, prune

    settings = commands.read_settings(database_url, app)
    keep = None if older_than is None else prune.read_days(older_than)
    with stoppable():
        with importing(settings.app):
            chosen, pipelines = commands.choose(name, settings), commands.find(settings)
        with progress.shown(sys.stderr) as shown:
            report = prune.prune(
                chosen,
                pipelines,
                settings,
                streams=stream or [],
                older_than=keep,
                export=export,
                is_dry=dry_run,
                progress=shown,
            )
    prune.print_report(report, as_json=as_json)
    raise typer.Exit(report.exit_code)


def restore(
    folder: Annotated[Path, typer.Argument(help="Where prune --export has written to.")],
    database_url: DatabaseUrl = None,
    app: App = None,
    as_json: AsJson = False,
) -> None:
    """Bring what was pruned and exported back into the raw log."""
    from strandline.cli import commands, progress, prune

    settings = commands.read_settings(database_url, app)
    with stoppable():
        with importing(settings.app):
            pipelines = commands.find(settings)
        with progress.shown(sys.stderr) as shown:
            report = prune.restore(pipelines, settings, folder, progress=shown)
    prune.print_restore(report, as_json=as_json)
    raise typer.Exit(report.exit_code)
