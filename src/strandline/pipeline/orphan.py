"""Which orphans a replay may find, and who is named while it goes on: see `warehouse.orphan`."""

from __future__ import annotations

from collections.abc import Collection

from sqlalchemy import Connection, exists, not_, select

from strandline.model.base import models_below
from strandline.model.bridge import Bridge
from strandline.model.column import ROLE, Outrigger
from strandline.model.dimension import Dimension
from strandline.model.fact import Fact, facts_of
from strandline.pipeline.definition import Pipeline, Sync
from strandline.pipeline.load import Load
from strandline.pipeline.target import Target
from strandline.warehouse import orphan, replay, schema, state
from strandline.warehouse.database import Database
from strandline.warehouse.event import Batch
from strandline.warehouse.orphan import Orphans

Model = type[Dimension] | type[Fact]


def watch(
    database: Database, connection: Connection, pipeline: Pipeline, replayed: Collection[Sync]
) -> Orphans:
    """Look for the orphans of the dimensions of which all is replayed that may name their members."""
    dimensions = [it for it in pipeline.models if issubclass(it, Dimension)]
    with connection.begin():
        schema.prepare(database, connection, models=[], others=[orphan.NAMED])
        models = _naming(database, connection)
        whole = [it for it in dimensions if _is_whole(database, connection, it, replayed)]
        orphans = Orphans({it: orphan.naming_columns(models, it) for it in whole})
        orphans.forget(connection)  # those of a replay that was stopped
    return orphans


def _is_whole(
    database: Database, connection: Connection, dimension: type[Dimension], replayed: Collection[Sync]
) -> bool:
    """Whether all is replayed, and can be, that has ever filled the dimension or what names its members."""
    there = [*_naming(database, connection), *database.present(connection, facts_of(dimension))]
    names = [it.__name__ for it in there if not issubclass(it, Bridge) and may_name(it, dimension)]
    mark, pruned = state.applied_mark.c, state.pruned_key.c
    filling = {
        tuple(it) for it in connection.execute(select(mark.stream, mark.target).where(mark.target.in_(names)))
    }
    lacks = exists().where(pruned.stream.in_({stream for stream, _ in filling}))
    again = {(it.stream.qualified_name, it.target) for it in replayed}
    return filling <= again and bool(connection.scalar(select(not_(lacks))))


def may_name(model: Model, dimension: type[Dimension]) -> bool:
    """Whether this one's merge makes members of the dimension be there; bridges keep whom they name."""
    if issubclass(model, Fact):
        references = model.references().values()
        return any(it.dimension is dimension and it.missing == "infer" for it in references)
    return model is dimension or dimension in model.outriggers()


def orphans_of(load: Load) -> Orphans:
    """Those that the replay looks for."""
    return Orphans() if load.replayed is None else Orphans(load.replayed.naming)


def give_up(orphans: Orphans, model: Model) -> Orphans:
    """Those to look for where this one was not merged."""
    return Orphans({it: columns for it, columns in orphans.naming.items() if not may_name(model, it)})


def note(connection: Connection, load: Load, target: Target) -> None:
    """Note whom the staged records of a dimension name: others, and themselves if nothing more is known."""
    orphans, model, staged = orphans_of(load), target.sync.model, target.staged.c
    assert issubclass(model, Dimension)
    own = load.stream.source_name
    said = select(staged.source_id).where(not_(staged.is_deleted))
    orphans.note(connection, model, source_system=own, members=said)
    for column in model.companions(Outrigger):
        meaning: Outrigger = column.info[ROLE]
        source = (
            target.sync.mapper.mapped[meaning.of].source if meaning.of in target.sync.mapper.mapped else None
        )
        said = select(staged[meaning.of]).where(staged[meaning.of].is_not(None), not_(staged.is_deleted))
        orphans.note(connection, meaning.dimension, source_system=source or own, members=said, is_early=True)


def remove_unnamed(database: Database, connection: Connection, batch: Batch, *, orphans: Orphans) -> int:
    """Remove whom nothing names any more, unless that can be told better in the end; how many versions."""
    if batch.dimension in orphans.naming:
        return 0
    return replay.remove_unnamed(
        connection,
        batch,
        facts=database.present(connection, facts_of(batch.dimension)),
        naming=_naming(database, connection),
    )


def _naming(database: Database, connection: Connection) -> list[type[Dimension] | type[Bridge]]:
    """What names members beside facts: the dimensions and bridges whose tables are there."""
    every: list[type[Dimension] | type[Bridge]] = [*models_below(Dimension), *models_below(Bridge)]
    return database.present(connection, every)
