"""A replay's first step within the merge of a target: everything that it is made of is staged again."""

from __future__ import annotations

from typing import Any

from msgspec.structs import replace
from sqlalchemy import Connection, Select

from strandline.errors import TooManyRejects
from strandline.model.dimension import Dimension
from strandline.model.fact import Fact
from strandline.pipeline import bygone
from strandline.pipeline.load import Load
from strandline.pipeline.target import Target
from strandline.warehouse import replay
from strandline.warehouse.database import Database
from strandline.warehouse.late import Log
from strandline.warehouse.quarantine import ALL, Reject, Wanted
from strandline.warehouse.stopover import Place


def goes_on(load: Load, target: Target) -> bool:
    """Whether what has been applied before counts: in a replay of all of a dimension or fact it does not."""
    if load.replayed is None:
        return True
    return issubclass(target.sync.model, Fact) and not load.replayed.is_whole


def is_anew(load: Load, target: Target) -> bool:
    """Whether all rows are of this merge's mapper afterwards."""
    return target.applied == 0 or (load.replayed is not None and load.replayed.is_whole)


def stage(connection: Connection, load: Load, target: Target, log: Log) -> None:
    """Stage what is replayed, with today's contract and mapper. Raises TooManyRejects."""
    scope = load.replayed
    if scope is None:
        return
    scope.choose(connection, log)
    raw_ids = None if scope.is_whole else replay.rejects(connection, log)
    load.wanted = ALL if raw_ids is None else Wanted(is_forced=True, raw_ids=raw_ids)
    if load.stopover is None:
        refused = _stage(load, target, replay.entries(log, scope, up_to=load.last_raw_id))
    else:
        refused = _take_up(connection, load, load.stopover)
    load.figures.replayed = load.figures.resumed + load.taken_again
    load.figures.rejected += refused
    _refuse_too_many(load, target, refused=refused)
    replay.correct_log(connection, log, target.staged)


def _stage(load: Load, target: Target, entries: Select[Any]) -> int:
    """Stage the entries; how many are refused."""
    refused = set[int]()
    for rejects in load.stage_entries(target, entries):
        load.keep([of_target(load, target, it) for it in rejects])
        refused |= {it.raw_id for it in rejects}
    return len(refused)


def _take_up(connection: Connection, load: Load, stopover: Place) -> int:
    """Merge what has been staged before; how many entries are refused."""
    for rejects in stopover.rejects(connection):
        load.keep(rejects)
    stopover.forget(connection)
    return stopover.count_refused(connection)


def of_target(load: Load, target: Target, reject: Reject) -> Reject:
    """A reject of the contract is this target's where the stream has others, which are not merged here."""
    is_only_one = len(load.reading.syncs) == 1
    return reject if reject.target or is_only_one else replace(reject, target=target.sync.target)


def _refuse_too_many(load: Load, target: Target, *, refused: int) -> None:
    if load.reading.rejects.exceeded(rejected=refused, records=load.figures.replayed):
        raise TooManyRejects(
            f"{load.stream.qualified_name}: {refused} of {load.figures.replayed} entries that are in"
            f" {target.sync.target} would be rejected, more than {load.reading.rejects.limit}, so it stays as"
            " it was",
            hint="Mend the contract or the mapper, and replay again.",
        )


def find_members(database: Database, connection: Connection, load: Load, target: Target) -> int:
    """Leave on the stage only the members that are not what their records say; how many."""
    assert load.replayed is not None
    assert issubclass(target.sync.model, Dimension)
    bygone.stage(connection, load.reading, target, load.replayed.pruned(load.stream.qualified_name))
    return replay.find_members(
        database,
        connection,
        dimension=target.sync.model,
        staged=target.staged,
        source_system=load.stream.source_name,
        scope=load.replayed,
    )
