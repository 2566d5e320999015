"""Whether migrations make the tables of a warehouse, and whether it is where they are: asked by every run.

A run with nothing new must not load Alembic, so the revisions of a folder are read here as text.
"""

from __future__ import annotations

import ast
import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any, Final

from sqlalchemy import Column, Connection, MetaData, Table, Text, select

from strandline.errors import SchemaOutOfDate
from strandline.model.base import OWN
from strandline.warehouse.database import Database

CONFIGURATION: Final = "alembic.ini"
VERSION_TABLE: Final = "alembic_version"
OF_MIGRATIONS: Final = (VERSION_TABLE, "migration_step")
"""Tables that runs only look at."""
OURS: Final = "strandline.pipeline.migration"
"""What an environment of ours imports in its env.py."""

VERSION: Final = Table(VERSION_TABLE, MetaData(schema=OWN), Column("version_num", Text))
ASSIGNED: Final = re.compile(r"^(revision|down_revision)\b[^=\n]*=\s*(.+?)\s*$", re.MULTILINE)

UPGRADE: Final = "Type: strandline migrate upgrade"
BEGIN: Final = f'Type: strandline migrate revision -m "the beginning", then {UPGRADE.partition(": ")[2]}'

REVISE: Final = 'Type: strandline migrate revision -m "what is new", read it, then strandline migrate upgrade'

Revisions = Mapping[str, tuple[str, ...]]
"""Every revision with those that it stands on."""


@dataclass(frozen=True)
class Folder:
    """A project's folder, which may have an environment of migrations."""

    path: Path

    @cached_property
    def scripts(self) -> Path | None:
        """Where its environment is; None: it has none."""
        file = self.path / CONFIGURATION
        if not file.exists():
            return None
        import configparser

        read = configparser.ConfigParser({"here": str(self.path.absolute())})
        try:
            read.read(file, encoding="utf-8")
            return self.path / read.get("alembic", "script_location")
        except configparser.Error:
            return None  # Alembic tells what is wrong with it, where it is asked

    @cached_property
    def is_ours(self) -> bool:
        """Whether its environment calls strandline, which then knows where the database is."""
        file = None if self.scripts is None else self.scripts / "env.py"
        return file is not None and file.exists() and OURS in file.read_text(encoding="utf-8")

    def revisions(self) -> Revisions:
        """What there is to be applied."""
        assert self.scripts is not None
        return dict(it for file in (self.scripts / "versions").glob("*.py") if (it := _revision(file)))


def _revision(file: Path) -> tuple[str, tuple[str, ...]] | None:
    """The revision and those that it stands on; None: the file has none."""
    content = file.read_text(encoding="utf-8")
    try:
        said = {name: ast.literal_eval(it) for name, it in ASSIGNED.findall(content)}
    except (ValueError, SyntaxError):  # over several lines, or with a remark behind it
        said = dict(_assigned(ast.parse(content, str(file))))
    if "revision" not in said:
        return None
    below = said.get("down_revision")
    return said["revision"], () if below is None else (below,) if isinstance(below, str) else tuple(below)


def _assigned(module: ast.Module) -> Iterable[tuple[str, Any]]:
    for node in module.body:
        targets = node.targets if isinstance(node, ast.Assign) else [getattr(node, "target", None)]
        for target in targets:
            if isinstance(target, ast.Name) and target.id in ("revision", "down_revision"):
                yield target.id, ast.literal_eval(node.value)  # type: ignore[attr-defined]  # of an assignment


def applied(revisions: Revisions, current: Iterable[str]) -> set[str]:
    """These revisions, and all that they stand on."""
    found: set[str] = set()
    waiting = list(current)
    while waiting:
        it = waiting.pop()
        if it not in found:
            found.add(it)
            waiting += revisions.get(it, ())
    return found


def verify(database: Database, connection: Connection, *, is_versioned: bool) -> None:
    """Raise SchemaOutOfDate unless the warehouse is where the migrations of its folder are."""
    if database.migrations is None:
        return
    folder = Folder(database.migrations)
    revisions = folder.revisions()
    if not revisions:
        raise SchemaOutOfDate(f"{folder.scripts}: there is no revision yet", hint=BEGIN)
    current = set(connection.scalars(select(VERSION.c.version_num))) if is_versioned else set()
    if strange := current - set(revisions):
        raise SchemaOutOfDate(
            f"{database.shown}: it is at revision {', '.join(sorted(strange))}, which is not in"
            f" {folder.scripts}: newer code has migrated it",
            hint="Run the code that has this revision.",
        )
    behind = set(revisions) - applied(revisions, current)
    if behind:
        raise SchemaOutOfDate(
            f"{database.shown}: it is behind by {len(behind)} of the migrations of {folder.scripts}",
            hint=UPGRADE,
        )
