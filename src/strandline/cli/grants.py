"""The command `strandline grants`: roles of least privilege, as SQL to be read, or applied."""

from __future__ import annotations

import sys
from typing import Annotated, Final

import typer

from strandline.cli.option import AsJson, DatabaseUrl

LOCK_SECONDS: Final = 2.0
Members = list[str] | None


def grants(
    prefix: Annotated[
        str | None,
        typer.Option("--prefix", help="The roles are PREFIX_owner, …; the database's name unless told."),
    ] = None,
    owner: Annotated[
        Members, typer.Option("--owner", help="A user who makes and changes tables; may be repeated.")
    ] = None,
    loader: Annotated[
        Members, typer.Option("--loader", help="A user who runs pipelines; may be repeated.")
    ] = None,
    reader: Annotated[
        Members, typer.Option("--reader", help="A user who reads the star; may be repeated.")
    ] = None,
    apply: Annotated[
        bool, typer.Option("--apply", help="Do it, in one transaction, instead of printing it.")
    ] = False,
    database_url: DatabaseUrl = None,
    as_json: AsJson = False,
) -> None:
    """Write roles of least privilege, per layer: an owner, a loader and a reader."""
    from strandline.cli import commands, output
    from strandline.warehouse import grant

    members: dict[grant.Part, list[str]] = {
        "owner": owner or [],
        "loader": loader or [],
        "reader": reader or [],
    }
    with commands.warehouse(commands.read_settings(database_url)) as database, database.begin() as connection:
        roles, written = grant.statements(database, connection, prefix=prefix, members=members)
        if apply:
            grant.apply(connection, written, lock_timeout=LOCK_SECONDS)
        runs_as = roles["owner" if database.migrations is None else "loader"]
    if as_json:
        output.print_json({"roles": roles.names, "statements": written, "is_applied": apply})
    elif apply:
        sys.stdout.write(f"{', '.join(roles.names.values())} may do what they need, and no more.\n")
        sys.stdout.write(f"Pipelines run as {runs_as}{_why(is_owner=runs_as == roles['owner'])}.\n")
    else:
        sys.stdout.write("BEGIN;\n" + f"SET LOCAL lock_timeout = '{LOCK_SECONDS:g}s';\n")
        sys.stdout.writelines(f"{it};\n" for it in written)
        sys.stdout.write("COMMIT;\n")


def _why(*, is_owner: bool) -> str:
    return ", for runs make the tables here and no migrations do" if is_owner else ""
