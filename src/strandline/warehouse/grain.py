"""The grain: of several records at one row of a fact the latest stands, and the others go to the quarantine.

A record that comes again restates its row; that is no conflict, and what it said before is forgotten. Another
record at the same grain is one: the source calls two things what the fact calls one. The later one stands,
by effective time, by the declared tie-break, then by log order, and the other is a reject of the rule `grain`
that names it. Such a reject is the last word of its record all the same: it supersedes what came before, and
goes when the record is sent again. A record that comes again at another grain leaves its row, and who had
lost to it there is tried again.

Where a record gives a row for each of its lines, these must differ in grain, or all of it is a reject.
"""

from __future__ import annotations

import operator
from collections.abc import Callable
from dataclasses import dataclass
from functools import reduce
from typing import Any, Final

from sqlalchemy import (
    BigInteger,
    Column,
    ColumnElement,
    Connection,
    FromClause,
    Select,
    Table,
    Text,
    and_,
    cast,
    delete,
    exists,
    func,
    insert,
    literal,
    select,
    true,
    update,
)

from strandline.model.fact import Fact
from strandline.warehouse import late, quarantine, raw, state, temporary
from strandline.warehouse.staging import latest_first

RULE: Final = late.GRAIN_RULE
LINES_RULE: Final = "lines"

RELEASED: Final = temporary.table(
    "grain_released",
    Column("raw_id", BigInteger, primary_key=True),
)
"""The entries whose record may stand again, for the one that had outdone it has moved."""


@dataclass(frozen=True)
class Contest:
    """A fact's staged rows, about to be settled with each other and with the rows that are there."""

    fact: type[Fact]
    staged: Table
    log: late.Log
    run_id: int
    has_lines: bool = False
    """A record may have several staged rows."""

    @property
    def table(self) -> Table:
        """The fact's table."""
        return self.fact.table()

    @property
    def latest_first(self) -> list[ColumnElement[Any]]:
        """The order in which the first of several staged records stands."""
        return [self.staged.c.effective_at.desc(), *latest_first(self.staged)]

    @property
    def grain(self) -> list[ColumnElement[Any]]:
        """The staged columns of the grain."""
        return [self.staged.c[column.name] for column in self.fact.grain()]

    @property
    def is_contested(self) -> ColumnElement[bool]:
        """The staged row and the one in the table are at one grain, and of two records."""
        row, s = self.table.c, self.staged.c
        grain = (row[column.name] == s[column.name] for column in self.fact.grain())
        return and_(row.source_system == self.log.source_system, *grain, row.source_id != s.source_id)

    def is_noted(self, rule: str = RULE) -> ColumnElement[bool]:
        """The reject is one that was set aside here."""
        noted = state.reject.c
        mine = (noted.stream == self.log.stream, noted.target == self.log.target)
        return and_(*mine, noted.rule == rule)

    def reason(self, winner: ColumnElement[Any], *, of: Table | None = None) -> ColumnElement[str]:
        """Why another record cannot stand at the grain of a staged row, or of one `of` a table; the same
        words for all who lose to this winner.
        """
        where = self.at_grain(self.staged if of is None else of)
        return where + literal(" is the grain of ", Text) + winner + literal(" too, which is later", Text)

    def at_grain(self, rows: Table) -> ColumnElement[str]:
        """The fact and the grain of a row, in words."""
        told: list[ColumnElement[str]] = [literal(f"{self.fact.__name__}: ", Text)]
        for number, column in enumerate(rows.c[it.name] for it in self.fact.grain()):
            told += [literal(f"{', ' if number else ''}{column.name} ", Text), cast(column, Text)]
        return reduce(operator.add, told)

    def set_aside(self, connection: Connection, losers: Any, *, rule: str = RULE) -> int:
        """Note the losers, a select of raw_id, source_id and reason; how many were not noted before."""
        return quarantine.note(
            connection,
            losers,
            stream=self.log.stream,
            target=self.log.target,
            field=", ".join(column.name for column in self.fact.grain()),
            rule=rule,
            run_id=self.run_id,
        )


