"""A JSON splitter that only counts quotes and brackets: slower than msgspec, and not put off by what is
inside a value.

It reads just enough of the grammar to know where a value ends. Bytes within strings may be anything; so may
the spelling of numbers and names. What it cannot excuse is a body that ends too early (Truncated: worth
another try) and one whose brackets make no sense or that has no array where records are declared
(Unreadable: look at it).
"""

from __future__ import annotations

import json
import re
from collections.abc import Callable, Iterator
from decimal import Decimal, InvalidOperation
from enum import Enum
from typing import Any, Final

_SPACE = re.compile(rb"[ \t\r\n]*")
STRING: Final = re.compile(rb'"[^"\\]*+(?:\\.[^"\\]*+)*+"', re.DOTALL)
SCALAR: Final = re.compile(rb'[^\s,:"\[\]{}]+')
TOKEN: Final = re.compile(rb'"[^"\\]*+(?:\\.[^"\\]*+)*+"|[\[\]{}"]', re.DOTALL)

_LOOKED_AT: Final = 4096
_SHOWN: Final = 40


class Truncated(Exception):
    """The body ends in the middle of a value."""


class Unreadable(Exception):
    """The body is no JSON, or holds no array where the records should be; `content` is what is there."""

    hint = "Compare the answer with what the stream declares (path, records)."

    def __init__(self, said: str, content: bytes | None = None) -> None:
        self.said = said
        self.content = content
        super().__init__(self.told(lambda text: text))

    def told(self, scrub: Callable[[str], str]) -> str:
        """What is wrong, with how the content begins: scrubbed before it is cut, lest half a secret stays."""
        if self.content is None:
            return scrub(self.said)
        begins = scrub(self.content[:_LOOKED_AT].decode("utf-8", "replace"))
        return f"{scrub(self.said)} {begins[:_SHOWN]!r}"


class _Absent(Enum):
    ABSENT = "absent"


ABSENT: Final = _Absent.ABSENT


def array(body: bytes, place: tuple[str, ...]) -> list[bytes]:
    """The exact bytes of each element of the array at the place."""
    check_whole(body)
    start = _find(body, place)
    if start is None:
        raise Unreadable(f"no array at {name_of(place)}; {_describe(body)}")
    if body[start : start + 1] != b"[":
        end = _skip(body, start)
        raise Unreadable(f"no array at {name_of(place)} but", body[start:end])
    return [body[begin:end] for begin, end in _elements(body, start)]


def value(body: bytes, place: tuple[str, ...]) -> Any:
    """The decoded value at the place, or ABSENT; also ABSENT if it cannot be decoded."""
    start = _find(body, place)
    if start is None:
        return ABSENT
    try:
        return json.loads(body[start : _skip(body, start)].decode("utf-8", "surrogateescape"))
    except (ValueError, RecursionError):
        return ABSENT


def cut(body: bytes, place: tuple[str, ...]) -> bytes | None:
    """The exact bytes of the value at the place; None where there is none. Raises Truncated and
    Unreadable.
    """
    check_whole(body)
    start = _find(body, place)
    return None if start is None else body[start : _skip(body, start)]


def parts(body: bytes, start: int) -> Iterator[tuple[str | int, int, int]]:
    """What the object or array that starts here holds: name or number, and where it begins and ends."""
    match body[start : start + 1]:
        case b"{":
            for name, begin in _members(body, start):
                yield name, begin, _skip(body, begin)
        case b"[":
            for number, (begin, end) in enumerate(_elements(body, start)):
                yield number, begin, end


def number(body: bytes, place: tuple[str, ...]) -> Decimal:
    """The number at the place, exact, also where it is written as a text."""
    start = _find(body, place)
    if start is None:
        raise Unreadable(f"no number at {name_of(place)}; {_describe(body)}")
    written = body[start : _skip(body, start)].decode("utf-8", "replace").strip('"')
    try:
        found = Decimal(written)
    except InvalidOperation:
        raise Unreadable(f"no number at {name_of(place)} but", written.encode()) from None
    return found


