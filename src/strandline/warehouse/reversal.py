"""Reversals: a deleted record's row stays, and a row that negates it stands beside it.

So sums are what they would be without the row, and what was reported before its deletion stays explained. The
negating row is the record's last word once more, with the additive measures negated, at the moment of the
deletion. A record that returns takes it away again.

The table has keys where a negating row needs natural keys. So for a key with a deletion, as for one with a
late record, everything is staged that was ever sent, and the staged deletion becomes the negating row.
"""

from __future__ import annotations

from typing import Any

from sqlalchemy import (
    ColumnElement,
    Connection,
    Table,
    and_,
    case,
    delete,
    exists,
    func,
    literal,
    not_,
    or_,
    select,
    union,
    update,
)

from strandline.model.column import Measure, role
from strandline.model.fact import Fact
from strandline.model.type import Exact
from strandline.warehouse import fold, late
from strandline.warehouse.dialect import negated
from strandline.warehouse.staging import OWN_COLUMNS


def settle(connection: Connection, fact: type[Fact], staged: Table) -> None:
    """Leave of each key its last record and, where it was deleted since, the deletion, which negates it."""
    s = staged.c
    replaced = fold.replaced(connection, staged)
    if replaced is not None:
        connection.execute(delete(staged).where(s.raw_id.in_(replaced)))
    is_plain = and_(func.count() == 1, func.max(_is_said(staged)) == 1)
    if connection.execute(select(s.source_id).group_by(s.source_id).having(not_(is_plain)).limit(1)).first():
        connection.execute(delete(staged).where(s.raw_id.in_(_past(staged))))
        connection.execute(_negate(fact, staged))


def remove(connection: Connection, fact: type[Fact], staged: Table, *, source_system: str) -> int:
    """Delete the rows that a staged key, or one that everything was staged of, has no more; how many."""
    table, key, s = fact.table(), fact.grain()[0].name, staged.c
    touched = union(select(s.source_id), select(late.LATE_MEMBER.c.source_id))
    is_staged = exists().where(s.source_id == table.c[key], s.is_deleted == table.c.is_reversal)
    gone = and_(table.c.source_system == source_system, table.c[key].in_(touched), not_(is_staged))
    removed: int = connection.execute(delete(table).where(gone)).rowcount
    return removed


def _is_said(staged: Table) -> ColumnElement[int]:
    return case((staged.c.is_deleted, 0), else_=1)


def _past(staged: Table) -> Any:
    """The staged records and deletions that are neither their key's last record nor the first deletion after
    it.
    """
    s, is_said = staged.c, _is_said(staged)
    seen = func.sum(is_said).over(partition_by=s.source_id, order_by=s.effective_at)
    counted = select(
        s.raw_id,
        s.source_id,
        s.effective_at,
        s.is_deleted,
        seen.label("seen"),
        func.sum(is_said).over(partition_by=s.source_id).label("records"),
    ).subquery("counted")
    c = counted.c
    place = func.row_number().over(partition_by=[c.source_id, c.is_deleted, c.seen], order_by=c.effective_at)
    placed = select(c.raw_id, c.seen, c.records, place.label("place")).subquery("placed")
    p = placed.c
    return select(p.raw_id).where(or_(p.seen < p.records, p.records == 0, p.place > 1))


def _negate(fact: type[Fact], staged: Table) -> Any:
    """Fill each staged deletion with what its record said, negated; when it happened is known already."""
    said = staged.alias("said")
    return (
        update(staged)
        .where(staged.c.is_deleted, not_(said.c.is_deleted), said.c.source_id == staged.c.source_id)
        .values({name: _negated(fact, name, said) for name in _repeated(fact, staged)})
    )


def _repeated(fact: type[Fact], staged: Table) -> list[str]:
    """The columns that the negating row takes from its record."""
    own = {*OWN_COLUMNS, "tie_break", fact.grain()[0].name, *fact.at_deletion()}
    return [column.name for column in staged.c if column.name not in own]


def _negated(fact: type[Fact], name: str, said: Any) -> ColumnElement[Any]:
    column = fact.table().c[name]
    meaning = role(column)
    if not isinstance(meaning, Measure):
        return said.c[name]  # type: ignore[no-any-return]  # of a table's alias
    if meaning.additive is True:
        return negated(said.c[name]) if isinstance(column.type, Exact) else -said.c[name]
    return literal(None, column.type) if column.nullable else said.c[name]
