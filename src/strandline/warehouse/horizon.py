"""The horizon: up to when entries of a natural key were pruned from the raw log, and what tells of then.

Behind its horizon all entries of a key are there, so a late record is merged, and a replay works, as ever.
Up to it the versions of a dimension are all that is left to tell: they are staged in place of the entries,
each as a record of the moment at which it began, with a deletion where nothing follows at its end. So what
was before survives whatever comes after, with its surrogate keys. A record that takes effect up to there
cannot be put where it belongs, and becomes a reject.

What a type 3 column was is known of its last change only. Where that lies behind the horizon, the column is
taken to have been what the first record behind it says; a record that takes the place of another one could
undo the change and bring an older one to light, so it becomes a reject as well. So does a deletion in the
place of the only record behind the horizon, which would uncover what overwritten columns were before.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, Final

from sqlalchemy import (
    Column,
    ColumnElement,
    Connection,
    FromClause,
    Select,
    Table,
    Text,
    and_,
    case,
    cast,
    delete,
    exists,
    false,
    func,
    insert,
    literal,
    not_,
    or_,
    select,
    true,
)

from strandline.model.dimension import Dimension
from strandline.warehouse import quarantine, raw, state
from strandline.warehouse.late import Log
from strandline.warehouse.staging import latest_first

RULE: Final = "pruned"
"""What a record is rejected for that took effect when entries of its key were pruned."""


@dataclass(frozen=True)
class Member:
    """The members of a dimension that a stream fills, and their horizons."""

    dimension: type[Dimension]
    staged: Table
    log: Log
    applied: int
    """The last entry of the raw log that the dimension was built from."""

    @property
    def table(self) -> Table:
        """The dimension's table."""
        return self.dimension.table()

    @property
    def with_memory(self) -> list[Column[Any]]:
        """The columns of type 3."""
        return self.dimension.attributes(3)

    @property
    def is_theirs(self) -> ColumnElement[bool]:
        """The version is one of a member that has a horizon."""
        v, p = self.table.c, state.pruned_key.c
        same = (v.source_system == self.log.source_system, v.source_id == p.source_id)
        return and_(p.stream == self.log.stream, *same, not_(v.is_inferred))

    @property
    def until(self) -> Column[Any]:
        """The horizon."""
        return state.pruned_key.c.until


def has_any(connection: Connection, stream: str) -> bool:
    """Whether any natural key of the stream has a horizon."""
    found = select(literal(1)).where(state.pruned_key.c.stream == stream).limit(1)
    return connection.execute(found).first() is not None


def of_key(connection: Connection, stream: str, source_id: str) -> Any:
    """The horizon of a natural key; None: nothing of it was pruned."""
    p = state.pruned_key.c
    return connection.scalar(select(p.until).where(p.stream == stream, p.source_id == source_id))


def forget(connection: Connection, stream: str, source_id: str) -> None:
    """Forget that anything of a natural key was pruned."""
    p = state.pruned_key.c
    connection.execute(delete(state.pruned_key).where(p.stream == stream, p.source_id == source_id))


def refuse(connection: Connection, member: Member, *, run_id: int) -> int:
    """Set aside the staged records that take effect where entries of their key were pruned; how many. For a
    dimension that is new it begins behind the horizon, so what was kept of before is left out.
    """
    s, p, log = member.staged.c, state.pruned_key.c, member.log
    if member.applied == 0:
        old = select(func.max(state.prune.c.up_to)).where(state.prune.c.stream == log.stream)
        behind = exists().where(p.stream == log.stream, p.source_id == s.source_id, s.effective_at <= p.until)
        connection.execute(delete(member.staged).where(s.raw_id <= old.scalar_subquery(), behind))
    reason = (
        literal(f"{member.dimension.__name__}: it took effect at ", Text)
        + cast(s.effective_at, Text)
        + literal(", and what was said of its key up to ", Text)
        + cast(p.until, Text)
        + literal(" was pruned from the raw log", Text)
    )
    found = (
        select(s.raw_id, s.source_id, reason.label("reason"))
        .join(state.pruned_key, and_(p.stream == log.stream, p.source_id == s.source_id))
        .where(or_(s.effective_at <= p.until, _may_undo(member, member.staged), _may_uncover(member)))
    )
    refused = quarantine.note(
        connection, found, stream=log.stream, target=log.target, field="", rule=RULE, run_id=run_id
    )
    noted = state.reject.c
    aside = select(noted.raw_id).where(
        noted.stream == log.stream,
        noted.target == log.target,
        noted.rule == RULE,
        noted.state != state.RELEASED,  # what was tried again and is not refused
    )
    connection.execute(delete(member.staged).where(s.raw_id.in_(aside)))
    return refused


