"""The command `strandline`: what can be typed, and the one place where every known error ends.

Data goes to stdout, everything said about it to stderr. Exit codes: 0 done, 1 failed or stopped, 2 wrong
usage or declaration, 3 done with rejects or with streams that failed.
"""

from __future__ import annotations

import gc
import os
import signal
import sys
import traceback
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Annotated

import typer

from strandline.errors import EXIT_DONE, EXIT_FAILED, DeclarationError, StrandlineError

app = typer.Typer(
    help="From any API, ERP, file or database into a star schema on PostgreSQL.",
    no_args_is_help=True,
    add_completion=False,
    pretty_exceptions_enable=False,
    rich_markup_mode=None,
)
database_app = typer.Typer(help="The embedded PostgreSQL of this folder.", no_args_is_help=True)
app.add_typer(database_app, name="database")

DatabaseUrl = Annotated[
    str | None,
    typer.Option(
        "--database-url",
        help="The warehouse: postgresql://user:password@host/database [env: STRANDLINE_DATABASE_URL]."
        " Without it an embedded PostgreSQL under .strandline/ is used.",
        show_envvar=False,
    ),
]
App = Annotated[
    str | None,
    typer.Option(
        "--app", help="The modules that declare the pipelines [env: STRANDLINE_APP; default: pipeline]."
    ),
]
AsJson = Annotated[bool, typer.Option("--json", help="Print JSON instead of tables.")]


@app.command()
def run(
    name: Annotated[str, typer.Argument(help="The pipeline's name.")],
    database_url: DatabaseUrl = None,
    app: App = None,
    as_json: AsJson = False,
) -> None:
    """Read what is new and merge it."""
    from strandline.cli import commands, output, progress

    settings = commands.read_settings(database_url, app)
    with stoppable():
        with importing(settings.app):
            pipeline = commands.choose(name, settings)
        gc.enable()
        with progress.shown(sys.stderr) as shown:
            report = commands.run(pipeline, settings, progress=shown)
    output.print_run(report, as_json=as_json)
    raise typer.Exit(report.exit_code)


@app.command()
def status(
    name: Annotated[str | None, typer.Argument(help="Only this pipeline.")] = None,
    database_url: DatabaseUrl = None,
    runs: Annotated[int, typer.Option("--runs", min=1, help="How many runs to show.")] = 1,
    rejects: Annotated[bool, typer.Option("--rejects", help="Show what was rejected, and why.")] = False,
    as_json: AsJson = False,
) -> None:
    """Show the last runs, the marks and the rejects."""
    from strandline.cli import commands, output

    found = commands.status(name, database_url=database_url, runs=runs, with_rejects=rejects)
    output.print_status(found, as_json=as_json)


@app.command()
def check(
    name: Annotated[str | None, typer.Argument(help="Only the tables of this pipeline.")] = None,
    database_url: DatabaseUrl = None,
    app: App = None,
    as_json: AsJson = False,
) -> None:
    """Check what must hold in the warehouse: intervals, versions, and the keys on facts."""
    from strandline.cli import commands, output

    settings = commands.read_settings(database_url, app)
    with importing(settings.app):
        pipelines = commands.find(settings) if name is None else [commands.choose(name, settings)]
    checked = commands.check(pipelines, settings)
    output.print_check(checked, as_json=as_json)
    raise typer.Exit(EXIT_FAILED if checked.findings else EXIT_DONE)


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

    gc.enable()
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


@contextmanager
def stoppable() -> Iterator[None]:
    """Let Ctrl-C and SIGTERM end the work at the next safe point; nothing half done stays."""
    signal.signal(signal.SIGTERM, _stop)
    try:
        yield
    except KeyboardInterrupt:
        sys.stderr.write("stopped: what was read is kept; run again to go on\n")
        raise typer.Exit(EXIT_FAILED) from None


@contextmanager
def importing(app: str) -> Iterator[None]:
    """Tell where the user's module raised what it raised, and not how Python came there."""
    try:
        yield
    except StrandlineError:
        raise
    except Exception as error:
        told = error.msg if isinstance(error, SyntaxError) else " ".join(str(error).split("\n")[:2])
        raise DeclarationError(
            f"{_place(error)}: {type(error).__name__}: {told}",
            hint=f'Correct it; the whole traceback is shown by: python -c "import {app}"',
        ) from error


def _place(error: Exception) -> str:
    """File and line, the innermost of the user's own: those of this folder that are not installed in it."""
    if isinstance(error, SyntaxError):
        return f"{error.filename}:{error.lineno}"
    frames = traceback.extract_tb(error.__traceback__)
    here = f"{os.getcwd()}{os.sep}"
    own = [it for it in frames if it.filename.startswith(here) and "site-packages" not in it.filename]
    return f"{(own or frames)[-1].filename}:{(own or frames)[-1].lineno}"


def _stop(_signum: int, _frame: object) -> None:
    raise KeyboardInterrupt


def main() -> int:
    """Run the command line; every known error ends here, and only here."""
    # httpx brings a command line of its own, and loads what that needs where it can.
    sys.modules.setdefault("httpx._main", None)  # type: ignore[arg-type]  # None: not to be had
    gc.disable()  # while modules are loaded nothing dies, and looking for it costs a tenth of the start
    try:
        app()
    except StrandlineError as error:
        from strandline.cli import output

        output.print_error(error, as_json="--json" in sys.argv)
        return error.exit_code
    except BrokenPipeError:
        # Whoever read our output has gone, `| head` say; Python would complain again when it flushes at exit.
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        return EXIT_FAILED
    return EXIT_DONE


if __name__ == "__main__":
    sys.exit(main())