def check_whole(body: bytes) -> None:
    """Truncated if the body ends too early, Unreadable if it is no object or array, or more than one."""
    start = after_space(body, 0)
    if start == len(body):
        raise Unreadable("the body is empty")
    if body[start : start + 1] not in (b"{", b"["):
        raise Unreadable("the body is no JSON object or array")
    end = after_space(body, _skip(body, start))
    if end != len(body):
        raise Unreadable(f"the JSON ends at byte {end}, followed by", body[end:])


def _find(body: bytes, place: tuple[str, ...]) -> int | None:
    """Where the value at the place starts; of a key that comes twice the last one counts, as in every
    parser.
    """
    at: int | None = after_space(body, 0)
    for key in place:
        if at is None or body[at : at + 1] != b"{":
            return None
        at = dict(_members(body, at)).get(key)
    return at


def _members(body: bytes, start: int) -> Iterator[tuple[str, int]]:
    at = after_space(body, start + 1)
    while body[at : at + 1] != b"}":
        string = STRING.match(body, at)
        if string is None:
            raise odd(body, at, "a key")
        colon = after_space(body, string.end())
        if body[colon : colon + 1] != b":":
            raise odd(body, colon, "a colon")
        begin = after_space(body, colon + 1)
        yield text_of(string.group()), begin
        at = _after_separator(body, _skip(body, begin), closing=b"}")


def _elements(body: bytes, start: int) -> Iterator[tuple[int, int]]:
    at = after_space(body, start + 1)
    while body[at : at + 1] != b"]":
        end = skip_element(body, at)
        yield at, end
        at = _after_separator(body, end, closing=b"]")


def skip_element(body: bytes, start: int) -> int:
    """Where the element ends, be it several values or none: `1 000` is one bad record and no bad page."""
    end = at = start
    while body[at : at + 1] not in (b",", b"]", b""):
        end = at + 1 if body[at : at + 1] in (b":", b"}") else _skip(body, at)
        at = after_space(body, end)
    if end == start:
        raise odd(body, start, "a value")
    return end


def _after_separator(body: bytes, at: int, *, closing: bytes) -> int:
    at = after_space(body, at)
    match body[at : at + 1]:
        case b",":
            following = after_space(body, at + 1)
            if body[following : following + 1] == closing:
                raise odd(body, following, "a value")
            return following
        case found if found == closing:
            return at
    raise odd(body, at, "a comma")


def _skip(body: bytes, start: int) -> int:
    """Where the value that starts here ends."""
    match body[start : start + 1]:
        case b"{" | b"[":
            return _skip_nested(body, start)
        case b'"':
            string = STRING.match(body, start)
            if string is None:
                raise Truncated(f"a string that starts at byte {start} does not end")
            return string.end()
    scalar = SCALAR.match(body, start)
    if scalar is None:
        raise odd(body, start, "a value")
    return scalar.end()


def _skip_nested(body: bytes, start: int) -> int:
    depth = 0
    for token in TOKEN.finditer(body, start):
        match token.group():
            case b"{" | b"[":
                depth += 1
            case b"}" | b"]":
                depth -= 1
                if depth == 0:
                    return token.end()
            case b'"':
                raise Truncated(f"a string that starts at byte {token.start()} does not end")
    raise Truncated(f"{depth} brackets are still open at the end of the body, byte {len(body)}")


def odd(body: bytes, at: int, expected: str) -> Truncated | Unreadable:
    """The error for something else there, or nothing."""
    if at >= len(body):
        return Truncated(f"the body ends at byte {at} where {expected} should be")
    return Unreadable(f"{expected} should be at byte {at}, not", body[at : at + _LOOKED_AT])


def after_space(body: bytes, at: int) -> int:
    """Where something begins."""
    space = _SPACE.match(body, at)
    return space.end() if space else at


def text_of(string: bytes) -> str:
    """What a string in quotes says."""
    try:
        return str(json.loads(string.decode("utf-8", "surrogateescape"), strict=False))
    except ValueError:
        return string[1:-1].decode("utf-8", "replace")


def _describe(body: bytes) -> str:
    start = after_space(body, 0)
    if body[start : start + 1] == b"[":
        return "the body itself is an array"
    return f"the body's keys are {', '.join(key for key, _ in _members(body, start)) or 'none'}"


def name_of(place: tuple[str, ...]) -> str:
    """The place as messages have it."""
    return repr(".".join(place)) if place else "the top of the body"
