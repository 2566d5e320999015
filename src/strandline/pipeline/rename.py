"""A guess at what a field that is new was called before, from what the same natural keys said last.

A field that stopped coming in the run in which another one came was perhaps renamed: it was where it had the
same value for nearly every natural key that has said both. A sample of the run's entries is compared with
what stood in the raw log before.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from difflib import SequenceMatcher
from typing import Any, Final

from sqlalchemy import Connection, Table, func, select

from strandline.source.census import decoded, values_at
from strandline.warehouse import raw

COMPARED: Final = 200
"""So many entries of a run are looked at."""

AGREEING: Final = 0.8
"""This share of those that have said both must have said the same."""

Said = Sequence[tuple[dict[str, Any], dict[str, Any]]]
"""What each natural key said before, and what it says now."""


def guess(
    connection: Connection, log: Table, rows: Mapping[str, Mapping[str, Any]], *, run_id: int, first: int
) -> dict[str, str]:
    """By the path of each field that this run, whose entries begin with `first`, has seen first: the path
    that it may have had.
    """
    came = [path for path, it in rows.items() if it["first_run_id"] == run_id]
    went = [path for path, it in rows.items() if (it["last_run_id"] or run_id) < run_id]
    if not came or not went:
        return {}
    said = _said(connection, log, first)
    likely = {path: _likeliest(path, _alike(path, went, rows), said) for path in came}
    return {path: before for path, before in likely.items() if before is not None}


def _alike(path: str, went: Iterable[str], rows: Mapping[str, Mapping[str, Any]]) -> list[str]:
    """Those that were at the same level, and had values of one of its types."""
    level, types = path.rpartition(".")[0], {*rows[path]["types"]} - {"null"}
    return [it for it in went if it.rpartition(".")[0] == level and not types.isdisjoint(rows[it]["types"])]


def _said(connection: Connection, log: Table, first: int) -> Said:
    now, before = log.alias("now"), log.alias("before")
    is_said = (now.c.raw_id >= first, now.c.operation == raw.UPSERT, now.c.source_id.is_not(None))
    previous = (
        select(func.max(before.c.raw_id))
        .where(
            before.c.source_id == now.c.source_id, before.c.raw_id < first, before.c.operation == raw.UPSERT
        )
        .scalar_subquery()
    )
    recent = select(now.c.payload, previous.label("raw_id")).where(*is_said).order_by(now.c.raw_id)
    sampled = recent.limit(COMPARED).subquery()
    pairs = select(log.c.payload, sampled.c.payload).join(sampled, sampled.c.raw_id == log.c.raw_id)
    return [(decoded(bytes(old)), decoded(bytes(new))) for old, new in connection.execute(pairs)]


def _likeliest(path: str, candidates: Iterable[str], said: Said) -> str | None:
    agreeing = {it: _agreeing(it, path, said) for it in candidates}
    found = [it for it, times in agreeing.items() if times]
    return max(found, key=lambda it: (agreeing[it], _likeness(it, path), it), default=None)


def _agreeing(before: str, path: str, said: Said) -> int:
    """How many natural keys have said the same under both; 0 where too many have not."""
    both = [(values_at(old, before), values_at(new, path)) for old, new in said]
    told = [(old, new) for old, new in both if any(it is not None for it in (*old, *new)) and old and new]
    same = sum(old == new for old, new in told)
    return same if same >= AGREEING * len(told) else 0


def _likeness(one: str, other: str) -> float:
    return SequenceMatcher(None, one.lower(), other.lower()).ratio()
