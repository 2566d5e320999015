"""The quarantine: records that failed their contract or their mapping, each with its reason, kept in the raw
log.

A reject is *open* until its payload is accepted after all, when it is gone, or until somebody discards it.
It is *superseded* when its record has come again, right: the payload is still refused, but nobody has to do
anything about it. Beside it stands the version of contract and mapper that refused it, so that others try it
again; none stands there while it is to be tried.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, Final

from msgspec import Struct
from sqlalchemy import (
    BigInteger,
    Column,
    ColumnElement,
    Connection,
    FromClause,
    LargeBinary,
    Select,
    Table,
    Text,
    and_,
    case,
    delete,
    exists,
    func,
    literal,
    or_,
    select,
    true,
    update,
)
from sqlalchemy.dialects.postgresql import insert

from strandline.warehouse import late, state, temporary
from strandline.warehouse.copy import copy

NO_VERSIONS: Final[Mapping[str, str]] = {}
PLACE: Final = (state.reject.c.stream, state.reject.c.raw_id, state.reject.c.target)

SENT_AGAIN: Final = temporary.table(
    "sent_again",
    Column("source_id", Text),
    Column("payload_hash", LargeBinary),
    Column("raw_id", BigInteger, comment="Behind the entry that it repeats"),
)
"""The records of a chunk that were in the raw log already."""


class Reject(Struct, frozen=True):
    """One record set aside; `target` is empty when its contract refused it."""

    raw_id: int
    source_id: str | None
    target: str
    field: str
    rule: str
    reason: str


class Wanted(Struct, frozen=True):
    """Which rejects are to be tried: those that another version refused, all, or those of some entries."""

    is_forced: bool = False
    raw_ids: Sequence[int] | None = None


DUE: Final = Wanted()
ALL: Final = Wanted(is_forced=True)


def keep(
    connection: Connection,
    *,
    stream: str,
    rejects: Sequence[Reject],
    run_id: int,
    versions: Mapping[str, str] = NO_VERSIONS,
) -> None:
    """Note the rejects; one that was noted before keeps its number and its beginning, and one that was
    discarded stays as it is. `versions` tells, by target, of what refused them.
    """
    if not rejects:
        return
    rows = [
        {
            "stream": stream,
            "target": reject.target,
            "raw_id": reject.raw_id,
            "source_id": reject.source_id,
            "field": storable(reject.field),
            "rule": reject.rule,
            "reason": storable(reject.reason),
            "run_id": run_id,
            "last_run_id": run_id,
            "version": versions.get(reject.target),
        }
        for reject in rejects
    ]
    note = insert(state.reject)
    told = {name: note.excluded[name] for name in ("field", "rule", "reason", "version", "last_run_id")}
    is_back = state.reject.c.state == state.RELEASED
    becomes = {**told, "state": case((is_back, state.OPEN), else_=state.reject.c.state)}
    is_standing = state.reject.c.state != state.DISCARDED
    connection.execute(
        note.on_conflict_do_update(index_elements=PLACE, set_=becomes, where=is_standing), rows
    )


def note(
    connection: Connection,
    found: Select[Any],
    *,
    stream: str,
    target: str,
    field: str | None = None,
    rule: str,
    run_id: int,
) -> int:
    """Note as rejects what a select of raw_id, source_id, reason and, unless it is given, field finds; how
    many were not noted before, or were about to be released.
    """
    raw_id, source_id, reason, *fields = found.subquery("found").c
    values: dict[str, Any] = {
        "stream": literal(stream),
        "target": literal(target),
        "raw_id": raw_id,
        "source_id": source_id,
        "field": literal(field) if field is not None else fields[0],
        "rule": literal(rule),
        "reason": reason,
        "run_id": literal(run_id, BigInteger),
        "last_run_id": literal(run_id, BigInteger),
    }
    # With a condition, for SQLite takes ON CONFLICT for that of a join without one.
    noted = insert(state.reject).from_select(list(values), select(*values.values()).where(true()))
    told = {name: noted.excluded[name] for name in ("field", "rule", "reason", "last_run_id")}
    back = noted.on_conflict_do_update(
        index_elements=PLACE,
        set_={**told, "state": state.OPEN},
        where=state.reject.c.state == state.RELEASED,
    )
    return connection.execute(back, execution_options={"preserve_rowcount": True}).rowcount


def storable(words: str) -> str:
    """The words with what PostgreSQL cannot hold as text spelled out."""
    return words.replace("\0", "\\0").encode("utf-8", "backslashreplace").decode()


def of_target(*, stream: str, target: str) -> ColumnElement[bool]:
    """The rejects of one target, or of the contract when it is empty, that may be tried again."""
    noted = state.reject.c
    return and_(noted.stream == stream, noted.target == target, noted.state != state.DISCARDED)


def doubt(connection: Connection, *, stream: str, target: str, after: int) -> None:
    """Hold it possible that what was refused behind this entry of the raw log is right: it is to be tried
    again.
    """
    is_behind = state.reject.c.raw_id > after
    connection.execute(
        update(state.reject).where(of_target(stream=stream, target=target), is_behind).values(version=None)
    )


def forget_doubtful(connection: Connection, *, stream: str, target: str, after: int) -> None:
    """Forget what was tried again and not refused."""
    noted = state.reject.c
    connection.execute(
        delete(state.reject).where(
            of_target(stream=stream, target=target), noted.raw_id > after, noted.version.is_(None)
        )
    )


def forget(connection: Connection, *, stream: str, raw_ids: Sequence[int]) -> None:
    """Forget what the contract had refused of these entries: it was tried again and accepted."""
    passes = and_(of_target(stream=stream, target=""), state.reject.c.version.is_(None))
    connection.execute(delete(state.reject).where(passes, state.reject.c.raw_id.in_(raw_ids)))


def is_discarded(entry: FromClause, *, stream: str, target: str) -> ColumnElement[bool]:
    """Whether somebody has discarded this entry of the raw log, for this target or for all."""
    noted = state.reject.alias("discarded").c
    return exists().where(
        noted.stream == stream,
        noted.raw_id == entry.c.raw_id,
        noted.target.in_(["", target]),
        noted.state == state.DISCARDED,
    )


def discarded(connection: Connection, *, stream: str, after: int, up_to: int) -> dict[int, set[str]]:
    """For which targets the entries of a part of the raw log were discarded; "" for all."""
    noted, found = state.reject.c, dict[int, set[str]]()
    is_there = and_(noted.stream == stream, noted.raw_id > after, noted.raw_id <= up_to)
    wanted = select(noted.raw_id, noted.target).where(is_there, noted.state == state.DISCARDED)
    for raw_id, target in connection.execute(wanted):
        found.setdefault(raw_id, set()).add(target)
    return found


def has_any(connection: Connection, stream: str) -> bool:
    """Whether anything of the stream is in the quarantine."""
    found = select(literal(1)).where(state.reject.c.stream == stream).limit(1)
    return connection.execute(found).first() is not None


def count_repeats(
    connection: Connection,
    log: Table,
    *,
    stream: str,
    sent: Sequence[tuple[str | None, bytes, int]],
    run_id: int,
) -> None:
    """Count the rejects among these records, which the raw log held already: natural key, hash, and a number
    behind the entry that each repeats.
    """
    again, noted, entry = SENT_AGAIN, state.reject, log.alias("repeated")
    again.create(connection)
    copy(connection, again.name, columns=list(again.c), rows=sent)
    latest = (
        select(func.max(entry.c.raw_id))
        .where(entry.c.source_id == again.c.source_id, entry.c.raw_id < again.c.raw_id)
        .scalar_subquery()
    )
    each = select(noted.c.reject_id, again.c.raw_id).where(noted.c.stream == stream)
    keyed = each.join(again, again.c.source_id == noted.c.source_id).where(noted.c.raw_id == latest)
    same = and_(entry.c.source_id.is_(None), entry.c.payload_hash == again.c.payload_hash)
    keyless = (
        each.join(entry, entry.c.raw_id == noted.c.raw_id)
        .join(again, same)
        .where(again.c.source_id.is_(None))
    )
    found = keyed.union_all(keyless).subquery("found")
    times = (
        select(found.c.reject_id, func.count().label("times")).group_by(found.c.reject_id).subquery("times")
    )
    connection.execute(
        update(noted)
        .where(noted.c.reject_id == times.c.reject_id)
        .values(repeats=noted.c.repeats + times.c.times, last_seen_at=func.now(), last_run_id=run_id)
    )
    again.drop(connection)


def supersede(connection: Connection, log: late.Log, *, up_to: int) -> None:
    """Mark the open rejects whose record has come again since, right, and took effect then or later; one
    whose own time is unknown or wrong has come again in any case.
    """
    noted, refused, entry = (
        state.reject.alias("noted"),
        log.raw.alias("refused_entry"),
        log.raw.alias("entry"),
    )
    is_right = (
        entry.c.source_id == noted.c.source_id,
        entry.c.raw_id > noted.c.raw_id,
        entry.c.raw_id <= up_to,
        or_(refused.c.effective_at.is_(None), entry.c.effective_at >= refused.c.effective_at),
        log.accepted(entry),
    )
    found = (
        select(noted.c.reject_id, func.max(entry.c.raw_id).label("by"))
        .join(refused, refused.c.raw_id == noted.c.raw_id)
        .join(entry, and_(*is_right))
        .where(noted.c.stream == log.stream, noted.c.target.in_(["", log.target]))
        .where(noted.c.state == state.OPEN, noted.c.rule.not_in(late.RELATIVE))
        .group_by(noted.c.reject_id)
        .subquery("found")
    )
    connection.execute(
        update(state.reject)
        .where(state.reject.c.reject_id == found.c.reject_id)
        .values(state=state.SUPERSEDED, superseded_by=found.c.by)
    )


def commonest_reason(connection: Connection, *, stream: str, after: int) -> str | None:
    """What most of the stream's rejects behind this entry of its raw log were rejected for."""
    noted = state.reject.c
    reasons = (
        select(func.min(noted.reason))
        .where(noted.stream == stream, noted.raw_id > after, noted.state != state.DISCARDED)
        .group_by(noted.target, noted.field, noted.rule)
        .order_by(func.count().desc())
    )
    found: str | None = connection.scalar(reasons.limit(1))
    return found
