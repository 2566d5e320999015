"""The rows of dimensions that are known beforehand: added when they are missing, corrected when they differ.

Whether anything is to be done is told by a hash of what was declared, kept beside the other things that we
know of our own work, and by the number of rows. So a run that changes nothing looks at two numbers.
"""

from __future__ import annotations

from operator import itemgetter
from typing import Any

from sqlalchemy import Column, Connection, Table, func, select
from sqlalchemy.dialects.postgresql import Insert, insert
from xxhash import xxh3_128_hexdigest

from strandline.model.prepared import Prepared
from strandline.warehouse import state, temporary
from strandline.warehouse.copy import copy
from strandline.warehouse.dialect import is_sqlite
from strandline.warehouse.event import differ


def fill(connection: Connection, model: type[Prepared]) -> None:
    """Make the rows be what the model declares, those outside of it apart: facts may point at them."""
    table = model.table()
    digest = xxh3_128_hexdigest(model.declaration().encode())
    known = state.declared.c
    count = select(func.count()).select_from(table).scalar_subquery()
    look = select(known.digest, known.rows, count).where(known.model == model.__name__)
    found = connection.execute(look).first()
    if found is not None and found[0] == digest and found[1] <= found[2]:
        return
    rows = list(model.rows())
    _write(connection, table, rows)
    _note(connection, model.__name__, digest=digest, rows=len(rows))


def _write(connection: Connection, table: Table, rows: list[dict[str, Any]]) -> None:
    names = list(rows[0])
    if is_sqlite(connection):
        connection.execute(_correcting(insert(table), names), rows)
        return
    given = temporary.table("prepared_row", *(Column(it, table.c[it].type) for it in names))
    given.create(connection)
    copy(connection, given.name, columns=list(given.c), rows=map(itemgetter(*names), rows))
    connection.execute(_correcting(insert(table).from_select(names, select(given)), names))
    given.drop(connection)


def _correcting(statement: Insert, names: list[str]) -> Insert:
    """The statement, with these columns of rows that are there made what they should be."""
    table, keys = statement.table, [it.name for it in statement.table.primary_key]
    changed = {name: statement.excluded[name] for name in names if name not in keys}
    differs = differ([table.c[name] for name in changed], list(changed.values()))
    return statement.on_conflict_do_update(index_elements=keys, set_=changed, where=differs)


def _note(connection: Connection, model: str, *, digest: str, rows: int) -> None:
    """Remember from what a model's rows were made, and how many there are."""
    becomes = {"digest": digest, "rows": rows}
    note = insert(state.declared).values(model=model, **becomes)
    connection.execute(note.on_conflict_do_update(index_elements=[state.declared.c.model], set_=becomes))
