"""Custom fields of dimensions: what all records of a member have carried, kept up with each merge.

A staged record says which fields it carries as if it were its member's only one. That is right for a new
member with one record, and so it is inserted. For every other member that is staged the fields of all its
records are put together with those that are stored: a field was first seen with the first, and has the value
of the last. Of members whose history is rebuilt everything is staged, and nothing stored counts, except up to
the horizon of those that have one, where no record is left to say it.

Most members have one staged record, which is later than all before it: what it carries is seen now, and what
else is stored is gone. That needs no order, and is worked out row by row at a fifth of the cost.
"""

from __future__ import annotations

from typing import Any, Final

from sqlalchemy import (
    Column,
    Connection,
    Select,
    Text,
    and_,
    case,
    false,
    func,
    insert,
    literal,
    not_,
    or_,
    select,
    text,
    true,
    union_all,
    update,
)

from strandline.model.custom import CUSTOM_FIELDS, JSON_FIELDS
from strandline.model.dimension import Dimension
from strandline.warehouse import state, temporary
from strandline.warehouse.dialect import as_json, each_field, field_seen, fields_of, in_order, moment_text
from strandline.warehouse.event import Batch, differ, written
from strandline.warehouse.late import LATE_MEMBER
from strandline.warehouse.staging import latest_first

MEMBER_FIELDS: Final = temporary.members(
    "custom_fields_of_member",
    Column("fields", JSON_FIELDS),
)
"""What the fields of the staged members are, all records taken together."""

ALONE: Final = temporary.members("custom_fields_alone")
"""The members with one staged record, behind all that they had."""


def has_custom_fields(dimension: type[Dimension]) -> bool:
    """Whether the dimension keeps them."""
    return CUSTOM_FIELDS in dimension.table().c


def note(connection: Connection, batch: Batch, *, has_late: bool, is_first: bool) -> None:
    """Work out the fields of every staged member, before the merge writes any; at first those of members that
    have one record each are what is staged.
    """
    if not has_custom_fields(batch.dimension):
        return
    MEMBER_FIELDS.create(connection)
    if is_first and batch.is_single:
        return
    _put_in_order(connection, batch, has_late=has_late)
    connection.execute(text(f"ANALYZE {MEMBER_FIELDS.name}"))


def write(connection: Connection, batch: Batch) -> int:
    """Write the fields to all versions of the staged members, where they differ; how many versions."""
    if not has_custom_fields(batch.dimension):
        return 0
    table, found = batch.table, MEMBER_FIELDS.c
    written_: int = connection.execute(
        update(table)
        .where(table.c.source_system == batch.source_system, table.c.source_id == found.source_id)
        .where(differ([in_order(table.c[CUSTOM_FIELDS])], [in_order(found.fields)]))
        .values({CUSTOM_FIELDS: found.fields, **written(batch)})
    ).rowcount
    return written_


def _put_in_order(connection: Connection, batch: Batch, *, has_late: bool) -> None:
    """Put together what was seen when; all of a member's records are looked at only where that is needed."""
    ALONE.create(connection)
    s = batch.staged.c
    alone = select(s.source_id).group_by(s.source_id).having(func.count() == 1)
    if has_late:
        alone = alone.where(s.source_id.not_in(select(LATE_MEMBER.c.source_id)))
    connection.execute(insert(ALONE).from_select(["source_id"], alone))
    connection.execute(text(f"ANALYZE {ALONE.name}"))
    into = insert(MEMBER_FIELDS)
    connection.execute(into.from_select(["source_id", "fields"], _followed(batch)))
    others = select(literal(1)).where(s.source_id.not_in(select(ALONE.c.source_id))).limit(1)
    if connection.execute(others).first() is not None:
        found = _put_together(batch, has_late=has_late)
        connection.execute(into.from_select(["source_id", "fields"], found))


def _followed(batch: Batch) -> Select[Any]:
    """The fields of known members of whom one later record says which they are now."""
    s, table = batch.staged.c, batch.table
    now, before = each_field(as_json(s[CUSTOM_FIELDS])), each_field(table.c[CUSTOM_FIELDS])
    begun = before.c.value.op("->>")("first_seen")
    field = case(
        (now.c.key.is_(None), field_seen(before.c.value, begun, true())),
        (before.c.key.is_(None), now.c.value),
        else_=field_seen(now.c.value, begun, false()),
    )
    name = func.coalesce(now.c.key, before.c.key)
    fields = (
        select(case((func.count(name) > 0, fields_of(name, field, true()))))
        .select_from(before.join(now, before.c.key == now.c.key, full=True))
        .correlate(batch.staged, table)
        .scalar_subquery()
    )
    is_known = and_(table.c.source_system == batch.source_system, table.c.source_id == s.source_id)
    return (
        select(s.source_id, fields)
        .select_from(batch.staged.join(ALONE, ALONE.c.source_id == s.source_id).join(table, is_known))
        .where(not_(s.is_deleted), or_(table.c.is_current, table.c.is_deleted))
    )


