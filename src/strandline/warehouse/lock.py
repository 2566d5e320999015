"""Locks: one writer a stream for a whole run, one merge a target at a time.

PostgreSQL's advisory locks end with the session that holds them, so a run that dies leaves none behind. On
SQLite there are none: it is for tests, of one process and one writer.
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import Final

from sqlalchemy import Connection, func, select, text

from strandline.errors import WarehouseBusy
from strandline.warehouse.dialect import is_sqlite

MIGRATION: Final = "migration"
"""What a migration holds alone, and runs of a warehouse that is migrated together."""

HOLDER: Final = text("""
    SELECT pid, backend_start
    FROM pg_locks JOIN pg_stat_activity USING (pid)
    WHERE locktype = 'advisory' AND granted AND objsubid = 1
      AND database = (SELECT oid FROM pg_database WHERE datname = current_database())
      AND (classid::bigint << 32 | objid::bigint) = hashtextextended(:name, 0)
""")


def _number(name: str) -> object:
    return func.hashtextextended(f"strandline:{name}", 0)


def hold(connection: Connection, name: str) -> bool:
    """Take the lock for as long as this connection lives; False when another session has it."""
    return is_sqlite(connection) or bool(connection.scalar(select(func.pg_try_advisory_lock(_number(name)))))


def hold_stream(connection: Connection, stream: str) -> None:
    """Be the only writer of this stream from now on, or raise WarehouseBusy."""
    name = f"stream:{stream}"
    if not hold(connection, name):
        raise WarehouseBusy(
            f"{stream}: another run is reading this stream{describe_holder(connection, name)}",
            hint="Wait until it has ended (strandline status shows it), then run again.",
        )


def describe_holder(connection: Connection, name: str) -> str:
    """Which session has the lock and since when it is connected; nothing if it has just given it back."""
    holder = connection.execute(HOLDER, {"name": f"strandline:{name}"}).first()
    if holder is None:
        return ""
    since = f", connected since {holder.backend_start:%Y-%m-%d %H:%M:%S} UTC" if holder.backend_start else ""
    return f" (PostgreSQL session {holder.pid}{since})"


def hold_together(connection: Connection, name: str) -> bool:
    """Take the lock for as long as this connection lives, beside others who do; False when somebody has it
    alone.
    """
    return bool(connection.scalar(select(func.pg_try_advisory_lock_shared(_number(name)))))


def pass_by(connection: Connection, name: str) -> bool:
    """Hold the lock together with others until the transaction ends; False when somebody has it alone."""
    return bool(connection.scalar(select(func.pg_try_advisory_xact_lock_shared(_number(name)))))


def release_all(connection: Connection) -> None:
    """Give back what this session holds."""
    if not is_sqlite(connection):
        connection.execute(select(func.pg_advisory_unlock_all()))


def share_and_take(connection: Connection, *, shared: Iterable[str], exclusive: Iterable[str]) -> None:
    """Until the transaction ends, read the shared targets and write the exclusive ones undisturbed.

    Always taken in the order of their names, so that two merges never wait for each other.
    """
    if is_sqlite(connection):
        return
    writing = set(exclusive)
    for name in sorted(writing | set(shared)):
        take = func.pg_advisory_xact_lock if name in writing else func.pg_advisory_xact_lock_shared
        connection.execute(select(take(_number(f"target:{name}"))))
