"""Releases: what of the quarantine is tried again in a merge, and what becomes of it.

An entry is tried when another contract or mapper has refused it than today's, or when somebody asks for it.
What a contract had refused concerns every target of the stream: as soon as it passes, each target that is
built up to there gets a reject of its own, and lets go of it in its own merge. A payload that nobody could
read may have been noted with a wrong key or time; the raw log learns the right ones with its release.
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
    Select,
    Table,
    and_,
    case,
    delete,
    exists,
    func,
    literal,
    or_,
    select,
    text,
    update,
)
from sqlalchemy.dialects.postgresql import insert

from strandline.warehouse import raw, state, temporary
from strandline.warehouse.event import differ
from strandline.warehouse.late import RELATIVE
from strandline.warehouse.quarantine import Wanted

TRIED: Final = temporary.table(
    "quarantine_tried",
    Column("raw_id", BigInteger, primary_key=True),
)
"""The entries of the raw log that are tried again in a merge."""

COPIED: Final = [
    *("stream", "raw_id", "source_id", "field", "rule", "reason"),
    *("run_id", "rejected_at", "last_seen_at", "last_run_id", "repeats"),
]


class Ward(Struct, frozen=True):
    """The rejects of one target of a stream, and of its contract."""

    stream: str
    target: str
    raw: Table

    @property
    def is_mine(self) -> ColumnElement[bool]:
        """The reject may be tried for this target: it is of no rule that other records decide on."""
        noted = state.reject.c
        return and_(
            noted.stream == self.stream,
            noted.target.in_(["", self.target]),
            noted.rule.not_in(RELATIVE),
            noted.state != state.DISCARDED,
        )

    @property
    def is_tried(self) -> ColumnElement[bool]:
        """The reject is one of those, of an entry that is being tried."""
        return and_(self.is_mine, state.reject.c.raw_id.in_(select(TRIED.c.raw_id)))


def is_due(
    connection: Connection, ward: Ward, wanted: Wanted, versions: Mapping[str, str], *, up_to: int
) -> bool:
    """Whether there is anything to be tried."""
    found = _chosen(ward, wanted, versions, up_to=up_to).limit(1)
    return connection.execute(found).first() is not None


def choose(
    connection: Connection, ward: Ward, wanted: Wanted, versions: Mapping[str, str], *, up_to: int
) -> int:
    """Note in TRIED what is to be tried; how many entries."""
    TRIED.create(connection)
    chosen = _chosen(ward, wanted, versions, up_to=up_to).distinct()
    connection.execute(insert(TRIED).from_select(["raw_id"], chosen))
    connection.execute(text("ANALYZE quarantine_tried"))
    connection.execute(update(state.reject).where(ward.is_tried).values(version=None))
    return connection.scalar(select(func.count()).select_from(TRIED)) or 0


def _chosen(ward: Ward, wanted: Wanted, versions: Mapping[str, str], *, up_to: int) -> Select[Any]:
    noted = state.reject.c
    chosen = select(noted.raw_id).where(ward.is_mine, noted.raw_id <= up_to)
    if wanted.raw_ids is not None:
        return chosen.where(noted.raw_id.in_(wanted.raw_ids))
    if wanted.is_forced:
        return chosen
    others = (
        and_(noted.target == target, noted.version.is_distinct_from(versions.get(target)))
        for target in ("", ward.target)
    )
    return chosen.where(or_(*others))


def entries(ward: Ward) -> Select[Any]:
    """The entries that are tried, oldest first, each with the run that read it if the contract has refused it
    then: `refused_by`.
    """
    entry = ward.raw
    noted = state.reject.alias("first").c
    refused_by = select(noted.run_id).where(_at_first(noted, entry, ward.stream)).scalar_subquery()
    return (
        select(*raw.entry_columns(entry), refused_by.label("refused_by"))
        .join(TRIED, TRIED.c.raw_id == entry.c.raw_id)
        .order_by(entry.c.raw_id)
    )


def refused_at_first(
    connection: Connection, table: Table, *, stream: str, raw_ids: Sequence[int]
) -> dict[int, int]:
    """Those of these entries, one behind the other in a raw log, that their contract has refused when they
    were read, and by which run.
    """
    if not raw_ids:
        return {}
    noted = state.reject.c
    among = noted.raw_id.between(raw_ids[0], raw_ids[-1])
    found = select(noted.raw_id, noted.run_id).where(_at_first(noted, table, stream), among)
    return {it.raw_id: it.run_id for it in connection.execute(found)}


def _at_first(noted: Any, entry: Table, stream: str) -> ColumnElement[bool]:
    """Whether it is the contract's reject of the entry, and no later contract's than that of its reading."""
    same = and_(noted.stream == stream, noted.raw_id == entry.c.raw_id, noted.target == "")
    return and_(same, noted.run_id == entry.c.run_id)


def hand_over(connection: Connection, ward: Ward, raw_ids: Sequence[int] | None = None) -> None:
    """Make rejects of the contract those of its targets, open until these have been merged: of these entries,
    or of all that are not refused.
    """
    noted, mark = state.reject.c, state.applied_mark.c
    passes = noted.version.is_(None) if raw_ids is None else noted.raw_id.in_(raw_ids)
    is_contracts = and_(ward.is_tried, noted.target == "", passes)
    values = [noted[name] for name in COPIED]
    is_built = and_(mark.stream == ward.stream, mark.target != ward.target, mark.raw_id >= noted.raw_id)
    others = select(mark.target, *values).join_from(state.reject, state.applied_mark, is_built)
    copies = insert(state.reject).from_select(["target", *COPIED], others.where(is_contracts))
    connection.execute(copies.on_conflict_do_nothing())
    mine = state.reject.alias("mine").c
    is_there = exists().where(
        mine.stream == ward.stream, mine.raw_id == noted.raw_id, mine.target == ward.target
    )
    becomes = {"target": ward.target, "state": state.OPEN, "superseded_by": None}
    connection.execute(update(state.reject).where(is_contracts, ~is_there).values(**becomes))
    connection.execute(delete(state.reject).where(is_contracts))


def let_go(connection: Connection, ward: Ward, staged: Table, *, is_record: bool) -> int:
    """Let what is not refused again leave the quarantine, for as long as the merge does not refuse it; how
    many. The raw log learns what they say of themselves; `is_record` says that a staged deletion is one.
    """
    noted = state.reject.c
    passes = update(state.reject).where(ward.is_tried, noted.target == ward.target, noted.version.is_(None))
    gone: int = connection.execute(passes.values(state=state.RELEASED)).rowcount
    entry, s = ward.raw, staged.c
    becomes: dict[str, Any] = {"source_id": s.source_id, "effective_at": s.effective_at}
    if "tie_break" in s:
        becomes["tie_break"] = s.tie_break
    if is_record:
        becomes["operation"] = case(
            (s.is_deleted, literal(raw.DELETE)),
            (entry.c.operation.in_([raw.FACTS, raw.RETURN]), entry.c.operation),
            else_=literal(raw.UPSERT),
        )
    is_other = differ([entry.c[name] for name in becomes], list(becomes.values()))
    is_tried = s.raw_id.in_(select(TRIED.c.raw_id))
    connection.execute(update(entry).where(entry.c.raw_id == s.raw_id, is_tried, is_other).values(**becomes))
    return gone


def forget(connection: Connection, ward: Ward) -> int:
    """Forget what has been released; how many."""
    is_released = and_(ward.is_mine, state.reject.c.state == state.RELEASED)
    released: int = connection.execute(delete(state.reject).where(is_released)).rowcount
    return released


def still_open(connection: Connection, ward: Ward) -> int:
    """How many of those that were tried are open."""
    is_open = and_(ward.is_tried, state.reject.c.state == state.OPEN)
    return connection.scalar(select(func.count()).select_from(state.reject).where(is_open)) or 0


def stamp(connection: Connection, ward: Ward, version: str, *, run_id: int) -> None:
    """Note the version beside what this run has refused while it merged."""
    noted = state.reject.c
    unstamped = and_(noted.target == ward.target, noted.version.is_(None), noted.last_run_id == run_id)
    connection.execute(update(state.reject).where(ward.is_mine, unstamped).values(version=version))
