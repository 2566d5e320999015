"""The command `strandline init`: a workspace to begin with."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import Annotated, Final

import typer

from strandline.cli.option import AsJson

WITH_SAMPLE: Final = """\
  try it: cd {folder} && make test
  see it run, on a sample shop: make demo
  go on with your API: README.md
"""
WITHOUT_SAMPLE: Final = """\
  begin with your API: cd {folder} && strandline generate source NAME --from ADDRESS
  then: README.md
"""


def init(
    name: Annotated[str, typer.Argument(help="What the workspace is to be called, as in acme.")],
    source: Annotated[
        str | None, typer.Option("--source", help="What its first source is called; shop unless told.")
    ] = None,
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
    empty: Annotated[
        bool, typer.Option("--empty", help="Without the sample: the layers, and nothing in them yet.")
    ] = False,
    as_json: AsJson = False,
) -> None:
    """Write a workspace in three layers that runs, with tests, migrations and a Makefile."""
    from strandline.cli import output
    from strandline.errors import DeclarationError
    from strandline.scaffold.origin import Origin
    from strandline.scaffold.workspace import Workspace, write

    if empty and source is not None:
        raise DeclarationError(
            f"--empty has no sample that could be called {source}",
            hint=f"Leave one of them out; later: strandline generate source {source} --from …",
        )
    origin = Origin.of_this() if strandline is None else Origin.of_path(strandline)
    made = Workspace(name, None if empty else source or "shop", name if app is None else app, origin)
    folder = directory or Path(name)
    files = write(made, folder)
    if as_json:
        told = {"name": name, "folder": str(folder), "source": made.source, "app": made.app}
        output.print_json({**told, "strandline": origin.table or None, "files": files})
        return
    sys.stdout.write(_told(made.source, made.app, folder=folder, files=len(files)))


def _told(source: str | None, app: str, *, folder: Path, files: int) -> str:
    if source is None:
        first, following = "", WITHOUT_SAMPLE
    else:
        first, following = f"  libs/{source:<12} what the source sends, and how it is asked\n", WITH_SAMPLE
    return f"""\
{folder}: {files} files are written

{first}\
  libs/database     the star, the mappers, the migrations
  apps/{app:<12} what runs, and the reports

Next:
{following.format(folder=folder)}"""