def _may_undo(member: Member, staged: FromClause) -> ColumnElement[bool]:
    """Whether a record takes the place of another, where a column remembers a change behind the horizon."""
    if not member.with_memory:
        return false()
    s, v = staged.c, member.table.alias("changed").c
    has_changed = or_(*(v[f"{it.name}_changed_at"] > member.until for it in member.with_memory))
    of_member = (v.source_system == member.log.source_system, v.source_id == s.source_id)
    is_new, takes_place = _is_new(member, staged), _takes_place(member, staged)
    return and_(is_new, takes_place, exists().where(*of_member, has_changed))


def _may_uncover(member: Member) -> ColumnElement[bool]:
    """Whether a deletion takes the place of what may be the only record behind the horizon: nobody remembers
    what a column that is overwritten was before that one. What was read later does not count, so that it is
    the same in a replay.
    """
    if not member.dimension.overwritten():
        return false()
    s, entry, more = member.staged.c, member.log.raw.alias("left"), member.staged.alias("more")
    left = exists().where(
        entry.c.raw_id <= member.applied,
        entry.c.operation.in_([raw.UPSERT, raw.RETURN]),
        member.log.accepted(entry),
        _stays(member, entry),
    )
    follows = exists().where(not_(more.c.is_deleted), _stays(member, more), not_(_may_undo(member, more)))
    is_new, takes_place = _is_new(member, member.staged), _takes_place(member, member.staged)
    return and_(s.is_deleted, is_new, takes_place, not_(left), not_(follows))


def _stays(member: Member, other: FromClause) -> ColumnElement[bool]:
    """Whether another record of the key lies behind the horizon, whatever becomes of the staged one, and no
    deletion at its moment.
    """
    s, o = member.staged.c, other.c
    entry, gone = member.log.raw.alias("tombstone").c, member.staged.alias("gone").c
    tombstones = (
        exists().where(
            it.source_id == o.source_id, it.effective_at == o.effective_at, it.raw_id < s.raw_id, is_one
        )
        for it, is_one in ((entry, entry.operation == raw.DELETE), (gone, gone.is_deleted))
    )
    return and_(
        o.source_id == s.source_id,
        o.raw_id < s.raw_id,
        o.effective_at > member.until,
        o.effective_at != s.effective_at,
        not_(or_(*tombstones)),
    )


def _is_new(member: Member, staged: FromClause) -> ColumnElement[bool]:
    """Whether a staged record has not been merged before."""
    s, noted = staged.c, state.reject.c
    is_released = exists().where(
        noted.stream == member.log.stream, noted.raw_id == s.raw_id, noted.state == state.RELEASED
    )
    return or_(s.raw_id > member.applied, is_released)


def _takes_place(member: Member, staged: FromClause) -> ColumnElement[bool]:
    """Whether a staged record takes effect when another one of its key did."""
    s, entry = staged.c, member.log.raw.alias("entry").c
    return exists().where(
        entry.source_id == s.source_id,
        entry.raw_id <= member.applied,
        entry.raw_id != s.raw_id,
        entry.effective_at == s.effective_at,
    )


