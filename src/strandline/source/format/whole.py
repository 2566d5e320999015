"""JSON as one value, with the array of records somewhere in it; each is kept byte for byte."""

from __future__ import annotations

import io
from collections.abc import Iterator
from dataclasses import dataclass
from typing import BinaryIO, Final

from strandline.source import piecemeal
from strandline.source.format.protocol import Chained, read_up_to
from strandline.source.page import Path, keys, split

AT_ONCE: Final = 1024 * 1024
"""Bytes; less is cut in one go."""


@dataclass(frozen=True)
class Json:
    """One JSON value: `Json("data.items")` where the array stands there, `Json()` where it is all.

    A body of more than a megabyte is cut piece by piece, as it is read.
    """

    at: Path = None

    @property
    def name(self) -> str:
        """As it is named in messages."""
        return "JSON"

    def records(self, file: BinaryIO, *, charset: str | None = None) -> Iterator[bytes]:
        """Each element's bytes; JSON is UTF-8, so no charset matters."""
        start = read_up_to(file, AT_ONCE)
        if len(start) < AT_ONCE:
            yield from split(start, self.at).records
            return
        whole = io.BufferedReader(Chained(start, file))
        del start  # it would be held to the end
        yield from piecemeal.elements(whole, keys(self.at))
