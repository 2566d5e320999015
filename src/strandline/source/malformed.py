"""A row that its format cannot read: kept as a payload that no contract accepts, with the reason in it.

Such a row must neither stop the rows around it nor be lost. It becomes a JSON array, which is never a
record: `[{"malformed": "4 fields, where there are 3 columns", "row": 17}, "the row's text"]`. The contract
refuses it with that reason, and so it reaches the quarantine like every other bad record.
"""

from __future__ import annotations

import json
from typing import Final

RULE: Final = "malformed"
"""What such a reject has broken."""

START: Final = b'[{"malformed": '
"""How such a payload begins."""


def malformed(reason: str, *, row: int, text: str) -> bytes:
    """The payload; what of the text is no Unicode stands in it as lone surrogates, escaped."""
    return json.dumps([{RULE: reason, "row": row}, text]).encode()


def placed(payload: bytes, *, file: str) -> bytes:
    """The payload of such a row with the file that it stands in."""
    head, text = json.loads(payload)
    return json.dumps([{**head, "file": file}, text]).encode()


def explain(payload: bytes) -> str | None:
    """The reason, where the payload is such a row."""
    if not payload.startswith(START):
        return None
    try:
        head, _ = json.loads(payload)
        where = f"{head['file']}: " if "file" in head else ""
        return f"{where}row {head['row']}: {head[RULE]}"
    except (ValueError, TypeError, KeyError):  # somebody else's array, which only begins like ours
        return None