def _put_together(batch: Batch, *, has_late: bool) -> Select[Any]:
    seen = _seen(batch, has_late=has_late).subquery("seen")
    c = seen.c
    place = func.row_number().over(partition_by=[c.source_id, c.name], order_by=[c.last_seen.desc(), c.rank])
    first = func.min(c.first_seen).over(partition_by=[c.source_id, c.name])
    last = func.max(c.last_seen).over(partition_by=c.source_id)
    placed = select(
        c.source_id,
        c.name,
        c.said,
        first.label("first"),
        (c.last_seen < last).label("gone"),
        place.label("place"),
    ).subquery("placed")
    p = placed.c
    latest = (
        select(p.source_id, p.name, field_seen(p.said, p.first, p.gone).label("field"))
        .where(p.place == 1)
        .order_by(p.source_id, p.name)
        .subquery("latest")
    )
    named = latest.c.name.is_not(None)
    fields = case((func.count(latest.c.name) > 0, fields_of(latest.c.name, latest.c.field, named)))
    return select(latest.c.source_id, fields).group_by(latest.c.source_id)


def _seen(batch: Batch, *, has_late: bool) -> Any:
    """Every field that a record has carried, once for each: (source_id, name, said, first_seen, last_seen,
    rank). A record without any is there with no name, for what it lacks is gone.
    """
    standing = _standing(batch)
    s = standing.c
    each = each_field(s[CUSTOM_FIELDS])
    staged = select(
        s.source_id,
        each.c.key.label("name"),
        each.c.value.label("said"),
        each.c.value.op("->>")("first_seen").label("first_seen"),
        each.c.value.op("->>")("last_seen").label("last_seen"),
        literal(0).label("rank"),
    ).select_from(standing.join(each, true()))
    record = select(
        s.source_id,
        literal(None, Text),
        literal(None, JSON_FIELDS),
        literal(None, Text),
        s.moment,
        literal(0),
    )
    table = batch.table
    held = each_field(table.c[CUSTOM_FIELDS])
    members = select(s.source_id)
    if has_late:
        members = members.where(s.source_id.not_in(select(LATE_MEMBER.c.source_id)))
    stored = (
        select(
            table.c.source_id,
            held.c.key,
            held.c.value,
            held.c.value.op("->>")("first_seen"),
            held.c.value.op("->>")("last_seen"),
            literal(1),
        )
        .select_from(table.join(held, true()))
        .where(table.c.source_system == batch.source_system, or_(table.c.is_current, table.c.is_deleted))
        .where(table.c.source_id.in_(members))
    )
    return union_all(staged, record, stored, *([_bygone(batch)] if has_late else []))


def _bygone(batch: Batch) -> Select[Any]:
    """What rebuilt members carried up to their horizons; it yields to whatever a record says."""
    table, p = batch.table, state.pruned_key.c
    held = each_field(table.c[CUSTOM_FIELDS])
    first, last, until = (
        held.c.value.op("->>")("first_seen"),
        held.c.value.op("->>")("last_seen"),
        moment_text(p.until),
    )
    of_member = and_(p.stream == batch.stream, p.source_id == table.c.source_id)
    return (
        select(
            table.c.source_id,
            held.c.key,
            held.c.value,
            first,
            case((last < until, last), else_=until),
            literal(1),
        )
        .select_from(table.join(state.pruned_key, of_member).join(held, true()))
        .where(table.c.source_system == batch.source_system, or_(table.c.is_current, table.c.is_deleted))
        .where(table.c.source_id.in_(select(LATE_MEMBER.c.source_id)), first <= until)
    )


def _standing(batch: Batch) -> Any:
    """The staged records that are no deletions; of several at one instant the one that stands."""
    s = batch.staged.c
    fields = as_json(s[CUSTOM_FIELDS]).label(CUSTOM_FIELDS)
    place = func.row_number().over(
        partition_by=[s.source_id, s.effective_at], order_by=latest_first(batch.staged)
    )
    ranked = select(
        s.source_id, fields, moment_text(s.effective_at).label("moment"), s.is_deleted, place.label("place")
    ).subquery("ranked")
    r = ranked.c
    several = r.source_id.not_in(select(ALONE.c.source_id))
    return (
        select(r.source_id, r[CUSTOM_FIELDS], r.moment)
        .where(r.place == 1, not_(r.is_deleted), several)
        .subquery("standing")
    )
