"""What a pass over a stream has done, in numbers."""

from __future__ import annotations

from msgspec import Struct


class Figures(Struct):
    """What a pass over a stream has done so far, in records."""

    pages: int = 0
    records: int = 0
    stored: int = 0
    unchanged: int = 0
    rejected: int = 0
    released: int = 0
    resumed: int = 0
    replayed: int = 0
