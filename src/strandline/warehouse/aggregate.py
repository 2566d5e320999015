"""Aggregates kept up: the groups that a merge touches are calculated anew, in its transaction.

    watch    before the merge, note which rows of the fact it may touch, and in which groups they are
    renew    after it, note in which groups they are now; calculate all of these by the query, write what
             differs, and delete the groups that are gone

A row that moves touches two groups, and a row that is deleted is in no group afterwards; that is why the
groups are looked up twice. Noting too many rows costs time and changes nothing. An aggregate that is new, or
whose query is another now, is built as a whole; `state.aggregate` knows by which query each one was built.
"""

from __future__ import annotations

import hashlib
from collections.abc import Collection, Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from functools import cache, lru_cache
from typing import Any

from sqlalchemy import (
    BigInteger,
    Column,
    ColumnElement,
    Connection,
    Dialect,
    Select,
    SelectBase,
    Table,
    and_,
    case,
    delete,
    false,
    func,
    insert,
    literal,
    select,
    text,
    true,
    tuple_,
    union_all,
    update,
)
from sqlalchemy.dialects.postgresql import insert as upsert
from sqlalchemy.schema import DropIndex

from strandline.model.aggregate import Aggregate, declared_query
from strandline.model.fact import Fact
from strandline.model.group import comparable, kind_of, same_group
from strandline.model.prepared import Prepared
from strandline.warehouse import raw, state, temporary
from strandline.warehouse.database import Database
from strandline.warehouse.event import differ

Rows = tuple[type[Fact], Select[Any]]
"""A fact, and a select of its grain and source that says which of its rows a merge may touch."""


class Watch:
    """The aggregates that a merge may touch, with what was noted before it."""

    def __init__(
        self,
        connection: Connection,
        aggregates: Iterable[type[Aggregate]],
        *,
        whole: Collection[type[Aggregate]],
        rows: Iterable[Rows],
    ) -> None:
        """`whole` are those of which it cannot be told which groups are touched."""
        self.connection = connection
        self.aggregates = list(aggregates)
        self.whole = {it for it in self.aggregates if it.is_refreshed_in_full or it in whole}
        self._note_rows(rows)
        for aggregate in self._by_group():
            _group_table(aggregate).create(connection)
            self._note_groups(aggregate)

    def renew(self, *, run_id: int) -> int:
        """Calculate what was touched anew; how many groups were written."""
        written = 0
        for aggregate in self.aggregates:
            if aggregate not in self.whole:
                self._note_groups(aggregate)
            written += _renew(self.connection, aggregate, run_id=run_id, is_whole=aggregate in self.whole)
        return written

    def _by_group(self) -> Iterator[type[Aggregate]]:
        return (it for it in self.aggregates if it not in self.whole)

    def _note_rows(self, rows: Iterable[Rows]) -> None:
        wanted = {aggregate.fact() for aggregate in self._by_group()}
        for fact in wanted:
            _row_table(fact).create(self.connection)
        for fact, touched in rows:
            if fact in wanted:
                table = _row_table(fact)
                self.connection.execute(insert(table).from_select(list(table.c.keys()), touched))
        for fact in wanted:
            _analyze(self.connection, _row_table(fact))

    def _note_groups(self, aggregate: type[Aggregate]) -> None:
        fact, groups = aggregate.fact_source(), _group_table(aggregate)
        rows = _row_table(aggregate.fact())
        is_touched = and_(*(fact.c[column.name] == column for column in rows.c))
        found = (
            declared_query(aggregate)
            .with_only_columns(*aggregate.groups(), maintain_column_froms=True)
            .group_by(None)
            .where(is_touched)
            .distinct()
        )
        self.connection.execute(insert(groups).from_select(list(groups.c.keys()), found))
        _analyze(self.connection, groups)


def row_key(fact: type[Fact]) -> list[Column[Any]]:
    """The columns by which the rows of a fact are noted."""
    return [*fact.grain(), fact.table().c.source_system]


@cache  # the same table again, so that SQLAlchemy finds the statements that it has compiled for it
def _row_table(fact: type[Fact]) -> Table:
    return _temporary(f"rows.{fact.table().name}", row_key(fact))


@cache
def _group_table(aggregate: type[Aggregate]) -> Table:
    return _temporary(f"groups.{aggregate.table().name}", aggregate.grain())


