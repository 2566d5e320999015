"""The mutants: conditions of the merge's SQL, each with a wrong one in its place and what that would mean."""

from typing import NamedTuple


class Mutant(NamedTuple):
    """One condition turned wrong."""

    module: str
    """Of strandline.warehouse."""
    why: str
    right: str
    wrong: str


MUTANTS = (
    # What happened: events.
    Mutant(
        "event",
        "of two records at one instant the first stands",
        "else_=later_changed",
        "else_=first_changed",
    ),
    Mutant("event", "a tie is not settled", ".where(r.tie == 1)", ".where(r.tie >= 1)"),
    Mutant(
        "event",
        "a deletion of who is deleted is a change",
        "e.c.is_deleted != e.c.was_gone",
        "e.c.is_deleted",
    ),
    Mutant(
        "event",
        "a return after a deletion is no change",
        "or_(e.c.is_deleted != table.c.is_deleted,",
        "or_(e.c.is_deleted,",
    ),
    Mutant(
        "event",
        "equal neighbours open versions",
        "and_(not_(e.c.is_deleted), differ(now, before))",
        "not_(e.c.is_deleted)",
    ),
    Mutant(
        "event",
        "changes of tracked columns go unnoticed",
        "and_(not_(e.c.is_deleted), differ(now, stored))),",
        "false()),",
    ),
    Mutant(
        "event",
        "the first deletion of nobody is a change",
        "(or_(latest_key.is_(None), table.c.is_inferred), not_(e.c.is_deleted)),",
        "(or_(latest_key.is_(None), table.c.is_inferred), e.c.is_deleted == e.c.is_deleted),",
    ),
    Mutant(
        "event",
        "a deleted member is not found again",
        "or_(table.c.is_current, table.c.is_deleted)",
        "table.c.is_current",
    ),
    Mutant(
        "event",
        "a member that ends deleted is not marked so",
        "and_(func.coalesce(next_deleted, false()), is_final)",
        "false()",
    ),
    Mutant(
        "event",
        "a member is marked deleted though it returned",
        "and_(func.coalesce(next_deleted, false()), is_final)",
        "func.coalesce(next_deleted, false())",
    ),
    Mutant(
        "event",
        "the last record may be a deletion",
        "and_(not_(r.is_deleted), from_last == 1)",
        "(from_last == 1)",
    ),
    Mutant(
        "event",
        "the first record may be a deletion",
        "order_by=[r.is_deleted, r.effective_at])",
        "order_by=[r.effective_at])",
    ),
    # That a deletion does not fill an inferred member cannot be turned wrong in `is_completing`: the first
    # change of who is inferred is never a deletion, and only changes are asked. What says so is this one.
    Mutant(
        "event",
        "an inferred member's deletion ends it",
        "(or_(latest_key.is_(None), table.c.is_inferred), not_(e.c.is_deleted)),",
        "(latest_key.is_(None), not_(e.c.is_deleted)),",
    ),
    Mutant(
        "event",
        "every change of an inferred member fills it",
        "and_(e.position == 1, not_(e.is_deleted), func.coalesce(e.was_inferred, false()))",
        "and_(not_(e.is_deleted), func.coalesce(e.was_inferred, false()))",
    ),
    Mutant(
        "event",
        "a deletion opens a version",
        "and_(self.event.c.changed, not_(self.event.c.is_deleted), not_(self.is_completing))",
        "and_(self.event.c.changed, not_(self.is_completing))",
    ),
    # Who is first in a dimension.
    Mutant("first", "who is staged twice is staged once", "if has_repeats and", "if not has_repeats and"),
    Mutant("first", "somebody who is there is nobody", ".first() is not None:", ".first() is False:"),
    Mutant("first", "numbers follow the log with its gaps", "+ 1 == self.count", "+ 1 >= self.count"),
    Mutant("scd", "a first deletion is a member", ".where(not_(s.c.is_deleted))\n", "\n"),
    # What that does to a dimension: versions.
    Mutant(
        "event",
        "unchanged members are closed",
        "and_(e.changed, e.position == 1, e.current_key",
        "and_(e.position == 1, e.current_key",
    ),
    Mutant(
        "event",
        "the last change closes, not the first",
        "and_(e.changed, e.position == 1, e.current_key",
        "and_(e.changed, e.current_key",
    ),
    Mutant(
        "scd",
        "a version that ended deleted is ended again",
        '"valid_to": func.coalesce(d.valid_to, e.effective_at)',
        '"valid_to": e.effective_at',
    ),
    Mutant(
        "scd",
        "a deletion does not mark the version",
        '"is_deleted": and_(e.is_deleted, e.next_at.is_(None))',
        '"is_deleted": false()',
    ),
    Mutant(
        "scd",
        "a returned member stays deleted",
        '"is_deleted": and_(e.is_deleted, e.next_at.is_(None))',
        '"is_deleted": e.is_deleted',
    ),
    Mutant(
        "scd",
        "a deleted version is the latest for ever",
        "or_(d.is_current, d.is_deleted)",
        "d.is_current",
    ),
    Mutant("scd", "who is overwritten ends", "case((batch.is_closing, it), else_=d[name])", "it"),
    Mutant(
        "event",
        "who is staged twice among many that say nothing new is taken for single",
        "replace(batch, said=few), said.has_several(connection, few)",
        "replace(batch, said=few), False",
    ),
    Mutant(
        "scd", "numbers of versions begin anew", "func.coalesce(n.current_version, 0) + n.opened", "n.opened"
    ),
    Mutant("scd", "every version gets a durable key of its own", "number - n.opened + 1", "number"),
    Mutant(
        "scd", "type 0 takes the record's own value", "else_=f.c[column.name])", "else_=s.c[column.name])"
    ),
    Mutant(
        "scd",
        "type 0 forgets what is stored",
        "(known, latest.c[column.name])",
        "(not_(known), latest.c[column.name])",
    ),
    Mutant(
        "scd",
        "type 1 takes the first record's value",
        "            e.is_last,\n",
        "            e.raw_id == e.first_raw_id,\n",
    ),
    Mutant(
        "scd",
        "type 1 stays in the old versions",
        "if has_common else 0",
        "if None else 0",
    ),
    Mutant(
        "scd",
        "several events of a new member lose type 1",
        "is_meant = or_(e.events > 1, e.is_rebuilt)",
        "is_meant = and_(e.is_rebuilt)",
    ),
    # Late: rebuilt from the raw log.
    Mutant(
        "late",
        "a correction at the same instant is not late",
        "known >= moment",
        "known > moment",
    ),
    Mutant(
        "late",
        "rejects of the log count as known",
        "~rejected.exists()",
        "or_(~rejected.exists(), entry.c.raw_id > 0)",
    ),
    Mutant(
        "late",
        "late facts overwrite later ones",
        "or_(entry.c.effective_at > s.effective_at,",
        "or_(entry.c.effective_at > func.now(),",
    ),
    Mutant("late", "the lower tie-break stands", "or_(other > mine,", "or_(other < mine,"),
    # The quarantine: released, superseded.
    Mutant(
        "late",
        "a released record overwrites what came after it at its instant",
        "= entry.c.raw_id > s.raw_id",
        "= entry.c.raw_id < 0",
    ),
    Mutant(
        "release",
        "the raw log keeps the time that could not be read",
        "where(entry.c.raw_id == s.raw_id, is_tried, is_other)",
        "where(entry.c.raw_id < 0, is_tried, is_other)",
    ),
    Mutant(
        "quarantine",
        "a correction at the same instant does not supersede",
        "entry.c.effective_at >= refused.c.effective_at",
        "entry.c.effective_at > refused.c.effective_at",
    ),
    Mutant(
        "release", "what is discarded is tried again", "noted.state != state.DISCARDED,", "noted.raw_id > 0,"
    ),
    Mutant(
        "rebuild",
        "no version keeps its key",
        "begins_there = or_(d.valid_from == e.effective_at,",
        "begins_there = or_(d.valid_from > func.now(),",
    ),
    Mutant(
        "rebuild",
        "an inferred version is not taken over",
        "and_(d.is_inferred, e.position == 1)",
        "and_(d.is_inferred, e.position == 0)",
    ),
    Mutant(
        "rebuild",
        "the durable key changes",
        ".values(current_durable_key=durable)",
        ".values(current_durable_key=None)",
    ),
    Mutant(
        "rebuild",
        "versions that are gone stay",
        "connection.execute(delete(batch.table).where(batch.key.in_(select(RETIRED.c.key))))",
        "connection.execute(delete(batch.table).where(batch.key == 0))",
    ),
    Mutant(
        "rebuild",
        "whose records were all withdrawn vanishes",
        "connection.execute(delete(RETIRED).where(RETIRED.c.key.in_(spared)))",
        "connection.execute(delete(RETIRED).where(RETIRED.c.key == 0))",
    ),
    Mutant(
        "rebuild",
        "surviving versions keep their old end",
        '"valid_to": n.c.next_at,',
        '"valid_to": table.c.valid_to,',
    ),
    Mutant(
        "previous",
        "what came before is the value now",
        "(w.number == 1, w.stored), else_=w.before)",
        "(w.number == 1, w.stored), else_=w.now)",
    ),
    Mutant(
        "previous",
        "the first change is remembered, not the last",
        "order_by=w.effective_at.desc()",
        "order_by=w.effective_at",
    ),
    Mutant(
        "previous",
        "every event is a step",
        "is_step = differ([s[of]], [before.c[of]])",
        "is_step = e.is_last",
    ),
    Mutant("previous", "one event forgets what was before", "else_=previous)", "else_=None)"),
    Mutant(
        "previous",
        "a rebuilt member keeps an old memory",
        "            changed_at.is_not(None),\n",
        "            changed_at.is_(None),\n",
    ),
    Mutant(
        "previous",
        "deletions count as records",
        ".where(not_(e.is_deleted), or_(",
        ".where(or_(",
    ),
)
