"""The elements of one array in a JSON body of any size, cut as it is read, in flat memory.

A window of the body is held. Most of the elements in it are cut at once by msgspec: up to the last place that
looks like the end of one and the beginning of the next, as the first two have shown it. If the text before
that place is a list of values, it is the place, for what follows cannot change what a value before it was. If
it is none, a record in it is odd, or the place was within one, and brackets are counted as `lenient` does.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import BinaryIO, Final

import msgspec

from strandline.source import lenient
from strandline.source.lenient import Truncated, Unreadable, after_space
from strandline.source.page import BOM

BLOCK: Final = 256 * 1024
TRIES: Final = 8
"""For a place between two elements: the last ones that look like it may be within one."""
SHOWN: Final = 4096

_decode = msgspec.json.Decoder(list[msgspec.Raw]).decode


def elements(file: BinaryIO, place: tuple[str, ...], *, block: int = BLOCK) -> Iterator[bytes]:
    """The exact bytes of each element of the array at the place, in order.

    Raises Truncated and Unreadable as `page.split` does, though for what stands behind an element after it
    was yielded; and Unreadable too for a key on the way to the array that comes twice, of which the last one
    would count.
    """
    window = _Window(file, block)
    window.drop(BOM)
    for depth, _ in enumerate(place):
        _enter(window, place, depth)
    if not (found := window.next()):
        raise window.odd("a value")
    if found != b"[":
        raise Unreadable(f"no array at {lenient.name_of(place)} but", window.ahead())
    yield from _elements(window)
    for depth in reversed(range(len(place))):
        _leave(window, place, depth)
    if window.next():
        raise Unreadable(f"the JSON ends at byte {window.offset}, followed by", window.ahead())


class _Window:
    """The part of the body that is looked at."""

    def __init__(self, file: BinaryIO, block: int) -> None:
        self._file = file
        self._block = block
        self.text = b""
        self.at = 0
        self._dropped = 0

    @property
    def offset(self) -> int:
        """Where in the body it is."""
        return self._dropped + self.at

    def more(self) -> bool:
        """Hold more of the body, at least twice as much if nothing of it was used; False at its end."""
        held = self.text[self.at :]
        read = self._file.read(max(self._block, len(held)))
        self._dropped += self.at
        self.text, self.at = held + read, 0
        return bool(read)

    def need(self, expected: str) -> None:
        """Hold more; Truncated at the end."""
        if not self.more():
            raise Truncated(
                f"the body ends at byte {self._dropped + len(self.text)} where {expected} should be"
            )

    def fill(self) -> None:
        """Hold at least half of a block, if there is as much."""
        if len(self.text) - self.at < self._block // 2:
            self.more()

    def next(self) -> bytes:
        """What comes behind space, a byte; nothing at the end."""
        while (begin := after_space(self.text, self.at)) == len(self.text):
            self.at = begin
            if not self.more():
                return b""
        self.at = begin
        return self.text[begin : begin + 1]

    def drop(self, start: bytes) -> None:
        """Leave this out, if the body begins with it."""
        while len(self.text) < len(start) and self.more():
            pass
        self.at = len(start) if self.text.startswith(start) else 0

    def ahead(self) -> bytes:
        """Some of what comes, for messages."""
        return self.text[self.at : self.at + SHOWN]

    def skip(self) -> None:
        """Go behind the value that begins here."""
        match self.next():
            case b"{" | b"[":
                self._skip_nested()
            case b'"':
                self.string()
            case _:
                self._skip_scalar()

    def string(self) -> bytes:
        """The string that begins here, in its quotes."""
        if self.next() != b'"':
            raise self.odd("a key")
        while (found := lenient.STRING.match(self.text, self.at)) is None:
            self.need("the end of a string")
        self.at = found.end()
        return found.group()

    def _skip_nested(self) -> None:
        depth = 0
        while True:
            for token in lenient.TOKEN.finditer(self.text, self.at):
                kind = token.group()
                if kind == b'"':  # the beginning of a string that ends later
                    self.at = token.start()
                    break
                depth += (kind in (b"{", b"[")) - (kind in (b"}", b"]"))
                if not depth:
                    self.at = token.end()
                    return
            else:
                self.at = len(self.text)
            self.need("the end of an object or array")

    def _skip_scalar(self) -> None:
        while (found := lenient.SCALAR.match(self.text, self.at)) is not None:
            if (
                found.end() < len(self.text) or not self.more()
            ):  # which leaves the place, or the text, as it is
                self.at = found.end()
                return
        raise self.odd("a value")

    def odd(self, expected: str, at: int | None = None) -> Truncated | Unreadable:
        """The error for something else here, or nothing."""
        at = self.at if at is None else at
        if at >= len(self.text):
            return Truncated(f"the body ends at byte {self._dropped + at} where {expected} should be")
        return Unreadable(
            f"{expected} should be at byte {self._dropped + at}, not", self.text[at : at + SHOWN]
        )


def _enter(window: _Window, place: tuple[str, ...], depth: int) -> None:
    """Go to the value of the key, in the object that begins here."""
    if not window.next():
        raise window.odd("a value")
    if window.next() != b"{":
        found = "the body itself is an array" if window.next() == b"[" and not depth else "there is no object"
        raise Unreadable(f"no array at {lenient.name_of(place)}; {found}")
    window.at += 1
    known = list[str]()
    while window.next() != b"}":
        key = _key(window)
        if key == place[depth]:
            return
        known.append(key)
        window.skip()
        _separate(window, b"}")
    raise Unreadable(f"no array at {lenient.name_of(place)}; the keys there are {', '.join(known) or 'none'}")


def _leave(window: _Window, place: tuple[str, ...], depth: int) -> None:
    """Go behind the object whose value was read."""
    _separate(window, b"}")
    while window.next() != b"}":
        if (key := _key(window)) == place[depth]:
            raise Unreadable(f"{key!r} comes twice on the way to {lenient.name_of(place)}")
        window.skip()
        _separate(window, b"}")
    window.at += 1


def _key(window: _Window) -> str:
    key = lenient.text_of(window.string())
    if window.next() != b":":
        raise window.odd("a colon")
    window.at += 1
    window.next()
    return key


def _separate(window: _Window, closing: bytes) -> None:
    """Go behind the comma, or stay before what closes."""
    found = window.next()
    if found == closing:
        return
    if found != b",":
        raise window.odd("a comma")
    window.at += 1
    if window.next() == closing:
        raise window.odd("a value")


def _elements(window: _Window) -> Iterator[bytes]:
    window.at += 1
    between = b""
    while (found := window.next()) != b"]":
        if not found:
            raise window.odd("a value")
        window.fill()
        cut = _cut_at_once(window, between)
        if not cut:
            cut, between = _cut_by_brackets(window, between)
        yield from cut
    window.at += 1


def _cut_at_once(window: _Window, between: bytes) -> list[bytes]:
    """Most of the elements of the window; none where it is in doubt."""
    text, at = window.text, len(window.text)
    for _ in range(TRIES if between else 0):
        at = text.rfind(between, window.at, at)
        if at < 0:
            break
        try:
            cut = _decode(b"[%b]" % text[window.at : at + 1])
        except (msgspec.DecodeError, UnicodeDecodeError, RecursionError):
            continue
        window.at = after_space(text, text.index(b",", at + 1) + 1)
        return list(map(bytes, cut))
    return []


def _cut_by_brackets(window: _Window, between: bytes) -> tuple[list[bytes], bytes]:
    """The elements of which the window holds the end, one at least; and what stands between two of them."""
    cut = list[bytes]()
    while window.text[window.at : window.at + 1] != b"]":
        ends = _ends(window)
        if ends is None and cut:
            break
        if ends is None:
            window.need("the end of a value")
            continue
        end, following = ends
        cut.append(window.text[window.at : end])
        between = between or _between(window.text, end, following)
        window.at = following
    return cut, between


def _ends(window: _Window) -> tuple[int, int] | None:
    """Where the element that begins here ends, and where the next one or the array's end is; None where the
    window does not tell.
    """
    text = window.text
    try:
        end = lenient.skip_element(text, window.at)
    except Truncated:
        return None
    except Unreadable as error:
        begins = window.offset - window.at
        raise Unreadable(f"in the part that begins at byte {begins}, {error.said}", error.content) from None
    at = after_space(text, end)
    if text[at : at + 1] == b"]":
        return end, at
    following = after_space(text, at + 1)
    if following >= len(text):
        return None
    if text[following : following + 1] == b"]":
        raise window.odd("a value", following)
    return end, following


def _between(text: bytes, end: int, following: int) -> bytes:
    """The last byte of an element, what follows it, and how the next one begins, with its first key."""
    if text[end - 1 : end] not in (b"}", b"]") or text[following : following + 1] not in (b"{", b"["):
        return b""
    key = lenient.STRING.match(text, after_space(text, following + 1))
    return text[end - 1 : key.end() if key else following + 1]
