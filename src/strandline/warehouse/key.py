"""Surrogate keys: from the natural key that a fact carries to the version that was valid when it happened.

A version is looked up by the span in which it answers for its member: from its own beginning to the next
version's, so that a moment in a gap finds the version before it, and the first version answers for all time
before it as well. Every reference of every row is resolved by one join.
"""

from __future__ import annotations

from typing import Any

from sqlalchemy import (
    BigInteger,
    Column,
    ColumnElement,
    Connection,
    Select,
    Subquery,
    Table,
    and_,
    case,
    func,
    insert,
    literal,
    literal_column,
    or_,
    select,
    true,
    update,
)

from strandline.model.column import UNKNOWN_KEY, missing_column
from strandline.model.dimension import BEGINNING, Dimension
from strandline.model.fact import Fact
from strandline.warehouse.database import Database

ALWAYS: ColumnElement[Any] = literal_column("'-infinity'::timestamptz")
NEVER: ColumnElement[Any] = literal_column("'infinity'::timestamptz")


def span(
    dimension: type[Dimension],
    source_system: str,
    members: Select[Any],
    *,
    without: Select[Any] | None = None,
) -> Subquery:
    """The versions of these members (a select of natural keys) as (key, source_id, lower, upper),
    half-open; `without` selects keys of versions that no longer count.
    """
    table = dimension.table()
    counts = true() if without is None else dimension.key_column().not_in(without)
    following = func.lead(table.c.valid_from, 1).over(
        partition_by=table.c.source_id, order_by=table.c.valid_from
    )
    return (
        select(
            dimension.key_column().label("key"),
            table.c.source_id,
            case((table.c.version == 1, ALWAYS), else_=table.c.valid_from).label("lower"),
            func.coalesce(following, NEVER).label("upper"),
        )
        .where(table.c.source_system == source_system, table.c.source_id.in_(members), counts)
        .subquery()
    )


def answers(version: Any, moment: ColumnElement[Any] | None) -> ColumnElement[bool]:
    """Whether this version of a span answers for the moment; without one the latest does."""
    if moment is None:
        return and_(version.c.upper == NEVER)
    known = func.coalesce(moment, NEVER)
    latest = and_(version.c.upper == NEVER, known == NEVER)
    return and_(known >= version.c.lower, or_(known < version.c.upper, latest))


def infer(
    database: Database,
    connection: Connection,
    *,
    dimension: type[Dimension],
    source_system: str,
    members: Select[Any],
    run_id: int,
) -> int:
    """Give every one of these natural keys that the dimension does not know a member that is known only by
    it.
    """
    table = dimension.table()
    wanted = members.subquery("wanted")
    source_id = wanted.c[0]
    known = (
        select(literal(1))
        .where(table.c.source_system == source_system, table.c.source_id == source_id)
        .exists()
    )
    unknown = select(source_id.label("source_id")).distinct().where(source_id.is_not(None), ~known)
    count = connection.scalar(select(func.count()).select_from(unknown.subquery())) or 0
    if count == 0:
        return 0
    new = unknown.subquery("new")
    first = reserve(database, connection, dimension, count)
    key = literal(first - 1, BigInteger) + func.row_number().over(order_by=new.c.source_id)
    values: dict[str, Any] = {
        dimension.key_column().name: key,
        dimension.durable_key_column().name: key,
        "version": literal(1),
        "valid_from": literal(BEGINNING, table.c.valid_from.type),
        "is_current": literal(True),
        "is_inferred": literal(True),
        "is_deleted": literal(False),
        **{
            name: literal(word, table.c[name].type) for name, word in dimension.placeholders().items() if word
        },
        "created_at": func.now(),
        "updated_at": func.now(),
        "synced_at": func.now(),
        "source_system": literal(source_system),
        "source_id": new.c.source_id,
        "schema_version": literal(dimension.__schema_version__),
        "run_id": literal(run_id, BigInteger),
    }
    connection.execute(insert(table).from_select(list(values), select(*values.values())))
    return count


def reserve(database: Database, connection: Connection, dimension: type[Dimension], count: int) -> int:
    """The first of `count` surrogate keys in a row that nobody else gets."""
    sequence = func.pg_get_serial_sequence(database.qualified(dimension.table()), dimension.key_column().name)
    last = connection.scalar(select(func.setval(sequence, func.nextval(sequence) + (count - 1))))
    assert isinstance(last, int)
    return last - count + 1


def follow(
    connection: Connection,
    *,
    fact: type[Fact],
    dimension: type[Dimension],
    event: Table,
    source_system: str,
    retired: Select[Any] | None,
    run_id: int,
) -> int:
    """Move the keys of facts after their members: those that waited for one, and those that a new version
    takes over.

    `event` is what the merge of the dimension left, `retired` selects the keys of versions that are about to
    go. Costs what the touched members' facts cost, not the table.
    """
    moved = 0
    for name, reference in fact.references().items():
        if reference.dimension is not dimension:
            continue
        if reference.missing == "unknown":
            new = select(event.c.source_id).where(event.c.current_key.is_(None))
            moved += connection.execute(
                _arrive(fact, name, dimension, source_system, members=new, run_id=run_id)
            ).rowcount
        move = _move(fact, name, dimension, source_system, event=event, retired=retired, run_id=run_id)
        moved += connection.execute(move).rowcount
    return moved


def welcome(
    connection: Connection,
    *,
    fact: type[Fact],
    dimension: type[Dimension],
    source_system: str,
    members: Select[Any],
    run_id: int,
) -> int:
    """Give a fact the keys of these members where it waits for them: another fact has had them inferred."""
    waiting = [
        name
        for name, reference in fact.references().items()
        if reference.dimension is dimension and reference.missing == "unknown"
    ]
    return sum(
        connection.execute(
            _arrive(fact, name, dimension, source_system, members=members, run_id=run_id)
        ).rowcount
        for name in waiting
    )


def _arrive(
    fact: type[Fact],
    name: str,
    dimension: type[Dimension],
    source_system: str,
    *,
    members: Select[Any],
    run_id: int,
) -> Any:
    table, waiting = fact.table(), missing_column(name)
    version = span(dimension, source_system, members)
    return (
        update(table)
        .where(
            table.c[name] == UNKNOWN_KEY,
            table.c[waiting] == waiting_for(source_system, version.c.source_id),
            answers(version, fact.as_of(name)),
        )
        .values({name: version.c.key, waiting: None, "updated_at": func.now(), "run_id": run_id})
    )


def _move(
    fact: type[Fact],
    name: str,
    dimension: type[Dimension],
    source_system: str,
    *,
    event: Table,
    retired: Select[Any] | None,
    run_id: int,
) -> Any:
    table = fact.table()
    is_moved = or_(event.c.is_rebuilt, and_(event.c.changed, event.c.current_key.is_not(None)))
    touched = select(event.c.source_id).where(is_moved)
    right = span(dimension, source_system, touched, without=retired).alias("answering")
    held = dimension.table().alias("held")
    return (
        update(table)
        .where(
            table.c[name] == held.c[dimension.key_column().name],
            held.c.source_system == source_system,
            held.c.source_id == right.c.source_id,
            right.c.key != table.c[name],
            answers(right, fact.as_of(name)),
        )
        .values({name: right.c.key, "updated_at": func.now(), "run_id": run_id})
    )


def waiting_for(source_system: str, source_id: Column[Any] | ColumnElement[Any]) -> ColumnElement[Any]:
    """What a fact remembers of a member that is not there yet."""
    return func.concat(f"{source_system}:", source_id)
