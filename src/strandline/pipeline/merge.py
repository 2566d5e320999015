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
    stream = load.stream.qualified_name
    _lock(connection, model)
    staging.analyze(database, connection, target.staged)
    late.refuse(
        connection,
        staged=target.staged,
        raw=load.reading.raw,
        applied=target.applied,
        stream=stream,
        target=target.sync.target,
    )
    if issubclass(model, Fact):
        counts = _merge_fact(database, connection, model, load, target, run_id)
    else:
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
    database: Database, connection: Connection, model: type[Fact], load: Load, target: Target, run_id: int
) -> dict[str, int]:
    mapped = target.sync.mapper.mapped
    sources = {name: mapped[name].source for name in model.references()}
    merged = fact.merge(
        database,
        connection,
        fact=model,
        staged=target.staged,
        stream=load.stream.qualified_name,
        source_system=load.stream.source_name,
        sources={name: source for name, source in sources.items() if source is not None},
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
        for it in facts_of(model)
        if inspect(connection).has_table(it.table().name, schema=_schema(database, it))
    )
    return {**merged.counts(), "facts_moved": moved}


def _schema(database: Database, model: type[Fact]) -> str | None:
    schema = model.table().schema
    return database.schemas.model_dump().get(schema, schema) if schema else None
