"""From a record's bytes to an entry of the raw log and a row for every target: the hot loop of a run.

Nothing here touches the database. Records that fail are kept as entries as well, with the reason beside them.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from datetime import UTC, datetime
from typing import Any, Final

from msgspec.structs import replace
from pydantic import BaseModel
from xxhash import xxh3_128_digest

from strandline.errors import RecordRejected
from strandline.model.conversion import FAILURES
from strandline.model.type import fits_in_utc
from strandline.pipeline.chunk import Chunk, Part
from strandline.pipeline.reader import Reader, can_store
from strandline.pipeline.target import Target
from strandline.source.census import Census, Shape
from strandline.source.contract import Record
from strandline.source.cursor import CursorValue
from strandline.source.extra import Extras
from strandline.source.page import Page, Sift
from strandline.source.stream import Stream
from strandline.source.tombstone import Described
from strandline.warehouse import raw
from strandline.warehouse.quarantine import Reject

Whose = tuple[int, str, datetime, datetime]
"""Of what a row is made: (raw_id, natural key, effective_at, fetched_at)"""

END_OF_TIME: Final = datetime.max.replace(tzinfo=UTC)


def _filled_by(operation: str, targets: Sequence[Target]) -> Sequence[Target]:
    """Which of the targets an entry tells anything."""
    if operation == raw.ERASED:
        return ()
    return [it for it in targets if it.is_fact] if operation == raw.FACTS else targets


class Intake:
    """Takes in the pages of one stream; numbers the entries from `next_raw_id` on."""

    def __init__(self, stream: Stream, targets: Sequence[Target], *, run_id: int) -> None:
        self.stream = stream
        self.targets = targets
        self.run_id = run_id
        self.next_raw_id = 1
        self.highest: CursorValue | None = None
        self.chunk = Chunk()
        self.sift: Sift = enumerate
        self._settle = stream.tie_break_value if stream.tie_break else None
        has_custom = any(target.has_custom_fields for target in targets)
        self._extras = Extras(stream.contract, ignored=[stream.deleted or ""]) if has_custom else None
        self.census = Census(stream.contract, ignored=[stream.deleted or ""], hidden=stream.key)
        self.reader = Reader(stream, targets, self.census)
        self.witness: Callable[[Any, Record], None] | None = None
        """Told of each entry that is taken in again, with its record."""
        self._custom: str | None = None
        """What the record carries besides its contract."""

    def empty(self) -> Chunk:
        """What has been taken in so far, which is then the caller's."""
        full, self.chunk = self.chunk, Chunk()
        return full

    def take(self, page: Page, number: int) -> None:
        """Take in a page, the run's `number`th of this stream. Raises OrderBroken."""
        self.chunk.begin(page, self._request(page, number))
        add, read, effective_field = self.chunk.unpacked.append, self.reader.read, self.stream.effective_at
        has_tombstones, has_cursor = self.stream.deleted is not None, self.stream.cursor is not None
        settle, extras = self._settle, self._extras
        latest = self._latest_effective(page.fetched_at)
        fetched_at, run_id = page.fetched_at, self.run_id
        fill = [self._filler(target) for target in self.targets]
        carried: Shape = ()
        carrying = self._carrying(carried)
        for raw_id, payload in self.sift(page.records, self.next_raw_id):
            if has_tombstones and self._take_tombstone(payload, raw_id, page, number):
                continue
            try:
                record, source_id, cursor_value, shape = read(payload)
                effective_at = (getattr(record, effective_field) if effective_field else None) or fetched_at
                if effective_at > latest or not fits_in_utc(effective_at):
                    raise self._timeless(effective_at, fetched_at)
            except RecordRejected as error:
                self._take_reject(payload, raw_id, page, number, error)
                continue
            digest = xxh3_128_digest(payload)
            settles = () if settle is None else (settle(record),)
            known = (raw_id, source_id, payload, digest, raw.UPSERT, cursor_value, effective_at)
            add((*known, run_id, number, fetched_at, *settles))
            if has_cursor:
                self._see(cursor_value)
            if shape is not carried:  # most carry the same, and to look it up takes longer
                carried, carrying = shape, self._carrying(shape)
            carrying.append(raw_id)
            if extras is not None:
                self._custom = extras(payload, effective_at)
            whose = raw_id, source_id, effective_at, fetched_at
            for into in fill:
                into(record, payload, whose, settles)
        self.next_raw_id += len(page.records)

    def _carrying(self, shape: Shape) -> list[int]:
        """Where to note who carries what besides the contract; of who carries nothing, nobody asks."""
        return self.chunk.unknown.setdefault(shape, []) if shape else []

    def _filler(self, target: Target) -> Callable[[Any, bytes, Whose, tuple[Any, ...]], None]:
        """What makes a row of a record for this target; a plain one in the shortest way."""
        convert, add = target.conversion.convert, target.rows.append

        def fill(record: Any, payload: bytes, whose: Whose, settles: tuple[Any, ...]) -> None:
            self._convert(target, record, payload, whose, settles=settles)

        def fill_plain(record: Any, payload: bytes, whose: Whose, _: tuple[Any, ...]) -> None:
            try:
                add(convert(record, *whose))
            except FAILURES:
                self._convert(target, record, payload, whose, settles=())

        return fill_plain if target.is_plain else fill

    def add(self, page: Page, number: int, part: Part) -> None:
        """Take in what was made of a page somewhere else, as `take` does. Raises OrderBroken."""
        chunk = self.chunk
        chunk.begin(page, self._request(page, number))
        chunk.add(part.entries)
        for shape, raw_ids in part.unknown.items():
            chunk.unknown.setdefault(shape, []).extend(raw_ids)
        self.add_again(part)
        for value in part.cursors:
            self._see(value)

    def add_again(self, part: Part) -> None:
        """Take in what was made of entries of the raw log somewhere else, as `take_again` does."""
        self.chunk.rejects += part.rejects
        for target, rows, packed in zip(self.targets, part.rows, part.packed, strict=True):
            target.rows += rows
            target.packed.add(packed)

    def take_again(self, entry: Any, targets: Sequence[Target]) -> None:
        """Take in an entry of the raw log for these targets, as `take` did when it was new."""
        raw_id, known_id, payload, operation, known_at, fetched_at = entry[:6]
        settle = self._settle
        targets = _filled_by(operation, targets)
        if not targets:
            return
        if operation == raw.DELETE:
            settles = () if settle is None else self._settled(self.stream.describe(payload).tie_break)
            for target in targets:
                self._delete(target, raw_id, known_id, known_at, fetched_at, settles=settles)
            return
        try:
            if self.stream.deleted is not None and self._take_tombstone_again(entry, targets):
                return
            record, source_id = self._read_again(payload)
            field, told = self.stream.effective_at, known_at if operation == raw.RETURN else None
            effective_at = told or (getattr(record, field) if field else None) or fetched_at
            if effective_at > self._latest_effective(fetched_at) or not fits_in_utc(effective_at):
                raise self._timeless(effective_at, fetched_at)
        except RecordRejected as error:
            self.reject(raw_id, known_id, error)
            return
        if self.witness is not None:
            self.witness(entry, record)
        settles = () if settle is None else (settle(record),)
        if self._extras is not None:
            self._custom = self._extras(payload, effective_at)
        whose = raw_id, source_id, effective_at, fetched_at
        for target in targets:
            self._convert(target, record, payload, whose, settles=settles)

    def _read_again(self, payload: bytes) -> tuple[Any, str]:
        """The record and its natural key; a witness is told of the contract's own."""
        read = self.reader.read if self.witness is None else self.reader.wholly
        return read(payload)[:2]

    def _take_tombstone_again(self, entry: Any, targets: Sequence[Target]) -> bool:
        """Whether it is a deletion that was refused when it came: RecordRejected if it still is."""
        gone = self.stream.tombstone(entry.payload)
        if gone is None or gone.natural_key is None:
            return False
        effective_at = gone.effective_at or entry.fetched_at
        if effective_at > self._latest_effective(entry.fetched_at) or not fits_in_utc(effective_at):
            raise self._timeless(effective_at, entry.fetched_at)
        settles, fetched_at = self._settled(gone.tie_break), entry.fetched_at
        for target in targets:
            self._delete(target, entry.raw_id, gone.natural_key, effective_at, fetched_at, settles=settles)
        return True

    def reject(self, raw_id: int, source_id: str | None, error: RecordRejected, *, target: str = "") -> None:
        """Set a record aside, for one target or, when its contract refused it, for all."""
        self.chunk.rejects.append(Reject(raw_id, source_id, target, error.field, error.rule, error.message))

    def _convert(
        self, target: Target, record: Any, payload: bytes, whose: Whose, *, settles: tuple[Any, ...]
    ) -> None:
        try:
            row = target.conversion.convert(record, *whose)
        except FAILURES:
            whole = record if isinstance(record, BaseModel) else self.reader.wholly(payload)[0]
            if whole is not record:  # what is wrong is told of the contract's own
                self._convert(target, whole, payload, whose, settles=settles)
                return
            why = target.conversion.explain(record, whose[2])
            self.reject(whose[0], whose[1], why, target=target.sync.target)
            return
        if target.has_custom_fields and (row or not target.conversion.has_lines):
            settles = (self._custom, *settles)
        if not target.conversion.has_lines:
            target.rows.append((*row, *settles) if settles else row)
        elif row:
            target.rows.extend([(*line, *settles) for line in row] if settles else row)
        else:  # what the record had is gone
            self._delete(target, *whose, settles=settles)

    def _delete(
        self,
        target: Target,
        raw_id: int,
        source_id: str,
        effective_at: datetime,
        fetched_at: datetime,
        *,
        settles: tuple[Any, ...],
    ) -> None:
        try:
            target.tombstone(raw_id, source_id, effective_at, fetched_at, settles=settles)
        except RecordRejected as error:
            self.reject(raw_id, source_id, error, target=target.sync.target)

    def _see(self, value: CursorValue | None) -> None:
        """Remember the highest cursor value; where the stream declares its order, insist on it."""
        cursor = self.stream.cursor
        if value is None or cursor is None:
            return
        if cursor.ordered:
            self.highest = cursor.follow(self.highest, value, where=self.stream.qualified_name)
        elif self.highest is None or value > self.highest:  # type: ignore[operator]  # one field, one type
            self.highest = value

    def _take_tombstone(self, payload: bytes, raw_id: int, page: Page, number: int) -> bool:
        try:
            gone = self.stream.tombstone(payload)
        except RecordRejected as error:
            self._take_reject(payload, raw_id, page, number, error)
            return True
        if gone is None or gone.natural_key is None:
            return False
        effective_at = gone.effective_at or page.fetched_at
        if effective_at > self._latest_effective(page.fetched_at) or not fits_in_utc(effective_at):
            refused = self._timeless(effective_at, page.fetched_at)
            self._take_reject(payload, raw_id, page, number, refused)
            return True
        self._take_gone(payload, raw_id, page, number, replace(gone, effective_at=effective_at))
        return True

    def take_gone(self, page: Page, number: int, gone: Sequence[tuple[bytes, Described]]) -> None:
        """Take in what a page of tombstones says, the run's `number`th of this stream: the bytes of each, and
        what is known of it.
        """
        self.chunk.begin(page, self._request(page, number))
        for raw_id, (payload, known) in enumerate(gone, self.next_raw_id):
            timed = replace(known, effective_at=known.effective_at or page.fetched_at)
            self._take_gone(payload, raw_id, page, number, timed)
        self.next_raw_id += len(gone)

    def _take_gone(self, payload: bytes, raw_id: int, page: Page, number: int, known: Described) -> None:
        assert known.natural_key is not None
        assert known.effective_at is not None
        self._add(payload, raw_id, page, number, raw.DELETE, known)
        settles, moment = self._settled(known.tie_break), known.effective_at
        for target in self.targets:
            self._delete(target, raw_id, known.natural_key, moment, page.fetched_at, settles=settles)

    def _take_reject(
        self, payload: bytes, raw_id: int, page: Page, number: int, error: RecordRejected
    ) -> None:
        known = self.stream.describe(payload)
        if known.effective_at and known.effective_at > self._latest_effective(page.fetched_at):
            known = replace(known, effective_at=None)  # wrong, and so it tells nothing of when
        self._add(payload, raw_id, page, number, raw.UPSERT, known)
        self.reject(raw_id, known.natural_key, error)

    def _add(
        self, payload: bytes, raw_id: int, page: Page, number: int, operation: str, known: Described
    ) -> None:
        self.chunk.unpacked.append(
            (
                raw_id,
                known.natural_key,
                payload,
                xxh3_128_digest(payload),
                operation,
                known.cursor_value if can_store(known.cursor_value) else None,
                known.effective_at if can_store(known.effective_at) else None,
                self.run_id,
                number,
                page.fetched_at,
                *self._settled(known.tie_break),
            )
        )
        if can_store(known.cursor_value):
            self._see(known.cursor_value)

    def _settled(self, tie_break: CursorValue | None) -> tuple[Any, ...]:
        """What settles a tie, as the end of a row; nothing where the stream has no tie-break."""
        if self._settle is None:
            return ()
        return (tie_break if can_store(tie_break) else None,)

    def _latest_effective(self, fetched_at: datetime) -> datetime:
        """Up to when something that was read then can have taken effect."""
        return END_OF_TIME if self.stream.future is None else fetched_at + self.stream.future

    def _timeless(self, effective_at: datetime, fetched_at: datetime) -> RecordRejected:
        field = self.stream.effective_at or ""
        if fits_in_utc(effective_at):
            read_at = fetched_at.isoformat(timespec="seconds")
            return RecordRejected(
                f"{self.stream.contract.__name__}.{field}: {effective_at.isoformat()} lies in the future,"
                f" more than {self.stream.future} after it was read ({read_at})",
                hint="If the source announces changes, declare it: @stream(…, future=None).",
                field=field,
                rule="future",
            )
        return RecordRejected(
            f"{self.stream.contract.__name__}.{field}: {effective_at.isoformat()} lies outside the years 1 to"
            " 9999 in UTC",
            field=field,
            rule="year",
        )

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
