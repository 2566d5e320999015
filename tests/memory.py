"""A source in memory for tests of the engine: a stream's method returns `pages(…)` of what it was given."""

import json
from collections.abc import Iterable, Mapping
from datetime import UTC, datetime
from typing import Any

from strandline.source import Page, Pages

Given = bytes | Mapping[str, Any]


def pages(*batches: Iterable[Given]) -> Pages:
    """A page for each batch; bytes are sent as they are."""
    for number, batch in enumerate(batches, 1):
        records = [it if isinstance(it, bytes) else json.dumps(it).encode() for it in batch]
        size = sum(map(len, records))
        yield Page(records, number, f"memory {number}", status=200, fetched_at=datetime.now(UTC), size=size)
