"""Which models and which rows of facts a merge may touch, beside what it merges into: what it has to hold,
and what of the aggregates is to be calculated anew.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from typing import Any

from sqlalchemy import Connection, Select, Table, select

from strandline.model.aggregate import Aggregate, aggregates_of
from strandline.model.column import ROLE, UNKNOWN_KEY, Outrigger, durable_column, missing_column
from strandline.model.dimension import Dimension
from strandline.model.fact import Fact, facts, facts_of
from strandline.model.mini import History
from strandline.model.period import PeriodicSnapshot
from strandline.model.shrunken import shrunken_of
from strandline.warehouse import aggregate, key
from strandline.warehouse.aggregate import Rows, Watch
from strandline.warehouse.database import Database

Model = type[Dimension] | type[Fact]


@dataclass(frozen=True)
class Members:
    """Members of a dimension that a merge may add or change."""

    dimension: type[Dimension]
    source_system: str
    natural_keys: Select[Any] | None
    """Their natural keys; None where they cannot be told yet."""
    are_changing: bool
    """Whether facts that have them may move, and not only those that wait for them."""


def touched_by(model: Model) -> list[type[Aggregate]]:
    """The aggregates that a merge into this model may touch."""
    changing = _changing(model)
    followed = {fact for dimension in changing for fact in facts_of(dimension)}
    followed |= {
        fact for dimension in _adding(model) for fact in facts_of(dimension) if _waits(fact, dimension)
    }
    followed |= {model} if issubclass(model, Fact) else set()
    far = [it for it in aggregates_of(set(facts())) if _is_far(it, changing)]
    return list(dict.fromkeys([*aggregates_of(followed), *far]))


def _changing(model: Model) -> list[type[Dimension]]:
    """The dimensions whose versions a merge into this model writes."""
    if issubclass(model, Fact):
        return []
    return [model, model.mini.base] if issubclass(model, History) else [model]


def _adding(model: Model) -> list[type[Dimension]]:
    """The dimensions to which it may add members that are known by their keys only."""
    if issubclass(model, Fact):
        inferring = [it.dimension for it in model.references().values() if it.missing == "infer"]
        return [*inferring, *(it.dimension for it in model.bridges().values())]
    return [*model.outriggers(), *(it.dimension for it in model.bridges())]


def _waits(fact: type[Fact], dimension: type[Dimension]) -> bool:
    return any(it.dimension is dimension and it.remembers for it in fact.references().values())


def _is_far(wanted: type[Aggregate], changing: Iterable[type[Dimension]]) -> bool:
    return not wanted.distant().isdisjoint(changing)


def _repeats(model: Model) -> bool:
    """Whether a new period of one row has all others repeated in it."""
    return issubclass(model, PeriodicSnapshot) and model.__fill__ is not None


def written_with(model: Model) -> set[str]:
    """The models that a merge of this one writes, or whose keys it looks up."""
    if issubclass(model, Fact):
        dimensions = [reference.dimension for reference in model.references().values()]
        others: list[type[Any]] = [*dimensions, *model.combinations().values()]
        bridges = list(model.bridges().values())
    else:
        others = [*facts_of(model), *model.outriggers()]
        if issubclass(model, History):
            others += [model.mini, model.mini.base]
        others += shrunken_of(model)
        bridges = model.bridges()
    others += [it for bridge in bridges for it in (bridge, bridge.dimension)]
    others += touched_by(model)
    return {it.__name__ for it in (model, *others)}


def watch(
    database: Database,
    connection: Connection,
    model: Model,
    *,
    staged: Table,
    source_system: str,
    sources: Mapping[str, str],
    own: Iterable[Rows] = (),
) -> Watch:
    """Note what the merge of what is staged may touch of the aggregates that are kept up: `own` are the rows
    of the fact itself. `sources` says, by column, whose natural keys it holds where that is another source.
    """
    kept = aggregate.built(database, connection, touched_by(model))
    far = {it for it in kept if _is_far(it, _changing(model)) or (it.fact() is model and _repeats(model))}
    rows: list[Rows] = []
    if kept:
        rows = [*own, *_following(_members(model, staged, source_system, sources))]
    return Watch(connection, kept, whole=far, rows=rows)


def watch_rows(database: Database, connection: Connection, fact: type[Fact], rows: Select[Any]) -> Watch:
    """The same of rows of a fact that are written as they are, a select of grains and sources."""
    kept = aggregate.built(database, connection, touched_by(fact))
    return Watch(connection, kept, whole=[], rows=[(fact, rows)] if kept else [])


def _following(found: Iterable[Members]) -> Iterator[Rows]:
    """The rows of facts that may follow these members."""
    for members in found:
        for fact in facts_of(members.dimension):
            for name, reference in fact.references().items():
                if reference.dimension is not members.dimension:
                    continue
                if reference.remembers:
                    yield fact, _waiting(fact, name, members)
                if members.are_changing and members.natural_keys is not None:
                    yield fact, _having(fact, name, members.source_system, members.natural_keys)


def _members(
    model: Model, staged: Table, source_system: str, sources: Mapping[str, str]
) -> Iterator[Members]:
    def named(dimension: type[Dimension], column: str) -> Members:
        source = sources.get(column, source_system)
        return Members(dimension, source, select(staged.c[column]), are_changing=False)

    if issubclass(model, Fact):
        inferring = [(name, it) for name, it in model.references().items() if it.missing == "infer"]
        yield from (named(it.dimension, name) for name, it in inferring)
    else:
        staged_members = select(staged.c.source_id)
        yield from (Members(it, source_system, staged_members, are_changing=True) for it in _changing(model))
        outriggers: list[Outrigger] = [it.info[ROLE] for it in model.companions(Outrigger)]
        yield from (named(it.dimension, it.of) for it in outriggers)
    bridges = model.bridges().values() if issubclass(model, Fact) else model.bridges()
    yield from (Members(it.dimension, source_system, None, are_changing=False) for it in bridges)


def _waiting(fact: type[Fact], name: str, members: Members) -> Select[Any]:
    """The rows that wait for these members, or for anybody."""
    waited_for = fact.table().c[missing_column(name)]
    rows = select(*aggregate.row_key(fact)).where(fact.table().c[name] == UNKNOWN_KEY)
    if members.natural_keys is None:
        return rows.where(waited_for.is_not(None))
    natural_key = members.natural_keys.distinct().subquery("member").c[0]
    return rows.where(waited_for == key.waiting_for(members.source_system, natural_key))


def _having(fact: type[Fact], name: str, source: str, natural_keys: Select[Any]) -> Select[Any]:
    """The rows that have the key of these members, of whichever version."""
    table, reference = fact.table(), fact.references()[name]
    dimension = reference.dimension
    member = dimension.table().c
    held, given = table.c[name], dimension.key_column()
    if reference.durable:
        held, given = table.c[durable_column(name)], dimension.durable_key_column()
    theirs = select(given).where(member.source_system == source, member.source_id.in_(natural_keys))
    return select(*aggregate.row_key(fact)).where(held.in_(theirs))
