"""From a folder to pages: which files are new, whether each is whole, and its rows with their numbers.

A page holds rows of one file, and its request says which: the first record of "… rows 5001 to 10000" is row
5001. The page that ends a file carries the state, so a file counts as read when its last row is stored; in a
large one, before its end, the state says how far that is read.
"""

from __future__ import annotations

import io
from collections.abc import Callable, Iterator
from contextlib import closing
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from typing import Any, BinaryIO, ClassVar, Final

from xxhash import xxh3_128

from strandline import log
from strandline.errors import SourceError, SourceUnavailable, UnexpectedResponse
from strandline.source import compression, malformed
from strandline.source.file import charset
from strandline.source.file.ledger import Ledger, NewBy, Progress
from strandline.source.file.place import Found, Place, named_errors
from strandline.source.format import Format
from strandline.source.lenient import Truncated, Unreadable
from strandline.source.page import Page, Pages

MOST_BYTES: Final = 4 * 1024 * 1024
"""A page of large rows ends here."""

BLOCK: Final = 1024 * 1024

Batch = tuple[list[bytes], str]
"""Records, and which rows of which file they are."""


@dataclass
class Reader:
    """Reads a stream's new files."""

    settles: ClassVar[int] = 4_000
    """A state goes with the pages about every so many rows; more seldom where it has many files' names."""
    page_rows: ClassVar[int] = 2_500

    place: Place
    format: Format
    name: str
    """The stream's, for messages."""
    scrub: Callable[[str], str]
    keeps_state: bool
    """Whether the stream is told what it has read; else it reads everything each time."""
    _ledger: Ledger = field(default_factory=Ledger, init=False)
    _number: int = field(default=0, init=False)
    _unsettled: int = field(default=0, init=False)
    _failures: list[SourceError] = field(default_factory=list, init=False)

    def pages(self, pattern: str, *, since: str | None, new_by: NewBy, at_rest: timedelta) -> Pages:
        """The new files' rows. Raises the SourceError that fits for those that could not be read, when the
        others have been.
        """
        where = f"{self.name}: {self._shown(pattern)}"
        self._ledger = Ledger.of(since, where=where)
        with named_errors(where):
            found = self.place.find(pattern)
        held: Page | None = None
        for file in found:
            for page in self._read_if_new(file, new_by) if not self._is_left(file, at_rest) else ():
                if held is not None:
                    yield held
                held = page
        self._ledger.forget_others({it.name for it in found})
        held = held or self._page([], f"{self._shown(pattern)}: nothing new")
        held.state = self._ledger.state if self.keeps_state else None
        yield held
        if self._failures:
            raise self._failed()

    def _is_left(self, file: Found, at_rest: timedelta) -> bool:
        """Whether somebody may still be writing it."""
        if file.changed_at is None or file.changed_at + at_rest <= datetime.now(UTC) or not at_rest:
            return False
        log.warn("left for a later run", file=self._shown(file.name), changed_at=file.changed_at.isoformat())
        return True

    def _read_if_new(self, file: Found, new_by: NewBy) -> Pages:
        shown = self._shown(file.name)
        try:
            with named_errors(f"{self.name}: {shown}"):
                stamp = self._stamp(file, new_by)
                if self._is_known(file, stamp, new_by):
                    return
                yield from self._read(file, stamp)
        except SourceError as error:
            self._failures.append(error)

    def _is_known(self, file: Found, stamp: str, new_by: NewBy) -> bool:
        """Whether it was read already, or has no content yet: then it is neither read nor noted."""
        known = self._ledger.files
        if new_by == "content" and stamp in known.values():
            known[file.name] = stamp  # under another name, perhaps
            return True
        return not file.size or known.get(file.name) == stamp

    def _stamp(self, file: Found, new_by: NewBy) -> str:
        if new_by == "time":
            return file.stamp
        return "" if new_by == "name" else self._hash(file.name)

    def _hash(self, name: str) -> str:
        digest = xxh3_128()
        with closing(self.place.open(name)) as opened:
            while block := opened.read(BLOCK):
                digest.update(block)
        return digest.hexdigest()

    def _read(self, file: Found, stamp: str) -> Pages:
        """The file's pages, the last of them with the state, once it is sure that the file is whole."""
        shown = self._shown(file.name)
        held: Batch | None = None
        before = self.place.look(file.name)
        progress = Progress(stamp or file.stamp)
        try:
            for batch in self._unread(file, progress):
                if held is not None:
                    yield self._page_within(file, held, progress)
                held = batch
        except (Truncated, Unreadable) as error:
            if held is not None:
                yield self._page_within(file, held, progress)
            raise self._unreadable(shown, error) from error
        self._check_unchanged(before)
        self._ledger.end(file.name, stamp)
        yield self._page(*(held or ([], f"{shown}: no rows")))

    def _unread(self, file: Found, progress: Progress) -> Iterator[Batch]:
        """The rows behind those that are stored already: all of them, where it is not certain that these are
        the same.
        """
        known, shown = self._ledger.position(file.name, progress.stamp), self._shown(file.name)
        if known is not None:
            with closing(self.place.open(file.name)) as opened:
                batches = self._rows(opened, shown)
                progress.go_to(known, (records for records, _ in batches))
                if progress.position == known:
                    yield from batches
                    return
            progress.begin_again()
        with closing(self.place.open(file.name)) as opened:
            yield from self._rows(opened, shown)

    def _page_within(self, file: Found, held: Batch, progress: Progress) -> Page:
        """A page behind which the file goes on."""
        progress.add(held[0])
        self._ledger.within[file.name] = progress.position
        return self._page(*held)

    def _rows(self, opened: BinaryIO, shown: str) -> Iterator[Batch]:
        """The rows of the file, or of all files in an archive, in batches that are told of."""
        is_whole = getattr(self.format, "is_container", False)
        if is_whole:
            yield from self._batches(opened, shown, None)
            return
        for member, content in compression.members(opened):
            where = f"{shown}: {member}" if member else shown
            buffered = io.BufferedReader(_Lent(content), charset.LOOKED_AT)
            yield from self._batches(buffered, where, self._charset(buffered, where))

    def _batches(self, content: BinaryIO, where: str, guess: str | None) -> Iterator[Batch]:
        told = f"{where}, taken for {guess}" if guess else where
        first, batch, held = 1, list[bytes](), 0
        for payload in self.format.records(content, charset=guess):
            is_odd = payload.startswith(malformed.START)
            batch.append(malformed.placed(payload, file=where) if is_odd else payload)
            held += len(payload)
            if len(batch) >= self.page_rows or held >= MOST_BYTES:
                yield batch, f"{told}: rows {first} to {first + len(batch) - 1}"
                first, batch, held = first + len(batch), [], 0
        if batch:
            yield batch, f"{told}: rows {first} to {first + len(batch) - 1}"

    def _charset(self, content: io.BufferedReader[Any], where: str) -> str | None:
        if getattr(self.format, "encoding", "known") is not None:
            return None  # declared, or nothing that has one
        return charset.detect(content.peek(charset.LOOKED_AT), where=f"{self.name}: {where}")

    def _check_unchanged(self, before: Found) -> None:
        now = self.place.look(before.name)
        if now.stamp != before.stamp:
            raise SourceUnavailable(
                f"{self.name}: {self._shown(before.name)}: it was changed while it was read:"
                f" {before.size} bytes before, {now.size} now",
                hint="Nothing is lost: the next run reads it once more. Leave files alone that are being"
                " written, by at_rest=timedelta(minutes=5).",
            )

    def _unreadable(self, shown: str, error: Exception) -> SourceError:
        if isinstance(error, Truncated):
            return SourceUnavailable(
                f"{self.name}: {shown}: it is cut short: {error}",
                hint="If it is still being written, run again when it is whole: it is then read anew.",
            )
        return UnexpectedResponse(
            f"{self.name}: {shown}: {error}",
            hint="Compare the file with the format that the stream declares.",
        )

    def _failed(self) -> SourceError:
        first, *others = self._failures
        if not others:
            return first
        more = f" (and {len(others)} more: {'; '.join(it.message for it in others[:3])})"
        return type(first)(first.message + more, hint=first.hint)

    def _page(self, records: list[bytes], request: str) -> Page:
        self._number += 1
        self._unsettled += len(records)
        often_enough = max(self.settles, len(self._ledger.files) // 4)
        is_due = self.keeps_state and self._unsettled >= often_enough
        self._unsettled = 0 if is_due else self._unsettled
        size, state = sum(map(len, records)), self._ledger.state if is_due else None
        return Page(
            records, self._number, request, status=200, fetched_at=datetime.now(UTC), size=size, state=state
        )

    def _shown(self, name: str) -> str:
        return self.scrub(f"{self.place.shown}/{name}")


class _Lent(io.RawIOBase):
    """A file to read from, which its owner closes."""

    def __init__(self, file: BinaryIO) -> None:
        self._file = file

    def readable(self) -> bool:
        return True

    def readinto(self, buffer: Any) -> int:
        got = self._file.read(len(buffer))
        buffer[: len(got)] = got
        return len(got)
