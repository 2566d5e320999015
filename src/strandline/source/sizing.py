"""How many records to ask for at once: a number, or a range in which the answers decide.

An API that answers 413, or not in time, or with more than is good to hold at once, is asked for fewer. After
some good pages it is asked for more again, but for a while not for as many as went wrong.
"""

from __future__ import annotations

from collections.abc import Callable, Generator
from dataclasses import dataclass, replace
from typing import Final

from strandline import log
from strandline.errors import DeclarationError
from strandline.source.request import Answer, Request

GOOD_PAGES: Final = 5
"""In a row, before more is asked for."""
WARY_PAGES: Final = 50
"""For so many pages what went wrong is not tried again."""


@dataclass(frozen=True)
class Adaptive:
    """A page size in a range: `Offset(limit=Adaptive(50, 1000))` asks for 1,000, for half where that is too
    much, down to 50, and slowly for more again.

    Too much is a 413, a 504, no answer within the timeout, and an answer of more than `most_bytes`, which is
    kept. At the lowest size such an answer is what it is without a range: tried again, or an error.
    """

    lowest: int
    highest: int
    most_bytes: int = 32 * 1024 * 1024

    def __post_init__(self) -> None:
        if not 0 < self.lowest <= self.highest or self.most_bytes <= 0:
            raise DeclarationError(
                f"{self!r}: is no range of page sizes", hint="Write it as Adaptive(50, 1000)."
            )


Size = int | Adaptive | None
"""Records of a page; None lets the API decide."""


def check_size(size: Size, *, where: str) -> None:
    """Raises DeclarationError for pages of none, which would look like the end."""
    if isinstance(size, int) and size < 1:
        raise DeclarationError(f"{where}: a page has at least one record")


class TooMuch(Exception):
    """The API could not answer for so many records; never leaves the source layer."""


class Sizing:
    """The size of one walk's pages, as it is now."""

    def __init__(self, declared: Size) -> None:
        self._range = declared if isinstance(declared, Adaptive) else None
        self.size = declared.highest if isinstance(declared, Adaptive) else declared
        self.asked = self.size
        """What the last page was asked for with."""
        self._good = self._wary = 0
        self._ceiling = self._range.highest if self._range else 0

    def ask(self, make: Callable[[int | None], Request]) -> Generator[Request, Answer, Answer]:
        """Ask for a page of the size, and of less while that is too much."""
        while True:
            can_shrink = self._range is not None and self.size is not None and self.size > self._range.lowest
            self.asked = self.size
            try:
                answer = yield replace(make(self.size), can_shrink=can_shrink)
            except TooMuch as error:
                self._shrink(str(error))
                continue
            self._learn(answer)
            return answer

    def _shrink(self, why: str) -> None:
        if self._range is None or self.size is None:
            return
        self._ceiling, self._good, self._wary = max(self.size - 1, self._range.lowest), 0, WARY_PAGES
        self.size = max(self.size // 2, self._range.lowest)
        log.warn("asking for fewer", size=self.size, reason=why)

    def _learn(self, answer: Answer) -> None:
        if self._range is None or self.size is None:
            return
        if answer.size > self._range.most_bytes:
            self._shrink(f"an answer of {answer.size} bytes")
            return
        self._good, self._wary = self._good + 1, self._wary - 1
        if self._wary <= 0:
            self._ceiling = self._range.highest
        if self._good >= GOOD_PAGES and self.size < self._ceiling:
            self._good = 0
            self.size = min(self.size * 2, self._ceiling)
