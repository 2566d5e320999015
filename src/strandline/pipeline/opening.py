"""What a run begins with, before the database is asked for anything: its sources, and what was typed."""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from contextlib import ExitStack

from strandline.errors import DeclarationError
from strandline.model.path import nearest
from strandline.pipeline.definition import Pipeline
from strandline.settings.problem import together
from strandline.source import prefetch
from strandline.source.stream import Source
from strandline.source.vault import KeepsCredentials
from strandline.warehouse import credential, dialect
from strandline.warehouse.database import Database


def checked(pipeline: Pipeline, confirmed: Collection[str]) -> Collection[str]:
    """These streams, if deletions are looked for in all of them; or DeclarationError."""
    watched = [it.stream.qualified_name for it in pipeline.readings if it.sweep is not None]
    for name in confirmed:
        if name not in watched:
            raise DeclarationError(
                f"{pipeline.name}: nobody looks who is gone from {name!r}", hint=nearest(name, watched)
            )
    return confirmed


def open_sources(
    classes: Sequence[type[Source]], given: Mapping[str, Source], opened: ExitStack, *, database: Database
) -> dict[str, Source]:
    """The sources by name, given or made, with the warehouse to keep their credentials in; raises one error
    that names what is missing for all.
    """
    ready = dict(given)
    for source in ready.values():
        _give_vault(source, database)
    wrong: list[DeclarationError] = []
    for cls in classes:
        if cls.name not in ready:
            try:
                source = cls()
                _give_vault(source, database)
                ready[cls.name] = opened.enter_context(source)
            except DeclarationError as error:
                wrong.append(error)
    if wrong:
        raise together(wrong) from wrong[0]
    return ready


def _give_vault(source: Source, database: Database) -> None:
    # SQLite has one connection, and no locks.
    if dialect.is_sqlite(database.engine):
        return
    if isinstance(source, KeepsCredentials) and source.vault is None:
        source.vault = credential.DatabaseVault(database, pause=prefetch.pause)
