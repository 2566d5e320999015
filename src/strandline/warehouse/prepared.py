"""The rows of dimensions that are known beforehand: added when they are missing, corrected when they differ.

Whether anything is to be done is told by a hash of what was declared, kept beside the other things that we
know of our own work, and by the number of rows. So a run that changes nothing looks at two numbers.
"""

from __future__ import annotations

from sqlalchemy import Connection, func, select
from sqlalchemy.dialects.postgresql import insert
from xxhash import xxh3_128_hexdigest

from strandline.model.prepared import Prepared
from strandline.warehouse import state
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
    statement = insert(table)
    changed = {column.name: statement.excluded[column.name] for column in table.c if not column.primary_key}
    differs = differ([table.c[name] for name in changed], list(changed.values()))
    key = list(table.primary_key.columns)
    connection.execute(statement.on_conflict_do_update(index_elements=key, set_=changed, where=differs), rows)
    _note(connection, model.__name__, digest=digest, rows=len(rows))


def _note(connection: Connection, model: str, *, digest: str, rows: int) -> None:
    """Remember from what a model's rows were made, and how many there are."""
    becomes = {"digest": digest, "rows": rows}
    note = insert(state.declared).values(model=model, **becomes)
    connection.execute(note.on_conflict_do_update(index_elements=[state.declared.c.model], set_=becomes))
