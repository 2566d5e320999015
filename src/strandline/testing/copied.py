"""A copy of a warehouse, while it is needed: on PostgreSQL another database, on SQLite other files."""

from __future__ import annotations

import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Final

from sqlalchemy import make_url

from strandline.errors import DeclarationError
from strandline.testing import postgres
from strandline.warehouse.database import Database
from strandline.warehouse.dialect import is_sqlite

ADMINISTRATION: Final = "postgres"
"""The database to which one connects to make others."""


def refuse_memory(warehouse: Database) -> None:
    """Raise DeclarationError for a warehouse in memory, which no other process could see."""
    if is_sqlite(warehouse.engine) and warehouse.url.database in (None, "", ":memory:"):
        raise DeclarationError(
            "a warehouse in memory cannot be seen by the process that is killed",
            hint='Give it the fixture warehouse, or a file: Database(f"sqlite:///{tmp_path}/shop.db").',
        )


@contextmanager
def copied(warehouse: Database) -> Iterator[Database]:
    """A copy, which is gone at the end of the block. Nobody may be connected to the warehouse."""
    warehouse.close()
    name = warehouse.url.database
    assert name is not None
    if is_sqlite(warehouse.engine):
        with _copied_files(warehouse, Path(name)) as copy:
            yield copy
        return
    with postgres.copy(warehouse.url.set(database=ADMINISTRATION), name) as url:
        copy = Database(url, warehouse.schemas)
        try:
            yield copy
        finally:
            copy.close()


@contextmanager
def _copied_files(warehouse: Database, file: Path) -> Iterator[Database]:
    with TemporaryDirectory(prefix="strandline-copy-", dir=postgres.folder_in_memory()) as folder:
        for it in file.parent.glob(f"{file.stem}*{file.suffix}"):
            shutil.copy(it, folder)
        copy = Database(make_url(f"sqlite:///{Path(folder) / file.name}"), warehouse.schemas)
        try:
            yield copy
        finally:
            copy.close()
