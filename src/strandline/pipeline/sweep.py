"""A run's search for who is gone from a stream: see `deletion` for the ways, `warehouse.sweep` for what is
compared.

It believes a read only where nothing speaks against its being complete: it ended by its own rule, every
record had a key, and where the source says how many there are, so many came. Then it writes deletions into
the raw log and stages them with what else the run has read. Many of them at once stop the run before it
merges.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Iterable
from contextlib import closing
from datetime import UTC, datetime

from msgspec.structs import asdict
from sqlalchemy import Connection

from strandline.errors import RecordRejected, SourceError, TooManyDeletions
from strandline.pipeline.chunk import Chunk
from strandline.pipeline.deletion import ABSENCE, Deletes
from strandline.pipeline.load import Load
from strandline.pipeline.pseudonym import is_token
from strandline.pipeline.report import RunReport, StreamReport, SweepReport
from strandline.source.page import Page
from strandline.source.stream import Source, Stream
from strandline.warehouse import pseudonym, sweep
from strandline.warehouse.mention import OWN
from strandline.warehouse.sweep import Look


class Sweep:
    """One stream's, in one run. Made after the load is prepared and before it reads."""

    def __init__(
        self, load: Load, report: RunReport, *, note: Callable[[StreamReport], None], is_confirmed: bool
    ) -> None:
        """`note` writes down what became of a stream."""
        self._load = load
        self._stream = load.stream
        self._report = report
        self._write_down = note
        self._is_confirmed = is_confirmed
        self._before = load.last_raw_id
        self._began_at = datetime.now(UTC)
        self._keyless = 0
        self._walks = load.parts.walks
        self.is_unproven = False
        """Whether somebody is absent from a read that may not have been complete."""
        self._deletes = self._due() if load.backfill is None else None
        if self._deletes is not None:
            with load.connection.begin():
                sweep.forget(load.connection, load.reading.seen)
            load.watch = self._see
            load.mark.is_full = load.parts.is_complete = self._deletes.means == ABSENCE or load.mark.is_full

    def _due(self) -> Deletes | None:
        deletes = self._load.reading.sweep
        if deletes is None:
            return None
        with self._load.connection.begin():
            last = sweep.last_done(self._load.connection, self._stream.qualified_name)
        is_read_anyway = deletes.means == ABSENCE and self._load.mark.is_full
        is_due = is_read_anyway or self._is_confirmed or deletes.is_due(last, self._began_at)
        return deletes if is_due else None

    def _see(self, connection: Connection, chunk: Chunk) -> None:
        """Note which keys have come, before any of them is kept out of the log."""
        self._note(connection, [*chunk.keys, *(it[1] for it in chunk.again)])

    def _note(self, connection: Connection, keys: list[str | None]) -> None:
        there = [key for key in keys if key is not None]
        self._keyless += len(keys) - len(there)
        sweep.see(self._load.database, connection, self._load.reading.seen, there)

    def end(self, source: Source) -> None:
        """After the load has read: find out who is gone, if it is time, and who has come back, and let the
        log and the stage say so. The report and the ledger tell what was found.

        Raises TooManyDeletions.
        """
        told_by = None if self._deletes is None else self._deletes.stream
        doubt = None if told_by is None else self._read_keys(told_by, source)
        if self._load.reading.sweep is not None:
            self._bring_back()
        if self._deletes is not None:
            self._settle(self._deletes, doubt=doubt)

    def _bring_back(self) -> None:
        """Who was found to be gone and has come again is there, also where nothing has changed since."""
        load, connection = self._load, self._load.connection
        with connection.begin():
            if sweep.has_deleted(connection, self._stream.qualified_name):
                sweep.bring_back(
                    connection,
                    self._look,
                    with_seen=self._deletes is not None,
                    last=load.last_raw_id,
                    run_id=load.run_id,
                    fetched_at=datetime.now(UTC),
                )
                load.take_up(load.last_raw_id)

    @property
    def _look(self) -> Look:
        return Look(self._load.reading.raw, self._load.reading.seen, self._before, self._began_at)

    def _read_keys(self, told_by: Stream, source: Source) -> str | None:
        """Read the stream that tells who is there; why it cannot be believed."""
        told = StreamReport(told_by.qualified_name)
        self._report.streams.append(told)
        self._began_at, began = datetime.now(UTC), time.monotonic()
        self._keyless = 0
        try:
            self._walks = []
            with closing(told_by.read(source, walks=self._walks)) as pages:
                self._take_keys(told_by, pages, told)
            told.status = "done"
        except SourceError as error:
            told.fail(error)
        told.seconds = round(time.monotonic() - began, 3)
        self._write_down(told)
        return None if told.error is None else f"{told.stream} could not be read: {told.kind}"

    def _take_keys(self, told_by: Stream, pages: Iterable[Page], told: StreamReport) -> None:
        for page in pages:
            told.pages += 1
            told.records += len(page.records)
            keys = [_key(told_by, record) for record in page.records]
            with self._load.connection.begin():
                self._note(self._load.connection, keys)

    def _settle(self, deletes: Deletes, *, doubt: str | None) -> None:
        name, connection, began = self._stream.qualified_name, self._load.connection, time.monotonic()
        look = self._look
        told = SweepReport(name, deletes.means, began_at=self._began_at)
        stopped: TooManyDeletions | None = None
        with connection.begin():
            told.members = sweep.count_members(connection, look)
            told.absent = sweep.find(connection, look)
            self._spare_pseudonyms(connection, told)
            told.detail = (doubt or self._doubt(connection, look)) if told.absent else None
            if told.detail is not None:
                told.status, self.is_unproven = sweep.UNPROVEN, True
            elif stopped := self._too_many(connection, deletes, told, look):
                told.status, told.detail = sweep.STOPPED, stopped.message
            else:
                told.status = sweep.CONFIRMED if self._is_confirmed else sweep.DONE
                self._delete(connection, deletes, told, look)
            told.seconds = round(time.monotonic() - began, 3)
            sweep.note(connection, {"run_id": self._load.run_id, **asdict(told)})
        self._report.sweeps.append(told)
        if stopped is not None:
            raise stopped

    def _doubt(self, connection: Connection, look: Look) -> str | None:
        """Why it is not certain that everybody came who is there."""
        if self._load.parts.lack is not None:
            return self._load.parts.lack
        if self._keyless:
            return f"{self._keyless:,} records had no key that could be read, and may be anybody's"
        for walk in self._walks:
            if walk.said != walk.came:
                return f"{walk.where}: of {walk.said:,} records, as the source says, {walk.came:,} came"
        said, seen = sum(it.said for it in self._walks), sweep.count_seen(connection, look.seen)
        if self._walks and said > seen:
            return f"{said:,} records came with {seen:,} keys: some came twice, and others not at all"
        return None

    def _spare_pseudonyms(self, connection: Connection, told: SweepReport) -> None:
        """Whose key is another one here than at the source cannot be told from who is gone."""
        formers = pseudonym.formers(connection, self._stream.qualified_name)
        if told.absent and any(it.dimension == OWN for it in formers):
            spared = [it for it in sweep.absent_keys(connection) if is_token(it)]
            sweep.spare(connection, spared)
            told.absent -= len(spared)

    def _too_many(
        self, connection: Connection, deletes: Deletes, told: SweepReport, look: Look
    ) -> TooManyDeletions | None:
        name = told.stream
        if self._is_confirmed or not told.absent:
            return None
        is_empty = not deletes.may_be_empty and not sweep.count_seen(connection, look.seen)
        if not is_empty and not deletes.is_exceeded(absent=told.absent, members=told.members):
            return None
        shown = ", ".join(sweep.absent_keys(connection, limit=sweep.SHOWN))
        more = ", …" if told.absent > sweep.SHOWN else ""
        why = "for the source sent nobody at all" if is_empty else f"which is more than {deletes.limit}"
        return TooManyDeletions(
            f"{name}: {told.absent:,} of {told.members:,} members are gone from the source, {why},"
            f" so nothing was merged: {shown}{more}",
            hint=f"If they are gone: strandline run {self._report.pipeline} --confirm-deletes {name};"
            " if not, look at the source.",
        )

    def _delete(self, connection: Connection, deletes: Deletes, told: SweepReport, look: Look) -> None:
        """Append the deletions to the log, and stage them."""
        load = self._load
        if not told.absent:
            return
        last = load.last_raw_id
        sweep.append(
            connection,
            look,
            absent_from=(deletes.stream or self._stream).qualified_name,
            last=last,
            run_id=load.run_id,
            fetched_at=datetime.now(UTC),
        )
        load.take_up(last)
        told.deleted = told.absent


def _key(stream: Stream, payload: bytes) -> str | None:
    try:
        return stream.natural_key(stream.parse(payload))
    except RecordRejected:
        return None
