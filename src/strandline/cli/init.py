"""The command `strandline init`: a workspace to begin with."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import Annotated

import typer

from strandline.cli.option import AsJson


def init(
    name: Annotated[str, typer.Argument(help="What the workspace is to be called, as in acme.")],
    source: Annotated[str, typer.Option("--source", help="What its first source is called.")] = "shop",
    app: Annotated[
        str | None,
        typer.Option("--app", help="What its application is called; NAME unless told."),
    ] = None,
    directory: Annotated[
        Path | None,
        typer.Option("--directory", help="The folder to write into; NAME unless told."),
    ] = None,
    strandline: Annotated[
        Path | None,
        typer.Option("--strandline", help="A clone or a wheel to use; this one's unless told."),
    ] = None,
    as_json: AsJson = False,
) -> None:
    """Write a workspace in three layers that runs, with tests, migrations and a Makefile."""
    from strandline.cli import output
    from strandline.scaffold.origin import Origin
    from strandline.scaffold.workspace import Workspace, write

    origin = Origin.of_this() if strandline is None else Origin.of_path(strandline)
    made = Workspace(name, source, name if app is None else app, origin)
    folder = directory or Path(name)
    files = write(made, folder)
    if as_json:
        told = {"name": name, "folder": str(folder), "source": source, "app": made.app}
        output.print_json({**told, "strandline": origin.table or None, "files": files})
        return
    sys.stdout.write(_told(made.source, made.app, folder=folder, files=len(files)))


def _told(source: str, app: str, *, folder: Path, files: int) -> str:
    return f"""\
{folder}: {files} files are written

  libs/{source:<12} what the source sends, and how it is asked
  libs/database     the star, the mappers, the migrations
  apps/{app:<12} what runs, and the reports

Next:
  try it: cd {folder} && make test
  see it run, on a sample shop: make demo
  go on with your API: README.md
"""