def stage_versions(connection: Connection, member: Member, *, members: Select[Any]) -> None:
    """Stage what the versions of these members say up to their horizons, as if it were records."""
    if not has_any(connection, member.log.stream):
        return
    v, memories = member.table.c, member.with_memory
    chosen = v.source_id.in_(members)
    step = 2 + len(memories)
    # No entry has a number below 0, and no two versions have one key.
    first = -member.dimension.key_column() * step
    begun = v.valid_from <= member.until
    rows = [
        _said(member, first, v.valid_from).where(begun, chosen),
        _ended(member, first - 1).where(chosen),
    ]
    for number, column in enumerate(memories, 2):
        at = v[f"{column.name}_changed_at"]
        covers = and_(v.valid_from < at, or_(v.valid_to.is_(None), at < v.valid_to))
        rows.append(_said(member, first - number, at).where(at <= member.until, covers, chosen))
    for it in rows:
        connection.execute(insert(member.staged).from_select(list(it.selected_columns.keys()), it))


def _said(member: Member, number: ColumnElement[Any], moment: ColumnElement[Any]) -> Select[Any]:
    """A version as a record of this moment."""
    v, remembered = member.table.c, {it.name for it in member.with_memory}
    values = {
        column.name: _remembered(member, column.name, moment) if column.name in remembered else v[column.name]
        for column in member.dimension.attributes()
    }
    return _row(member, number, moment, is_deleted=false(), values=values)


def _ended(member: Member, number: ColumnElement[Any]) -> Select[Any]:
    """The end of a version that nothing follows, as a deletion."""
    v, n = member.table.c, member.table.alias("next").c
    follows = exists().where(
        n.source_system == v.source_system, n.source_id == v.source_id, n.valid_from == v.valid_to
    )
    row = _row(member, number, v.valid_to, is_deleted=true(), values={})
    return row.where(v.valid_to <= member.until, ~follows)


def _row(
    member: Member,
    number: ColumnElement[Any],
    moment: ColumnElement[Any],
    *,
    is_deleted: ColumnElement[bool],
    values: dict[str, ColumnElement[Any]],
) -> Select[Any]:
    v = member.table.c
    own: dict[str, ColumnElement[Any]] = {
        "raw_id": number,
        "source_id": v.source_id,
        "effective_at": moment,
        "synced_at": v.synced_at,
        "is_deleted": is_deleted,
    }
    filled = {name: it.label(name) for name, it in {**own, **values}.items()}
    return select(*filled.values()).select_from(member.table.join(state.pruned_key, member.is_theirs))


def _remembered(member: Member, name: str, moment: ColumnElement[Any]) -> ColumnElement[Any]:
    """What a type 3 column was at a moment up to the horizon, as far as its last change tells."""
    v, kept = member.table.c, member.staged.alias("kept")
    changed_at, now, previous = v[f"{name}_changed_at"], v[name], v[f"previous_{name}"]

    def first_kept(wanted: Callable[[Any], ColumnElement[Any]]) -> ColumnElement[Any]:
        k = kept.c
        place = func.row_number().over(partition_by=k.effective_at, order_by=latest_first(kept))
        of_member = (k.source_id == v.source_id, k.raw_id > 0, k.raw_id <= member.applied)
        placed = select(k.effective_at, k.is_deleted, k[name], place.label("place")).where(*of_member)
        # What another record of its moment has superseded tells nothing, nor does a deletion.
        p = placed.correlate(member.table).subquery("placed").c
        found = select(wanted(p)).where(p.place == 1, not_(p.is_deleted)).correlate(member.table)
        return found.order_by(p.effective_at).limit(1).scalar_subquery()

    return case(
        (changed_at.is_(None), now),
        (and_(changed_at <= member.until, moment < changed_at), previous),
        (changed_at <= member.until, now),
        (changed_at == first_kept(lambda k: k.effective_at), previous),
        else_=first_kept(lambda k: k[name]),
    )
