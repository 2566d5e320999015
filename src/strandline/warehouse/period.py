"""Periods: of the words on a thing the latest within each period stands, and what is missing is repeated.

A deletion is a word too: it takes away the row of its period, and nothing is repeated from there on. So each
row knows the period in which its thing was deleted after it, if no other row came between.

The latest period is the latest that any row has which is not a repetition. What is repeated is worked out
anew for the things with a record in the batch, from the row before their first staged period on. Where a new
period has begun, everything else that goes on is repeated in it.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import date
from functools import cache
from typing import Any

from sqlalchemy import (
    BigInteger,
    Boolean,
    Column,
    ColumnElement,
    Connection,
    Date,
    Select,
    Table,
    and_,
    case,
    delete,
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

from strandline.model.column import Reference
from strandline.model.period import DELETED_IN, IS_FILLED, PeriodicSnapshot, steps
from strandline.model.prepared import Finder, Prepared
from strandline.warehouse import temporary
from strandline.warehouse.event import differ
from strandline.warehouse.staging import latest_first

TOUCHED = temporary.members(
    "snapshot_touched",
    Column("first_period", Date, comment="the first that is staged"),
    Column("first_is_deleted", Boolean),
    Column("since", Date, comment="the last row before it, if there is one"),
)
"""The things that something is staged of."""


@dataclass(frozen=True)
class Periods:
    """A snapshot's staged words, about to be merged."""

    fact: type[PeriodicSnapshot]
    staged: Table
    source_system: str
    run_id: int

    @property
    def table(self) -> Table:
        """The fact's table."""
        return self.fact.table()

    @property
    def period(self) -> Column[Any]:
        """Its period."""
        return self.fact.period_column()

    @property
    def said(self) -> Column[Any]:
        """The staged period."""
        return self.staged.c[self.period.name]

    @property
    def key(self) -> Column[Any]:
        """What the source calls the thing."""
        return self.fact.grain()[0]

    @property
    def days(self) -> dict[str, Reference]:
        """The references to what the period's first day is in: day, month or fiscal week."""
        found = self.fact.date_references()
        return {name: it for name, it in found.items() if it.on == self.period.name}

    @property
    def step(self) -> Table:
        """The periods that something may be repeated in."""
        return step_table(self.fact, tuple(self.days))

    @property
    def filling(self) -> Table:
        """What is to be repeated for the things that are touched."""
        return filling_table(self.fact)

    def is_row(self, row: Any) -> ColumnElement[bool]:
        """Whether a row of the table is of this source, and no repetition."""
        return and_(row.c.source_system == self.source_system, row.c[IS_FILLED] == false())


@cache  # the same table again, so that SQLAlchemy finds the statements that it has compiled for it
def step_table(fact: type[PeriodicSnapshot], days: tuple[str, ...]) -> Table:
    """Periods with the keys that a row of each of them has, as a table of one transaction."""
    period = Column(fact.period_column().name, Date, primary_key=True)
    keys = [Column(name, BigInteger) for name in days]
    return temporary.table(
        "snapshot_step",
        period,
        *keys,
    )


@cache  # the same table again, so that SQLAlchemy finds the statements that it has compiled for it
def filling_table(fact: type[PeriodicSnapshot]) -> Table:
    """Rows of the fact, as a table of one transaction."""
    columns = [
        Column(it.name, it.type) for it in fact.table().c if it.name not in ("created_at", "updated_at")
    ]
    return temporary.table(
        "snapshot_filling",
        *columns,
    )


def settle(connection: Connection, periods: Periods) -> None:
    """Leave on the stage the latest word on each thing and period, and note which rows a deletion ends."""
    s, said = periods.staged.c, periods.said
    several = select(s.source_id).group_by(s.source_id, said).having(func.min(s.raw_id) < func.max(s.raw_id))
    if connection.execute(several.limit(1)).first() is not None:
        place = func.row_number().over(
            partition_by=[s.source_id, said],
            order_by=[s.effective_at.desc(), *latest_first(periods.staged)],
        )
        placed = select(s.raw_id, place.label("place")).subquery("placed")
        past = select(placed.c.raw_id).where(placed.c.place > 1)
        connection.execute(delete(periods.staged).where(s.raw_id.in_(past)))
    if periods.fact.__fill__:
        connection.execute(_end_staged(periods))


