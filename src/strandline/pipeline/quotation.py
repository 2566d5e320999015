"""How a record may be quoted in a message: its values as errors and URLs spell them."""

from __future__ import annotations

import json
from collections.abc import Iterable, Iterator
from typing import Any, Final
from urllib.parse import quote, quote_plus

from strandline.source.contract import show

SHORTEST: Final = 4
"""A shorter value would be found everywhere, and tells nobody who it was."""

CUT: Final = 64
"""PostgreSQL cuts the values that it quotes after so many characters."""


def words(payloads: Iterable[bytes], reasons: Iterable[str]) -> list[str]:
    """Everything to look for, the longest first: where one holds another, it is found as a whole."""
    found = set(reasons)
    for payload in payloads:
        found |= _shown(payload.decode("utf-8", "replace")) | _shown(payload)
        found |= _spelled(_values(payload))
    return _sorted(found)


def words_of(values: Iterable[str]) -> list[str]:
    """The same of values alone."""
    return _sorted(_spelled(values))


def _spelled(values: Iterable[str]) -> set[str]:
    found = set[str]()
    for value in values:
        found |= _shown(value) | {quote(value), quote_plus(value)}
        found |= {value[:CUT]} if len(value) > CUT else set()
    return found


def _sorted(found: Iterable[str]) -> list[str]:
    return sorted((it for it in found if len(it) >= SHORTEST), key=len, reverse=True)


def _shown(value: str | bytes) -> set[str]:
    """The value as it is, and as Python and JSON write it, whole and cut."""
    whole = repr(value)
    begin = whole.index(whole[-1]) + 1
    shown = show(value)
    cut = shown[begin:-1] if shown.endswith("…") else ""
    forms = {whole[begin:-1], cut}
    if isinstance(value, str):
        forms |= {value, json.dumps(value)[1:-1], json.dumps(value, ensure_ascii=False)[1:-1]}
    return forms


def _values(payload: bytes) -> Iterator[str]:
    try:
        document = json.loads(payload)
    except (ValueError, RecursionError):  # no JSON, which is found as a whole
        return
    yield from _leaves(document)


def _leaves(document: Any) -> Iterator[str]:
    waiting = [document]
    while waiting:
        it = waiting.pop()
        match it:
            case dict():
                waiting += it.values()
            case list():
                waiting += it
            case str():
                yield it
            case int() | float() if not isinstance(it, bool):
                yield str(it)
