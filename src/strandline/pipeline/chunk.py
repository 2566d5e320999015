"""What a load has taken in and not stored yet: a chunk, and the parts that become one."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, Final

from msgspec import Struct

from strandline.source.census import Shape
from strandline.source.cursor import CursorValue
from strandline.source.page import Page
from strandline.warehouse import raw
from strandline.warehouse.packed import Packed, PackedEntries
from strandline.warehouse.quarantine import Reject

MOST_HELD: Final = 4
"""So many times its size a chunk may have while it waits for a state."""


class Chunk(Struct):
    """What has been taken in since the last transaction; the rows for the targets are with them."""

    entries: list[raw.Entry] | PackedEntries = []
    """Packed if others have taken all of them apart."""
    rejects: list[Reject] = []
    requests: list[dict[str, Any]] = []
    again: list[raw.Entry] = []
    """What the raw log held already."""
    unknown: dict[Shape, list[int]] = {}
    """Which entries carry what besides their contract."""
    size: int = 0
    """Bytes of the pages."""
    state: str | None = None
    """The last state that came with the pages."""
    is_settled: bool = False
    """Whether it came with the last of them."""

    def begin(self, page: Page, request: dict[str, Any]) -> None:
        """Note what is known of a page as a whole; what is made of its records follows."""
        self.requests.append(request)
        self.size += page.size
        self.is_settled = page.state is not None
        if page.state is not None:
            self.state = page.state

    def is_full(self, *, records: float, size: int, waits: bool) -> bool:
        """Whether it is time to store it, at so many records or bytes. A source with a state of its own sends
        again what was stored without it, so of such a one a chunk `waits` for the next, as long as it can.
        """
        share = max(len(self.entries) / records, self.size / size)
        return share >= (MOST_HELD if waits and not self.is_settled else 1)

    @property
    def unpacked(self) -> list[raw.Entry]:
        """The entries, which may be changed."""
        if isinstance(self.entries, PackedEntries):
            self.entries = list(self.entries)
        return self.entries

    @property
    def keys(self) -> list[str | None]:
        """The natural key of each entry."""
        entries = self.entries
        return entries.keys if isinstance(entries, PackedEntries) else [it[1] for it in entries]

    def add(self, entries: list[raw.Entry] | PackedEntries) -> None:
        """Put these behind the entries. They are the chunk's from then on."""
        if not self.entries:
            self.entries = entries
        elif isinstance(self.entries, PackedEntries) and isinstance(entries, PackedEntries):
            self.entries.add(entries)
        else:
            self.unpacked.extend(entries)


class Part(Struct):
    """What became of one page, wherever it was taken apart: what `Chunk` has of it."""

    entries: list[raw.Entry] | PackedEntries
    """One for each record, if they are new."""
    rejects: list[Reject]
    unknown: dict[Shape, list[int]]
    rows: Sequence[Sequence[tuple[Any, ...]]]
    """For each target."""
    packed: Sequence[Packed]
    """More of them."""
    cursors: Sequence[CursorValue] = ()
    """The lowest of the entries' cursor values, and the highest."""

    @property
    def is_packed(self) -> bool:
        """Whether all of it is."""
        return not any(self.rows) and (isinstance(self.entries, PackedEntries) or not self.entries)
