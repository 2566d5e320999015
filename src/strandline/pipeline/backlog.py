"""What an earlier run has stored and not merged: entries of the raw log that the targets lack, taken in again
before anything new is read.
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterator, Sequence
from contextlib import AbstractContextManager, contextmanager
from typing import Any

from sqlalchemy import Connection

from strandline.pipeline.admission import Admission
from strandline.pipeline.definition import Reading
from strandline.pipeline.intake import Intake
from strandline.pipeline.target import Target
from strandline.warehouse import quarantine, raw


class Backlog:
    """What of one stream is to be taken in again."""

    def __init__(
        self, connection: Connection, reading: Reading, targets: Sequence[Target], intake: Intake
    ) -> None:
        self._connection = connection
        self._reading = reading
        self._targets = targets
        self._intake = intake
        self._name = reading.stream.qualified_name
        self._applied = max(target.applied for target in targets)
        self._reached = min(target.applied for target in targets)

    def take_up(
        self, admission: Admission, *, up_to: int, has_rejects: bool
    ) -> Iterator[AbstractContextManager[int]]:
        """Batch after batch, each a block: what it has is in the intake there, to be staged in the block's
        transaction, and how many entries these are is told.
        """
        if self._reached < up_to:
            self._tell_rejects_anew(quarantine.doubt)
        while self._reached < up_to:
            yield self._batch(admission, up_to=up_to, has_rejects=has_rejects)
            if self._reached >= up_to:
                self._tell_rejects_anew(quarantine.forget_doubtful)

    @contextmanager
    def _batch(self, admission: Admission, *, up_to: int, has_rejects: bool) -> Iterator[int]:
        log, after = self._reading.raw, self._reached
        with self._connection.begin():
            batch = raw.entries_after(self._connection, log, after, up_to=up_to)
            discarded = quarantine.discarded(self._connection, stream=self._name, after=after, up_to=up_to)
            unmerged = [it.raw_id for it in batch if it.raw_id > self._applied] if has_rejects else []
            with admission.of_resumed(log, self._name, unmerged):
                for entry in batch:
                    self._take(entry, out=discarded.get(entry.raw_id, ()))
                yield len(batch)
        self._reached = batch[-1].raw_id if batch else up_to

    def _take(self, entry: Any, *, out: Collection[str]) -> None:
        """Take it in for those that have not got it, unless somebody has discarded it."""
        behind = [it for it in self._targets if it.applied < entry.raw_id and it.sync.target not in out]
        if behind and "" not in out:
            self._intake.take_again(entry, behind)

    def _tell_rejects_anew(self, tell: Callable[..., None]) -> None:
        """What is tried again may be right by now, after a contract or mapper was mended."""
        with self._connection.begin():
            tell(self._connection, stream=self._name, target="", after=self._applied)
            for target in self._targets:
                tell(self._connection, stream=self._name, target=target.sync.target, after=target.applied)
