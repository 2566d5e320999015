"""What a source tells of deletions in a stream of their own: read from a mark of its own, and put as
deletions into the raw log of the stream whose records they are.

A tombstone that says when is taken once, whatever has come since: it tells of that moment. One that says no
time is taken as of when it is read, unless it is the last thing that is known of its key.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from contextlib import closing
from datetime import UTC, datetime

from xxhash import xxh3_128_digest

from strandline.errors import RecordRejected, StrandlineError, UnexpectedResponse
from strandline.pipeline.advance import ReadMark
from strandline.pipeline.load import Load
from strandline.pipeline.report import RunReport, StreamReport
from strandline.source.cursor import CursorValue
from strandline.source.page import Page
from strandline.source.state import abridged
from strandline.source.stream import Source, Stream
from strandline.source.tombstone import Described
from strandline.warehouse import lock, raw

Gone = tuple[bytes, Described]
"""(the tombstone's bytes, whose it is and since when)"""


def read(load: Load, source: Source, report: RunReport, *, note: Callable[[StreamReport], None]) -> None:
    """Read what the streams tell that the pipeline declares for it; each has a report of its own, where its
    errors are, and `note` writes it down.
    """
    for stream in load.reading.tombstones if load.backfill is None else ():
        told, began = StreamReport(stream.qualified_name), time.monotonic()
        report.streams.append(told)
        mark = ReadMark(
            load.connection,
            stream,
            run_id=load.run_id,
            started=datetime.now(UTC),
            is_full=load.mark.is_full,
        )
        try:
            with load.connection.begin():
                lock.hold_stream(load.connection, stream.qualified_name)
                mark.find()
            Tombstones(load, stream, mark).read(source, told)
            told.status = "done"
        except StrandlineError as error:
            told.fail(error)
        told.mark_before, told.mark_after = abridged(mark.before), abridged(mark.after)
        told.seconds = round(time.monotonic() - began, 3)
        note(told)


class Tombstones:
    """One stream of them, read for the load of another stream."""

    def __init__(self, load: Load, stream: Stream, mark: ReadMark) -> None:
        self._load = load
        self._stream = stream
        self._mark = mark
        self._highest: CursorValue | None = None

    def read(self, source: Source, told: StreamReport) -> None:
        """Take in what lies behind the mark, page by page, and move it."""
        with closing(self._stream.read(source, *self._mark.window)) as pages:
            try:
                for page in pages:
                    self._take(page, told)
            finally:
                told.stored = told.records - told.unchanged
        with self._load.connection.begin():
            self._mark.move(highest=self._highest, reached=None, is_end=True)

    def _take(self, page: Page, told: StreamReport) -> None:
        told.pages += 1
        told.records += len(page.records)
        gone = [(payload, self._described(payload, page)) for payload in page.records]
        new = list(self._unknown(gone))
        told.unchanged += len(gone) - len(new)
        self._load.take_gone(page, new, move=lambda: self._move(page.state))

    def _move(self, reached: str | None) -> None:
        self._mark.move(highest=self._highest, reached=reached, is_end=False)

    def _described(self, payload: bytes, page: Page) -> Described:
        stream = self._stream
        try:
            record = stream.parse(payload)
            natural_key = stream.natural_key(record)
            if natural_key is None:
                raise RecordRejected(f"{stream.contract.__name__}: says that something is gone, but not what")
        except RecordRejected as error:
            raise UnexpectedResponse(
                f"{stream.qualified_name}: a deletion cannot be read: {error.message}",
                hint="Mend the contract: what it deletes would stay.",
            ) from error
        self._see(stream.cursor_value(record))
        moment = getattr(record, stream.effective_at) if stream.effective_at else None
        if moment is not None and stream.future is not None and moment > page.fetched_at + stream.future:
            raise UnexpectedResponse(
                f"{stream.qualified_name}: {natural_key!r} is gone from {moment.isoformat()} on, which lies"
                " in the future",
                hint="If the source announces deletions, declare it: @stream(…, future=None).",
            )
        return Described(natural_key, None, moment)

    def _see(self, value: CursorValue | None) -> None:
        cursor = self._stream.cursor
        if value is None or cursor is None:
            return
        if cursor.ordered:
            self._highest = cursor.follow(self._highest, value, where=self._stream.qualified_name)
        elif self._highest is None or cursor.is_after(value, self._highest):
            self._highest = value

    def _unknown(self, gone: list[Gone]) -> Iterator[Gone]:
        """Those that tell something new."""
        keys = [known.natural_key for _, known in gone if known.natural_key is not None]
        log, connection = self._load.reading.raw, self._load.connection
        with connection.begin():
            told = raw.deletions(connection, log, keys)
            latest = raw.latest_hashes(connection, log, keys)
        for payload, known in gone:
            key, digest = known.natural_key or "", xxh3_128_digest(payload)
            is_known = latest.get(key) == digest if known.effective_at is None else (key, digest) in told
            if not is_known:
                latest[key] = digest
                told.add((key, digest))
                yield payload, known
