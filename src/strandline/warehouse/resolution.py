"""Facts resolved: staged rows with surrogate keys for natural ones, by one join for all references."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from functools import cache
from typing import Any, Final

from sqlalchemy import (
    BigInteger,
    Column,
    Connection,
    FromClause,
    Select,
    Table,
    and_,
    case,
    false,
    func,
    insert,
    literal,
    not_,
    select,
    text,
)

from strandline.model.column import NOT_APPLICABLE_KEY, UNKNOWN_KEY, missing_column
from strandline.model.combination import COMBINATION
from strandline.model.custom import CUSTOM_FIELDS
from strandline.model.fact import Fact
from strandline.model.milestone import AccumulatingSnapshot
from strandline.model.period import IS_FILLED
from strandline.warehouse import audit, bridge, fold, index, key, temporary
from strandline.warehouse.database import Database
from strandline.warehouse.dialect import as_json, is_sqlite

VERSION_BYTES: Final = 300
"""Of a version in its table, about."""


@dataclass(frozen=True)
class Batch:
    """What is staged for a fact, and whose natural keys its references are."""

    fact: type[Fact]
    staged: Table
    stream: str
    source_system: str
    sources: Mapping[str, str]
    """By reference, whose natural keys are staged, where that is another source than the records'."""
    run_id: int
    whole: frozenset[str] = frozenset()
    """The references whose dimension is no larger than what is staged: they are looked up among all of its
    versions, as finding out whose are wanted takes as long as it saves."""

    def source_of(self, reference: str) -> str:
        """The source whose natural keys this reference carries."""
        return self.sources.get(reference, self.source_system)

    def members(self, reference: str) -> Select[Any]:
        """The natural keys that are staged for it."""
        s = self.staged.c
        return select(s[reference]).where(s[reference].is_not(None), not_(s.is_deleted))


def find_whole(database: Database, connection: Connection, batch: Batch, records: int) -> frozenset[str]:
    """What is `whole` of a batch, of which so many records are staged."""
    dated = [name for name in batch.fact.references() if batch.fact.as_of(name) is not None]
    if not dated or records < index.WORTHWHILE or is_sqlite(connection):
        return frozenset()
    tables = [database.qualified(batch.fact.references()[name].dimension.table()) for name in dated]
    sizes = connection.execute(select(*(func.pg_relation_size(func.to_regclass(it)) for it in tables))).one()
    return frozenset(name for name, size in zip(dated, sizes, strict=True) if size < records * VERSION_BYTES)


@cache  # the same table again, so that SQLAlchemy finds the statements that it has compiled for it
def _resolved_table(fact: type[Fact]) -> Table:
    calculated = ("created_at", "updated_at")
    columns = [Column(it.name, it.type) for it in fact.table().c if it.name not in calculated]
    return temporary.table(
        "fact_resolved",
        *columns,
    )


def resolve(connection: Connection, batch: Batch) -> Table:
    """The staged rows with keys in place of natural keys, as a table of this transaction."""
    resolved = _resolved_table(batch.fact)
    resolved.create(connection)
    connection.execute(insert(resolved).from_select(*resolved_rows(batch)))
    connection.execute(text("ANALYZE fact_resolved"))
    return resolved


def resolved_rows(batch: Batch) -> tuple[list[str], Select[Any]]:
    """The columns that a fact takes from the stage, and the query that gives them."""
    names = _resolved_table(batch.fact).c.keys()
    values, joined = _resolved_values(batch)
    rows = select(*(values[name].label(name) for name in names)).select_from(joined)
    if batch.fact.__deletes__ == "remove":  # or else a deletion is a row too
        rows = rows.where(not_(batch.staged.c.is_deleted))
    return names, rows


def _resolved_values(batch: Batch) -> tuple[dict[str, Any], FromClause]:
    fact, s = batch.fact, batch.staged.c
    joined: FromClause = batch.staged
    values: dict[str, Any] = {
        "source_system": literal(batch.source_system),
        "schema_version": literal(fact.__schema_version__),
        "run_id": literal(batch.run_id, BigInteger),
        "audit_key": audit.key(),
        "is_reversal": s.is_deleted,
        IS_FILLED: false(),
        **{column.name: s[column.name] for column in fact.table().c if column.name in s},
    }
    if CUSTOM_FIELDS in s:
        values[CUSTOM_FIELDS] = as_json(s[CUSTOM_FIELDS])
    if issubclass(fact, AccumulatingSnapshot):
        values |= fold.lags(fact, batch.staged)
    for name, dimension in fact.combinations().items():
        combined = dimension.table().alias(f"of_{name}")
        joined = joined.outerjoin(combined, combined.c[COMBINATION] == s[name])
        values[name] = func.coalesce(combined.c[dimension.key_column().name], UNKNOWN_KEY)
    for name, found_bridge in fact.bridges().items():
        group = found_bridge.groups.alias(f"of_{name}")
        joined = joined.outerjoin(group, bridge.is_group(found_bridge, s[name], batch.source_of(name), group))
        found_key = func.coalesce(group.c[found_bridge.group_key()], UNKNOWN_KEY)
        values[name] = case((s[name].is_(None), NOT_APPLICABLE_KEY), else_=found_key)
    for name, reference in fact.references().items():
        source, moment = batch.source_of(name), fact.as_of(name)
        if moment is None:
            version = key.latest(reference, source).alias(f"of_{name}")
        else:
            members = None if name in batch.whole else batch.members(name)
            version = key.span(reference, source, members).alias(f"of_{name}")
        staged_moment = None if moment is None else s[moment.name]
        joined = joined.outerjoin(
            version, and_(version.c.source_id == s[name], key.answers(version, staged_moment))
        )
        for column, key_found in key.member_keys(name, reference, version).items():
            found = func.coalesce(key_found, UNKNOWN_KEY)
            values[column] = case((s[name].is_(None), NOT_APPLICABLE_KEY), else_=found)
        if reference.remembers:
            is_waiting = and_(s[name].is_not(None), version.c.key.is_(None))
            values[missing_column(name)] = case((is_waiting, key.waiting_for(source, s[name])))
    return values, joined
