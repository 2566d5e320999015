"""Revisions for a project's own Alembic environment, where it has one."""

from __future__ import annotations

from argparse import Namespace
from pathlib import Path

from alembic.config import Config
from alembic.script import ScriptDirectory
from alembic.util import CommandError, rev_id

from strandline.errors import DeclarationError

CONFIGURATION = "alembic.ini"


def environment(folder: Path) -> ScriptDirectory | None:
    """The environment of the project in this folder, with one head or none yet. Raises DeclarationError."""
    file = folder / CONFIGURATION
    if not file.exists():
        return None
    try:
        found = ScriptDirectory.from_config(Config(str(file), cmd_opts=Namespace(quiet=True)))
        heads = found.get_heads()
    except (CommandError, SyntaxError) as error:
        raise DeclarationError(f"{file}: {error}", hint="Mend the environment, and try again.") from error
    if len(heads) > 1:
        raise DeclarationError(
            f"{file}: there are {len(heads)} heads: {', '.join(heads)}", hint="Type: alembic merge heads"
        )
    return found


def write(environment: ScriptDirectory, *, message: str, upgrade: str, downgrade: str) -> Path:
    """Write a revision behind the head that executes these statements; its file."""
    made = environment.generate_revision(
        rev_id(),
        message,
        upgrades=f"op.execute({upgrade!r})",
        downgrades=f"op.execute({downgrade!r})",
        imports="",
    )
    assert made is not None
    return Path(made.path)