def latest(connection: Connection, fact: type[PeriodicSnapshot]) -> date | None:
    """The latest period that a record is of."""
    table = fact.table()
    found: date | None = connection.scalar(
        select(func.max(fact.period_column())).where(table.c[IS_FILLED] == false())
    )
    return found


def fill(connection: Connection, periods: Periods, *, before: date | None) -> int:
    """Bring the repetitions up to the rows: those of the things that are touched are left in `filling`, to be
    written, and what is too much goes. `before` is what was the latest period. How many rows were written.
    """
    now = latest(connection, periods.fact)
    _note_touched(connection, periods)
    connection.execute(_end_stored(periods))
    _fill_steps(connection, periods, before=before, now=now)
    periods.filling.create(connection)
    rows = _repeated(periods)
    connection.execute(insert(periods.filling).from_select(list(rows.selected_columns.keys()), rows))
    connection.execute(text("ANALYZE snapshot_filling"))
    removed = connection.execute(_remove_surplus(periods)).rowcount
    if before is not None and now != before:
        removed += connection.execute(_remove_later(periods, now)).rowcount
    if before is not None and now is not None and now > before:
        extended = _extended(periods, before, now)
        removed += connection.execute(
            insert(periods.table).from_select(list(extended.selected_columns.keys()), extended),
            execution_options={"preserve_rowcount": True},
        ).rowcount
    return removed


def _end_staged(periods: Periods) -> Any:
    """Note on each staged word the period of the deletion that is staged next."""
    s, said = periods.staged.c, periods.said
    of_thing: dict[str, Any] = {"partition_by": s.source_id, "order_by": said}
    word = select(
        s.raw_id,
        func.lead(said).over(**of_thing).label("next_period"),
        func.lead(case((s.is_deleted, 1), else_=0)).over(**of_thing).label("next_is_deleted"),
    ).subquery("word")
    return (
        update(periods.staged)
        .where(s.raw_id == word.c.raw_id, word.c.next_is_deleted == 1, not_(s.is_deleted))
        .values({DELETED_IN: word.c.next_period})
    )


def _note_touched(connection: Connection, periods: Periods) -> None:
    TOUCHED.create(connection)
    s, said, row = periods.staged.c, periods.said, periods.table.alias("stored")
    first = select(s.source_id, func.min(said).label("first_period")).group_by(s.source_id).subquery("first")
    word = periods.staged.alias("word")
    since = (
        select(func.max(row.c[periods.period.name]))
        .where(row.c[periods.key.name] == first.c.source_id, periods.is_row(row))
        .where(row.c[periods.period.name] < first.c.first_period)
        .scalar_subquery()
    )
    rows = select(first.c.source_id, first.c.first_period, word.c.is_deleted, since).select_from(
        first.join(
            word,
            and_(word.c.source_id == first.c.source_id, word.c[periods.period.name] == first.c.first_period),
        )
    )
    connection.execute(insert(TOUCHED).from_select(list(TOUCHED.c.keys()), rows))
    connection.execute(text("ANALYZE snapshot_touched"))


def _end_stored(periods: Periods) -> Any:
    """Note on the row before a thing's first staged word whether that word is a deletion."""
    table, t = periods.table, TOUCHED.c
    ended = table.c[DELETED_IN]
    becomes = case(
        (t.first_is_deleted, func.coalesce(ended, t.first_period)),
        else_=func.nullif(ended, t.first_period),
    )
    return (
        update(table)
        .where(table.c[periods.key.name] == t.source_id, periods.is_row(table))
        .where(table.c[periods.period.name] == t.since, differ([ended], [becomes]))
        .values({DELETED_IN: becomes, "updated_at": func.now(), "run_id": periods.run_id})
    )


