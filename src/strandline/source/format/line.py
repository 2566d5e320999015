"""JSON lines, also called NDJSON: a record on each line, kept byte for byte."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import BinaryIO

from strandline.source import lenient
from strandline.source.format.protocol import refuse_other
from strandline.source.page import BOM


@dataclass(frozen=True)
class JsonLines:
    """A JSON object on each line, as bulk exports and event feeds send them. Blank lines are none.

    A line that is no JSON is a reject, and the lines around it are read. But where the last line has no end
    and breaks off, the body is taken to be cut short.
    """

    @property
    def name(self) -> str:
        """As it is named in messages."""
        return "JSON lines"

    def records(self, file: BinaryIO, *, charset: str | None = None) -> Iterator[bytes]:
        """Each line's bytes, without the space around it; JSON is UTF-8, so no charset matters."""
        is_first = True
        for line in file:
            content = line.strip()
            if is_first:
                content, is_first = content.removeprefix(BOM), False
                refuse_other(content, name=self.name)
            if content:
                if not line.endswith(b"\n"):
                    _refuse_part(content)
                yield content


def _refuse_part(last: bytes) -> None:
    """An end in the middle of a value means that the rest is missing."""
    try:
        lenient.check_whole(last)
    except lenient.Truncated as error:
        raise lenient.Truncated(f"its last line breaks off: {error}") from None
    except lenient.Unreadable:  # whole, and no JSON: that is for its contract to say
        return
