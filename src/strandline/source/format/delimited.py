"""CSV and its relatives: a row becomes a JSON object of texts, its columns named by the header or here."""

from __future__ import annotations

import csv
import io
from collections import Counter
from collections.abc import Callable, Collection, Iterable, Iterator, Sequence
from dataclasses import dataclass
from itertools import islice, starmap
from typing import BinaryIO, Final

from strandline.errors import DeclarationError
from strandline.source.format.protocol import (
    Chained,
    as_null,
    check_encoding,
    choose_encoding,
    encode,
    encode_lines,
    refuse_other,
    shape_of,
)
from strandline.source.lenient import Unreadable
from strandline.source.malformed import malformed

BLOCK_LINES: Final = 1_000

LONGEST_FIELD: Final = 4 * 1024 * 1024
"""Characters; what is longer is rather a quote that nobody has closed."""


@dataclass(frozen=True, kw_only=True)
class Csv:
    r"""Rows of texts: `Csv(delimiter=";", encoding="cp1252")`, and tab-separated with `delimiter="\t"`.

    The first row names the columns, unless `columns` does and every row is a record. `skip` lines before that
    are passed over. Quotes within quotes are doubled, or written behind `escape`; `quote=None` means that a
    quote is a character like any other. CSV knows texts only: those in `null` become null. The `encoding`,
    where it is not declared, is what the transport says, else UTF-8.

    A row with more or fewer fields than columns, with a stray quote or with bytes that are none of the
    encoding's is a reject, and the rows around it are read. Blank lines are no rows.
    """

    delimiter: str = ","
    quote: str | None = '"'
    escape: str | None = None
    encoding: str | None = None
    columns: Sequence[str] | None = None
    skip: int = 0
    null: Collection[str] = ()

    def __post_init__(self) -> None:
        for name, value in (("delimiter", self.delimiter), ("quote", self.quote), ("escape", self.escape)):
            if value is not None and (len(value) != 1 or value in "\r\n"):
                raise DeclarationError(f"Csv({name}={value!r}): a {name} is one character")
        if isinstance(self.columns, str) or isinstance(self.null, str):
            raise DeclarationError("Csv(columns=…, null=…): give lists of texts, not one text")
        if self.columns is not None and (twice := _twice(self.columns)):
            raise DeclarationError(f"Csv(columns=…): {twice} stands in it twice")
        check_encoding(self.encoding, where="Csv")

    @property
    def name(self) -> str:
        """As it is named in messages."""
        return "CSV"

    def records(self, file: BinaryIO, *, charset: str | None = None) -> Iterator[bytes]:
        """Each row as a JSON object."""
        start = file.read(4096)
        refuse_other(start, name=self.name)
        encoding = choose_encoding(self.encoding, charset=charset, start=start)
        # What cannot be decoded comes through as lone surrogates, so that only its own row is refused.
        text = io.TextIOWrapper(
            io.BufferedReader(Chained(start, file)), encoding=encoding, errors="surrogateescape", newline=""
        )
        try:
            yield from self._rows(_Lines(text))
        except UnicodeError as error:
            raise Unreadable(f"it is not written in {encoding}: {error}") from error

    def _rows(self, lines: _Lines) -> Iterator[bytes]:
        for _ in range(self.skip):
            next(lines, None)
        columns = list(self.columns) if self.columns is not None else self._header(self._reader(lines))
        lines.take()
        shape, row = shape_of(columns), 0
        while block := lines.block():
            payloads: Iterable[bytes] | None = self._whole(block, columns, shape)
            if payloads is None:
                lines.begin_again(block)
                payloads = self._one_by_one(lines, columns, row=row, count=len(block))
            for payload in payloads:
                row += 1
                yield payload

    def _whole(
        self, block: list[str], columns: Sequence[str], shape: Callable[..., object]
    ) -> Sequence[bytes] | None:
        """The rows of a block at once, which is many times as fast; None if anything is odd in it."""
        try:
            rows = [row for row in self._reader(iter(block)) if row]
        except csv.Error:
            return None
        if set(map(len, rows)) - {len(columns)}:
            return None
        if self.null:
            null = as_null(self.null)
            values = [[None if it in null else it for it in row] for row in rows]
            return _encoded(starmap(shape, values))
        return _encoded(starmap(shape, rows))

    def _one_by_one(self, lines: _Lines, columns: Sequence[str], *, row: int, count: int) -> Iterator[bytes]:
        """The rows that begin in the next `count` lines, the odd ones as such."""
        reader, null, width = self._reader(lines), as_null(self.null), len(columns)
        end = lines.count + count
        while lines.count < end:
            problem = ""
            try:
                fields = next(reader)
            except StopIteration:
                return
            except csv.Error as error:
                fields, problem = [], str(error)
                lines.give_back()  # a quote that nobody has closed takes no other line along
            taken = lines.take()
            if not fields and not problem:
                continue
            row += 1
            if not problem and len(fields) != width:
                problem = f"{_many(len(fields), 'field')}, where there are {_many(width, 'column')}"
            if problem:
                yield malformed(problem, row=row, text=taken)
                continue
            values: Sequence[str | None] = [None if it in null else it for it in fields] if null else fields
            try:
                yield encode(dict(zip(columns, values, strict=True)))
            except UnicodeEncodeError:
                yield malformed("bytes that are none of the encoding's", row=row, text=taken)

    def _header(self, reader: Iterator[list[str]]) -> list[str]:
        try:
            columns = next((it for it in reader if it), None)
        except csv.Error as error:
            raise Unreadable(f"its header cannot be read: {error}") from error
        if columns is None:
            raise Unreadable("it has no header, not even an empty one")
        if twice := _twice(columns):
            raise Unreadable(f"its header names {twice} twice, so Csv(columns=…, skip=1) should name them")
        if any("\udc80" <= letter <= "\udcff" for name in columns for letter in name):
            raise Unreadable("its header has bytes that are none of the encoding's")
        return columns

    def _reader(self, lines: Iterator[str]) -> Iterator[list[str]]:
        # The limit is the process's, so it is only ever raised.
        csv.field_size_limit(max(csv.field_size_limit(), LONGEST_FIELD))
        return csv.reader(
            lines,
            delimiter=self.delimiter,
            quotechar=self.quote,
            quoting=csv.QUOTE_NONE if self.quote is None else csv.QUOTE_MINIMAL,
            escapechar=self.escape,
            doublequote=self.escape is None,
            strict=True,
        )


