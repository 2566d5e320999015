"""A state: how far a source has been read, in words that only the source understands.

It is an opaque token, a tap's STATE or a list of files that were read: a text, mostly JSON. As a read mark it
is encoded as "state:…", beside the types that a cursor has.
"""

from __future__ import annotations

from typing import Final

from msgspec import Struct

from strandline.errors import UnexpectedResponse

KIND: Final = "state:"
"""How a mark that is a state begins."""

SHOWN: Final = 200
"""So many letters of a state are noted of each run; the mark has all."""


class State(Struct, frozen=True):
    """How far a source has been read, yielded to `paged` behind the records that it covers."""

    text: str


def encode(text: str, *, where: str) -> str:
    """The state as a mark. Raises UnexpectedResponse for one that PostgreSQL could not hold."""
    if "\0" in text or any("\ud800" <= letter <= "\udfff" for letter in text):
        raise UnexpectedResponse(
            f"{where}: its state has a NUL or half a surrogate pair in it: {text[:SHOWN]!r}",
            hint="Let it be JSON, which escapes both.",
        )
    return KIND + text


def decode(mark: str | None) -> str | None:
    """The state that the mark is; None where it is none."""
    return mark.removeprefix(KIND) if mark is not None and mark.startswith(KIND) else None


def abridged(mark: str | None) -> str | None:
    """The mark as runs are told of it: of a long state its beginning, and how long it is."""
    if mark is None or not mark.startswith(KIND) or len(mark) <= SHOWN:
        return mark
    return f"{mark[:SHOWN]}… ({len(mark) - len(KIND):,} letters)"
