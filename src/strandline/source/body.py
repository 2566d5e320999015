"""What is read of an answer's body: its records, and beside them what the paginator wants to see."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from io import BytesIO

from strandline.errors import DeclarationError
from strandline.source import compression
from strandline.source.format import Format, Xml
from strandline.source.page import Cut, Path, split

Reader = Callable[[bytes, str | None], Cut]
"""(body, charset of the transport) → its records; raises lenient.Truncated or lenient.Unreadable"""


def reader(records: Path, *, format: Format | None, wanted: Sequence[Path]) -> Reader:  # noqa: A002  # as users write it
    """The function that reads the bodies of one walk, of JSON unless another format is declared."""
    if format is None:
        return lambda body, charset: split(_unpack(body), records, wanted=wanted)
    if records is not None:
        raise DeclarationError(
            f"pages(…, records={records!r}, format={format!r}): the format says where its records are",
            hint=f"Leave records out; {format.name} takes a path itself where there is a choice.",
        )
    if wanted and not isinstance(format, Xml):
        raise DeclarationError(
            f"pages(…, format={format!r}): the paginator looks for {', '.join(map(repr, wanted))} in the"
            f" body, but {format.name} holds records only",
            hint="Declare a paginator that reads a header, or one that ends at an empty page.",
        )

    def read(body: bytes, charset: str | None) -> Cut:
        content = _unpack(body)
        cut = list(format.records(BytesIO(content), charset=charset))
        if wanted and isinstance(format, Xml):
            return Cut(cut, format.find(BytesIO(content), wanted, charset=charset))
        return Cut(cut, {})

    return read


def _unpack(body: bytes) -> bytes:
    """A file that is compressed itself, `export.csv.gz`, with no encoding to tell it."""
    return compression.unpacked(BytesIO(body)).read() if compression.kind_of(body[:4]) else body
