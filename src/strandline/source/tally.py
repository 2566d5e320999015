"""What an API says of a walk as a whole: how many records it has, and how far it goes.

The first is compared with what came, where somebody wants to know whether a read was complete; the second is
the state that goes with the page on which it stands.
"""

from __future__ import annotations

from collections.abc import Mapping
from contextvars import ContextVar
from dataclasses import dataclass
from typing import Any

from msgspec import Struct

from strandline.errors import UnexpectedResponse
from strandline.source.page import Path
from strandline.source.request import Answer


@dataclass(frozen=True)
class Header:
    """A header of the answer, where something stands that others have in the body."""

    name: str


Place = Path | Header


class Walk(Struct, frozen=True):
    """A walk that has come to its end by its own rule."""

    where: str
    said: int
    came: int


walks: ContextVar[list[Walk] | None] = ContextVar("walks", default=None)
"""Where walks whose length is known are noted when they have ended; None: nobody wants to know."""


class Tally:
    """Counts what one walk brings, and sees what the API says of it."""

    def __init__(self, total: Place, state: Place) -> None:
        self._total = total
        self._state = state
        self._walks = walks.get()
        self._where = ""
        self._said: int | None = None
        self._came = 0

    @property
    def wanted(self) -> list[Path]:
        """Paths in the body that have to be seen."""
        return [it for it in (self._total, self._state) if it is not None and not isinstance(it, Header)]

    def take(self, answer: Answer) -> str | None:
        """Count an answer's records; the state that it carries, if any. Raises UnexpectedResponse for a total
        that is no number.
        """
        self._where = self._where or answer.where
        self._came += answer.earlier + len(answer.records)
        if self._total is not None:
            self._said = _number(_value(answer, self._total), answer, self._total)
        state = None if self._state is None else _value(answer, self._state)
        return None if state in (None, "", False) else str(state)

    def end(self) -> None:
        """The walk is through."""
        if self._walks is not None and self._said is not None:
            self._walks.append(Walk(self._where, self._said, self._came))


def _value(answer: Answer, at: Place) -> Any:
    headers: Mapping[str, str] = answer.headers
    return headers.get(at.name) if isinstance(at, Header) else answer.found.get(at)


def _number(value: Any, answer: Answer, at: Place) -> int:
    try:
        return int(value)
    except (TypeError, ValueError) as error:
        raise UnexpectedResponse(
            f"{answer.where}: how many records there are should stand at {at!r}, where {value!r} is",
            hint="Correct total=, or leave it out: then nothing is compared.",
        ) from error
