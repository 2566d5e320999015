"""The quarantine tried again on demand: today's contracts and mappers over its entries, out of the raw log.

No source is asked, so none has to be set up. The applied marks stay where they are: what a run has read and
not merged yet is the next run's.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from typing import Any

from sqlalchemy import Connection

from strandline.errors import DeclarationError, StillRefused, StrandlineError
from strandline.pipeline.definition import Pipeline, Reading
from strandline.pipeline.report import Progress, RunReport, Silence, StreamReport
from strandline.pipeline.running import Run
from strandline.pipeline.target import Target
from strandline.warehouse import ledger, reject, state
from strandline.warehouse.database import Database
from strandline.warehouse.quarantine import ALL, Wanted


def retry(
    pipeline: Pipeline,
    database: Database,
    *,
    stream: str | None = None,
    reject_ids: Sequence[int] | None = None,
    progress: Progress | None = None,
) -> RunReport:
    """Take in again what of the pipeline's quarantine passes by now: all of it, that of one stream, or these
    rejects. Raises DeclarationError for a stream or reject that the pipeline has not.
    """
    readings = [it for it in pipeline.readings if stream in (None, it.stream.qualified_name)]
    if not readings:
        streams = ", ".join(it.stream.qualified_name for it in pipeline.readings)
        raise DeclarationError(
            f"{pipeline.name}: there is no stream {stream!r}", hint=f"There are: {streams}."
        )
    with database.connect() as connection:
        wanted = _wanted(database, connection, readings, reject_ids)
        one_run = Run(pipeline, database, connection, progress or Silence())
        one_run.prepare(kind="retry")
        with one_run.recorded():
            held = [it for it in wanted if _hold(one_run, it)]
            for sync in pipeline.ordered:
                for reading in held:
                    if sync in reading.syncs:
                        _try_again(one_run, reading, one_run.targets[id(sync)], wanted[reading])
        return one_run.report


def release(
    pipeline: Pipeline,
    database: Database,
    reject_ids: Sequence[int],
    *,
    progress: Progress | None = None,
) -> RunReport:
    """Take these rejects in again. Raises StillRefused, which says why, when one of them is refused again;
    the others are released all the same.
    """
    with database.begin() as connection:
        _refuse_empty(database, connection)
        meant = reject.pick(connection, reject_ids)
    report = retry(pipeline, database, reject_ids=reject_ids, progress=progress)
    failed = [it.error for it in report.streams if it.error]
    if failed:
        raise StillRefused(f"nothing was released: {'; '.join(failed)}", hint=report.streams[0].hint)
    with database.begin() as connection:
        left = reject.of_entries(connection, [(it["stream"], it["raw_id"]) for it in meant])
    if left:
        told = "; ".join(f"{it['reject_id']} ({it['target'] or it['stream']}): {it['reason']}" for it in left)
        raise StillRefused(
            f"{len(left)} of {len(meant)} are refused again: {told}",
            hint=f"See the payload with: strandline quarantine show {left[0]['reject_id']}",
        )
    return report


def _wanted(
    database: Database,
    connection: Connection,
    readings: Sequence[Reading],
    reject_ids: Sequence[int] | None,
) -> dict[Reading, Wanted]:
    """What is to be tried, by stream."""
    if reject_ids is None:
        return dict.fromkeys(readings, ALL)
    with connection.begin():
        _refuse_empty(database, connection)
        meant = reject.pick(connection, reject_ids)
    reject.refuse_told_by_others(meant)
    _refuse_discarded(meant)
    by_name = {it.stream.qualified_name: it for it in readings}
    found: dict[Reading, list[int]] = {}
    for it in meant:
        if it["stream"] not in by_name:
            raise DeclarationError(
                f"reject {it['reject_id']} is of {it['stream']}, which is not read here",
                hint=f"Read are: {', '.join(by_name)}.",
            )
        found.setdefault(by_name[it["stream"]], []).append(it["raw_id"])
    return {reading: Wanted(is_forced=True, raw_ids=raw_ids) for reading, raw_ids in found.items()}


def _refuse_empty(database: Database, connection: Connection) -> None:
    if not ledger.exists(database, connection):
        raise DeclarationError(
            f"{database.shown}: there is no quarantine, for nothing has run yet", hint="Type: strandline run"
        )


def _refuse_discarded(rejects: Iterable[Mapping[str, Any]]) -> None:
    for it in rejects:
        if it["state"] == state.DISCARDED:
            raise DeclarationError(
                f"reject {it['reject_id']} was discarded by {it['discarded_by']}: {it['discard_reason']}",
                hint="What is discarded stays out.",
            )


def _hold(one_run: Run, reading: Reading) -> bool:
    """Be the stream's only writer; whether it worked, which its report tells."""
    told = StreamReport(reading.stream.qualified_name, status="done")
    one_run.report.streams.append(told)
    try:
        one_run.fill(one_run.open(reading))
    except StrandlineError as error:
        told.fail(error)
    one_run.note(told)
    return told.status == "done"


def _try_again(one_run: Run, reading: Reading, target: Target, wanted: Wanted) -> None:
    """Merge what passes for one target, and nothing else."""
    load = one_run.load_of(reading, [target])
    load.wanted = wanted
    load.stand_still()
    if one_run.is_due(load, target):
        one_run.merge_one(load, target)
