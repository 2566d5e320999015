"""From staging into one target, in one transaction with its applied mark and the facts that have to
follow.
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import Final

from msgspec.structs import replace
from sqlalchemy import Connection, and_, func, not_, select

from strandline.model.dimension import Dimension
from strandline.model.fact import Fact, facts_of
from strandline.model.hierarchy import hierarchies_of
from strandline.model.mini import History, outriggers_of
from strandline.model.revision import mapper_version
from strandline.model.shrunken import shrunken_of
from strandline.pipeline import aggregate, bygone, orphan, restage, retry
from strandline.pipeline.load import Load
from strandline.pipeline.target import Target
from strandline.warehouse import (
    audit,
    bridge,
    custom,
    event,
    fact,
    fill,
    hierarchy,
    key,
    late,
    lock,
    mark,
    mini,
    outrigger,
    rebuild,
    replay,
    scd,
    shrunken,
    staging,
    touched,
)
from strandline.warehouse.aggregate import Watch
from strandline.warehouse.database import Database

NOT_WRITTEN: Final = ("rejected", "rebuilt")
"""What is counted of a merge, and is no row that it has written."""


def merge(
    database: Database, connection: Connection, *, load: Load, target: Target, run_id: int
) -> dict[str, int]:
    """Merge what is staged for the target and move its applied mark; what happened, in rows."""
    model = target.sync.model
    stream, source_system = load.stream.qualified_name, load.stream.source_name
    latest = mark.latest_applied(connection, stream, target.sync.target)
    applied = target.applied if restage.goes_on(load, target) else 0
    log = late.Log(load.reading.raw, source_system, stream, target.sync.target, applied, latest)
    _lock(connection, model)
    restage.stage(connection, load, target, log)
    tried, leaving = retry.take_in(connection, load, target)
    bygone.refuse(connection, target, log, run_id=run_id)
    span = late.span(connection, target.staged)
    latest, log = late.reached(log, span), replace(log, staged=span)
    columns = () if issubclass(model, Fact) else staging.EVENT_COLUMNS
    staging.analyze(database, connection, target.staged, columns=columns)
    audit.begin(database, connection)
    if issubclass(model, Fact) and model.restates_history:
        _stage_history(connection, log, load, target, with_deleted=model.__deletes__ == "reverse")
        log = replace(log, staged=None)  # old entries may be there now
    watch = _watch(database, connection, load, target)
    if issubclass(model, Fact):
        counts = _merge_fact(database, connection, model, log, load, target, run_id)
    else:
        counts = _merge_dimension(database, connection, model, log, load, target, run_id)
    released, refused = retry.settle(connection, load, target, log, has_tried=tried > 0, run_id=run_id)
    if counts.get("rejected"):
        counts["rejected"] -= leaving - released  # those were rejects before
    # What was filled before the merge has been told of already.
    merged = {**counts, "filled": 0}
    if target.sync.has_lines:
        log = replace(log, staged=None)  # an entry may have several rows there
    _tell(connection, target, log, merged, up_to=load.last_raw_id, run_id=run_id)
    if watch.aggregates and (load.replayed is None or any(merged.values())):
        counts["groups"] = watch.renew(run_id=run_id)
    mark.move_applied(
        connection,
        stream,
        target.sync.target,
        raw_id=load.last_raw_id,
        columns=target.fillable,
        version=mapper_version(target.conversion) if restage.is_anew(load, target) else None,
        run_id=run_id,
    )
    mark.note_latest(connection, stream, target.sync.target, latest_at=latest)
    if load.replayed is not None:
        return {**counts, "released": released}
    return {**counts, "released": released, "refused": refused} if tried else counts


def _watch(database: Database, connection: Connection, load: Load, target: Target) -> Watch:
    """What is to be calculated anew of the aggregates: all that a replay may touch, for what it removes is
    staged nowhere.
    """
    if load.replayed is not None:
        return aggregate.watch_all(database, connection, target.sync.model)
    return aggregate.watch(
        database,
        connection,
        target.sync,
        staged=target.staged,
        source_system=load.stream.source_name,
        sources=target.sources,
    )


def fill_columns(
    database: Database, connection: Connection, *, load: Load, target: Target, run_id: int
) -> None:
    """Fill the columns of a dimension that are new, and remember that they are filled."""
    model, stream = target.sync.model, load.stream.qualified_name
    if not issubclass(model, Dimension):
        return
    log = late.Log(load.reading.raw, load.stream.source_name, stream, target.sync.target, target.applied)
    _lock(connection, model)
    audit.begin(database, connection)
    for entries, write in ((fill.first_entries, fill.fill_first), (fill.last_entries, fill.fill_last)):
        load.stage_only(target, entries(log))
        target.filled += write(
            connection,
            dimension=model,
            staged=target.staged,
            source_system=log.source_system,
            columns=target.new_columns,
            run_id=run_id,
        )
    target.rejected = _refresh_hierarchies(connection, log, target, run_id)
    inferred = _attach_outriggers(database, connection, log, target, run_id)
    for rollup in shrunken_of(model):
        same_source = model.table().c.source_system == log.source_system
        shrunken.refresh(connection, rollup, touched=same_source, run_id=run_id)
    written = {"filled": target.filled, "inferred": inferred}
    everything = replace(log, applied=0)
    _tell(connection, target, everything, written, up_to=target.applied, run_id=run_id)
    aggregate.refresh(database, connection, model, run_id=run_id)
    target.filled_columns = target.fillable
    mark.move_applied(
        connection,
        stream,
        target.sync.target,
        raw_id=target.applied,
        columns=target.fillable,
        run_id=run_id,
    )


def _tell(
    connection: Connection, target: Target, log: late.Log, counts: dict[str, int], *, up_to: int, run_id: int
) -> None:
    """Tell of the load in the audit dimension, if it has written anything."""
    rejected = counts.get("rejected", 0)
    if not any(count for name, count in counts.items() if name not in NOT_WRITTEN):
        return
    mapper, version = target.sync.mapper.__name__, mapper_version(target.conversion)
    audit.note(connection, audit.Load(log, up_to, mapper, version, run_id, has_rejected=rejected > 0))


def _lock(connection: Connection, model: type[Dimension] | type[Fact]) -> None:
    """Nobody else writes what this merge writes, or moves the keys that it looks up."""
    lock.share_and_take(connection, shared=(), exclusive=touched.written_with(model))


def _stage_history(
    connection: Connection, log: late.Log, load: Load, target: Target, *, with_deleted: bool = False
) -> int:
    """Stage all that was ever said of whoever has a late record, or a deletion; how many they are."""
    found = late.find(connection, staged=target.staged, log=log, with_deleted=with_deleted)
    if found:
        load.stage_again(target, late.entries(log, up_to=load.last_raw_id), late.LATE_MEMBER)
    return found


def _merge_fact(
    database: Database,
    connection: Connection,
    model: type[Fact],
    log: late.Log,
    load: Load,
    target: Target,
    run_id: int,
) -> dict[str, int]:
    merged = fact.merge(
        database,
        connection,
        fact=model,
        staged=target.staged,
        log=log,
        sources=target.sources,
        waiting=_who_may_wait(
            database,
            connection,
            [
                *(it.dimension for it in model.references().values() if it.missing == "infer"),
                *(it.dimension for it in model.bridges().values()),
            ],
        ),
        is_key=target.sync.grain_is_key,
        has_lines=target.sync.has_lines,
        stage_again=lambda entries: load.stage_more(target, entries),
        replayed=None if load.replayed is None else load.replayed.holds,
        orphans=orphan.orphans_of(load),
        run_id=run_id,
    )
    return merged.counts()


def _merge_dimension(
    database: Database,
    connection: Connection,
    model: type[Dimension],
    log: late.Log,
    load: Load,
    target: Target,
    run_id: int,
) -> dict[str, int]:
    is_laid_over = load.replayed is not None and target.applied > 0
    if is_laid_over:
        rebuilt = restage.find_members(database, connection, load, target)
    else:
        rebuilt = _stage_history(connection, log, load, target)
    batch = event.open_batch(
        connection,
        dimension=model,
        staged=target.staged,
        stream=log.stream,
        source_system=log.source_system,
        run_id=run_id,
        is_first=target.applied == 0,
        has_late=rebuilt > 0,
        records=0 if log.staged is None else log.staged.records,
        span=log.staged,
        has_repeats=load.has_repeats,
        dropped=target.dropped,
    )
    if is_laid_over:
        replay.note_unnamed(connection)
    removed, corrected = rebuild.lay_over(connection, batch) if rebuilt else (0, 0)
    custom.note(connection, batch, has_late=rebuilt > 0, is_first=target.applied == 0)
    merged = scd.merge(database, connection, batch)
    carried = custom.write(connection, batch)
    rejected = target.rejected + _refresh_hierarchies(connection, log, target, run_id)
    inferred = _infer_withdrawn(database, connection, batch)
    _keep_combinations(connection, batch)
    moved = sum(
        key.follow(
            connection,
            fact=it,
            dimension=model,
            event=batch.event,
            source_system=log.source_system,
            retired=rebuild.RETIRED_KEYS if rebuilt else None,
            run_id=run_id,
        )
        for it in database.present(connection, facts_of(model))
    )
    if rebuilt:
        rebuild.remove(connection, batch)
    if is_laid_over:
        removed += orphan.remove_unnamed(database, connection, batch, orphans=orphan.orphans_of(load))
    inferred += _attach_outriggers(database, connection, log, target, run_id)
    orphan.note(connection, load, target)
    more = {
        "filled": target.filled,
        "inferred": inferred,
        "rebuilt": 0 if is_laid_over else rebuilt,
        "corrected": corrected,
        "custom_fields": carried,
        "removed": removed,
        "facts_moved": moved,
    }
    more |= {"rejected": rejected} if rejected else {}
    return {**merged.counts(), **more}


def _refresh_hierarchies(connection: Connection, log: late.Log, target: Target, run_id: int) -> int:
    """Bring the hierarchies up to whoever is staged; how many of them stand above themselves."""
    return sum(
        hierarchy.refresh(
            connection,
            it,
            source_system=log.source_system,
            members=select(target.staged.c.source_id),
            run_id=run_id,
            log=log,
        )
        for it in hierarchies_of(target.sync.model)
    )


def _attach_outriggers(
    database: Database, connection: Connection, log: late.Log, target: Target, run_id: int
) -> int:
    """Bring the outriggers up to whoever is staged; how many of their members were inferred."""
    model = target.sync.model
    assert issubclass(model, Dimension)
    touched = outrigger.Touched(model, target.staged, log.source_system, run_id)
    sources = target.sources
    led_to = [*model.outriggers(), *(it.dimension for it in model.bridges())]
    waiting = _who_may_wait(database, connection, led_to)
    inferred = outrigger.attach(database, connection, touched, sources=sources, waiting=waiting)
    return inferred + bridge.attach(database, connection, touched, sources=sources, waiting=waiting)


def _keep_combinations(connection: Connection, batch: event.Batch) -> None:
    """Bring the combinations up to the batch: of a mini-dimension's history, and those of now on its base."""
    model, touched = batch.dimension, list(outriggers_of(batch.dimension))
    if issubclass(model, History):
        mini.attach(connection, batch, model)
        touched += [model.mini] if model.mini.is_outrigger else []
    for rollup in shrunken_of(model):
        theirs = batch.table.c.source_id.in_(select(batch.event.c.source_id))
        same_source = batch.table.c.source_system == batch.source_system
        shrunken.refresh(connection, rollup, touched=and_(same_source, theirs), run_id=batch.run_id)
    for it in touched:
        mini.refresh(
            connection,
            mini=it,
            source_system=batch.source_system,
            members=select(batch.event.c.source_id),
            run_id=batch.run_id,
        )


def _infer_withdrawn(database: Database, connection: Connection, batch: event.Batch) -> int:
    """A member whose only record was withdrawn at its own instant is known by its key at least."""
    if batch.is_single:
        return 0
    staged = batch.staged
    count = select(func.count())
    if connection.scalar(count.select_from(staged)) == connection.scalar(count.select_from(batch.event)):
        return 0  # no two records at one instant
    return key.infer(
        database,
        connection,
        dimension=batch.dimension,
        source_system=batch.source_system,
        members=select(staged.c.source_id).where(not_(staged.c.is_deleted)),
        run_id=batch.run_id,
    )


def _who_may_wait(
    database: Database, connection: Connection, inferring: Iterable[type[Dimension]]
) -> list[type[Fact]]:
    """The facts that look at a dimension of which members are inferred."""
    facts = dict.fromkeys(fact for dimension in inferring for fact in facts_of(dimension))
    return database.present(connection, facts)
