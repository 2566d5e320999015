"""Pruning: old entries of a raw log chosen and deleted, batch by batch, with the horizons of their keys.

An entry may go that is old, that every target has been built from, and that is not in the quarantine. Of what
may go of a key, the beginning does: whatever took effect before the last of it that lies before all that
stays. So what is behind the horizon is complete, and begins with what was so then. Always kept are the latest
entry of each key, which what comes next is compared with, and those by which values of a latest version are
traced.

What is chosen is noted in a table of the stream before anything is done, so that what is exported and what is
deleted are the same.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from datetime import datetime
from functools import cache
from typing import Any, Final

from sqlalchemy import (
    BigInteger,
    Column,
    ColumnElement,
    Connection,
    DateTime,
    MetaData,
    Select,
    Table,
    Text,
    and_,
    case,
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
from sqlalchemy.dialects.postgresql import insert as upsert

from strandline.model.base import NAMING, STAGING
from strandline.model.column import ChangedAt
from strandline.model.dimension import Dimension
from strandline.warehouse import horizon, raw, staging, state
from strandline.warehouse.database import Database

BATCH: Final = 10_000


@cache  # the same table again, so that SQLAlchemy finds the statements that it has compiled for it
def chosen_table(stream: str) -> Table:
    """The entries of a stream that are about to be pruned."""
    return Table(
        raw.table_name(f"{stream}__prune"),
        MetaData(schema=STAGING, naming_convention=NAMING),
        Column("raw_id", BigInteger, primary_key=True, autoincrement=False),
        Column("source_id", Text, nullable=False, index=True),
        Column("effective_at", DateTime(timezone=True), nullable=False),
        prefixes=["UNLOGGED"],
        comment="What is about to be pruned",
    )


@dataclass(frozen=True)
class Cut:
    """Where a raw log is cut."""

    log: Table
    stream: str
    source_system: str
    before: datetime
    """What was read from then on stays."""
    applied: int
    """The last entry that every target has been built from."""
    dimensions: tuple[type[Dimension], ...]
    """What the stream fills that has a history."""

    @property
    def chosen(self) -> Table:
        """What is to go."""
        return chosen_table(self.stream)

    @property
    def is_old(self) -> ColumnElement[bool]:
        """Whether an entry may go, for all that is known of it alone."""
        entry = self.log.c
        noted = state.reject.c
        return and_(
            entry.raw_id <= self.applied,
            entry.fetched_at < self.before,
            entry.effective_at.is_not(None),
            entry.operation.in_([raw.UPSERT, raw.DELETE, raw.RETURN, raw.FACTS]),
            ~exists().where(noted.stream == self.stream, noted.raw_id == entry.raw_id),
        )

    @property
    def is_needed(self) -> ColumnElement[bool]:
        """Whether an entry may tell anything of its key's history that is not there yet, or does so still."""
        entry = self.log.c
        noted, p = state.reject.c, state.pruned_key.c
        of_entry = (noted.stream == self.stream, noted.raw_id == entry.raw_id)
        is_out = or_(noted.state == state.DISCARDED, noted.rule == horizon.RULE)
        of_key = (p.stream == self.stream, p.source_id == entry.source_id)
        return and_(
            not_(self.is_old),
            entry.operation != raw.ERASED,
            or_(~exists().where(*of_entry), exists().where(*of_entry, not_(is_out))),
            ~exists().where(*of_key, p.until >= entry.effective_at),
        )


@dataclass(frozen=True)
class Chosen:
    """What a cut has found."""

    entries: int
    keys: int
    bytes: int
    first_at: datetime | None
    last_at: datetime | None
    """When the first and the last of it were read."""


def choose(database: Database, connection: Connection, cut: Cut) -> Chosen:
    """Note what is to go."""
    staging.empty(database, connection, cut.chosen)
    found = _found(cut)
    connection.execute(insert(cut.chosen).from_select(list(found.selected_columns.keys()), found))
    staging.analyze(database, connection, cut.chosen)
    entry, c = cut.log.c, cut.chosen.c
    told = connection.execute(
        select(
            func.count(),
            func.count(c.source_id.distinct()),
            func.coalesce(func.sum(func.length(entry.payload)), 0),
            func.min(entry.fetched_at),
            func.max(entry.fetched_at),
        ).select_from(cut.chosen.join(cut.log, entry.raw_id == c.raw_id))
    ).one()
    return Chosen(told[0], told[1], int(told[2]), told[3], told[4])


def _found(cut: Cut) -> Select[Any]:
    entry = cut.log.c
    weighed = (
        select(
            entry.raw_id,
            entry.source_id,
            entry.effective_at,
            case((cut.is_old, 1), else_=0).label("is_old"),
            case((cut.is_needed, 1), else_=0).label("is_needed"),
        )
        .where(entry.source_id.is_not(None))
        .subquery("weighed")
    )
    w = weighed.c
    of_key = (
        select(
            w.source_id,
            func.max(w.raw_id).label("last_raw_id"),
            func.min(case((w.is_needed == 1, w.effective_at))).label("needed_since"),
            func.max(case((w.effective_at.is_(None), w.is_needed), else_=0)).label("is_unsure"),
        )
        .group_by(w.source_id)
        .having(func.sum(w.is_old) > 1)
        .subquery("of_key")
    )
    k = of_key.c
    before_all = or_(k.needed_since.is_(None), w.effective_at < k.needed_since)
    old = (
        select(
            w.raw_id,
            w.source_id,
            w.effective_at,
            k.last_raw_id,
            func.max(w.effective_at).over(partition_by=w.source_id).label("begins_at"),
        )
        .join(of_key, k.source_id == w.source_id)
        .where(w.is_old == 1, k.is_unsure == 0, before_all)
        .subquery("old")
    )
    o = old.c
    traced = [_is_traced(cut, it, o.source_id, o.effective_at) for it in cut.dimensions]
    return select(o.raw_id, o.source_id, o.effective_at).where(
        o.effective_at < o.begins_at, o.raw_id < o.last_raw_id, *(~it for it in traced)
    )


