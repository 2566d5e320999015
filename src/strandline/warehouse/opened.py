"""The warehouse that the settings name, opened: what every command does, for programs of one's own."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from strandline.settings import Settings
from strandline.warehouse.database import Database


@contextmanager
def open_warehouse(settings: Settings | None = None) -> Iterator[Database]:
    """The warehouse of the settings, those of this folder unless told; without a URL the embedded one,
    started when it does not run. Raises SettingsWrong.
    """
    from strandline.warehouse.managed import Folder

    found = Settings.load() if settings is None else settings
    here = Path.cwd()
    # An empty one is a mistake, say a secret that is not set; nobody would look into the folder's own.
    url = _start_embedded(found.home) if found.database_url is None else found.database_url
    database = Database(url, found.schemas, migrations=here if Folder(here).is_ours else None)
    try:
        yield database
    finally:
        database.close()


def _start_embedded(home: Path) -> str:
    from strandline.warehouse import embedded  # a run on a server of somebody's need not wait for it

    return embedded.start(home).url
