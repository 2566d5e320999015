"""Locks: one writer a stream for a whole run, one merge a target at a time.

PostgreSQL's advisory locks end with the session that holds them, so a run that dies leaves none behind.
"""

from __future__ import annotations

from collections.abc import Iterable

from sqlalchemy import Connection, func, select

from strandline.errors import WarehouseBusy


def _number(name: str) -> object:
    return func.hashtextextended(f"strandline:{name}", 0)


def hold(connection: Connection, name: str) -> bool:
    """Take the lock for as long as this connection lives; False when another session has it."""
    return bool(connection.scalar(select(func.pg_try_advisory_lock(_number(name)))))


def hold_stream(connection: Connection, stream: str) -> None:
    """Be the only writer of this stream from now on, or raise WarehouseBusy."""
    if not hold(connection, f"stream:{stream}"):
        raise WarehouseBusy(
            f"{stream}: another run is reading this stream",
            hint="Wait until it has ended (strandline status shows it), then run again.",
        )


def release_all(connection: Connection) -> None:
    """Give back what this session holds."""
    connection.execute(select(func.pg_advisory_unlock_all()))


def share_and_take(connection: Connection, *, shared: Iterable[str], exclusive: Iterable[str]) -> None:
    """Until the transaction ends, read the shared targets and write the exclusive ones undisturbed.

    Always taken in the order of their names, so that two merges never wait for each other.
    """
    writing = set(exclusive)
    for name in sorted(writing | set(shared)):
        take = func.pg_advisory_xact_lock if name in writing else func.pg_advisory_xact_lock_shared
        connection.execute(select(take(_number(f"target:{name}"))))
