"""What a merge does about natural keys of which the raw log lacks entries: see `warehouse.horizon`."""

from __future__ import annotations

from typing import Any

from sqlalchemy import Connection, Select

from strandline.errors import DeclarationError
from strandline.model.dimension import Dimension
from strandline.pipeline.definition import Reading
from strandline.pipeline.target import Target
from strandline.warehouse import horizon
from strandline.warehouse.erasure import Meant
from strandline.warehouse.late import Log


def refuse(connection: Connection, target: Target, log: Log, *, run_id: int) -> None:
    """Set aside what cannot be put where it belongs, among the target's rejects. A fact keeps no history, and
    the latest word on it is always kept.
    """
    if issubclass(target.sync.model, Dimension) and horizon.has_any(connection, log.stream):
        member = horizon.Member(target.sync.model, target.staged, log, target.applied)
        target.rejected += horizon.refuse(connection, member, run_id=run_id)


def stage(connection: Connection, reading: Reading, target: Target, members: Select[Any]) -> None:
    """Stage the versions that tell of what was pruned of these members."""
    if issubclass(target.sync.model, Dimension):
        stream = reading.stream
        log = Log(reading.raw, stream.source_name, stream.qualified_name, target.sync.target, target.applied)
        member = horizon.Member(target.sync.model, target.staged, log, target.applied)
        horizon.stage_versions(connection, member, members=members)


def refuse_erasure(connection: Connection, meant: Meant) -> None:
    """Raise DeclarationError where a part of what versions alone still tell is to be erased: nobody could say
    which of it is left.
    """
    until = horizon.of_key(connection, meant.stream, meant.source_id)
    if until is not None and meant.only_pii:
        raise DeclarationError(
            f"erase: entries of this key that took effect up to {until.isoformat()} were pruned from the raw"
            " log, and what is personal could only be taken out of what is there",
            hint="Erase everything that was said of it: leave out --only-pii.",
        )
    if until is not None and meant.until is not None and meant.until < until:
        raise DeclarationError(
            f"erase: entries of this key that took effect up to {until.isoformat()} were pruned from the raw"
            " log, so it cannot be told what of them to leave",
            hint=f"Erase at least up to then, --until {until.isoformat()}, or restore them first.",
        )