def _encoded(rows: Iterable[object]) -> Sequence[bytes] | None:
    try:
        # No text in JSON has a line's end in it, so each line is a row.
        return encode_lines(list(rows)).split(b"\n")[:-1]
    except UnicodeEncodeError:
        return None


class _Lines:
    """The lines of a text, which remembers those that the row at hand is made of."""

    def __init__(self, text: Iterator[str]) -> None:
        self._text = text
        self._taken: list[str] = []
        self._again: list[str] = []
        self.count = 0
        """How many have been read, without those that are to be read again."""

    def __iter__(self) -> _Lines:
        return self

    def __next__(self) -> str:
        line = self._again.pop() if self._again else next(self._text)
        self.count += 1
        self._taken.append(line)
        return line

    def take(self) -> str:
        """The lines since the last time."""
        taken = "".join(self._taken)
        self._taken.clear()
        return taken

    def give_back(self) -> None:
        """Let all but the first line be read again."""
        self.begin_again(self._taken[1:])
        self.count -= len(self._taken) - 1
        del self._taken[1:]

    def begin_again(self, lines: Sequence[str]) -> None:
        """Let these be read before the rest."""
        self._again += reversed(lines)

    def block(self) -> list[str]:
        """The next lines, many of them."""
        again = self._again[::-1]
        self._again.clear()
        return again or list(islice(self._text, BLOCK_LINES))


def _twice(names: Sequence[str]) -> str:
    return ", ".join(repr(name) for name, times in Counter(names).items() if times > 1)


def _many(count: int, noun: str) -> str:
    return f"{count} {noun}" if count == 1 else f"{count} {noun}s"
