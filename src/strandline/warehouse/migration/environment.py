"""The Alembic environment of a project: where its revisions are, and how another one is written.

One of ours calls strandline in its `env.py`; one of the user's own is left as it is.
"""

from __future__ import annotations

from argparse import Namespace
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, Final

from alembic.config import Config
from alembic.script import ScriptDirectory
from alembic.util import CommandError, rev_id

from strandline.errors import DeclarationError
from strandline.warehouse.managed import CONFIGURATION
from strandline.warehouse.migration import render

FOLDER: Final = "migrations"

INI: Final = """\
# Where the migrations of this project are; where the database is, strandline knows.
[alembic]
script_location = %(here)s/{scripts}
prepend_sys_path = .
path_separator = os
file_template = %%(year)d_%%(month).2d_%%(day).2d_%%(rev)s_%%(slug)s
timezone = UTC
"""

ENV: Final = '''\
"""The environment of the migrations: strandline connects to the warehouse, and runs them."""

from strandline.pipeline.migration import run_migrations

run_migrations()
'''

TEMPLATE: Final = '''\
"""${message}.

Revision ${up_revision}, behind ${down_revision if down_revision else "none" | comma,n}, of ${create_date}.
"""

<%
    generated = context.get("is_generated")
    written = imports if generated else "import sqlalchemy as sa\\nfrom alembic import op"
    losses = context.get("loses")
%>\\
${written + "\\n\\n" if written else ""}from strandline.warehouse.migration import online, schemas

revision = ${repr(up_revision)}
down_revision = ${repr(down_revision)}
branch_labels = ${repr(branch_labels)}
depends_on = ${repr(depends_on)}
% if losses:

loses = ${losses}
"""Which data is lost, by direction."""
% endif


def upgrade() -> None:
    """Change the warehouse."""
    ${upgrades if upgrades else "pass"}


def downgrade() -> None:
    """Change it back."""
    ${downgrades if downgrades else "pass"}
'''


def configuration(folder: Path) -> Config:
    """The configuration of the project in this folder."""
    # Quiet: what it says of its files goes to stdout, where `--json` prints one document.
    return Config(str(folder / CONFIGURATION), cmd_opts=Namespace(quiet=True))


def find(folder: Path) -> ScriptDirectory | None:
    """The environment of the project in this folder, with one head or none yet. Raises DeclarationError."""
    file = folder / CONFIGURATION
    if not file.exists():
        return None
    try:
        found = ScriptDirectory.from_config(configuration(folder))
        heads = found.get_heads()
    except (CommandError, SyntaxError) as error:
        raise DeclarationError(f"{file}: {error}", hint="Mend the environment, and try again.") from error
    if len(heads) > 1:
        raise DeclarationError(
            f"{file}: there are {len(heads)} heads: {', '.join(heads)}", hint="Type: alembic merge heads"
        )
    return found


def need(folder: Path) -> ScriptDirectory:
    """The environment of the project in this folder. Raises DeclarationError where there is none."""
    found = find(folder)
    if found is None:
        raise DeclarationError(
            f"{folder}: there are no migrations ({CONFIGURATION})", hint="Type: strandline migrate init"
        )
    return found


def create(folder: Path, *, scripts: str = FOLDER) -> list[Path]:
    """Write an environment of ours, with its revisions in that folder of it; its files. Raises
    DeclarationError where one is there already.
    """
    files = {
        folder / CONFIGURATION: INI.format(scripts=scripts),
        folder / scripts / "env.py": ENV,
        folder / scripts / "script.py.mako": TEMPLATE,
        folder / scripts / "versions" / ".gitkeep": "",
    }
    if there := [it for it in files if it.exists()]:
        raise DeclarationError(
            f"{there[0]} is there already", hint="Keep it, or move it away and type the same again."
        )
    (folder / scripts / "versions").mkdir(parents=True, exist_ok=True)
    for file, content in files.items():
        file.write_text(content, encoding="utf-8")
    return list(files)


def write(
    environment: ScriptDirectory,
    message: str,
    *,
    upgrade: Sequence[str],
    downgrade: Sequence[str],
    loses: Mapping[str, Sequence[str]] | None = None,
) -> Path:
    """Write a revision behind the head; its file."""
    lost = {name: list(it) for name, it in (loses or {}).items() if it}
    made = environment.generate_revision(
        rev_id(),
        message.rstrip("."),
        upgrades=_body(upgrade),
        downgrades=_body(downgrade),
        is_generated=True,
        imports=render.imports([*upgrade, *downgrade]),
        loses=_losses(lost),
    )
    assert made is not None  # only hooks of a user's own env.py may drop a revision, and none are asked here
    return Path(made.path)


def _body(lines: Sequence[str]) -> str:
    return "\n".join(lines).replace("\n", "\n    ")


def _losses(lost: Mapping[str, Sequence[str]]) -> str:
    if not lost:
        return ""
    parts = [
        f'    "{name}": [\n' + "".join(f"        {_text(it)},\n" for it in its) + "    ],\n"
        for name, its in lost.items()
    ]
    return "{\n" + "".join(parts) + "}"


def _text(value: str) -> Any:
    return f'"{value}"' if '"' not in value and "\\" not in value else repr(value)
