"""What a load has taken in and not stored yet: a chunk, and the parts that become one."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any

from strandline.source.census import Shape
from strandline.source.page import Page
from strandline.warehouse import raw
from strandline.warehouse.quarantine import Reject


@dataclass
class Chunk:
    """What has been taken in since the last transaction; the rows for the targets are with them."""

    entries: list[raw.Entry] = field(default_factory=list)
    rejects: list[Reject] = field(default_factory=list)
    requests: list[dict[str, Any]] = field(default_factory=list)
    again: list[raw.Entry] = field(default_factory=list)
    """What the raw log held already."""
    unknown: dict[Shape, list[int]] = field(default_factory=dict)
    """Which entries carry what besides their contract."""
    size: int = 0
    """Bytes of the pages."""
    state: str | None = None
    """The last state that came with the pages."""

    def begin(self, page: Page, request: dict[str, Any]) -> None:
        """Note what is known of a page as a whole; what is made of its records follows."""
        self.requests.append(request)
        self.size += page.size
        if page.state is not None:
            self.state = page.state


@dataclass
class Part:
    """What became of one page, wherever it was taken apart: what `Chunk` has of it."""

    entries: list[raw.Entry]
    """Without what the page says of all of them: (raw_id, source_id, hash, operation, cursor_value,
    effective_at), and the tie-break where the stream has one. One for each record.
    """
    rejects: list[Reject]
    unknown: dict[Shape, list[int]]
    rows: list[list[tuple[Any, ...]]]
    """For each target."""
