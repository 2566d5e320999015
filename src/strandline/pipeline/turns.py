"""How long a thread of Python's keeps the others waiting while pages are fetched ahead."""

from __future__ import annotations

import sys
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Final

TURN: Final = 0.001
"""Seconds. With Python's own five a thread that has got a part of an answer waits up to five milliseconds
before it can ask for the next part, and a page comes in ten parts.
"""


@contextmanager
def short_turns() -> Iterator[None]:
    """Let threads take turns at least that often; afterwards as often as before."""
    before = sys.getswitchinterval()
    if before <= TURN:  # somebody else's doing, and theirs to undo
        yield
        return
    sys.setswitchinterval(TURN)
    try:
        yield
    finally:
        sys.setswitchinterval(before)
