"""From staging into one target, in one transaction with its applied mark and the facts that have to
follow.
"""

from __future__ import annotations

from collections.abc import Iterator

from sqlalchemy import Connection, inspect

from strandline.model.dimension import Dimension
from strandline.model.fact import Fact
from strandline.pipeline.intake import Target
from strandline.pipeline.load import Load
from strandline.warehouse import fact, key, late, lock, scd, staging, state
from strandline.warehouse.database import Database


def merge(
    database: Database, connection: Connection, *, load: Load, target: Target, run_id: int
) -> dict[str, int]:
    """Merge what is staged for the target and move its applied mark; what happened, in rows. Raises
    LateChange.
    """
    model = target.sync.model
    stream, source_system = load.stream.qualified_name, load.stream.source_name
    log = late.Log(load.reading.raw, source_system, stream, target.sync.target, target.applied)
    _lock(connection, model)
    columns = () if issubclass(model, Fact) else staging.EVENT_COLUMNS
    staging.analyze(database, connection, target.staged, columns=columns)
    if issubclass(model, Fact):
        counts = _merge_fact(database, connection, model, log, target, run_id)
    else:
        late.refuse(connection, staged=target.staged, log=log)
        counts = _merge_dimension(database, connection, model, load, target, run_id)
    state.move_applied_mark(connection, stream, target.sync.target, raw_id=load.last_raw_id, run_id=run_id)
    return counts


def _lock(connection: Connection, model: type[Dimension] | type[Fact]) -> None:
    """Nobody else writes what this merge writes, or moves the keys that it looks up."""
    if issubclass(model, Fact):
        dimensions = {reference.dimension.__name__ for reference in model.references().values()}
        lock.share_and_take(connection, shared=(), exclusive={model.__name__, *dimensions})
    else:
        lock.share_and_take(
            connection, shared=(), exclusive={model.__name__, *(it.__name__ for it in facts_of(model))}
        )


def facts_of(dimension: type[Dimension]) -> Iterator[type[Fact]]:
    """The facts that are declared with a reference to this dimension."""
    waiting = list(Fact.__subclasses__())
    while waiting:
        found = waiting.pop()
        waiting += found.__subclasses__()
        if any(reference.dimension is dimension for reference in found.references().values()):
            yield found


def _merge_fact(
    database: Database, connection: Connection, model: type[Fact], log: late.Log, target: Target, run_id: int
) -> dict[str, int]:
    mapped = target.sync.mapper.mapped
    sources = {name: mapped[name].source for name in model.references()}
    merged = fact.merge(
        database,
        connection,
        fact=model,
        staged=target.staged,
        log=log,
        sources={name: source for name, source in sources.items() if source is not None},
        waiting=_who_may_wait(database, connection, model),
        run_id=run_id,
    )
    return merged.counts()


def _merge_dimension(
    database: Database,
    connection: Connection,
    model: type[Dimension],
    load: Load,
    target: Target,
    run_id: int,
) -> dict[str, int]:
    batch = scd.open_batch(
        connection,
        dimension=model,
        staged=target.staged,
        source_system=load.stream.source_name,
        run_id=run_id,
    )
    late.refuse_vanishing(
        connection,
        dimension=model,
        staged=target.staged,
        event=batch.event,
        stream=load.stream.qualified_name,
    )
    merged = scd.merge(database, connection, batch)
    moved = sum(
        key.follow(
            connection,
            fact=it,
            dimension=model,
            event=batch.event,
            source_system=load.stream.source_name,
            run_id=run_id,
        )
        for it in _existing_facts_of(database, connection, model)
    )
    return {**merged.counts(), "facts_moved": moved}


def _who_may_wait(database: Database, connection: Connection, model: type[Fact]) -> list[type[Fact]]:
    """The facts that look at a dimension whose members this fact infers."""
    inferring = {it.dimension for it in model.references().values() if it.missing == "infer"}
    found = [it for dimension in inferring for it in _existing_facts_of(database, connection, dimension)]
    return list(dict.fromkeys(found))


def _existing_facts_of(
    database: Database, connection: Connection, dimension: type[Dimension]
) -> list[type[Fact]]:
    """Those whose tables are there: a model may be declared that no pipeline of this warehouse fills."""
    there = inspect(connection)
    return [
        it for it in facts_of(dimension) if there.has_table(it.table().name, schema=_schema(database, it))
    ]


def _schema(database: Database, model: type[Fact]) -> str | None:
    schema = model.table().schema
    return database.schemas.model_dump().get(schema, schema) if schema else None
