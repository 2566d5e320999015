"""Checks of what must hold in a warehouse, whoever wrote it: intervals, versions, the keys on facts, and what
aggregates sum up.

The merge keeps all of this, and the database's constraints a good part of it. But tables are restored,
repaired by hand and migrated, and an auditor wants more than a promise. Each check is one query that selects
what breaks a rule, written without what the merge is made of, so that they cannot be wrong together.
"""

from __future__ import annotations

from collections.abc import Collection, Iterator, Sequence
from dataclasses import dataclass
from typing import Any, Final

from sqlalchemy import (
    Column,
    ColumnElement,
    Connection,
    SelectBase,
    and_,
    false,
    func,
    literal,
    not_,
    or_,
    select,
)

from strandline.model.aggregate import Aggregate
from strandline.model.bridge import Bridge
from strandline.model.column import UNKNOWN_KEY, Reference, durable_column, missing_column
from strandline.model.dimension import Dimension
from strandline.model.fact import Fact
from strandline.model.mini import History
from strandline.warehouse import aggregate
from strandline.warehouse.event import differ

OF_AGGREGATES: Final = "aggregate-query"

RULES: Final = (
    *("version-overlap", "version-number", "version-latest", "durable-key", "type-1-drift"),
    *("fact-orphan", "fact-version", "fact-waiting", "bridge-weights", OF_AGGREGATES),
)

SHOWN: Final = 3
"""How many rows of a finding are named."""


@dataclass(frozen=True)
class Finding:
    """A rule that a table or rows of it break: how many, and who the first are."""

    table: str
    rule: str
    what: str
    rows: int | None = None
    """None: it is not about single rows."""
    sample: tuple[str, ...] = ()
    column: str | None = None
    """The column that it is about, where it is one."""


@dataclass(frozen=True)
class Check:
    """A rule, and the query for those that break it: one text column that names the row."""

    table: str
    rule: str
    what: str
    broken: SelectBase

    def find(self, connection: Connection) -> Finding | None:
        """What breaks the rule, or None."""
        rows = self.broken.subquery("broken")
        count = connection.scalar(select(func.count()).select_from(rows)) or 0
        if not count:
            return None
        sample = connection.scalars(select(rows.c[0]).order_by(rows.c[0]).limit(SHOWN)).all()
        return Finding(self.table, self.rule, self.what, count, tuple(sample))


def check(
    connection: Connection, models: Sequence[type[Any]], *, rules: Collection[str] = RULES
) -> list[Finding]:
    """Everything that the tables of these models break, or what they break of these rules."""
    checks = [it for model in models for it in checks_of(model) if it.rule in rules]
    findings = [it.find(connection) for it in checks]
    if OF_AGGREGATES in rules:
        findings += [_look_at(connection, model) for model in models if issubclass(model, Aggregate)]
    return [found for found in findings if found is not None]


def _look_at(connection: Connection, model: type[Aggregate]) -> Finding | None:
    """Compare an aggregate with what its query gives now."""
    with aggregate.recalculated(connection, model) as differing:
        what = "a group is not what the query gives"
        return Check(model.table().name, OF_AGGREGATES, what, differing).find(connection)


def checks_of(model: type[Any]) -> Iterator[Check]:
    """The checks of one model."""
    if issubclass(model, Dimension):
        yield from _of_dimension(model)
    elif issubclass(model, Fact):
        for name, reference in model.references().items():
            yield from _of_reference(model, name, reference)
    elif issubclass(model, Bridge):
        yield _of_bridge(model)


def _of_bridge(bridge: type[Bridge]) -> Check:
    table, groups = bridge.table(), bridge.groups
    group_key = groups.c[bridge.group_key()]
    broken = (
        select(func.concat("group ", group_key))
        .outerjoin(table, table.c[bridge.group_key()] == group_key)
        .group_by(group_key)
        .having(func.coalesce(func.sum(table.c.weight), 0) != 1)
    )
    return Check(table.name, "bridge-weights", "the weights of a group do not sum to 1", broken)


def _of_dimension(dimension: type[Dimension]) -> Iterator[Check]:
    table = dimension.table().name
    t = _timeline(dimension)
    c = t.c

    def of_versions(rule: str, what: str, broken: ColumnElement[bool]) -> Check:
        named = func.concat(c.source_system, ":", c.source_id, " version ", c.version)
        return Check(table, rule, what, select(named).where(broken))

    overlaps = and_(c.next_from.is_not(None), or_(c.valid_to.is_(None), c.valid_to > c.next_from))
    yield of_versions("version-overlap", "a version is valid beyond the beginning of the next", overlaps)
    misnumbered = c.version != c.place
    yield of_versions("version-number", "versions are not numbered 1, 2, 3 in the order of time", misnumbered)
    is_last = c.next_from.is_(None)
    wrong_latest = is_last != or_(c.is_current, c.is_deleted)
    yield of_versions("version-latest", "the last version, and only it, is current or deleted", wrong_latest)
    yield of_versions("durable-key", "a member has two durable keys", c.durable_key != c.least_durable_key)
    same = list(dimension.overwritten())
    if same:
        drifted = differ([c[f"now_{name}"] for name in same], [c[f"before_{name}"] for name in same])
        what = f"{', '.join(same)} should be the same in all versions of a member"
        yield of_versions("type-1-drift", what, and_(c.place > 1, drifted))
    shared = (
        select(func.concat("durable key ", c.durable_key))
        .group_by(c.durable_key)
        .having(func.count(func.concat(c.source_system, ":", c.source_id).distinct()) > 1)
    )
    yield Check(table, "durable-key", "two members share a durable key", shared)