def _is_traced(
    cut: Cut, dimension: type[Dimension], source_id: ColumnElement[Any], moment: ColumnElement[Any]
) -> ColumnElement[bool]:
    """Whether a value of the member's latest version was taken from the record of this moment."""
    v = dimension.table().c
    began = [v.valid_from, *(v[column.name] for column in dimension.companions(ChangedAt))]
    is_latest = and_(or_(v.is_current, v.is_deleted), or_(*(it == moment for it in began)))
    is_first = and_(v.version == 1, v.valid_from == moment) if dimension.attributes(0) else None
    wanted = is_latest if is_first is None else or_(is_latest, is_first)
    return exists().where(v.source_system == cut.source_system, v.source_id == source_id, wanted)


def begin(connection: Connection, cut: Cut, *, exported_to: str | None, run_id: int) -> int:
    """Open the line of the ledger; its number."""
    line = insert(state.prune).values(
        stream=cut.stream,
        before=cut.before,
        up_to=cut.applied,
        entries=0,
        exported_to=exported_to,
        versions=_versions(connection, cut),
        run_id=run_id,
    )
    number: int = connection.execute(line.returning(state.prune.c.prune_id)).scalar_one()
    return number


def _versions(connection: Connection, cut: Cut) -> dict[str, str | None]:
    """Of which mapper and contract the rows of each dimension are; None: of several."""
    mark = state.applied_mark.c
    names = [it.__name__ for it in cut.dimensions]
    found = select(mark.target, case((mark.version == mark.newest, mark.version)).label("version")).where(
        mark.stream == cut.stream, mark.target.in_(names)
    )
    return {it.target: it.version for it in connection.execute(found)}


def delete_batch(
    connection: Connection, cut: Cut, *, after: int, prune_id: int, size: int = BATCH
) -> int | None:
    """Delete the next `size` of what was chosen, and note the horizons of its keys; the last entry that is
    gone, or None if nothing is left. The caller owns the transaction.
    """
    c, p = cut.chosen.c, state.pruned_key
    window = select(c.raw_id).where(c.raw_id > after).order_by(c.raw_id).limit(size).subquery()
    last: int | None = connection.scalar(select(func.max(window.c.raw_id)))
    if last is None:
        return None
    is_meant = and_(c.raw_id > after, c.raw_id <= last)
    # The horizon is where it will be in the end: what is still there before it is not counted upon.
    of_key = (
        select(
            literal(cut.stream, Text),
            c.source_id,
            func.max(c.effective_at),
            func.sum(case((is_meant, 1), else_=0)),
        )
        .where(c.source_id.in_(select(c.source_id).where(is_meant)))
        .group_by(c.source_id)
    )
    note = upsert(p).from_select(["stream", "source_id", "until", "entries"], of_key)
    later = case((note.excluded.until > p.c.until, note.excluded.until), else_=p.c.until)
    connection.execute(
        note.on_conflict_do_update(
            index_elements=[p.c.stream, p.c.source_id],
            set_={"until": later, "entries": p.c.entries + note.excluded.entries},
        )
    )
    meant = select(c.raw_id).where(is_meant)
    gone = connection.execute(delete(cut.log).where(cut.log.c.raw_id.in_(meant))).rowcount
    counted = update(state.prune).where(state.prune.c.prune_id == prune_id)
    connection.execute(counted.values(entries=state.prune.c.entries + gone))
    return last


def applied_marks(connection: Connection, stream: str) -> dict[str, int]:
    """How far each target of the stream has been built."""
    mark = state.applied_mark.c
    found = connection.execute(select(mark.target, mark.raw_id).where(mark.stream == stream))
    return {row.target: row.raw_id for row in found}


def of_before(connection: Connection, *, pipeline: str | None = None) -> list[dict[str, Any]]:
    """The dimensions of which versions from before a horizon are of an older mapper or contract, which no
    replay changes: pipeline, stream and target, and how many natural keys of the stream have a horizon.
    """
    mark, run, p, key = state.applied_mark.c, state.run.c, state.prune.c, state.pruned_key.c
    lacking = select(key.stream, func.count().label("keys")).group_by(key.stream).subquery("lacking")
    marks = (
        select(run.pipeline, mark.stream, mark.target, mark.newest, lacking.c["keys"])
        .join(lacking, lacking.c.stream == mark.stream)
        .join(state.run, run.run_id == mark.run_id)
        .order_by(mark.stream, mark.target)
    )
    if pipeline is not None:
        marks = marks.where(run.pipeline == pipeline)
    pruned = connection.execute(select(p.stream, p.versions).where(p.versions.is_not(None))).all()
    return [
        {"pipeline": it.pipeline, "stream": it.stream, "target": it.target, "natural_keys": it[4]}
        for it in connection.execute(marks)
        if any(
            it.target in versions and versions[it.target] != it.newest
            for stream, versions in pruned
            if stream == it.stream
        )
    ]


def prunes(connection: Connection, streams: Iterable[str]) -> list[dict[str, Any]]:
    """What was pruned of these streams, newest first."""
    p = state.prune
    newest = select(p).where(p.c.stream.in_(list(streams))).order_by(p.c.prune_id.desc())
    return [dict(row) for row in connection.execute(newest).mappings()]
