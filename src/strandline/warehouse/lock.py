"""Locks: one writer a stream for a whole run, one merge a target at a time.

PostgreSQL's advisory locks end with the session that holds them, so a run that dies leaves none behind. On
SQLite there are none: it is for tests, of one process and one writer.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from datetime import datetime
from typing import Final

from msgspec import Struct
from sqlalchemy import Connection, func, select, text

from strandline.errors import WarehouseBusy
from strandline.warehouse.dialect import is_sqlite

MIGRATION: Final = "migration"
"""What a migration holds alone, and runs of a warehouse that is migrated together."""

HOLDERS: Final = text("""
    SELECT name, pid, backend_start, usename, application_name, host(client_addr) AS host, state, state_change
    FROM unnest(CAST(:names AS text[])) AS name
    JOIN pg_locks ON (classid::bigint << 32 | objid::bigint) = hashtextextended('strandline:' || name, 0)
    JOIN pg_stat_activity USING (pid)
    WHERE locktype = 'advisory' AND granted AND objsubid = 1
      AND database = (SELECT oid FROM pg_database WHERE datname = current_database())
""")


class Holder(Struct, frozen=True):
    """A session that has a lock. What another user's session does, the server may keep to itself."""

    pid: int
    since: datetime | None
    """When it has connected."""
    user: str | None
    application: str | None
    host: str | None
    """None: it is on the server's machine."""
    state: str | None
    """active, idle, idle in transaction, …"""
    state_since: datetime | None


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


def holders(connection: Connection, names: Sequence[str]) -> dict[str, Holder]:
    """Who has these locks, where anybody has."""
    if is_sqlite(connection) or not names:
        return {}
    found = connection.execute(HOLDERS, {"names": list(names)})
    return {row.name: Holder(*row[1:]) for row in found}


def describe_holder(connection: Connection, name: str) -> str:
    """Which session has the lock and since when it is connected; nothing if it has just given it back."""
    holder = holders(connection, [name]).get(name)
    if holder is None:
        return ""
    since = f", connected since {holder.since:%Y-%m-%d %H:%M:%S} UTC" if holder.since else ""
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


def holder(connection: Connection, stream: str) -> str | None:
    """Which session reads this stream, if one does; nobody is asked to wait."""
    if is_sqlite(connection):
        return None
    return describe_holder(connection, f"stream:{stream}").strip(" ()") or None
