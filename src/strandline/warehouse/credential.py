"""Credentials that change, kept in the warehouse between runs: ciphertext, and a lock over all machines.

Each reading and each writing is a short transaction on a connection of its own, whatever the run is in the
middle of: a refresh token that was spent stays spent when the run is rolled back.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager

from sqlalchemy import Connection, func, select
from sqlalchemy.dialects.postgresql import insert
from sqlalchemy.exc import DBAPIError

from strandline.errors import WarehouseBusy
from strandline.warehouse import lock, state
from strandline.warehouse.database import Database

PATIENCE_SECONDS = 120.0
"""The lock is held for a request or two."""


class DatabaseVault:
    """Keeps a sealed text for each name in the table `strandline.credential`."""

    def __init__(self, database: Database, *, pause: Callable[[float], None] = time.sleep) -> None:
        self._database = database
        self._pause = pause

    @contextmanager
    def locked(self, name: str) -> Iterator[None]:
        """Be the only run, on all machines, that reads and changes what is kept under this name."""
        with self._database.connect() as connection:
            self._hold(connection, name)
            try:
                yield
            finally:
                _give_back(connection)

    def load(self, name: str) -> bytes | None:
        """What was saved last; None where nothing was."""
        kept = state.credential.c
        with self._database.begin() as connection:
            return connection.scalar(select(kept.sealed).where(kept.name == name))

    def save(self, name: str, sealed: bytes) -> None:
        """Keep this from now on."""
        keep = insert(state.credential).values(name=name, sealed=sealed)
        with self._database.begin() as connection:
            connection.execute(
                keep.on_conflict_do_update(
                    index_elements=[state.credential.c.name],
                    set_={"sealed": sealed, "saved_at": func.now()},
                )
            )

    def _hold(self, connection: Connection, name: str) -> None:
        deadline = time.monotonic() + PATIENCE_SECONDS
        while not _take(connection, name):
            if time.monotonic() > deadline:
                raise WarehouseBusy(
                    f"{name}: another run has held these credentials for {PATIENCE_SECONDS:.0f} s",
                    hint="Wait until it has ended (strandline status shows it), then run again.",
                )
            self._pause(0.05)


def _take(connection: Connection, name: str) -> bool:
    with connection.begin():
        return lock.hold(connection, f"credential:{name}")


def _give_back(connection: Connection) -> None:
    try:
        with connection.begin():
            lock.release_all(connection)
    except DBAPIError:
        # The server has forgotten the session, and with it the lock.
        connection.invalidate()
