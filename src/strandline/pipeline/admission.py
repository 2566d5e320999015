"""Records that their contract has refused when they were read, and accepts now: the field register learns of
them, once, as if they had been accepted at first.

That is their fields, and when and by which run they were seen. What was accepted at first and refused later
is in the register already; what only a mapper has refused was there from the beginning.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from typing import Any

from sqlalchemy import Connection, Table

from strandline.pipeline.chunk import Chunk
from strandline.pipeline.intake import Intake
from strandline.pipeline.register import Register
from strandline.warehouse import quarantine

RefusedBy = Callable[[Any], int | None]
"""The run that has read an entry, if its contract has refused it then."""


class Admission:
    """What a pass takes in again of the quarantine."""

    def __init__(self, connection: Connection, intake: Intake, register: Register) -> None:
        self._connection = connection
        self._intake = intake
        self._register = register
        self._watch = intake.census.watcher()
        self._admitted = Chunk()

    @contextmanager
    def of_tried(self) -> Iterator[None]:
        """While this lasts entries of the quarantine are taken in again; they say themselves who refused
        them: `refused_by`.
        """
        with self._watching(lambda entry: entry.refused_by):
            yield

    @contextmanager
    def of_resumed(self, log: Table, stream: str, raw_ids: Sequence[int]) -> Iterator[None]:
        """While this lasts these entries are taken in again; those that are accepted are rejects no more."""
        from strandline.warehouse import release  # most runs have nothing to take in again

        refused = release.refused_at_first(self._connection, log, stream=stream, raw_ids=raw_ids)
        with self._watching(lambda entry: refused.get(entry.raw_id)):
            yield
            admitted = self.note()
            if admitted:
                quarantine.forget(self._connection, stream=stream, raw_ids=admitted)

    def note(self) -> list[int]:
        """Let the register know of whom was admitted since; which entries these were."""
        admitted, self._admitted = self._admitted, Chunk()
        if admitted.entries:
            self._register.note_later(self._connection, admitted)
        return [it[0] for it in admitted.entries]

    @contextmanager
    def _watching(self, refused_by: RefusedBy) -> Iterator[None]:
        before, self._admitted = self._intake.witness, Chunk()
        self._intake.witness = lambda entry, record: self._see(entry, record, refused_by(entry))
        try:
            yield
        finally:
            self._intake.witness = before

    def _see(self, entry: Any, record: Any, run_id: int | None) -> None:
        if run_id is None:
            return
        raw_id, source_id, payload, operation, effective_at, fetched_at = entry[:6]
        when = (None, effective_at, run_id, 0, fetched_at)
        self._admitted.unpacked.append((raw_id, source_id, payload, b"", operation, *when))
        if shape := self._watch(record):
            self._admitted.unknown.setdefault(shape, []).append(raw_id)
