"""The aggregates beside a merge: which rows of its own fact it may touch, and building those that are new."""

from __future__ import annotations

from collections.abc import Iterator, Mapping

from sqlalchemy import Connection, Table, literal, select

from strandline.model.aggregate import Aggregate
from strandline.model.dimension import Dimension
from strandline.model.fact import Fact
from strandline.pipeline.definition import Sync
from strandline.warehouse import aggregate, lock, touched
from strandline.warehouse.aggregate import Rows, Watch
from strandline.warehouse.database import Database


def watch(
    database: Database,
    connection: Connection,
    sync: Sync,
    *,
    staged: Table,
    source_system: str,
    sources: Mapping[str, str],
) -> Watch:
    """Note what the merge of what is staged may touch of the aggregates that are kept up. `sources` says, by
    column, whose natural keys it holds where that is another source.
    """
    return touched.watch(
        database,
        connection,
        sync.model,
        staged=staged,
        source_system=source_system,
        sources=sources,
        own=_own(sync, staged, source_system),
    )


def _own(sync: Sync, staged: Table, source_system: str) -> Iterator[Rows]:
    """The rows of the fact itself: those that are staged, and what their records have had before."""
    fact = sync.model
    if not issubclass(fact, Fact):
        return
    grain, table = [column.name for column in fact.grain()], fact.table()
    yield fact, select(*(staged.c[name] for name in grain), literal(source_system))
    before = select(*aggregate.row_key(fact)).where(table.c.source_system == source_system)
    if not sync.grain_is_key:
        yield fact, before.where(table.c.source_id.in_(select(staged.c.source_id)))
    if sync.has_lines:
        yield fact, before.where(table.c[grain[0]].in_(select(staged.c[grain[0]])))


def watch_all(database: Database, connection: Connection, model: touched.Model) -> Watch:
    """Have all that a merge into this model may touch calculated as a whole."""
    kept = aggregate.built(database, connection, touched.touched_by(model))
    return Watch(connection, kept, whole=kept, rows=[])


def refresh(database: Database, connection: Connection, dimension: type[Dimension], *, run_id: int) -> None:
    """Calculate what reads the dimension anew: a column of all its members has been filled."""
    reading = [it for it in touched.touched_by(dimension) if dimension in it.reads()]
    aggregate.renew_whole(connection, aggregate.built(database, connection, reading), run_id=run_id)


def build(database: Database, connection: Connection, wanted: type[Aggregate], *, run_id: int) -> int | None:
    """Build the aggregate if it is not built by the query that it has now; how many groups, if it was."""
    lock.share_and_take(connection, shared=(), exclusive=[wanted.__name__])
    if aggregate.built(database, connection, [wanted]):
        return None
    return aggregate.build(connection, wanted, run_id=run_id)
