"""Folding: what an accumulating snapshot's records make of a row, worked out as a set.

Of the records of a key, in the order of their effective time, a milestone keeps the last that is not empty. A
deletion forgets them all. For a key with a late record everything is staged that was ever sent, and nothing
was before it; for the others the row that is there is where its records begin.

A record is a reject that would put a milestone before one that comes first, as the row stands by then. What
it says then counts for nothing, so the first such record of each key is set aside and its key folded again,
until there is none. Whether there is one may change with a late record, and so it is found out anew.
"""

from __future__ import annotations

import operator
from dataclasses import dataclass
from functools import cache, reduce
from typing import Any

from sqlalchemy import (
    BigInteger,
    Boolean,
    Column,
    ColumnElement,
    Connection,
    DateTime,
    Numeric,
    Select,
    Table,
    Text,
    and_,
    case,
    cast,
    delete,
    extract,
    false,
    func,
    insert,
    literal,
    not_,
    or_,
    select,
    text,
    true,
    update,
)

from strandline.model.column import NOT_APPLICABLE_KEY, Lag
from strandline.model.milestone import AccumulatingSnapshot, predecessors
from strandline.warehouse import late, quarantine, state, temporary
from strandline.warehouse.event import differ
from strandline.warehouse.staging import latest_first

OWN_COLUMNS = ("raw_id", "source_id", "effective_at", "is_deleted", "is_last")


@cache  # the same table again, so that SQLAlchemy finds the statements that it has compiled for it
def folded_table(fact: type[AccumulatingSnapshot]) -> Table:
    """The staged records, each with the milestones as they stand after it."""
    return temporary.table(
        "fact_folded",
        Column("raw_id", BigInteger),
        Column("source_id", Text),
        Column("effective_at", DateTime(timezone=True)),
        Column("is_deleted", Boolean),
        Column("is_last", Boolean, comment="of its key's records"),
        *(Column(f"now_{name}", fact.table().c[name].type) for name in fact.following()),
    )


MISORDERED = temporary.table(
    "fact_misordered",
    Column("raw_id", BigInteger),
    Column("source_id", Text),
    Column("reason", Text),
    Column("field", Text),
)
"""Of each key the first record that cannot stand."""


@dataclass(frozen=True)
class Folding:
    """A snapshot's staged records, about to become a row a key. LATE_MEMBER has whom all is staged of."""

    fact: type[AccumulatingSnapshot]
    staged: Table
    log: late.Log
    run_id: int

    @property
    def folded(self) -> Table:
        """What they come to, one by one."""
        return folded_table(self.fact)

    @property
    def is_noted(self) -> ColumnElement[bool]:
        """The reject is one that was set aside here."""
        noted = state.reject.c
        mine = (noted.stream == self.log.stream, noted.target == self.log.target)
        return and_(*mine, noted.rule == late.MILESTONE_RULE)


def fold(connection: Connection, folding: Folding) -> int:
    """Leave on the stage one row a key, with its milestones as they stand; how many records were set aside
    that were not before.
    """
    _forget_replaced(connection, folding)
    folding.folded.create(connection)
    connection.execute(_fill(folding, true()))
    connection.execute(text("ANALYZE fact_folded"))
    rejected = _set_misordered_aside(connection, folding)
    _leave_last(connection, folding)
    return rejected


def replaced(connection: Connection, staged: Table) -> Select[Any] | None:
    """Which of several staged records of one key and instant another stands for; None: there are none.

    Most batches have none, and finding that out by hashing is cheaper than sorting them all.
    """
    s = staged.c
    instant = [s.source_id, s.effective_at]
    several = select(s.source_id).group_by(*instant).having(func.min(s.raw_id) < func.max(s.raw_id))
    if connection.execute(several.limit(1)).first() is None:
        return None
    place = func.row_number().over(partition_by=instant, order_by=latest_first(staged))
    placed = select(s.raw_id, place.label("place")).subquery()
    return select(placed.c.raw_id).where(placed.c.place > 1)


def _forget_replaced(connection: Connection, folding: Folding) -> None:
    """Take off the stage what another record of its instant stands for, and out of the quarantine."""
    found = replaced(connection, folding.staged)
    if found is not None:
        connection.execute(delete(state.reject).where(folding.is_noted, state.reject.c.raw_id.in_(found)))
        connection.execute(delete(folding.staged).where(folding.staged.c.raw_id.in_(found)))


def lags(fact: type[AccumulatingSnapshot], staged: Table) -> dict[str, ColumnElement[Any]]:
    """What is calculated from the milestones that stand."""
    return {name: _lag(it, staged) for name, it in fact.lags().items()}


def _lag(of: Lag, staged: Table) -> ColumnElement[Any]:
    start, end = (cast(extract("epoch", staged.c[name]), Numeric(20, 6)) for name in (of.start, of.end))
    return func.round((end - start) / literal(of.seconds, Numeric), 6)


def _fill(folding: Folding, wanted: ColumnElement[bool]) -> Any:
    rows = _running(folding, wanted)
    return insert(folding.folded).from_select(list(rows.selected_columns.keys()), rows)


