"""Replay: targets rebuilt out of the raw log with today's contracts and mappers; no source is asked.

Each target is staged in chunks (see `resumption`) and then rebuilt in a transaction of its own, dimensions
first, so that a replay that is stopped leaves every table either as it was or as it should be, and the next
one goes on with what was staged.
"""

from __future__ import annotations

import time
from collections.abc import Collection, Sequence
from datetime import datetime
from typing import Any

from msgspec.structs import asdict

from strandline.errors import DeclarationError, StrandlineError, UnknownKey
from strandline.model.dimension import Dimension
from strandline.model.fact import facts_of
from strandline.model.path import nearest
from strandline.pipeline import aggregate, merge, orphan, resumption
from strandline.pipeline.collector import collecting_by_hand
from strandline.pipeline.definition import Pipeline, Reading, Sync
from strandline.pipeline.load import Load
from strandline.pipeline.notice import watching
from strandline.pipeline.report import Progress, RunReport, Silence, StreamReport, TargetReport
from strandline.pipeline.running import Run
from strandline.pipeline.target import Target
from strandline.pipeline.team import staff_for
from strandline.warehouse import ledger, lock, prune, raw, sample, touched
from strandline.warehouse.database import Database
from strandline.warehouse.orphan import Orphans
from strandline.warehouse.scope import Scope


def replay(
    pipeline: Pipeline,
    database: Database,
    *,
    models: Collection[str] = (),
    streams: Collection[str] = (),
    keys: Sequence[str] | None = None,
    since: datetime | None = None,
    is_dry: bool = False,
    is_fresh: bool = False,
    progress: Progress | None = None,
    workers: int | None = None,
) -> RunReport:
    """Bring what the pipeline fills to what its raw log says by today's contracts and mappers: all of it, or
    these models and streams, or in them the natural keys given or read since then. With `is_dry` nothing is
    kept: the report tells what would be, each target beside all others as they are. What a replay of the same
    has staged that was stopped is gone on with, unless this one `is_fresh`. So many `workers` help, as in a
    run.

    Raises DeclarationError for a model or stream that the pipeline has not, and UnknownKey for a key of which
    none of the streams has ever sent a record.
    """
    chosen = _choose(pipeline, models, streams)
    hooks = [] if is_dry else pipeline.hooks
    with (
        watching(pipeline.name, hooks) as watch,
        collecting_by_hand(),
        database.connect() as connection,
    ):
        one_run = Run(pipeline, database, connection, progress or Silence())
        one_run.staff = staff_for(workers, pipeline.sources)
        one_run.prepare(kind="dry replay" if is_dry else "replay")
        watch.report = one_run.report
        if not is_dry:
            resumption.stage_apart(one_run, chosen)
        with one_run.recorded():
            _refuse_unknown(one_run, chosen, keys or ())
            held = {
                reading: told for reading in pipeline.readings if (told := _hold(one_run, reading, chosen))
            }
            at_work = [(it, reading) for it in chosen for reading in held if it in reading.syncs]
            orphans = Orphans()
            if not is_dry and keys is None and since is None:
                orphans = orphan.watch(database, connection, pipeline, [it for it, _ in at_work])
            for sync, reading in at_work:
                scope = _scope(sync, keys, since, orphans=orphans)
                load = _load(one_run, reading, sync, scope, is_dry=is_dry)
                _replay(one_run, load, held[reading], is_dry=is_dry, is_fresh=is_fresh)
                if held[reading].status == "failed":
                    orphans = orphan.give_up(orphans, sync.model)
            _remove_orphans(one_run, orphans)
            if not is_dry:
                one_run.build_aggregates()
            one_run.report.out_of_reach = _out_of_reach(one_run, [it for it, _ in at_work])
        return one_run.report


def _choose(pipeline: Pipeline, models: Collection[str], streams: Collection[str]) -> list[Sync]:
    for given, known in (
        (models, [it.target for it in pipeline.syncs]),
        (streams, [it.stream.qualified_name for it in pipeline.syncs]),
    ):
        for name in given:
            if name not in known:
                raise DeclarationError(
                    f"{pipeline.name}: nothing is filled by the name {name!r}", hint=nearest(name, known)
                )
    return [
        it
        for it in pipeline.ordered
        if (not models or it.target in models) and (not streams or it.stream.qualified_name in streams)
    ]


