"""Restoring: entries out of archives, back where they were in a raw log.

An entry is restored once, under its own number, and only where the ledger knows the request that brought it,
so that the files of another warehouse cannot slip in. What was erased since stays away. A key that lacks
nothing any more loses its horizon, and what was refused for it is tried again.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, Final

from sqlalchemy import (
    BigInteger,
    Column,
    Connection,
    Table,
    and_,
    delete,
    exists,
    func,
    insert,
    or_,
    select,
    update,
)

from strandline.errors import WarehouseError
from strandline.warehouse import horizon, mention, state, temporary
from strandline.warehouse.copy import copy
from strandline.warehouse.mention import WHOLE

BACK: Final = temporary.members(
    "restored_key",
    Column("entries", BigInteger, nullable=False),
)
"""How many entries of each key have come back in a transaction."""


def restore(connection: Connection, log: Table, *, entries: Sequence[tuple[Any, ...]], stream: str) -> int:
    """Put the entries, in the order of the log's columns, back into it; how many were not there. Raises
    WarehouseError for what this warehouse never read. The caller owns the transaction.
    """
    given = temporary.table(
        "restored",
        *(Column(it.name, it.type, primary_key=it.name == "raw_id", autoincrement=False) for it in log.c),
    )
    given.create(connection)
    BACK.create(connection)
    copy(connection, given.name, columns=list(given.c), rows=entries)
    _refuse_strange(connection, given, stream)
    is_new = and_(
        ~exists().where(log.c.raw_id == given.c.raw_id),
        ~_is_erased(given, stream),
    )
    connection.execute(delete(given).where(~is_new))
    back = select(given.c.source_id, func.count()).group_by(given.c.source_id)
    connection.execute(insert(BACK).from_select(["source_id", "entries"], back))
    connection.execute(insert(log).from_select([it.name for it in given.c], select(given)))
    restored = connection.scalar(select(func.count()).select_from(given)) or 0
    _move_horizons(connection, stream)
    given.drop(connection)
    BACK.drop(connection)
    return restored


def _refuse_strange(connection: Connection, given: Table, stream: str) -> None:
    g, page = given.c, state.request.c
    asked = (page.run_id == g.run_id, page.stream == stream, page.number == g.request)
    strange = select(func.count()).where(~exists().where(*asked, page.fetched_at == g.fetched_at))
    found = connection.scalar(strange.select_from(given))
    if found:
        raise WarehouseError(
            f"{stream}: {found} of the entries were never read by this warehouse, so none is restored",
            hint="Give the folder that was exported from it.",
        )


def _is_erased(given: Table, stream: str) -> Any:
    g, e = given.c, state.erased_key.c
    is_away = or_(e.until.is_(None), g.effective_at <= e.until)
    left = mention.erased_mention.c
    # Of whom facts are made of, they come back without what is personal.
    is_left = exists().where(left.stream == stream, left.source_id == g.source_id, left.dimension == WHOLE)
    return exists().where(e.stream == stream, e.source_id == g.source_id, is_away, ~is_left)


def _move_horizons(connection: Connection, stream: str) -> None:
    """Count down what the keys lack, and let those that lack nothing be as if nothing had been pruned."""
    p, noted = state.pruned_key, state.reject.c
    mine = p.c.stream == stream
    lacking = update(p).where(mine, p.c.source_id == BACK.c.source_id)
    connection.execute(lacking.values(entries=p.c.entries - BACK.c.entries))
    whole = select(p.c.source_id).where(mine, p.c.entries <= 0)
    again = (noted.stream == stream, noted.rule == horizon.RULE, noted.source_id.in_(whole))
    connection.execute(update(state.reject).where(*again).values(version=None))
    connection.execute(delete(p).where(mine, p.c.entries <= 0))
