"""A replay's stage, filled a few chunks in a transaction, so that the next replay goes on from it.

Only rows are made here, which is what takes the time. Whatever readers can see is the merge's.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from typing import Any, ClassVar

from sqlalchemy import Connection, Select

from strandline.pipeline import restage
from strandline.pipeline.definition import Sync
from strandline.pipeline.imprint import imprint
from strandline.pipeline.load import Load
from strandline.pipeline.running import Run
from strandline.pipeline.target import Target
from strandline.warehouse import replay, schema, staging
from strandline.warehouse.late import Log
from strandline.warehouse.stopover import Place, refused_table


def stage_apart(one_run: Run, syncs: Sequence[Sync]) -> None:
    """Let these be staged in tables of a replay's own, and make them be there."""
    places = []
    for sync in syncs:
        target = one_run.targets[id(sync)]
        target.stage_apart()
        places.append(_place(target))
    tables = [table for it in places for table in (it.staged, it.refused)]
    with one_run.connection.begin():
        schema.prepare(one_run.database, one_run.connection, models=[], others=tables)


def _place(target: Target) -> Place:
    sync, staged = target.sync, target.staged
    return Place(sync.stream.qualified_name, sync.target, staged, refused_table(staged.name))


@contextmanager
def staged(load: Load, target: Target, *, is_fresh: bool) -> Iterator[None]:
    """Stage what is replayed of the target, or what an earlier replay has not; it is there within the block,
    and stays if it is not merged there.
    """
    resumption = Resumption(load, target)
    try:
        resumption.stage(is_fresh=is_fresh)
        yield
        resumption.clear()
    finally:
        resumption.end()


class Resumption:
    """One target that is being staged for a replay."""

    chunks_at_once: ClassVar[int] = 5
    """So many are staged in a transaction: at the end of each the workers have nothing to do."""

    def __init__(self, load: Load, target: Target) -> None:
        assert load.replayed is not None
        self.load = load
        self.target = target
        self.place = load.stopover = _place(target)
        self.connection: Connection = load.connection
        self.scope = load.replayed
        stream = load.stream
        self._log = Log(
            load.reading.raw, stream.source_name, stream.qualified_name, target.sync.target, applied=0
        )
        self._imprint = imprint(load, target)

    def stage(self, *, is_fresh: bool) -> None:
        """Stage what is not there."""
        reached, last = self._begin(is_fresh=is_fresh), self.load.last_raw_id
        with self.load.helped():
            if reached:
                missing = self.place.missing(self._entries(up_to=reached), self._log.raw)
                self._stage(missing, after=0, up_to=reached, moves=False)
            self._stage(self._entries(up_to=last), after=reached, up_to=last, moves=True)

    def clear(self) -> None:
        """Give the room back, unless the merge has failed."""
        with self.connection.begin():
            if self.place.reached(self.connection, made_by=self._imprint) is None:
                self._empty()

    def end(self) -> None:
        """Forget the choice."""
        if self.scope.is_whole or self.connection.invalidated or self.connection.closed:
            return
        if self.connection.in_transaction():
            self.connection.rollback()
        with self.connection.begin():
            self.scope.release(self.connection)

    def _begin(self, *, is_fresh: bool) -> int:
        """Up to which entry all is staged; what does not belong there is not any more."""
        connection, place = self.connection, self.place
        with connection.begin():
            if not self.scope.is_whole:
                self.scope.hold(connection, self._log)
            reached = None if is_fresh else place.reached(connection, made_by=self._imprint)
            if reached is None:
                place.forget(connection)
                self._empty()
                return 0
            reached = min(reached, self.load.last_raw_id)
            staging.analyze(self.load.database, connection, place.staged, columns=("raw_id",))
            place.tidy(connection, self._entries(up_to=reached))
            self.load.figures.resumed = place.count(connection)
            return reached

    def _entries(self, *, up_to: int) -> Select[Any]:
        return replay.entries(self._log, self.scope, up_to=up_to)

    def _stage(self, entries: Select[Any], *, after: int, up_to: int, moves: bool) -> None:
        """Stage these entries, a few chunks in a transaction."""
        load, connection, place = self.load, self.connection, self.place
        while after < up_to:
            with connection.begin():
                if not self.scope.is_whole:
                    self.scope.choose(connection, self._log)
                after = self._stage_some(entries, after=after, up_to=up_to)
                if moves:
                    place.move(connection, made_by=self._imprint, raw_id=after, run_id=load.run_id)
            load.figures.replayed = load.figures.resumed + load.taken_again
            load.report(load.figures)

    def _stage_some(self, entries: Select[Any], *, after: int, up_to: int) -> int:
        """Stage the next of these entries; up to which all are staged then."""
        load, before = self.load, self.load.taken_again
        most = self.chunks_at_once * load.chunk_records
        some = entries.where(self._log.raw.c.raw_id > after).limit(most)
        for rejects in load.stage_entries(self.target, some):
            own = [restage.of_target(load, self.target, it) for it in rejects]
            self.place.refuse(self.connection, own)
        return load.taken_up_to if load.taken_again - before == most else up_to

    def _empty(self) -> None:
        for table in (self.place.staged, self.place.refused):
            staging.empty(self.load.database, self.connection, table)