@cache
def _fresh_table(aggregate: type[Aggregate]) -> Table:
    return _temporary(f"fresh.{aggregate.table().name}", [*aggregate.grain(), *aggregate.measures()])


def _temporary(name: str, columns: Sequence[Column[Any]]) -> Table:
    copied = [Column(it.name, it.type) for it in columns]
    return temporary.table(
        raw.table_name(name),
        *copied,
    )


def _analyze(connection: Connection, table: Table) -> None:
    connection.execute(text(f"ANALYZE {connection.dialect.identifier_preparer.quote(table.name)}"))


def _renew(connection: Connection, aggregate: type[Aggregate], *, run_id: int, is_whole: bool) -> int:
    """Bring the noted groups, or the whole, up to what the query says now; how many rows were written."""
    fresh = _fresh_table(aggregate)
    fresh.create(connection)
    connection.execute(_calculate(connection, aggregate, fresh, is_whole=is_whole))
    _analyze(connection, fresh)
    statements = [
        _remove(aggregate, fresh, is_whole=is_whole),
        _update(aggregate, fresh, run_id),
        _insert(aggregate, fresh, run_id),
    ]
    options = {"preserve_rowcount": True}
    return sum(connection.execute(it, execution_options=options).rowcount for it in statements)


def _calculate(connection: Connection, aggregate: type[Aggregate], fresh: Table, *, is_whole: bool) -> Any:
    # Grouped by the very expressions that are selected: PostgreSQL takes two with a parameter for different.
    query = declared_query(aggregate).group_by(None).group_by(*aggregate.groups())
    if not is_whole:
        query = query.where(*_touched(connection, aggregate))
    return insert(fresh).from_select(list(query.selected_columns.keys()), query)


def _touched(connection: Connection, aggregate: type[Aggregate]) -> Iterator[ColumnElement[bool]]:
    """Whether a row is in one of the noted groups.

    Asked first of each column that is not the fact's own, so that few members and days are left, and the fact
    is read by their keys. Then of all together, for each row that is left: as a CASE, or PostgreSQL would
    take it for a join, and begin with it, where there are many groups for one day.
    """
    fact, noted = aggregate.fact_source(), _group_table(aggregate)
    parts = list(zip(aggregate.grain(), aggregate.groups(), noted.c, strict=True))
    empty = connection.execute(select(*(func.count() - func.count(note) for note in noted.c))).one()
    for (column, group, note), has_empty in zip(parts, empty, strict=True):
        if not has_empty and fact not in group._from_objects and kind_of(group.type) is kind_of(column.type):
            yield group.in_(select(note))
    here = [it for column, group, _ in parts for it in comparable(column, group)]
    there = [it for column, _, note in parts for it in comparable(column, note)]
    yield case((tuple_(*here).in_(select(*there)), true()), else_=false())


@contextmanager
def recalculated(connection: Connection, aggregate: type[Aggregate]) -> Iterator[SelectBase]:
    """The groups in which the table is not what the query gives now, by name. Calculated anew in a table of
    this transaction.
    """
    table, fresh, measures = aggregate.table(), _fresh_table(aggregate), aggregate.measures()
    fresh.create(connection)
    connection.execute(_calculate(connection, aggregate, fresh, is_whole=True))
    _analyze(connection, fresh)
    same = _same(aggregate, fresh)
    others = differ(measures, [fresh.c[column.name] for column in measures])
    yield union_all(
        _named(aggregate, fresh).where(~select(literal(1)).select_from(table).where(same).exists()),
        _named(aggregate, table).where(~select(literal(1)).select_from(fresh).where(same).exists()),
        _named(aggregate, table).join(fresh, same).where(others),
    )
    fresh.drop(connection)


def _named(aggregate: type[Aggregate], rows: Table) -> Select[Any]:
    """The groups by their grain: `year_month=2026-03 segment=retail`."""
    parts: list[Any] = []
    for column in aggregate.grain():
        parts += [" " if parts else "", f"{column.name}=", rows.c[column.name]]
    return select(func.concat(*parts).label("named")).select_from(rows)


def _same(aggregate: type[Aggregate], other: Any) -> ColumnElement[bool]:
    grain = aggregate.grain()
    return same_group(grain, grain, [other.c[column.name] for column in grain])


