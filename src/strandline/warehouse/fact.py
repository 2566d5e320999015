"""Facts, merged as a set: keys resolved by joins, then one update of what changed and one insert of what is
new.

What may stand is settled first (see `grain`). Loading a record again restates its row in place, and only when
something in it differs; a tombstone removes it.
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Mapping, Sequence
from dataclasses import asdict, dataclass, replace
from datetime import date
from typing import Any, TypeGuard

from sqlalchemy import (
    ColumnElement,
    Connection,
    FromClause,
    Select,
    Table,
    and_,
    delete,
    exists,
    func,
    insert,
    literal,
    not_,
    or_,
    select,
    update,
)

from strandline.model.column import Reference, role
from strandline.model.fact import Fact
from strandline.model.milestone import AccumulatingSnapshot
from strandline.model.period import IS_FILLED, PeriodicSnapshot
from strandline.warehouse import (
    bridge,
    combination,
    fold,
    grain,
    index,
    key,
    late,
    period,
    quarantine,
    reversal,
)
from strandline.warehouse.database import Database
from strandline.warehouse.event import differ
from strandline.warehouse.orphan import Orphans
from strandline.warehouse.resolution import Batch, find_whole, resolve, resolved_rows


@dataclass(frozen=True)
class Merged:
    """What a merge did to a fact, in rows."""

    inserted: int = 0
    updated: int = 0
    deleted: int = 0
    inferred: int = 0
    rejected: int = 0
    facts_moved: int = 0
    repeated: int = 0

    def counts(self) -> dict[str, int]:
        """The figures by name."""
        return asdict(self)


def merge(
    database: Database,
    connection: Connection,
    *,
    fact: type[Fact],
    staged: Table,
    log: late.Log,
    sources: Mapping[str, str],
    waiting: Sequence[type[Fact]],
    is_key: bool,
    has_lines: bool,
    stage_again: Callable[[Select[Any]], None],
    replayed: Callable[[ColumnElement[Any]], ColumnElement[bool]] | None = None,
    orphans: Orphans | None = None,
    run_id: int,
) -> Merged:
    """Bring the fact up to what is staged. `sources` names, by reference, whose natural keys the staged ones
    are; `waiting` are the facts that may wait for a member that is inferred here; `is_key` says that the
    grain is the natural key, `has_lines` that a record has several rows, whose grain begins with it;
    `stage_again` stages what a select of entries of the raw log finds. In a replay everything is staged of
    the natural keys for which `replayed` holds, and rows that nothing staged gives go; `orphans` are to know
    who is named.

    Staging the same records again changes nothing. The caller owns the transaction.
    """
    batch = Batch(fact, staged, log.stream, log.source_system, sources, run_id)
    # In this order: whoever was ever mentioned is a member, and what cannot stand supersedes nothing, so that
    # it does not matter which records came in one batch.
    contest = grain.Contest(fact, staged, log, run_id, has_lines)
    rejected = grain.refuse_equal_lines(connection, contest) if has_lines else 0
    orphans = orphans or Orphans()
    rejected += _reject_missing(connection, batch, orphans)
    inferred = _infer_missing(database, connection, batch, orphans)
    inferred += _ensure_groups(database, connection, batch, waiting)
    _ensure_combinations(connection, batch)
    moved = _welcome(connection, batch, waiting) if inferred else 0
    outdone, left = _settle(connection, batch, contest, is_key=is_key, stage_again=stage_again)
    records = 0 if log.staged is None else log.staged.records
    batch = replace(batch, whole=find_whole(database, connection, batch, records))
    before = period.latest(connection, fact) if _is_filled(fact) else None
    inserted, updated, deleted = _write(
        database, connection, batch, records=records, has_lines=has_lines, replayed=replayed
    )
    repeated = _repeat(connection, batch, before) if _is_filled(fact) else 0
    return Merged(inserted, updated, deleted + left, inferred, rejected + outdone, moved, repeated)


def _settle(
    connection: Connection,
    batch: Batch,
    contest: grain.Contest,
    *,
    is_key: bool,
    stage_again: Callable[[Select[Any]], None],
) -> tuple[int, int]:
    """Leave on the stage what is to stand; how many records were set aside, and how many rows are gone."""
    fact, staged = batch.fact, batch.staged
    if issubclass(fact, AccumulatingSnapshot):
        return fold.fold(connection, fold.Folding(fact, staged, contest.log, batch.run_id)), 0
    if issubclass(fact, PeriodicSnapshot):
        period.settle(connection, period.Periods(fact, staged, batch.source_system, batch.run_id))
        return 0, 0
    if fact.__deletes__ == "reverse":
        reversal.settle(connection, fact, staged)
        return 0, 0
    return grain.settle(connection, contest, is_key=is_key, stage_again=stage_again)


def _is_filled(fact: type[Fact]) -> TypeGuard[type[PeriodicSnapshot]]:
    """Whether periods without a record repeat the row before."""
    return issubclass(fact, PeriodicSnapshot) and fact.__fill__ is not None


def _repeat(connection: Connection, batch: Batch, before: date | None) -> int:
    """Repeat rows in the periods without a record; how many rows were written for it."""
    assert issubclass(batch.fact, PeriodicSnapshot)
    periods = period.Periods(batch.fact, batch.staged, batch.source_system, batch.run_id)
    written = period.fill(connection, periods, before=before)
    written += connection.execute(_update(batch, periods.filling)).rowcount
    return written + _execute_insert(connection, _insert(batch, periods.filling))


def _write(
    database: Database,
    connection: Connection,
    batch: Batch,
    *,
    records: int,
    has_lines: bool,
    replayed: Callable[[ColumnElement[Any]], ColumnElement[bool]] | None,
) -> tuple[int, int, int]:
    """Make the rows what the stage says, of about so many records, if that is known; how many were inserted,
    updated and deleted.
    """
    if _is_empty(connection, batch):
        # Not only for speed: while the planner takes a table for empty, it looks for rows that are there by
        # reading all of it for each new one, those that this very statement adds as well.
        rows = records or connection.scalar(select(func.count()).select_from(batch.staged)) or 0
        with index.built_afterwards(database, connection, batch.fact.table(), rows=rows):
            return _execute_insert(connection, _insert_all(batch)), 0, 0
    resolved = resolve(connection, batch)
    deleted = _delete(connection, batch, has_lines=has_lines)
    if replayed is not None:
        deleted += connection.execute(_delete_unsaid(batch, resolved, replayed)).rowcount
    updated = connection.execute(_update(batch, resolved)).rowcount
    return _execute_insert(connection, _insert(batch, resolved)), updated, deleted


def _is_empty(connection: Connection, batch: Batch) -> bool:
    any_row = select(literal(1)).select_from(batch.fact.table()).limit(1)
    return connection.execute(any_row).first() is None


def _execute_insert(connection: Connection, statement: Any) -> int:
    return connection.execute(statement, execution_options={"preserve_rowcount": True}).rowcount


def _ensure_combinations(connection: Connection, batch: Batch) -> None:
    for name, dimension in batch.fact.combinations().items():
        combination.ensure(
            connection, dimension=dimension, combinations=batch.members(name), run_id=batch.run_id
        )


def _ensure_groups(
    database: Database, connection: Connection, batch: Batch, waiting: Sequence[type[Fact]]
) -> int:
    return sum(
        bridge.ensure(
            database,
            connection,
            bridge=found,
            groups=batch.members(name),
            source_system=batch.source_of(name),
            waiting=waiting,
            run_id=batch.run_id,
        )
        for name, found in batch.fact.bridges().items()
    )


def _infer_missing(database: Database, connection: Connection, batch: Batch, orphans: Orphans) -> int:
    inferring = {name: it for name, it in batch.fact.references().items() if it.missing == "infer"}
    unknown = _who_are_unknown(connection, batch, inferring)
    inferred = 0
    for name, reference in inferring.items():
        named: dict[str, Any] = {"source_system": batch.source_of(name), "members": batch.members(name)}
        of = reference.dimension
        if name in unknown:
            inferred += key.infer(database, connection, dimension=of, **named, run_id=batch.run_id)
        orphans.note(connection, of, **named)
    return inferred


def _who_are_unknown(
    connection: Connection, batch: Batch, references: Mapping[str, Reference]
) -> Collection[str]:
    """The references that may name somebody who is not there; the stage is read once for several."""
    if len(references) < 2:
        return references
    s = batch.staged.c
    joined: FromClause = batch.staged
    counted = []
    for name, reference in references.items():
        member = key.latest(reference, batch.source_of(name)).alias(f"of_{name}")
        joined = joined.outerjoin(member, and_(member.c.source_id == s[name], member.c.is_latest))
        counted.append(func.count(s[name]).filter(member.c.source_id.is_(None)))
    missing = connection.execute(select(*counted).select_from(joined).where(not_(s.is_deleted))).one()
    return [name for name, count in zip(references, missing, strict=True) if count]


def _welcome(connection: Connection, batch: Batch, waiting: Sequence[type[Fact]]) -> int:
    return sum(
        key.welcome(
            connection,
            fact=fact,
            dimension=reference.dimension,
            source_system=batch.source_of(name),
            members=batch.members(name),
            run_id=batch.run_id,
        )
        for name, reference in batch.fact.references().items()
        if reference.missing == "infer"
        for fact in waiting
    )


def _reject_missing(connection: Connection, batch: Batch, orphans: Orphans) -> int:
    return sum(
        _reject(connection, batch, name, reference=reference, orphans=orphans)
        for name, reference in batch.fact.references().items()
        if reference.missing == "reject"
    )


def _reject(
    connection: Connection, batch: Batch, name: str, *, reference: Reference, orphans: Orphans
) -> int:
    """Put the staged records whose member is not there into the quarantine, and off the stage."""
    s, member = batch.staged.c, reference.dimension.table()
    source = batch.source_of(name)
    is_named = (member.c.source_system == source, member.c.source_id == s[name])
    known = exists().where(*is_named, not_(orphans.is_one(reference.dimension, member)))
    is_missing = and_(s[name].is_not(None), not_(s.is_deleted), ~known)
    why = func.concat(
        f"{batch.fact.__name__}.{name}: no member {source}:", s[name], f" in {reference.dimension.__name__}"
    )
    refused = select(s.raw_id, s.source_id, func.min(why)).where(is_missing).group_by(s.raw_id, s.source_id)
    noted = quarantine.note(
        connection,
        refused,
        stream=batch.stream,
        target=batch.fact.__name__,
        field=name,
        rule="missing",
        run_id=batch.run_id,
    )
    connection.execute(delete(batch.staged).where(s.raw_id.in_(select(s.raw_id).where(is_missing))))
    return noted


def _same_grain(batch: Batch, other: Any) -> Any:
    table = batch.fact.table()
    same = (table.c[column.name] == other[column.name] for column in batch.fact.row_key())
    return and_(table.c.source_system == batch.source_system, *same)


def _delete(connection: Connection, batch: Batch, *, has_lines: bool) -> int:
    """Delete what is no more; how many rows."""
    gone = batch.staged.c
    if batch.fact.__deletes__ == "reverse":
        return reversal.remove(connection, batch.fact, batch.staged, source_system=batch.source_system)
    if has_lines:
        return connection.execute(_delete_lines(batch)).rowcount
    return connection.execute(
        delete(batch.fact.table()).where(_same_grain(batch, gone), gone.is_deleted)
    ).rowcount


def _delete_unsaid(
    batch: Batch, resolved: Table, replayed: Callable[[ColumnElement[Any]], ColumnElement[bool]]
) -> Any:
    """What is there of replayed records and is not to be; the repetitions of a period follow what they repeat
    unless nothing is said of their thing at all.
    """
    table, s = batch.fact.table(), batch.staged.c
    is_said: ColumnElement[bool] = exists().where(_same_grain(batch, resolved.c))
    if _is_filled(batch.fact):
        is_named = exists().where(s.source_id == table.c.source_id)
        is_said = or_(is_said, and_(table.c[IS_FILLED], is_named))
    return delete(table).where(
        table.c.source_system == batch.source_system, replayed(table.c.source_id), not_(is_said)
    )


def _delete_lines(batch: Batch) -> Any:
    """What the staged records have no more: the lines that are not staged, and all of a deleted one."""
    table, s = batch.fact.table(), batch.staged.c
    record = batch.fact.grain()[0].name
    is_staged = exists().where(_same_grain(batch, s))  # which a deleted one is not: it has no line
    is_theirs = and_(table.c.source_system == batch.source_system, table.c[record].in_(select(s[record])))
    return delete(table).where(is_theirs, ~is_staged)


def _update(batch: Batch, resolved: Table) -> Any:
    table, r = batch.fact.table(), resolved.c
    names = [column.name for column in table.c if role(column) is not None and not column.primary_key]
    names += [column.name for column in table.c if column.name.endswith("_missing") and role(column) is None]
    names.append("source_id")  # of two records at one grain the one that stands may say the same
    changed = {name: r[name] for name in (*names, "synced_at", "schema_version", "run_id", "audit_key")}
    return (
        update(table)
        .where(_same_grain(batch, r), differ([table.c[name] for name in names], [r[name] for name in names]))
        .values(**changed, updated_at=func.now())
    )


def _insert_all(batch: Batch) -> Any:
    names, rows = resolved_rows(batch)
    stamped = rows.add_columns(func.now(), func.now())
    return insert(batch.fact.table()).from_select([*names, "created_at", "updated_at"], stamped)


def _insert(batch: Batch, resolved: Table) -> Any:
    table = batch.fact.table()
    is_there = select(literal(1)).where(_same_grain(batch, resolved.c)).exists()
    names = list(resolved.c.keys())
    rows = select(*resolved.c, func.now(), func.now()).where(~is_there)
    return insert(table).from_select([*names, "created_at", "updated_at"], rows)