def _timeline(dimension: type[Dimension]) -> Any:
    """Every version of every real member beside the ones around it."""
    table = dimension.table()
    member: dict[str, Any] = {
        "partition_by": [table.c.source_system, table.c.source_id],
        "order_by": table.c.valid_from,
    }
    durable = dimension.durable_key_column()
    return (
        select(
            table.c.source_system,
            table.c.source_id,
            table.c.version,
            table.c.valid_to,
            table.c.is_current,
            table.c.is_deleted,
            durable.label("durable_key"),
            func.min(durable).over(partition_by=member["partition_by"]).label("least_durable_key"),
            func.row_number().over(**member).label("place"),
            func.lead(table.c.valid_from).over(**member).label("next_from"),
            *(table.c[name].label(f"now_{name}") for name in dimension.overwritten()),
            *(
                func.lag(table.c[name]).over(**member).label(f"before_{name}")
                for name in dimension.overwritten()
            ),
        )
        .where(dimension.key_column() > 0)
        .subquery("timeline")
    )


def _of_reference(fact: type[Fact], name: str, reference: Reference) -> Iterator[Check]:
    dimension, table = reference.dimension, fact.table()
    if not issubclass(dimension, Dimension):
        return
    held = dimension.table().alias("held")
    named = dimension.mini if issubclass(dimension, History) else dimension
    pointed = named.table().alias("pointed") if reference.gives else held
    key = pointed.c[named.key_column().name]
    joined = table.outerjoin(pointed, key == table.c[name])
    row = _named(fact)

    def of_rows(rule: str, what: str, broken: ColumnElement[bool]) -> Check:
        return Check(table.name, rule, f"{name} {what}", select(row).select_from(joined).where(broken))

    yield of_rows("fact-orphan", f"points at nobody in {named.table().name}", key.is_(None))
    wrong = and_(key > 0, _is_wrong(fact, name, reference, held))
    yield of_rows("fact-version", "is not the version that was valid then", wrong)
    if reference.remembers:
        waits = and_(table.c[missing_column(name)].is_not(None), table.c[name] != UNKNOWN_KEY)
        yield of_rows("fact-waiting", "is known, and waits for somebody", waits)


def _is_wrong(fact: type[Fact], name: str, reference: Reference, held: Any) -> ColumnElement[bool]:
    """Whether the key is not what the version gives that was valid at the fact's moment."""
    wrong_version = _is_wrong_version(fact, name, reference, held)
    if reference.gives is None:
        return wrong_version
    table = fact.table()
    right = (
        select(literal(1))
        .where(held.c[reference.dimension.durable_key_column().name] == table.c[durable_column(name)])
        .where(held.c[reference.gives] == table.c[name], not_(func.coalesce(wrong_version, false())))
        .correlate(table)
        .exists()
    )
    return not_(right)


def _is_wrong_version(fact: type[Fact], name: str, reference: Reference, held: Any) -> ColumnElement[bool]:
    """Whether another version of the member was valid at the fact's moment; without one, is the latest."""
    is_latest = or_(held.c.is_current, held.c.is_deleted)
    moment = fact.as_of(name)
    if moment is None:
        return not_(is_latest)
    other = reference.dimension.table().alias("other")
    better = (
        select(literal(1))
        .where(other.c.source_system == held.c.source_system, other.c.source_id == held.c.source_id)
        .where(other.c.valid_from > held.c.valid_from, other.c.valid_from <= moment)
        .correlate(fact.table(), held)
        .exists()
    )
    too_early = and_(held.c.valid_from > moment, held.c.version > 1)
    in_gap = and_(held.c.valid_to <= moment) if reference.gap == "unknown" else false()
    return or_(
        and_(moment.is_(None), not_(is_latest)), and_(moment.is_not(None), or_(better, too_early, in_gap))
    )


def _named(fact: type[Fact]) -> ColumnElement[str]:
    """A row of the fact by its source and grain."""
    grain: list[Column[Any]] = fact.grain()
    parts: list[Any] = [fact.table().c.source_system]
    for column in grain:
        parts += [":", column]
    return func.concat(*parts)
