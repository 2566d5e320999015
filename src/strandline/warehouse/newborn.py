"""Tables that migrations have made, perhaps anew, and that lack the rows which they begin with.

PostgreSQL gives a table that is dropped and made again another number, so it is known by that.
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

from sqlalchemy import Connection, select, text
from sqlalchemy.dialects.postgresql import insert

from strandline.model.aggregate import Aggregate
from strandline.model.prepared import Prepared
from strandline.warehouse import state
from strandline.warehouse.database import Database

New = dict[type[Any], int]
"""Models with the numbers of their tables."""


def find(database: Database, connection: Connection, models: Iterable[type[Any]]) -> New:
    """Those of these models whose tables have not been begun with."""
    named = {database.qualified(it.table()): it for it in models if not issubclass(it, Prepared)}
    numbers = text("SELECT name, to_regclass(name)::oid::bigint FROM unnest(CAST(:names AS text[])) AS name")
    there = dict(map(tuple, connection.execute(numbers, {"names": list(named)})))
    noted = select(state.inception.c.model, state.inception.c.table_oid)
    known = dict(map(tuple, connection.execute(noted)))
    return {it: there[name] for name, it in named.items() if known.get(it.__name__) != there[name]}


def empty(connection: Connection, new: Iterable[type[Any]]) -> list[type[Any]]:
    """Those in which nothing is yet; an aggregate may have no groups, and is calculated again."""
    return [
        it
        for it in new
        if issubclass(it, Aggregate) or not connection.scalar(select(select(it.table()).exists()))
    ]


def note(connection: Connection, new: New) -> None:
    """They have what they begin with."""
    rows = [{"model": it.__name__, "table_oid": number} for it, number in new.items()]
    statement = insert(state.inception)
    becomes = {"table_oid": statement.excluded.table_oid, "filled_at": text("now()")}
    connection.execute(
        statement.on_conflict_do_update(index_elements=[state.inception.c.model], set_=becomes), rows
    )