def settle(
    connection: Connection, contest: Contest, *, is_key: bool, stage_again: Callable[[Select[Any]], None]
) -> tuple[int, int]:
    """Leave on the stage what is to stand, one row at each grain; how many records were set aside, and how
    many rows are gone because their records have moved.

    `is_key` says that the grain is the natural key, so that no two records can meet at one; `stage_again`
    stages what a select of entries of the raw log finds.
    """
    late.forget_superseded(connection, staged=contest.staged, log=contest.log)
    _forget_restated(connection, contest)
    if is_key:
        return 0, 0
    _release(connection, contest)
    left = _leave_grains(connection, contest, stage_again)
    is_contested = contest.log.applied > 0 and _meets_others(connection, contest)
    lost = _yield_to_table(connection, contest) if is_contested else 0
    lost += _yield_on_stage(connection, contest)
    return lost + (_take_over(connection, contest) if is_contested else 0), left


def refuse_equal_lines(connection: Connection, contest: Contest) -> int:
    """Set aside the staged records of which two lines are at one grain; how many."""
    s = contest.staged.c
    why = func.min(
        contest.at_grain(contest.staged) + literal(" is the grain of several lines of the record", Text)
    )
    several = (
        select(s.raw_id, s.source_id, why.label("reason"))
        .group_by(s.raw_id, s.source_id, *contest.grain)
        .having(func.count() > 1)
        .subquery()
    )
    records = select(several.c.raw_id, several.c.source_id, func.min(several.c.reason))
    found = records.group_by(several.c.raw_id, several.c.source_id)
    refused = contest.set_aside(connection, found, rule=LINES_RULE)
    if refused:
        _leave_stage(connection, contest, rule=LINES_RULE)
    return refused


def _forget_restated(connection: Connection, contest: Contest) -> None:
    """Of several staged entries of one record leave the latest.

    Most batches have no second one, and finding that out by counting both is cheaper than ranking them all.
    The planner also keeps its good estimates, which a condition on a window function would spoil.
    """
    s = contest.staged.c
    entries = func.count(s.raw_id.distinct()) if contest.has_lines else func.count()
    records = func.count(s.source_id.distinct())
    if not connection.scalar(select(entries > records).select_from(contest.staged)):
        return
    # All rows of one entry share a place.
    place = func.rank().over(partition_by=s.source_id, order_by=contest.latest_first)
    placed = select(s.raw_id, place.label("place")).subquery()
    superseded = select(placed.c.raw_id).where(placed.c.place > 1)
    connection.execute(delete(contest.staged).where(s.raw_id.in_(superseded)))


def _release(connection: Connection, contest: Contest) -> None:
    """Take the records that are sent again out of the quarantine: their last word is another now."""
    noted, s = state.reject.c, contest.staged.c
    if connection.execute(select(noted.raw_id).where(contest.is_noted()).limit(1)).first() is None:
        return
    is_sent_again = exists().where(s.source_id == noted.source_id, s.raw_id != noted.raw_id)
    connection.execute(delete(state.reject).where(contest.is_noted(), is_sent_again))


def _leave_grains(
    connection: Connection, contest: Contest, stage_again: Callable[[Select[Any]], None]
) -> int:
    """Delete the rows of staged records that are at another grain now; who had lost to them there is staged
    again. How many rows.
    """
    row, s, grain = contest.table.c, contest.staged.c, contest.fact.grain()
    is_still = exists().where(s.source_id == row.source_id, *(row[it.name] == s[it.name] for it in grain))
    is_theirs = row.source_id.in_(select(s.source_id))
    is_left = and_(row.source_system == contest.log.source_system, is_theirs, ~is_still)
    if _count(connection, contest.table, is_left) == 0:
        return 0
    _release_losers(connection, contest, is_left)
    left = connection.execute(delete(contest.table).where(is_left)).rowcount
    entry, released = contest.log.raw, select(RELEASED.c.raw_id)
    stage_again(
        select(*raw.entry_columns(entry)).where(entry.c.raw_id.in_(released)).order_by(entry.c.raw_id)
    )
    return left


