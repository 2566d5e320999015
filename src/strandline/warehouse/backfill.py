"""How far a backfill is that has not come to its end."""

from __future__ import annotations

from sqlalchemy import ColumnElement, Connection, and_, delete, func, select
from sqlalchemy.dialects.postgresql import insert

from strandline.warehouse import state


def reached(connection: Connection, stream: str, since: str, until: str) -> str | None:
    """Up to where it has stored everything; None where it has not begun."""
    noted = select(state.backfill.c.reached).where(_this(stream, since, until))
    return connection.scalar(noted)


def move(connection: Connection, stream: str, since: str, until: str, *, reached: str, run_id: int) -> None:
    """Note that everything up to there is stored, in the transaction that stores it."""
    noted = {"reached": reached, "run_id": run_id}
    known = insert(state.backfill).values(stream=stream, since=since, until=until, **noted)
    keys = [state.backfill.c.stream, state.backfill.c.since, state.backfill.c.until]
    connection.execute(
        known.on_conflict_do_update(index_elements=keys, set_={**noted, "moved_at": func.now()})
    )


def end(connection: Connection, stream: str, since: str, until: str) -> None:
    """Nothing of it is left to do."""
    connection.execute(delete(state.backfill).where(_this(stream, since, until)))


def _this(stream: str, since: str, until: str) -> ColumnElement[bool]:
    noted = state.backfill.c
    return and_(noted.stream == stream, noted.since == since, noted.until == until)
