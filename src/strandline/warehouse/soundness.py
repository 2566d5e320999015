"""Checks of what should hold in a star beside what `check` looks at: members that are always there, gaps that
no deletion has made, keys that lead nowhere, members who never came.

Each is one query that selects what breaks a rule, as there.
"""

from __future__ import annotations

from collections.abc import Collection, Iterator, Mapping, Sequence
from datetime import datetime, timedelta
from typing import Any, Final

from sqlalchemy import Connection, Table, and_, exists, func, literal, not_, or_, select, union_all

from strandline.model.bridge import Bridge
from strandline.model.column import Outrigger
from strandline.model.combination import Combination
from strandline.model.dimension import SPECIAL_MEMBERS, Dimension
from strandline.model.fact import Fact
from strandline.model.prepared import Prepared
from strandline.warehouse import raw, state
from strandline.warehouse.check import Check, Finding

RULES: Final = (
    *("missing-member", "version-gap", "future-version", "stale-inferred"),
    *("fact-orphan", "outrigger-orphan", "bridge-orphan"),
)

Logs = Mapping[str, Table]
"""The raw logs that a dimension is made of, by the names of their sources."""

AHEAD: Final = timedelta(days=1)
"""So far a clock may be ahead of ours."""

PATIENCE: Final = timedelta(days=7)
"""So long a member may be known by its key only."""


def check(
    connection: Connection, model: type[Any], *, logs: Logs, now: datetime, rules: Collection[str] = RULES
) -> list[Finding]:
    """What the table of this model breaks of these rules."""
    wanted = (it for it in _checks_of(model, logs=logs, now=now) if it.rule in rules)
    found = (it.find(connection) for it in wanted)
    return [it for it in found if it is not None]


def _checks_of(model: type[Any], *, logs: Logs, now: datetime) -> Iterator[Check]:
    if issubclass(model, Dimension | Combination | Prepared):
        yield _of_special_members(model)
    if issubclass(model, Dimension):
        if logs:
            yield _of_gaps(model, logs)
        yield from _of_times(model, now)
        yield from _of_outriggers(model)
    elif issubclass(model, Fact):
        yield from _of_keys(model)
    elif issubclass(model, Bridge):
        yield _of_bridge(model)


def _of_special_members(model: type[Any]) -> Check:
    table = model.table()
    (key,) = table.primary_key.columns
    needed = union_all(*(select(literal(number).label("key")) for number in SPECIAL_MEMBERS)).subquery(
        "needed"
    )
    broken = select(func.concat("member ", needed.c.key)).where(~exists().where(key == needed.c.key))
    return Check(table.name, "missing-member", "a member that is always there is not", broken)


def _of_gaps(dimension: type[Dimension], logs: Logs) -> Check:
    """A gap is right where the source has deleted the member for a while, or where that may be pruned."""
    table, following = dimension.table(), dimension.table().alias("following")
    next_from = (
        select(func.min(following.c.valid_from))
        .where(following.c.source_system == table.c.source_system)
        .where(following.c.source_id == table.c.source_id, following.c.valid_from > table.c.valid_from)
        .scalar_subquery()
    )
    is_explained = [_is_explained(table, source, log) for source, log in logs.items()]
    broken = (
        select(func.concat(table.c.source_system, ":", table.c.source_id, " version ", table.c.version))
        .where(dimension.key_column() > 0, table.c.valid_to < next_from)
        .where(table.c.source_system.in_(list(logs)), not_(or_(*is_explained)))
    )
    return Check(table.name, "version-gap", "nothing is valid until the next version begins", broken)


def _is_explained(table: Table, source: str, log: Table) -> Any:
    is_its = table.c.source_system == source
    gone = (raw.DELETE, raw.ERASED)
    deleted = exists().where(log.c.source_id == table.c.source_id, log.c.operation.in_(gone))
    pruned = state.pruned_key.c
    is_pruned = exists().where(pruned.stream == log.info[raw.STREAM], pruned.source_id == table.c.source_id)
    return and_(is_its, or_(deleted, is_pruned))


def _of_times(dimension: type[Dimension], now: datetime) -> Iterator[Check]:
    table = dimension.table()
    named = func.concat(table.c.source_system, ":", table.c.source_id)
    is_real = dimension.key_column() > 0
    future = select(named).where(is_real, table.c.valid_from > now + AHEAD)
    yield Check(table.name, "future-version", "a version begins in the future", future)
    waiting = select(named).where(is_real, table.c.is_inferred, table.c.created_at < now - PATIENCE)
    what = f"known by its key only for more than {PATIENCE.days} days"
    yield Check(table.name, "stale-inferred", what, waiting)


def _of_outriggers(dimension: type[Dimension]) -> Iterator[Check]:
    table = dimension.table()
    for column in dimension.companions(Outrigger):
        other = column.info["strandline"].dimension
        named = func.concat(table.c.source_system, ":", table.c.source_id, " version ", table.c.version)
        known = select(other.durable_key_column())
        broken = select(named).where(column > 0, column.not_in(known))
        what = f"{column.name} leads to nobody in {other.table().name}"
        yield Check(table.name, "outrigger-orphan", what, broken)


def _of_bridge(bridge: type[Bridge]) -> Check:
    table = bridge.table()
    member = table.c[bridge.member_key()]
    known = select(bridge.dimension.durable_key_column())
    broken = select(func.concat("group ", table.c[bridge.group_key()])).where(member.not_in(known)).distinct()
    return Check(
        table.name, "bridge-orphan", f"a member is nobody in {bridge.dimension.table().name}", broken
    )


def _of_keys(fact: type[Fact]) -> Iterator[Check]:
    """The keys of days, combinations and groups; `check` looks at those of members."""
    days = {name: it.dimension.table() for name, it in fact.date_references().items()}
    combined = {name: it.table() for name, it in fact.combinations().items()}
    groups = {name: it.groups for name, it in fact.bridges().items()}
    for name, pointed in {**days, **combined, **groups}.items():
        table = fact.table()
        (key,) = pointed.primary_key.columns
        parts: Sequence[Any] = [it for column in fact.grain() for it in (":", column)]
        broken = select(func.concat(table.c.source_system, *parts)).where(
            ~exists().where(key == table.c[name])
        )
        yield Check(table.name, "fact-orphan", f"{name} points at nobody in {pointed.name}", broken)
