"""Said: the staged records of whoever has an event, kept by themselves where they are few.

Of a full snapshot little has changed. Who is to be asked whether somebody is staged twice, and what the new
versions say, is then asked of a small table, and the stage is not read again for each of these.
"""

from __future__ import annotations

from functools import cache
from typing import Final

from sqlalchemy import Column, ColumnElement, Connection, Table, func, select

from strandline.warehouse import temporary

FEW: Final = 10
"""One staged record in so many has an event, or fewer: more take as long to keep as they save."""


@cache  # the same table again, so that SQLAlchemy finds the statements that it has compiled for it
def said_table(staged: Table) -> Table:
    """All columns of the stage, in a table that ends with its transaction."""
    return temporary.table("scd_said", *(Column(it.name, it.type) for it in staged.c))


def keep_few(connection: Connection, staged: Table, wanted: ColumnElement[bool]) -> Table:
    """The staged records for which this holds, in a table of their own."""
    few = said_table(staged)
    temporary.fill(connection, few, select(*staged.c).where(wanted))
    return few


def has_several(connection: Connection, records: Table, *among: ColumnElement[bool]) -> bool:
    """Whether somebody has several of the records for which these hold."""
    member = records.c.source_id
    several = select(member).where(*among).group_by(member).having(func.count() > 1).limit(1)
    return connection.execute(several).first() is not None