def _refuse_unknown(one_run: Run, chosen: Sequence[Sync], keys: Sequence[str]) -> None:
    """Raise UnknownKey for keys that stand in no raw log of these: nothing would come of them."""
    unknown = list(keys)
    for reading in one_run.pipeline.readings if keys else ():
        if any(sync in chosen for sync in reading.syncs):
            spell = reading.stream.source.natural_keys.encode
            spelled = {it: spell(it) or it for it in unknown}
            with one_run.connection.begin():
                found = raw.latest_hashes(one_run.connection, reading.raw, list(spelled.values()))
            unknown = [it for it in unknown if spelled[it] not in found]
    if unknown:
        raise UnknownKey(
            f"{one_run.pipeline.name}: no record of {', '.join(map(repr, unknown))} is in a raw log",
            hint="Write it as the source does, as in the column source_id.",
        )


def _scope(sync: Sync, keys: Sequence[str] | None, since: datetime | None, *, orphans: Orphans) -> Scope:
    spell = sync.stream.source.natural_keys.encode
    return Scope(None if keys is None else [spell(it) or it for it in keys], since, orphans.naming)


def _hold(one_run: Run, reading: Reading, chosen: Sequence[Sync]) -> StreamReport | None:
    """Be the stream's only writer; its report if that worked and it is wanted."""
    if not any(sync in chosen for sync in reading.syncs):
        return None
    told = StreamReport(reading.stream.qualified_name, status="done")
    one_run.report.streams.append(told)
    try:
        one_run.open(reading)
    except StrandlineError as error:
        told.fail(error)
    one_run.note(told)
    return told if told.status == "done" else None


def _load(one_run: Run, reading: Reading, sync: Sync, scope: Scope, *, is_dry: bool) -> Load:
    load = one_run.load_of(reading, [one_run.targets[id(sync)]])
    load.replayed = scope
    load.stand_still(is_kept=not is_dry)
    if scope.is_whole:
        with one_run.connection.begin():
            load.last_raw_id = raw.last(one_run.connection, reading.raw)
    return load


def _replay(one_run: Run, load: Load, told: StreamReport, *, is_dry: bool, is_fresh: bool) -> None:
    began, (target,) = time.monotonic(), load.targets
    if is_dry:
        _look(one_run, load, target, told)
    else:
        with resumption.staged(load, target, is_fresh=is_fresh):
            one_run.merge_one(load, target)
    told.resumed += load.figures.resumed
    told.replayed += load.figures.replayed
    told.rejected += load.figures.rejected
    told.seconds = round(told.seconds + time.monotonic() - began, 3)
    if told.rejected and told.status == "done":
        told.status = "partial"
    one_run.correct(told)


def _out_of_reach(one_run: Run, replayed: Sequence[Sync]) -> list[dict[str, Any]]:
    """The dimensions of these that have versions of an older mapper all the same."""
    at_work = {(it.stream.qualified_name, it.target) for it in replayed}
    with one_run.connection.begin():
        found = prune.of_before(one_run.connection)
    return [it for it in found if (it["stream"], it["target"]) in at_work]


def _remove_orphans(one_run: Run, orphans: Orphans) -> None:
    """Remove whom nothing names any more that is replayed, and tell of it."""
    for dimension in orphans.naming:
        with one_run.connection.begin():
            _remove_orphans_of(one_run, orphans, dimension)
    if orphans.naming:
        with one_run.connection.begin():
            orphans.forget(one_run.connection)


def _remove_orphans_of(one_run: Run, orphans: Orphans, dimension: type[Dimension]) -> None:
    database, connection, report = one_run.database, one_run.connection, one_run.report
    lock.share_and_take(connection, shared=(), exclusive=touched.written_with(dimension))
    facts = database.present(connection, facts_of(dimension))
    removed, moved = orphans.remove(connection, dimension, facts=facts, run_id=report.run_id)
    if not removed:
        return
    aggregate.watch_all(database, connection, dimension).renew(run_id=report.run_id)
    told = next((it for it in report.targets if it.target == dimension.__name__), None)
    if told is not None:
        for name, rows in {"removed": removed, "facts_moved": moved}.items():
            told.counts[name] = told.counts.get(name, 0) + rows
        ledger.correct_target(connection, report.run_id, asdict(told))


def _look(one_run: Run, load: Load, target: Target, told: StreamReport) -> None:
    """Merge, tell what is different then, and take it back."""
    began, connection, report = time.monotonic(), one_run.connection, one_run.report
    one_run.progress.merging(load.stream.qualified_name, target.sync.target)
    try:
        with connection.begin() as transaction:
            counts = merge.merge(one_run.database, connection, load=load, target=target, run_id=report.run_id)
            report.samples += sample.take(one_run.database, connection, target.sync.model)
            transaction.rollback()
    except StrandlineError as error:
        told.fail(error)
        return
    seconds = round(time.monotonic() - began, 3)
    name = load.stream.qualified_name
    report.targets.append(
        TargetReport(name, target.sync.target, counts, target.applied, load.last_raw_id, seconds)
    )
