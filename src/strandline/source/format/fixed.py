"""Fixed width: each column has so many characters of a line, as mainframes and banks send them."""

from __future__ import annotations

import io
from collections.abc import Collection, Iterator, Mapping
from dataclasses import KW_ONLY, dataclass
from typing import BinaryIO

from strandline.errors import DeclarationError
from strandline.source.format.protocol import as_null, check_encoding, choose_encoding, encode
from strandline.source.lenient import Unreadable
from strandline.source.malformed import malformed


@dataclass(frozen=True)
class FixedWidth:
    """Lines that are cut at the same places: `FixedWidth({"id": 8, "name": 30, "price": 10})`, the columns in
    their order, each with its width in characters. Spaces around a value are none of it.

    `skip` lines before the first are passed over, texts in `null` become null. A line may lack spaces at its
    end. One that ends before its last column begins, or has more than its columns, is a reject, and so is one
    with bytes that are none of the `encoding`'s: what is declared, what the transport says, else UTF-8.
    """

    columns: Mapping[str, int]
    _: KW_ONLY
    encoding: str | None = None
    skip: int = 0
    null: Collection[str] = ()

    def __post_init__(self) -> None:
        if not self.columns or any(width < 1 for width in self.columns.values()):
            raise DeclarationError(
                f"FixedWidth({dict(self.columns)!r}): each column has a width of at least 1",
                hint='Write it as FixedWidth({"id": 8, "name": 30}).',
            )
        check_encoding(self.encoding, where="FixedWidth")

    @property
    def name(self) -> str:
        """As it is named in messages."""
        return "fixed width"

    def records(self, file: BinaryIO, *, charset: str | None = None) -> Iterator[bytes]:
        """Each line as a JSON object of texts."""
        start = file.peek(4)[:4] if isinstance(file, io.BufferedReader) else b""
        encoding = choose_encoding(self.encoding, charset=charset, start=start)
        text = io.TextIOWrapper(file, encoding=encoding, errors="surrogateescape")
        try:
            yield from self._rows(text)
        except UnicodeError as error:
            raise Unreadable(f"it is not written in {encoding}: {error}") from error

    def _rows(self, lines: Iterator[str]) -> Iterator[bytes]:
        for _ in range(self.skip):
            next(lines, None)
        cuts, null, row = self._cuts(), as_null(self.null), 0
        *_, (_, last, width) = cuts
        for line in lines:
            content = line.rstrip("\r\n")
            if not content.strip():
                continue
            row += 1
            if len(content) <= last or content[width:].strip():
                problem = f"{len(content)} characters, where there are columns of {width}"
                yield malformed(problem, row=row, text=line)
                continue
            values = ((name, content[begin:end].strip()) for name, begin, end in cuts)
            try:
                yield encode({name: None if value in null else value for name, value in values})
            except UnicodeEncodeError:
                yield malformed("bytes that are none of the encoding's", row=row, text=line)

    def _cuts(self) -> list[tuple[str, int, int]]:
        cuts, begin = list[tuple[str, int, int]](), 0
        for name, width in self.columns.items():
            cuts.append((name, begin, begin + width))
            begin += width
        return cuts
