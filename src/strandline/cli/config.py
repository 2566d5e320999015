"""`strandline config`: what is set and from where, and all that is wrong with it."""

from __future__ import annotations

import sys
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Annotated, Any

import typer

from strandline.cli.option import App, AsJson, DatabaseUrl, Workers
from strandline.errors import EXIT_DONE, EXIT_USAGE, SettingsWrong

config_app = typer.Typer(
    help="The settings: what is set, where it comes from, and what is wrong.", no_args_is_help=True
)

Name = Annotated[
    str | None, typer.Argument(help="Only the sources of this pipeline, and strandline's own settings.")
]


@config_app.command("show")
def show(
    name: Name = None,
    database_url: DatabaseUrl = None,
    app: App = None,
    workers: Workers = None,
    as_json: AsJson = False,
) -> None:
    """Show every setting with its value and where that comes from; secrets are hidden."""
    from strandline.cli import configuration, output
    from strandline.cli.paper import console

    found = configuration.look(_flags(database_url, app, workers), name=name)
    if as_json:
        output.print_json(_document(found) | {"settings": found.rows()})
    else:
        rows = [{**it, "value": _cell(it["value"])} for it in found.rows()]
        columns = {"setting": "setting", "value": "value", "origin": "from"}
        console().print(output.table(rows, columns=columns))
    _end(found)


@config_app.command("check")
def check(
    name: Name = None,
    database_url: DatabaseUrl = None,
    app: App = None,
    workers: Workers = None,
    as_json: AsJson = False,
) -> None:
    """Tell everything that is wrong with the settings, before anything is read."""
    from strandline.cli import configuration, output

    found = configuration.look(_flags(database_url, app, workers), name=name)
    configuration.try_sources(found)
    if as_json:
        output.print_json(_document(found))
    elif not any(not it.is_warning for it in found.problems):
        read = ", ".join(found.files) or "no file"
        sys.stdout.write(f"Nothing found ({read}; {len(found.rows())} settings).\n")
    _end(found)


@contextmanager
def telling_all(pipeline: str | None = None, **flags: object) -> Iterator[None]:
    """Where one setting is wrong, tell all that are: of strandline itself, and of the pipeline's sources."""
    try:
        yield
    except SettingsWrong as error:
        if not error.problems:  # it was missed later, by whoever wanted it
            raise
        from strandline.cli import configuration
        from strandline.settings.problem import error_of

        every = [*configuration.look(flags, name=pipeline).problems, *error.problems]
        raise error_of(every) or error from error


def _flags(database_url: str | None, app: str | None, workers: int | None) -> dict[str, Any]:
    return {"database_url": database_url, "app": app, "workers": workers}


def _document(found: Any) -> dict[str, Any]:
    from strandline.settings.problem import in_reading_order

    is_wrong = any(not it.is_warning for it in found.problems)
    return {
        "files": found.files,
        "problems": [it.as_dict() for it in in_reading_order(found.problems)],
        "exit_code": EXIT_USAGE if is_wrong else EXIT_DONE,
    }


def _cell(value: object) -> str:
    if value is None or isinstance(value, str):
        return value or ""
    from strandline.settings import secret

    return secret.shown(value)


def _end(found: Any) -> None:
    """Tell what is wrong, people on stderr, and end with 2 where it is more than a warning."""
    from strandline.cli import output
    from strandline.settings.problem import error_of, in_reading_order

    for it in in_reading_order(found.problems):
        if it.is_warning:
            sys.stderr.write(f"warning: {it.text}\n")
    error = error_of([it for it in found.problems if not it.is_warning])
    if error is not None:
        output.print_error(error, as_json=False)
        raise typer.Exit(EXIT_USAGE)