def _running(folding: Folding, wanted: ColumnElement[bool]) -> Select[Any]:
    """Every wanted record with what stands of each milestone after it."""
    fact, table = folding.fact, folding.fact.table()
    c = _counted(folding, wanted).c
    is_before = and_(
        table.c.source_system == folding.log.source_system,
        table.c[fact.grain()[0].name] == c.source_id,
        late.LATE_MEMBER.c.source_id.is_(None),
        # In a replay everything is staged, and the row that is there is where it all ends.
        true() if folding.log.applied else false(),
    )

    def stands(name: str, milestone: str) -> ColumnElement[Any]:
        # Where the count is the same, the first record is the one that said it, and the only one.
        since = [c.source_id, c.life, c[f"count_{milestone}"]]
        said = case((c[f"said_{milestone}"].is_not(None), c[f"said_{name}"]))
        otherwise = [] if name == milestone else [literal(NOT_APPLICABLE_KEY)]
        before = case((c.life == 0, table.c[name]))
        return func.coalesce(func.max(said).over(partition_by=since), before, *otherwise)

    from_last = func.row_number().over(partition_by=c.source_id, order_by=c.effective_at.desc())
    return select(
        c.raw_id,
        c.source_id,
        c.effective_at,
        c.is_deleted,
        (from_last == 1).label("is_last"),
        *(stands(name, of).label(f"now_{name}") for name, of in fact.following().items()),
    ).select_from(
        c.raw_id.table.outerjoin(late.LATE_MEMBER, late.LATE_MEMBER.c.source_id == c.source_id).outerjoin(
            table, is_before
        )
    )


def _counted(folding: Folding, wanted: ColumnElement[bool]) -> Any:
    """Every wanted record with how many deletions there were up to it, and how many words on each
    milestone.
    """
    s = folding.staged.c
    member: dict[str, Any] = {"partition_by": s.source_id, "order_by": s.effective_at}
    deletions = func.sum(case((s.is_deleted, 1), else_=0)).over(**member)
    return (
        select(
            s.raw_id,
            s.source_id,
            s.effective_at,
            s.is_deleted,
            deletions.label("life"),
            *(
                func.count(s[name]).over(**member).label(f"count_{name}")
                for name in folding.fact.milestones()
            ),
            *(s[name].label(f"said_{name}") for name in folding.fact.following()),
        )
        .where(wanted)
        .subquery("counted")
    )


def _set_misordered_aside(connection: Connection, folding: Folding) -> int:
    table = folding.fact.table()
    pairs = [(name, it) for name in folding.fact.milestones() for it in predecessors(table, name)]
    if not pairs:
        return 0
    MISORDERED.create(connection)
    find = insert(MISORDERED).from_select(
        ["raw_id", "source_id", "reason", "field"], _first_misordered(folding, pairs)
    )
    rejected = 0
    counted = {"preserve_rowcount": True}
    while connection.execute(find, execution_options=counted).rowcount:
        rejected += _set_aside(connection, folding)
    f = folding.folded.c
    stands = state.reject.c.raw_id.in_(select(f.raw_id))
    connection.execute(delete(state.reject).where(folding.is_noted, stands))
    return rejected


def _first_misordered(folding: Folding, pairs: list[tuple[str, str]]) -> Select[Any]:
    f = folding.folded.c
    broken = {(name, it): f[f"now_{name}"] < f[f"now_{it}"] for name, it in pairs}
    reason = case(*((is_broken, _reason(folding, *pair)) for pair, is_broken in broken.items()))
    field = case(*((is_broken, literal(name, Text)) for (name, _), is_broken in broken.items()))
    place = func.row_number().over(partition_by=f.source_id, order_by=f.effective_at)
    found = (
        select(f.raw_id, f.source_id, reason.label("reason"), field.label("field"), place.label("place"))
        .where(or_(*broken.values()))
        .subquery("found")
    )
    return select(found.c.raw_id, found.c.source_id, found.c.reason, found.c.field).where(found.c.place == 1)


def _reason(folding: Folding, name: str, first: str) -> ColumnElement[str]:
    now = folding.folded.c
    told = [
        literal(f"{folding.fact.__name__}.{name}: ", Text),
        cast(now[f"now_{name}"], Text),
        literal(f" lies before {first}, which is ", Text),
        cast(now[f"now_{first}"], Text),
    ]
    return reduce(operator.add, told)


def _set_aside(connection: Connection, folding: Folding) -> int:
    """Put what was found into the quarantine, and fold the other records of its keys again."""
    noted, found, staged = state.reject.c, MISORDERED.c, folding.staged
    told = {"reason": found.reason, "field": found.field}
    is_told_otherwise = differ([noted.reason, noted.field], [found.reason, found.field])
    connection.execute(
        update(state.reject)
        .where(folding.is_noted, noted.raw_id == found.raw_id, is_told_otherwise)
        .values(**told)
    )
    new = quarantine.note(
        connection,
        select(found.raw_id, found.source_id, found.reason, found.field),
        stream=folding.log.stream,
        target=folding.log.target,
        rule=late.MILESTONE_RULE,
        run_id=folding.run_id,
    )
    touched = select(found.source_id)
    connection.execute(delete(staged).where(staged.c.raw_id.in_(select(found.raw_id))))
    connection.execute(delete(folding.folded).where(folding.folded.c.source_id.in_(touched)))
    connection.execute(_fill(folding, staged.c.source_id.in_(touched)))
    connection.execute(delete(MISORDERED))
    return new


def _leave_last(connection: Connection, folding: Folding) -> None:
    """Take all but the last record of each key off the stage, and give it the milestones that stand."""
    s, f = folding.staged.c, folding.folded.c
    earlier = select(f.raw_id).where(not_(f.is_last))
    connection.execute(delete(folding.staged).where(s.raw_id.in_(earlier)))
    stands = {name: f[f"now_{name}"] for name in folding.fact.following()}
    is_other = differ([s[name] for name in stands], list(stands.values()))
    connection.execute(
        update(folding.staged).where(s.raw_id == f.raw_id, not_(f.is_deleted), is_other).values(**stands)
    )