def _release_losers(connection: Connection, contest: Contest, is_left: ColumnElement[bool]) -> None:
    """Take those who have lost to these rows of the fact out of the quarantine, and note them in RELEASED."""
    noted = state.reject.c
    reasons = select(contest.reason(contest.table.c.source_id, of=contest.table)).where(is_left)
    losers = select(noted.raw_id).where(contest.is_noted(), noted.reason.in_(reasons))
    RELEASED.create(connection)
    connection.execute(insert(RELEASED).from_select(["raw_id"], losers))
    is_released = noted.raw_id.in_(select(RELEASED.c.raw_id))
    connection.execute(delete(state.reject).where(contest.is_noted(), is_released))


def _meets_others(connection: Connection, contest: Contest) -> bool:
    """Whether any staged row is at the grain of another record's, as hardly ever."""
    return _count(connection, contest.staged.join(contest.table, contest.is_contested), true()) > 0


def _count(connection: Connection, rows: FromClause, condition: ColumnElement[bool]) -> int:
    """How many; asked for one alone, the planner expects to find it soon and looks at every pair for none."""
    return connection.scalar(select(func.count()).select_from(rows).where(condition)) or 0


def _yield_to_table(connection: Connection, contest: Contest) -> int:
    """Set aside the staged records that are earlier than the one whose row is there."""
    s, row = contest.staged.c, contest.table.c
    is_earlier = late.is_superseded(contest.staged, contest.log, by=row.source_id)
    losers = (
        select(s.raw_id, s.source_id, contest.reason(row.source_id))
        .select_from(contest.staged.join(contest.table, contest.is_contested))
        .where(is_earlier)
    )
    lost = contest.set_aside(connection, losers)
    _leave_stage(connection, contest)
    return lost


def _yield_on_stage(connection: Connection, contest: Contest) -> int:
    """Set aside all but the latest of the staged records at each grain."""
    grain, s = contest.grain, contest.staged.c
    several = select(*grain).group_by(*grain).having(func.count() > 1)
    if connection.execute(several.limit(1)).first() is None:
        return 0
    window: dict[str, Any] = {"partition_by": grain, "order_by": contest.latest_first}
    winner = func.first_value(s.source_id).over(**window)
    # A model may call its columns as it likes, so none of them is selected here.
    placed = select(
        s.raw_id,
        s.source_id,
        func.row_number().over(**window).label("place"),
        contest.reason(winner).label("reason"),
    ).subquery()
    losers = select(placed.c.raw_id, placed.c.source_id, placed.c.reason).where(placed.c.place > 1)
    lost = contest.set_aside(connection, losers)
    _leave_stage(connection, contest)
    return lost


def _leave_stage(connection: Connection, contest: Contest, *, rule: str = RULE) -> None:
    """Take what was set aside off the stage."""
    aside = select(state.reject.c.raw_id).where(contest.is_noted(rule))
    connection.execute(delete(contest.staged).where(contest.staged.c.raw_id.in_(aside)))


def _take_over(connection: Connection, contest: Contest) -> int:
    """Set aside the records whose rows go to a later one that is staged; who lost to them has lost to it."""
    noted, s, row = state.reject.c, contest.staged.c, contest.table.c
    connection.execute(
        update(state.reject)
        .where(contest.is_contested, contest.is_noted(), noted.reason == contest.reason(row.source_id))
        .values(reason=contest.reason(s.source_id))
    )
    last_word = _last_entry(contest, of=row.source_id)
    losers = (
        select(last_word.label("raw_id"), row.source_id, contest.reason(s.source_id).label("reason"))
        .select_from(contest.staged.join(contest.table, contest.is_contested))
        .subquery()
    )
    return contest.set_aside(connection, select(losers).where(losers.c.raw_id.is_not(None)))


def _last_entry(contest: Contest, *, of: ColumnElement[Any]) -> ColumnElement[Any]:
    """The entry of the raw log that is the last word of the record with this natural key."""
    entry = contest.log.raw.alias("entry")
    return (
        select(entry.c.raw_id)
        .where(entry.c.source_id == of, contest.log.accepted(entry))
        .order_by(entry.c.effective_at.desc(), *latest_first(entry))
        .limit(1)
        .scalar_subquery()
    )
