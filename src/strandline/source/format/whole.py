"""JSON as one value, with the array of records somewhere in it; each is kept byte for byte."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import BinaryIO

from strandline.source.page import Path, split


@dataclass(frozen=True)
class Json:
    """One JSON value: `Json("data.items")` where the array stands there, `Json()` where it is all.

    It is held in memory as a whole; what is larger than that had better come as JSON lines.
    """

    at: Path = None

    @property
    def name(self) -> str:
        """As it is named in messages."""
        return "JSON"

    def records(self, file: BinaryIO, *, charset: str | None = None) -> Iterator[bytes]:
        """Each element's bytes; JSON is UTF-8, so no charset matters."""
        yield from split(file.read(), self.at).records
