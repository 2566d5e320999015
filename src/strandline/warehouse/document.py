"""JSON as it is written into a column: numbers that no float can hold stay what they are."""

from __future__ import annotations

import json
from decimal import Decimal
from typing import Any


def write(value: Any) -> str:
    """The value as JSON. Raises TypeError for what JSON has no form for, ValueError for a Decimal without a
    number in it.
    """
    try:
        return json.dumps(value)
    except TypeError:  # the few that hold a Decimal
        return _write(value)


def in_order(text: str | None) -> str | None:
    """The same JSON with the names of its objects in order, its numbers as they are written."""
    if text is None:
        return None
    return json.dumps(json.loads(text, parse_float=_Number, parse_int=_Number), sort_keys=True)


class _Number(list[str]):
    """A number as it is written, which no text is."""

    def __init__(self, text: str) -> None:
        super().__init__(["number", text])


def _write(value: Any) -> str:
    match value:
        case Decimal():
            if not value.is_finite():
                raise ValueError(f"{value} is no number that JSON knows")
            return str(value)
        case dict():
            return f"{{{', '.join(f'{_key(key)}: {_write(it)}' for key, it in value.items())}}}"
        case list() | tuple():
            return f"[{', '.join(map(_write, value))}]"
    return json.dumps(value)


def _key(key: Any) -> str:
    """As json.dumps writes it: a number or a truth value becomes its text."""
    return json.dumps({key: 0})[1:-4]