def _remove(aggregate: type[Aggregate], fresh: Table, *, is_whole: bool) -> Any:
    is_there = select(literal(1)).where(_same(aggregate, fresh)).exists()
    gone = delete(aggregate.table()).where(~is_there)
    if is_whole:
        return gone
    return gone.where(select(literal(1)).where(_same(aggregate, _group_table(aggregate))).exists())


def _update(aggregate: type[Aggregate], fresh: Table, run_id: int) -> Any:
    measures = aggregate.measures()
    becomes = {column.name: fresh.c[column.name] for column in measures}
    return (
        update(aggregate.table())
        .where(_same(aggregate, fresh), differ(measures, list(becomes.values())))
        .values(**becomes, updated_at=func.now(), run_id=run_id)
    )


def _insert(aggregate: type[Aggregate], fresh: Table, run_id: int) -> Any:
    is_there = select(literal(1)).where(_same(aggregate, fresh)).exists()
    new = select(*fresh.c, func.now(), literal(run_id, BigInteger)).where(~is_there)
    return insert(aggregate.table()).from_select([*fresh.c.keys(), "updated_at", "run_id"], new)


def digest(connection: Connection, aggregate: type[Aggregate]) -> str:
    """What tells whether an aggregate has been built by the query and the columns that it has now."""
    days = [model.declaration() for model in aggregate.reads() if issubclass(model, Prepared)]
    return hashlib.sha256("\n".join([*_said(aggregate, connection.dialect), *days]).encode()).hexdigest()


@lru_cache(maxsize=256)
def _said(aggregate: type[Aggregate], dialect: Dialect) -> tuple[str, ...]:
    """The query, its parameters and the columns' types."""
    compiled = declared_query(aggregate).compile(dialect=dialect)
    parameters = (f"{name}={value!r}" for name, value in sorted(compiled.params.items()))
    columns = (*aggregate.grain(), *aggregate.measures())
    return (str(compiled), *parameters, *(f"{it.name} {it.type.compile(dialect)}" for it in columns))


def built(
    database: Database, connection: Connection, aggregates: Iterable[type[Aggregate]]
) -> list[type[Aggregate]]:
    """Those that have been built by the query that they have now: they are to be kept up."""
    wanted = list(aggregates)
    if not wanted:
        return []
    noted = select(state.aggregate.c.aggregate, state.aggregate.c.digest)
    known: Mapping[str, str] = {row.aggregate: row.digest for row in connection.execute(noted)}
    same = (it for it in wanted if known.get(it.__name__) == digest(connection, it))
    return database.present(connection, same)


def build(connection: Connection, aggregate: type[Aggregate], *, run_id: int) -> int:
    """Calculate an aggregate as a whole, whatever there was before; how many groups it has."""
    table = aggregate.table()
    group = next(index for index in table.indexes if index.unique)
    connection.execute(delete(table))
    connection.execute(DropIndex(group, if_exists=True))  # the grain may have been another one
    query = declared_query(aggregate).group_by(None).group_by(*aggregate.groups())
    found = query.add_columns(func.now(), literal(run_id, BigInteger))
    names = [*query.selected_columns.keys(), "updated_at", "run_id"]
    into = insert(table).from_select(names, found)
    groups: int = connection.execute(into, execution_options={"preserve_rowcount": True}).rowcount
    group.create(connection)
    _note_built(connection, aggregate, run_id=run_id)
    return groups


def _note_built(connection: Connection, aggregate: type[Aggregate], *, run_id: int) -> None:
    now = {"digest": digest(connection, aggregate), "run_id": run_id, "built_at": func.now()}
    noted = upsert(state.aggregate).values(aggregate=aggregate.__name__, **now)
    connection.execute(noted.on_conflict_do_update(index_elements=[state.aggregate.c.aggregate], set_=now))


def forget(connection: Connection, aggregate: type[Aggregate]) -> None:
    """Its table is new, so nothing has been built."""
    connection.execute(delete(state.aggregate).where(state.aggregate.c.aggregate == aggregate.__name__))


def renew_whole(connection: Connection, aggregates: Iterable[type[Aggregate]], *, run_id: int) -> int:
    """Calculate all of these as a whole, and write what differs; how many groups were written."""
    return sum(_renew(connection, it, run_id=run_id, is_whole=True) for it in aggregates)
