"""What arrives late: records that do not lie after everything that is known of their member or fact.

What is known is in the raw log: the latest effective time among the entries that have been applied. A fact
keeps no history, so what is late there has been superseded already and leaves the stage. A member of a
dimension with a late record has its history rebuilt from all of its entries (see `rebuild`); `find` tells
which members these are.
"""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Any, Final

from msgspec import Struct
from sqlalchemy import (
    ColumnElement,
    Connection,
    FromClause,
    ScalarSelect,
    Select,
    Table,
    and_,
    delete,
    exists,
    func,
    insert,
    literal,
    or_,
    select,
    text,
    true,
)

from strandline.warehouse import raw, state, temporary

NEVER: Final = datetime.min.replace(tzinfo=UTC)

GRAIN_RULE: Final = "grain"
"""What a record is rejected for that is good, and that another one at its grain has outdone."""

MILESTONE_RULE: Final = "milestone"
"""What a record is rejected for that would put a milestone before one that comes first."""

RELATIVE: Final = (GRAIN_RULE, MILESTONE_RULE)
"""The rules that other records decide on: what breaks them is told by the log again each time."""

LATE_MEMBER = temporary.members("late_member")
"""The members of one merge whose history has to be rebuilt."""


class Span(Struct, frozen=True):
    """How many records are staged, from when to when they took effect, and between which entries they lie."""

    first: datetime
    last: datetime
    records: int
    deletions: int
    """So many of them."""
    first_raw_id: int
    last_raw_id: int

    def is_all(self, after: int, *, up_to: int) -> bool:
        """Whether every number behind this entry, up to that one, is a staged record's; none has several."""
        is_between = self.first_raw_id == after + 1 and self.last_raw_id == up_to
        return is_between and self.records == up_to - after


class Log(Struct, frozen=True):
    """As much of a stream's raw log as has been applied to a target: up to an entry, without its rejects."""

    raw: Table
    source_system: str
    stream: str
    target: str
    applied: int
    latest: datetime | None = None
    """No entry up to there took effect later; None: that is not known."""
    staged: Span | None = None
    """What of its later entries is staged; None: nothing, or that is not known."""

    @property
    def is_outrun(self) -> bool:
        """Whether all that is staged lies behind everything that has been applied, as most batches do."""
        return self.latest is not None and self.staged is not None and self.latest < self.staged.first

    def reaches(self, moment: ColumnElement[Any]) -> ColumnElement[bool]:
        """Whether an entry that has been applied can have taken effect at that moment or later: what lies
        behind all of them, as most records do, need not be looked up one by one.
        """
        return true() if self.latest is None else moment <= self.latest

    def holds(self, entry: FromClause) -> ColumnElement[bool]:
        """Whether this entry of the log has been applied."""
        return and_(entry.c.raw_id <= self.applied, self.accepted(entry))

    def accepted(self, entry: FromClause) -> ColumnElement[bool]:
        """Whether this entry of the log is not in the quarantine; one that others have brought there is the
        last word of its own all the same, and one that is being released has left.
        """
        noted = state.reject.alias("refused").c
        rejected = (
            select(literal(1))
            .where(noted.stream == self.stream, noted.raw_id == entry.c.raw_id)
            .where(noted.target.in_(["", self.target]), noted.rule.not_in(RELATIVE))
            .where(noted.state != state.RELEASED)
        )
        return ~rejected.exists()

    def is_complete(self, entry: FromClause) -> ColumnElement[bool]:
        """Whether nothing that took effect at the moment of this entry, or since, was pruned of its key."""
        pruned = state.pruned_key.alias("pruned").c
        lacks = exists().where(
            pruned.stream == self.stream,
            pruned.source_id == entry.c.source_id,
            pruned.until >= entry.c.effective_at,
        )
        return ~lacks


def find(connection: Connection, *, staged: Table, log: Log, with_deleted: bool = False) -> int:
    """Put into LATE_MEMBER whoever has a staged record at or before the latest applied one; how many.

    A record at the very instant of the latest one counts: it corrects what was said of that instant. With
    `with_deleted` so does whoever has a staged deletion.
    """
    LATE_MEMBER.create(connection)
    if log.applied == 0 or (log.is_outrun and not with_deleted):
        return 0
    known = _known(log, staged.c.source_id)
    moment = staged.c.effective_at
    is_late: ColumnElement[bool] = and_(log.reaches(moment), known >= moment)
    if with_deleted:
        is_late = or_(is_late, staged.c.is_deleted)
    late = select(staged.c.source_id).distinct().where(is_late)
    connection.execute(insert(LATE_MEMBER).from_select(["source_id"], late))
    connection.execute(text("ANALYZE late_member"))
    return connection.scalar(select(func.count()).select_from(LATE_MEMBER)) or 0


def entries(log: Log, *, up_to: int) -> Select[Any]:
    """All entries of the late members up to this one, without those in the quarantine, oldest first; of what
    was pruned in part `horizon` tells.
    """
    entry = log.raw
    return (
        select(*raw.entry_columns(entry))
        .join(LATE_MEMBER, LATE_MEMBER.c.source_id == entry.c.source_id)
        .where(entry.c.raw_id <= up_to, log.accepted(entry), log.is_complete(entry))
        .order_by(entry.c.raw_id)
    )


def forget_superseded(connection: Connection, *, staged: Table, log: Log) -> None:
    """Take off a fact's stage what a later entry of the same record has superseded already.

    A fact keeps no history, so the latest word stands, in whatever order the words arrive.
    """
    if log.applied > 0 and not log.is_outrun:
        is_outdone = is_superseded(staged, log, by=staged.c.source_id)
        connection.execute(delete(staged).where(log.reaches(staged.c.effective_at), is_outdone))


def span(connection: Connection, staged: Table) -> Span | None:
    """The span of what is staged; None where nothing is."""
    moment, raw_id = staged.c.effective_at, staged.c.raw_id
    found = select(
        func.min(moment),
        func.max(moment),
        func.count(),
        func.count().filter(staged.c.is_deleted),
        func.min(raw_id),
        func.max(raw_id),
    )
    row = connection.execute(found).one()
    return None if row[0] is None else Span(*row)


def reached(log: Log, staged: Span | None) -> datetime | None:
    """The latest moment at which anything took effect, with what is staged; None where that is not known."""
    if log.applied > 0 and log.latest is None:
        return None
    return max(log.latest or NEVER, staged.last if staged else NEVER)


def _known(log: Log, source_id: ColumnElement[Any]) -> ScalarSelect[Any]:
    """Up to when something is known of whom the natural key names."""
    entry = log.raw.alias("entry")
    return (
        select(func.max(entry.c.effective_at))
        .where(entry.c.source_id == source_id, log.holds(entry))
        .scalar_subquery()
    )


def is_superseded(staged: Table, log: Log, *, by: ColumnElement[Any]) -> ColumnElement[bool]:
    """Whether a record with this natural key that took effect later than the staged one has been applied; at
    one instant the tie-break and then the log tell, for the staged one may come from the quarantine.
    """
    entry, s = log.raw.alias("entry"), staged.c
    outdoes: ColumnElement[bool] = entry.c.raw_id > s.raw_id
    if "tie_break" in s:
        mine, other = s.tie_break, entry.c.tie_break
        higher = or_(other > mine, and_(other.is_not(None), mine.is_(None)))
        outdoes = or_(higher, and_(other.is_not_distinct_from(mine), outdoes))
    later = or_(entry.c.effective_at > s.effective_at, and_(entry.c.effective_at == s.effective_at, outdoes))
    return exists().where(entry.c.source_id == by, later, log.holds(entry))
