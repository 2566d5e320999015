"""Streams of children: read for each record of another stream that has come or changed."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from strandline.errors import DeclarationError
from strandline.source.contract import Record
from strandline.source.division import Division
from strandline.source.stream import Source, Stream


@dataclass(frozen=True)
class Parents(Division):
    """The records of another stream of the same source, above it in the class. The stream's method is told
    one of them, or a list of `batch` at most where the API takes several.
    """

    stream: Stream
    batch: int | None = None

    def __post_init__(self) -> None:
        if not isinstance(self.stream, Stream):
            raise DeclarationError(
                f"Parents({self.stream!r}): not a stream", hint="Give the stream that stands above it."
            )
        if self.batch is not None and self.batch < 1:
            raise DeclarationError(f"Parents(…, batch={self.batch}): nothing would be asked for")

    def of(self, source: type[Source]) -> Stream:
        """The stream, as the source has it."""
        return source.streams()[self.stream.method_name]

    def told(self, records: Sequence[Record]) -> Iterator[Record | Sequence[Record]]:
        """What the method is told, call by call."""
        if self.batch is None:
            yield from records
            return
        for first in range(0, len(records), self.batch):
            yield records[first : first + self.batch]