def _fill_steps(connection: Connection, periods: Periods, *, before: date | None, now: date | None) -> None:
    """Note every period from the first that matters to the latest."""
    periods.step.create(connection)
    t = TOUCHED.c
    first = connection.scalar(select(func.min(func.coalesce(t.since, t.first_period))))
    known = [it for it in (first, before) if it is not None]
    every = periods.fact.__every__
    if now is None or not known or every is None:
        return
    find = {name: _finder(it) for name, it in periods.days.items()}
    found = [
        {periods.period.name: it, **{name: key_of(it) for name, key_of in find.items()}}
        for it in steps(min(known), now, every=every)
    ]
    if found:
        connection.execute(insert(periods.step), found)


def _finder(reference: Reference) -> Finder:
    assert issubclass(reference.dimension, Prepared)
    return reference.dimension.finder(zone=reference.zone)


def _repeated(periods: Periods) -> Select[Any]:
    """The rows that touched things have to have in the periods without a record."""
    table, t = periods.table, TOUCHED.c
    key, period = table.c[periods.key.name], table.c[periods.period.name]
    following = func.lead(period).over(partition_by=key, order_by=period)
    anchor = (
        select(t.source_id.label("thing"), period.label("since"), following.label("until"))
        .join(TOUCHED, t.source_id == key)
        .where(periods.is_row(table), period >= func.coalesce(t.since, t.first_period))
        .subquery("anchor")
    )
    ended = table.c[DELETED_IN]
    step = periods.step.c[periods.period.name]
    is_missing = and_(
        step > anchor.c.since,
        or_(anchor.c.until.is_(None), step < anchor.c.until),
        or_(ended.is_(None), step < ended),
    )
    is_anchor = and_(key == anchor.c.thing, period == anchor.c.since, periods.is_row(table))
    return select(*_copied(periods).values()).select_from(
        anchor.join(table, is_anchor).join(periods.step, is_missing)
    )


def _copied(periods: Periods) -> dict[str, ColumnElement[Any]]:
    """A row of the table, repeated in a period."""
    filled = [column.name for column in periods.filling.c]
    step = periods.step.c
    ours: dict[str, ColumnElement[Any]] = {
        periods.period.name: step[periods.period.name],
        IS_FILLED: true(),
        "run_id": literal(periods.run_id, BigInteger),
        **{name: step[name] for name in periods.days},
    }
    return {name: ours.get(name, periods.table.c[name]).label(name) for name in filled}


def _remove_surplus(periods: Periods) -> Any:
    """Repetitions of touched things that are right no more."""
    table, t, f = periods.table, TOUCHED.c, periods.filling.c
    key, period = periods.key.name, periods.period.name
    touched = (
        select(literal(1))
        .where(t.source_id == table.c[key], table.c[period] >= func.coalesce(t.since, t.first_period))
        .exists()
    )
    wanted = select(literal(1)).where(f[key] == table.c[key], f[period] == table.c[period]).exists()
    is_theirs = and_(table.c.source_system == periods.source_system, table.c[key].in_(select(t.source_id)))
    return delete(table).where(is_theirs, table.c[IS_FILLED] == true(), touched, not_(wanted))


def _remove_later(periods: Periods, now: date | None) -> Any:
    """Repetitions beyond the latest period."""
    table = periods.table
    beyond = true() if now is None else table.c[periods.period.name] > now
    return delete(table).where(table.c[IS_FILLED] == true(), beyond)


def _extended(periods: Periods, before: date, now: date) -> Select[Any]:
    """Whatever stood in what was the latest period and is not touched, repeated in the new ones."""
    table, t = periods.table, TOUCHED.c
    ended, period = table.c[DELETED_IN], table.c[periods.period.name]
    touched = (
        select(literal(1))
        .where(t.source_id == table.c[periods.key.name], table.c.source_system == periods.source_system)
        .exists()
    )
    step = periods.step.c[periods.period.name]
    is_new = and_(step > before, step <= now, or_(ended.is_(None), step < ended))
    both: Sequence[bool] = (True, False)  # so that the index on both columns is of use
    stamps = [func.now().label("created_at"), func.now().label("updated_at")]
    return (
        select(*_copied(periods).values(), *stamps)
        .select_from(table.join(periods.step, is_new))
        .where(table.c[IS_FILLED].in_(both), period == before, not_(touched))
    )
