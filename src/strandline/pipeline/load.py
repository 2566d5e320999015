"""From pages to raw log and staging: one pass over a stream, in chunks, each one transaction.

    page ─▶ each record's exact bytes ─▶ contract ─▶ mapper ─▶ row
                     │                                          │
                     └────────▶ raw log (if it changed) ◀───────┘ staging (if it was stored)

A chunk is a few pages. Its payloads, its staged rows, its rejects and, where the stream is ordered, the read
mark are stored together or not at all. What an earlier run stored and did not merge is staged first, out of
the raw log.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import Any, Final

from pydantic import BaseModel
from sqlalchemy import Connection, Row, Table
from xxhash import xxh3_128_digest

from strandline.errors import OrderBroken, RecordRejected, TooManyRejects
from strandline.model.conversion import FAILURES, Conversion
from strandline.pipeline.definition import Reading, Sync
from strandline.source.cursor import CursorValue
from strandline.source.page import Page
from strandline.source.stream import Source
from strandline.warehouse import quarantine, raw, staging, state
from strandline.warehouse.copy import REFUSED, faults
from strandline.warehouse.database import Database
from strandline.warehouse.quarantine import Reject

CHUNK_RECORDS: Final = 10_000
CHUNK_BYTES: Final = 16 * 1024 * 1024


@dataclass
class Target:
    """One model that the stream fills: how, through which staging table, and how far it is."""

    sync: Sync
    conversion: Conversion
    staged: Table
    applied: int
    rows: list[tuple[Any, ...]] = field(default_factory=list)


@dataclass
class Figures:
    """What a pass over a stream has done so far, in records."""

    pages: int = 0
    records: int = 0
    stored: int = 0
    unchanged: int = 0
    rejected: int = 0
    resumed: int = 0


@dataclass
class Chunk:
    """What is about to be stored in one transaction."""

    entries: list[raw.Entry] = field(default_factory=list)
    rejects: list[Reject] = field(default_factory=list)
    requests: list[dict[str, Any]] = field(default_factory=list)
    bytes: int = 0

    @property
    def is_full(self) -> bool:
        """Whether it is time to store it."""
        return len(self.entries) >= CHUNK_RECORDS or self.bytes >= CHUNK_BYTES


class Load:
    """One pass over one stream. The caller holds the stream's lock."""

    def __init__(
        self,
        database: Database,
        connection: Connection,
        *,
        reading: Reading,
        targets: Sequence[Target],
        run_id: int,
        report: Callable[[Figures], None],
    ) -> None:
        self.database = database
        self.connection = connection
        self.reading = reading
        self.stream = reading.stream
        self.targets = targets
        self.run_id = run_id
        self.report = report
        self.figures = Figures()
        self.mark_before: str | None = None
        self.mark_after: str | None = None
        self._started = datetime.now(UTC)
        self._next_raw_id = 0
        self._last_stored = 0
        self._highest: CursorValue | None = None
        self._read_record = self.stream.compile_reader()
        self._effective_field = self.stream.effective_at
        self._chunk = Chunk()

    def prepare(self) -> None:
        """Empty the stage, find the marks, and stage again what an earlier run stored and did not merge."""
        with self.connection.begin():
            for target in self.targets:
                staging.empty(self.database, self.connection, target.staged)
            self.mark_before = state.read_mark_of(self.connection, self.stream.qualified_name)
            last = raw.last(self.connection, self.reading.raw)
        self.mark_after = self.mark_before
        self._last_stored = last
        self._next_raw_id = max([last, *(target.applied for target in self.targets)]) + 1
        first = min(target.applied for target in self.targets)
        if first < last:
            self._resume(first, last)

    @property
    def last_raw_id(self) -> int:
        """The last entry of the raw log."""
        return self._last_stored

    def read(self, source: Source) -> None:
        """Read the stream from its mark to its end, store what is new and move the mark."""
        cursor = self.stream.cursor
        mark = cursor.decode(self.mark_before) if cursor and self.mark_before else None
        pages = self.stream.read(source, cursor.since(mark) if cursor else None)
        try:
            for page in pages:
                self._take(page)
                if self._chunk.is_full:
                    self._store(is_end=False)
            self._store(is_end=True)
        except OrderBroken:
            self._take_mark_back()
            raise
        finally:
            pages.close()
        self._refuse_too_many()

    def _refuse_too_many(self) -> None:
        seen = self.figures.records + self.figures.resumed
        if self.reading.rejects.exceeded(rejected=self.figures.rejected, records=seen):
            raise TooManyRejects(
                f"{self.stream.qualified_name}: {self.figures.rejected} of {seen} records were rejected,"
                f" more than {self.reading.rejects.share:.0%}; nothing was merged",
                hint="See why with strandline status --rejects, mend the contract or the mapper, and run"
                " again: the records are in the raw log.",
            )

    # One record after the other: the hot loop.

    def _take(self, page: Page) -> None:
        self.figures.pages += 1
        self.figures.records += len(page.records)
        chunk, fetched_at, number = self._chunk, page.fetched_at, self.figures.pages
        chunk.requests.append(self._request(page, number))
        chunk.bytes += page.size
        has_tombstones = self.stream.deleted is not None
        add, read_record, effective_field = chunk.entries.append, self._read_record, self._effective_field
        raw_id, run_id = self._next_raw_id, self.run_id
        for payload in page.records:
            if has_tombstones and self._take_tombstone(payload, raw_id, number, fetched_at):
                raw_id += 1
                continue
            try:
                record, source_id, cursor_value = read_record(payload)
                if source_id is None:
                    raise self._keyless()
            except RecordRejected as error:
                self._take_reject(payload, raw_id, number, fetched_at, error)
                raw_id += 1
                continue
            effective_at = getattr(record, effective_field) if effective_field else fetched_at
            effective_at = effective_at or fetched_at
            digest = xxh3_128_digest(payload)
            add(
                (
                    raw_id,
                    source_id,
                    payload,
                    digest,
                    "upsert",
                    cursor_value,
                    effective_at,
                    run_id,
                    number,
                    fetched_at,
                )
            )
            if cursor_value is not None:
                self._see(cursor_value)
            for target in self.targets:
                self._convert(target, record, raw_id, source_id, effective_at, fetched_at)
            raw_id += 1
        self._next_raw_id = raw_id

    def _request(self, page: Page, number: int) -> dict[str, Any]:
        return {
            "run_id": self.run_id,
            "stream": self.stream.qualified_name,
            "number": number,
            "request": page.request,
            "status": page.status,
            "records": len(page.records),
            "bytes": page.size,
            "fetched_at": page.fetched_at,
        }

    def _convert(
        self,
        target: Target,
        record: BaseModel,
        raw_id: int,
        source_id: str,
        effective_at: datetime,
        fetched_at: datetime,
    ) -> None:
        try:
            target.rows.append(target.conversion.convert(record, raw_id, source_id, effective_at, fetched_at))
        except FAILURES:
            error = target.conversion.explain(record)
            self._reject(raw_id, source_id, error, target=target.sync.target)

    def _see(self, value: CursorValue) -> None:
        """Remember the highest cursor value; where the stream declares its order, insist on it."""
        cursor = self.stream.cursor
        assert cursor is not None
        if cursor.ordered:
            self._highest = cursor.follow(self._highest, value, where=self.stream.qualified_name)
        elif self._highest is None or value > self._highest:  # type: ignore[operator]  # one cursor, one type
            self._highest = value

    def _take_tombstone(self, payload: bytes, raw_id: int, number: int, fetched_at: datetime) -> bool:
        try:
            gone = self.stream.tombstone(payload)
        except RecordRejected as error:
            self._take_reject(payload, raw_id, number, fetched_at, error)
            return True
        if gone is None or gone.natural_key is None:
            return False
        effective_at = gone.effective_at or fetched_at
        self._add(
            payload, raw_id, number, fetched_at, raw.DELETE, gone.natural_key, gone.cursor_value, effective_at
        )
        for target in self.targets:
            target.rows.append(tombstone_row(target, raw_id, gone.natural_key, effective_at, fetched_at))
        return True

    def _take_reject(
        self, payload: bytes, raw_id: int, number: int, fetched_at: datetime, error: RecordRejected
    ) -> None:
        known = self.stream.describe(payload)
        self._add(
            payload,
            raw_id,
            number,
            fetched_at,
            raw.UPSERT,
            known.natural_key,
            known.cursor_value,
            known.effective_at,
        )
        self._reject(raw_id, known.natural_key, error, target="")

    def _add(
        self,
        payload: bytes,
        raw_id: int,
        number: int,
        fetched_at: datetime,
        operation: str,
        source_id: str | None,
        cursor_value: CursorValue | None,
        effective_at: datetime | None,
    ) -> None:
        digest = xxh3_128_digest(payload)
        self._chunk.entries.append(
            (
                raw_id,
                source_id,
                payload,
                digest,
                operation,
                cursor_value,
                effective_at,
                self.run_id,
                number,
                fetched_at,
            )
        )
        if cursor_value is not None:
            self._see(cursor_value)

    def _reject(self, raw_id: int, source_id: str | None, error: RecordRejected, *, target: str) -> None:
        self._chunk.rejects.append(Reject(raw_id, source_id, target, error.field, error.rule, error.message))

    def _keyless(self) -> RecordRejected:
        field = ".".join(self.stream.key)
        return RecordRejected(
            f"{self.stream.contract.__name__}.{field}: the record has no natural key",
            field=field,
            rule="natural_key",
        )

    # One chunk after the other: one transaction each.

    def _store(self, *, is_end: bool) -> None:
        chunk, self._chunk = self._chunk, Chunk()
        with self.connection.begin():
            kept = self._append_new(chunk)
            self._note_requests(chunk.requests)
            self._stage(chunk, kept)
            self._move_mark(is_end=is_end)
        self.report(self.figures)

    def _append_new(self, chunk: Chunk) -> set[int] | None:
        """Append the payloads that differ from their key's latest; their raw_ids, or None if all of them
        do.
        """
        table = self.reading.raw
        latest = raw.latest_hashes(
            self.connection, table, [entry[1] for entry in chunk.entries if entry[1] is not None]
        )
        keyless = [entry[3] for entry in chunk.entries if entry[1] is None]
        seen = raw.keyless_hashes(self.connection, table, keyless)
        new = []
        for entry in chunk.entries:
            source_id, digest = entry[1], entry[3]
            if source_id is None:
                if digest in seen:
                    continue
                seen.add(digest)
            elif latest.get(source_id) == digest:
                continue
            else:
                latest[source_id] = digest
            new.append(entry)
        raw.append(self.database, self.connection, table, new)
        self._last_stored = new[-1][0] if new else self._last_stored
        self.figures.stored += len(new)
        self.figures.unchanged += len(chunk.entries) - len(new)
        return None if len(new) == len(chunk.entries) else {entry[0] for entry in new}

    def _stage(self, chunk: Chunk, kept: set[int] | None) -> None:
        """Stage what was stored, and note what was rejected of it."""
        rejects = [it for it in chunk.rejects if kept is None or it.raw_id in kept]
        for target in self.targets:
            rows = target.rows if kept is None else [row for row in target.rows if row[0] in kept]
            target.rows = []
            rejects += self._copy_to_stage(target, rows)
        quarantine.keep(
            self.connection, stream=self.stream.qualified_name, rejects=rejects, run_id=self.run_id
        )
        self.figures.rejected += len({it.raw_id for it in rejects})

    def _copy_to_stage(self, target: Target, rows: list[tuple[Any, ...]]) -> list[Reject]:
        """Copy the rows; those that the table cannot hold come back as rejects, and the others are copied."""
        if not rows:
            return []
        try:
            with self.connection.begin_nested():
                staging.stage(self.database, self.connection, target.staged, rows)
        except REFUSED:
            columns = list(target.staged.c)
            wrong = {row[0]: (row[1], found) for row in rows if (found := faults(columns, row))}
            if not wrong:
                raise
            sound = [row for row in rows if row[0] not in wrong]
            staging.stage(self.database, self.connection, target.staged, sound)
            return [_misfit(target, raw_id, source_id, found) for raw_id, (source_id, found) in wrong.items()]
        return []

    def _note_requests(self, requests: Sequence[dict[str, Any]]) -> None:
        if requests:
            self.connection.execute(state.request.insert(), requests)

    # Marks.

    def _move_mark(self, *, is_end: bool) -> None:
        """At the end of the stream, or where order is promised and verified after every chunk."""
        cursor = self.stream.cursor
        if cursor is None or self._highest is None or not (is_end or cursor.ordered):
            return
        before = cursor.decode(self.mark_before) if self.mark_before else None
        mark = cursor.advance(before, highest=self._highest, run_start=self._started)
        if mark is not None:
            self.mark_after = cursor.encode(mark)
            state.move_read_mark(
                self.connection, self.stream.qualified_name, mark=self.mark_after, run_id=self.run_id
            )

    def _take_mark_back(self) -> None:
        """The order that let the mark move did not hold, so what it vouched for is not certain."""
        with self.connection.begin():
            state.put_read_mark_back(
                self.connection, self.stream.qualified_name, mark=self.mark_before, run_id=self.run_id
            )
        self.mark_after = self.mark_before

    # What an earlier run left.

    def _resume(self, first: int, last: int) -> None:
        while first < last:
            with self.connection.begin():
                batch = raw.entries_after(self.connection, self.reading.raw, first, up_to=last)
                for entry in batch:
                    self._take_again(entry)
                chunk, self._chunk = self._chunk, Chunk()
                self._stage(chunk, None)
            first = batch[-1].raw_id if batch else last
            self.figures.resumed += len(batch)
            self.report(self.figures)

    def _take_again(self, entry: Row[Any]) -> None:
        behind = [target for target in self.targets if target.applied < entry.raw_id]
        if entry.operation == raw.DELETE:
            for target in behind:
                target.rows.append(
                    tombstone_row(target, entry.raw_id, entry.source_id, entry.effective_at, entry.fetched_at)
                )
            return
        try:
            record, source_id, _ = self._read_record(entry.payload)
            if source_id is None:
                raise self._keyless()
        except RecordRejected as error:
            self._reject(entry.raw_id, entry.source_id, error, target="")
            return
        effective_at = getattr(record, self._effective_field) if self._effective_field else None
        for target in behind:
            self._convert(
                target, record, entry.raw_id, source_id, effective_at or entry.fetched_at, entry.fetched_at
            )


def tombstone_row(
    target: Target, raw_id: int, source_id: str, effective_at: datetime, fetched_at: datetime
) -> tuple[Any, ...]:
    """The staged row of a deletion: nothing but who and when, and the grain of a fact."""
    grain = target.sync.tombstone_grain
    values = (source_id if column.name == grain else None for column in target.conversion.columns)
    return (raw_id, source_id, effective_at, fetched_at, True, *values)


def _misfit(target: Target, raw_id: int, source_id: str, found: list[tuple[str, str]]) -> Reject:
    mapper, (column, why) = target.conversion.mapper.__name__, found[0]
    return Reject(raw_id, source_id, target.sync.target, column, "type", f"{mapper}.{column}: {why}")
