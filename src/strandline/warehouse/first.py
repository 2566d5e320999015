"""First members: a dimension in which nobody is yet, and a stage with one record of each member.

Nothing was before them, so nothing is to be compared or put in order: each record that is no deletion begins
its member's first version. So there is no table of events, and the versions are inserted straight from the
stage, which takes a third of the time of the long way. Whoever asks for the events gets them worked out from
the stage.
"""

from __future__ import annotations

from functools import cache

from msgspec import Struct
from sqlalchemy import (
    BigInteger,
    Boolean,
    ColumnElement,
    Connection,
    DateTime,
    FromClause,
    Integer,
    Table,
    false,
    func,
    literal,
    not_,
    select,
    true,
)

from strandline.model.dimension import Dimension
from strandline.warehouse.late import Span


class Members(Struct, frozen=True):
    """Whose first versions are staged: how many they are, and between which entries of the log they lie, with
    deletions among them.
    """

    count: int
    first_raw_id: int
    last_raw_id: int

    def number(self, staged: FromClause) -> ColumnElement[int]:
        """The number of a staged record among them, from 1."""
        if self.last_raw_id - self.first_raw_id + 1 == self.count:
            return staged.c.raw_id - (self.first_raw_id - 1)  # counting them takes as long as reading them
        return func.row_number().over()


def find(
    connection: Connection, dimension: type[Dimension], *, staged: Table, span: Span, has_repeats: bool
) -> Members | None:
    """Whose first versions are staged; None where somebody is in the dimension, or is staged twice, which is
    looked for where it may have `has_repeats`.
    """
    anybody = select(literal(1)).where(dimension.key_column() > 0).limit(1)
    if span.records == span.deletions or connection.execute(anybody).first() is not None:
        return None
    members = func.count(staged.c.source_id.distinct())
    if has_repeats and connection.scalar(select(members)) != span.records:
        return None
    return Members(span.records - span.deletions, span.first_raw_id, span.last_raw_id)


@cache  # the same query again, so that SQLAlchemy finds the statements that it has compiled for it
def events(staged: Table) -> FromClause:
    """What `event.event_table` would hold of these records."""
    s = staged.c
    nobody = literal(None, BigInteger)
    return (
        select(
            s.raw_id,
            s.source_id,
            s.effective_at,
            s.is_deleted,
            literal(1).label("events"),
            s.raw_id.label("first_raw_id"),
            true().label("is_last"),
            true().label("changed"),
            literal(1).label("position"),
            literal(None, DateTime(timezone=True)).label("next_at"),
            false().label("ends_deleted"),
            nobody.label("current_key"),
            nobody.label("current_durable_key"),
            literal(None, Integer).label("current_version"),
            literal(None, Boolean).label("was_inferred"),
            false().label("is_rebuilt"),
            nobody.label("kept_key"),
        )
        .where(not_(s.is_deleted))
        .subquery("scd_event")
    )
