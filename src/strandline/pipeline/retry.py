"""Rejects tried again, within the merge of a target: with today's contract and mapper, out of the raw log.

What passes is staged like any record that arrives late, so the history of its member is worked out again and
it comes to stand where it belongs. What is refused stays, with today's reason.
"""

from __future__ import annotations

from sqlalchemy import Connection, delete, select

from strandline.pipeline.load import Load
from strandline.pipeline.target import Target
from strandline.warehouse import late, quarantine, release


def ward(load: Load, target: Target) -> release.Ward:
    """The rejects that concern the target."""
    return release.Ward(load.stream.qualified_name, target.sync.target, load.reading.raw)


def is_due(connection: Connection, load: Load, target: Target) -> bool:
    """Whether a merge of the target has something to try again."""
    if not load.has_rejects:
        return False
    return release.is_due(connection, ward(load, target), load.wanted, load.versions, up_to=load.last_raw_id)


def take_in(connection: Connection, load: Load, target: Target) -> tuple[int, int]:
    """Stage the rejects that pass now; how many were tried, and how many are on their way out."""
    if not is_due(connection, load, target):
        return 0, 0
    mine, staged = ward(load, target), target.staged
    tried = release.choose(connection, mine, load.wanted, load.versions, up_to=load.last_raw_id)
    connection.execute(delete(staged).where(staged.c.raw_id.in_(select(release.TRIED.c.raw_id))))
    for rejects in load.stage_tried(target, release.entries(mine)):
        refused = [it.raw_id for it in rejects if it.target]
        if refused:
            release.hand_over(connection, mine, refused)
        load.keep(rejects)
    release.hand_over(connection, mine)
    return tried, release.let_go(connection, mine, staged, is_record=not target.conversion.has_lines)


def settle(
    connection: Connection, load: Load, target: Target, log: late.Log, *, has_tried: bool, run_id: int
) -> tuple[int, int]:
    """Close the quarantine behind what was merged: how many of the tried rejects have left it, and how many
    are refused again and still open.
    """
    if not quarantine.has_any(connection, load.stream.qualified_name):
        return 0, 0
    mine = ward(load, target)
    released = release.forget(connection, mine)
    release.stamp(connection, mine, load.versions[target.sync.target], run_id=run_id)
    quarantine.supersede(connection, log, up_to=load.last_raw_id)
    return released, release.still_open(connection, mine) if has_tried else 0
