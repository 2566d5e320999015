"""Replay: a target brought to what its raw log says by today's contract and mapper, in one transaction.

Everything is staged again, and then it is as if all of it had come late. Of a dimension the members that are
what they should be are found first, by one join, and leave the stage; the others have their histories rebuilt
(see `rebuild`), so surrogate keys live as long as their versions do. Whom no accepted record names any more
is gone, or known by the key still where somebody refers to it. Readers see what was there before until the
transaction ends, and what is right already is not written.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import Any, Final

from sqlalchemy import (
    ColumnElement,
    Connection,
    Select,
    Table,
    and_,
    delete,
    exists,
    false,
    func,
    insert,
    literal,
    not_,
    or_,
    select,
    text,
    union,
    update,
)

from strandline.model.bridge import Bridge
from strandline.model.custom import CUSTOM_FIELDS
from strandline.model.dimension import Dimension
from strandline.model.fact import Fact
from strandline.warehouse import orphan, quarantine, raw, state, temporary
from strandline.warehouse.database import Database
from strandline.warehouse.dialect import as_json
from strandline.warehouse.event import Batch, differ, event_table
from strandline.warehouse.late import LATE_MEMBER, Log
from strandline.warehouse.previous import remembered
from strandline.warehouse.scope import SCOPE, Scope
from strandline.warehouse.staging import empty

UNNAMED: Final = temporary.members("replay_unnamed")
"""The members that no accepted record names any more."""


def entries(log: Log, scope: Scope, *, up_to: int) -> Select[Any]:
    """The entries that are replayed up to this one, without those in the quarantine, oldest first."""
    entry = log.raw
    return (
        select(*raw.entry_columns(entry))
        .where(entry.c.raw_id <= up_to, scope.holds(entry.c.source_id), log.accepted(entry))
        .where(log.is_complete(entry))
        .where(not_(quarantine.is_discarded(entry, stream=log.stream, target=log.target)))
        .order_by(entry.c.raw_id)
    )


def rejects(connection: Connection, log: Log) -> list[int]:
    """The entries of the chosen natural keys that are in the quarantine."""
    noted = state.reject.c
    found = select(noted.raw_id).where(
        noted.stream == log.stream, noted.source_id.in_(select(SCOPE.c.source_id))
    )
    return list(connection.scalars(found.distinct()))


def correct_log(connection: Connection, log: Log, staged: Table) -> None:
    """Let the raw log know the keys and times that today's contract reads in its entries."""
    entry, s = log.raw.c, staged.c
    becomes: dict[str, Any] = {"source_id": s.source_id, "effective_at": s.effective_at}
    if "tie_break" in s:
        becomes["tie_break"] = s.tie_break
    is_other = and_(
        entry.raw_id == s.raw_id, differ([entry[name] for name in becomes], list(becomes.values()))
    )
    # As hardly any ever is; and a query reads with several processes, which an UPDATE never does.
    others = select(func.count()).select_from(log.raw.join(staged, is_other))
    if connection.scalar(others):
        connection.execute(update(log.raw).where(is_other).values(**becomes))


def find_members(
    database: Database,
    connection: Connection,
    *,
    dimension: type[Dimension],
    staged: Table,
    source_system: str,
    scope: Scope,
) -> int:
    """Put into LATE_MEMBER whoever is not what the staged records say, and leave only these on the stage; how
    many they are.
    """
    with temporary.expecting_little(connection):  # the planner is afraid that all of them are wrong
        temporary.fill(connection, UNNAMED, _unnamed(dimension, staged, source_system, scope))
        wrong = union(_wrong(dimension, staged, source_system), select(UNNAMED.c.source_id))
        found = temporary.fill(connection, LATE_MEMBER, wrong)
    connection.execute(text("ANALYZE late_member"))
    if found:
        late = select(LATE_MEMBER.c.source_id)
        connection.execute(delete(staged).where(staged.c.source_id.not_in(late)))
    else:
        empty(database, connection, staged)
    return found


def _unnamed(dimension: type[Dimension], staged: Table, source_system: str, scope: Scope) -> Select[Any]:
    table = dimension.table().c
    is_named = exists().where(staged.c.source_id == table.source_id, not_(staged.c.is_deleted))
    return (
        select(table.source_id)
        .where(table.source_system == source_system, not_(table.is_inferred), scope.holds(table.source_id))
        .where(not_(is_named))
        .distinct()
    )


def _wrong(dimension: type[Dimension], staged: Table, source_system: str) -> Select[Any]:
    """The staged members but for those of whom there is one version that says the same as every record."""
    table, s = dimension.table(), staged.c
    filled = dimension.filled()
    stored = [table.c[name] for name in filled]
    said: list[ColumnElement[Any]] = [s[of] for of in filled.values()]
    if CUSTOM_FIELDS in s:
        stored, said = [*stored, table.c[CUSTOM_FIELDS]], [*said, as_json(s[CUSTOM_FIELDS])]
    says_the_same = not_(differ(stored, said))
    has_changed = [table.c[name].is_not(None) for name in remembered(dimension)]
    is_right = and_(
        table.c.source_system == source_system,
        table.c.source_id == s.source_id,
        table.c.version == 1,
        table.c.is_current,
        not_(table.c.is_inferred),
        table.c.valid_from == s.effective_at,
        not_(s.is_deleted),
        says_the_same,
        not_(or_(false(), *has_changed)),
    )
    return select(s.source_id).where(not_(exists().where(is_right)))


def note_unnamed(connection: Connection) -> None:
    """Let the merge know of the unnamed as of members of whom nothing is left."""
    event = event_table()
    nothing = {"events": 0, "is_deleted": False, "is_last": False, "changed": False, "is_rebuilt": True}
    there = exists().where(event.c.source_id == UNNAMED.c.source_id)
    values = [UNNAMED.c.source_id, *(literal(value) for value in nothing.values())]
    connection.execute(insert(event).from_select(["source_id", *nothing], select(*values).where(~there)))


def remove_unnamed(
    connection: Connection,
    batch: Batch,
    *,
    facts: Sequence[type[Fact]],
    naming: Iterable[type[Dimension] | type[Bridge]],
) -> int:
    """Remove the unnamed that nothing asks to be known by their key, and let facts wait for them; how many.

    `facts` are those that refer to the dimension, `naming` the dimensions and bridges that may.
    """
    if not connection.scalar(select(func.count()).select_from(UNNAMED)):
        return 0
    member = batch.table.alias("unnamed")
    theirs = and_(member.c.source_system == batch.source_system, member.c.source_id == UNNAMED.c.source_id)
    columns = orphan.naming_columns(naming, batch.dimension)
    is_needed = exists().where(theirs, orphan.is_needed(batch.dimension, member, facts=facts, naming=columns))
    connection.execute(delete(UNNAMED).where(is_needed))
    gone = orphan.Going(batch.dimension, batch.source_system, select(UNNAMED.c.source_id))
    removed, _ = orphan.remove_members(connection, gone, facts=facts, run_id=batch.run_id)
    return removed
