"""Replay: a target brought to what its raw log says by today's contract and mapper, in one transaction.

Everything is staged again, and then it is as if all of it had come late. Of a dimension the members that are
what they should be are found first, by one join, and leave the stage; the others have their histories rebuilt
(see `rebuild`), so surrogate keys live as long as their versions do. Whom no accepted record names any more
is gone, or known by the key still where somebody refers to it. Readers see what was there before until the
transaction ends, and what is right already is not written.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from datetime import datetime
from typing import Any, Final

from msgspec import Struct, field
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
    inspect,
    literal,
    not_,
    or_,
    select,
    text,
    true,
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
from strandline.warehouse.orphan import Orphans
from strandline.warehouse.previous import remembered
from strandline.warehouse.staging import empty

SCOPE: Final = temporary.members("replay_scope")
"""The natural keys that are replayed, where it is not all of them."""

HELD_SCOPE: Final = temporary.members("replay_scope", on_commit="PRESERVE ROWS")
"""The same, for as long as a replay takes that is many transactions; SQLite drops it all the same."""

UNNAMED: Final = temporary.members("replay_unnamed")
"""The members that no accepted record names any more."""


class Scope(Struct, frozen=True):
    """Which records are replayed: all, those of these natural keys, or of those that were read since then."""

    keys: Sequence[str] | None = None
    since: datetime | None = None
    orphans: Orphans = field(default_factory=Orphans)

    @property
    def is_whole(self) -> bool:
        """All of them."""
        return self.keys is None and self.since is None

    def holds(self, source_id: ColumnElement[Any]) -> ColumnElement[bool]:
        """Whether a natural key is among them."""
        return true() if self.is_whole else source_id.in_(select(SCOPE.c.source_id))

    def pruned(self, stream: str) -> Select[Any]:
        """The natural keys among them of which the raw log lacks entries."""
        p = state.pruned_key.c
        return select(p.source_id).where(p.stream == stream, self.holds(p.source_id))


def hold(connection: Connection, log: Log, scope: Scope) -> None:
    """Note whose records are replayed, for all transactions to come until `release`."""
    HELD_SCOPE.drop(connection, checkfirst=True)
    _fill(connection, HELD_SCOPE, log, scope)


def release(connection: Connection) -> None:
    """Forget whose records are replayed."""
    HELD_SCOPE.drop(connection, checkfirst=True)


def choose(connection: Connection, log: Log, scope: Scope) -> None:
    """Note whose records are replayed, for this transaction, unless that is held."""
    if not inspect(connection).has_table(SCOPE.name):
        _fill(connection, SCOPE, log, scope)


def _fill(connection: Connection, table: Table, log: Log, scope: Scope) -> None:
    table.create(connection, checkfirst=False)
    if scope.keys is not None:
        keys = [{"source_id": it} for it in dict.fromkeys(scope.keys)]
        connection.execute(insert(table), keys)
    elif scope.since is not None:
        entry = log.raw.c
        read = select(entry.source_id).where(entry.fetched_at >= scope.since, entry.source_id.is_not(None))
        connection.execute(insert(table).from_select(["source_id"], read.distinct()))
    connection.execute(text("ANALYZE replay_scope"))


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
    is_other = differ([entry[name] for name in becomes], list(becomes.values()))
    connection.execute(update(log.raw).where(entry.raw_id == s.raw_id, is_other).values(**becomes))


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
    LATE_MEMBER.create(connection)
    UNNAMED.create(connection)
    unnamed = _unnamed(dimension, staged, source_system, scope)
    connection.execute(insert(UNNAMED).from_select(["source_id"], unnamed))
    wrong = union(_wrong(dimension, staged, source_system), select(UNNAMED.c.source_id))
    connection.execute(insert(LATE_MEMBER).from_select(["source_id"], wrong))
    connection.execute(text("ANALYZE late_member"))
    found = connection.scalar(select(func.count()).select_from(LATE_MEMBER)) or 0
    if found:
        late = select(LATE_MEMBER.c.source_id)
        connection.execute(delete(staged).where(staged.c.source_id.not_in(late)))
    else:
        empty(database, connection, staged)
    return found


def _unnamed(dimension: type[Dimension], staged: Table, source_system: str, scope: Scope) -> Select[Any]:
    table = dimension.table().c
    named = select(staged.c.source_id).where(not_(staged.c.is_deleted))
    return (
        select(table.source_id)
        .where(table.source_system == source_system, not_(table.is_inferred), scope.holds(table.source_id))
        .where(table.source_id.not_in(named))
        .distinct()
    )


def _wrong(dimension: type[Dimension], staged: Table, source_system: str) -> Select[Any]:
    """The staged members but for those with one record and one version that says the same."""
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
    found = func.count(dimension.key_column())
    return (
        select(s.source_id)
        .select_from(staged.outerjoin(table, is_right))
        .group_by(s.source_id)
        .having(or_(func.count() > 1, found == 0))
    )


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
