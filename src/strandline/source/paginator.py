"""How a stream's pages follow each other: small immutable declarations, one per way that APIs have of
saying "next".

A walk's state lives in the generator that `walk` returns: it yields a request and is sent what came back.
Each paginator ends by its own rule, told in its docstring; that a walk ends at all is the guard's business,
which knows a request and a page again by their hash, so that a repeated token, link or page is an error and
never an endless loop.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from functools import partial
from typing import Any, ClassVar

from strandline.errors import DeclarationError, UnexpectedResponse
from strandline.source import link
from strandline.source.overlap import overlapping
from strandline.source.page import Path
from strandline.source.request import Answer, Param, Request, Walk
from strandline.source.sizing import Size, Sizing, check_size


@dataclass(frozen=True)
class SinglePage:
    """All records in one answer: ends after it."""

    sees_records: ClassVar[bool] = False

    wanted: Sequence[Path] = ()

    def walk(self, first: Request) -> Walk:
        """Ask once."""
        yield first


@dataclass(frozen=True, kw_only=True)
class PageNumber:
    """`?page=1&page_size=1000`: ends at `total_pages` or when `has_more` says no, where declared; else at
    an empty page.

    `short_page_ends=True` also ends at a page of fewer than `size` records, which saves the last request.
    It is not the default because a source that caps the size would then seem to end after its first page.
    """

    sees_records: ClassVar[bool] = False

    param: Param = "page"
    start: int = 1
    size: int | None = None
    size_param: Param = "page_size"
    total_pages: Path = None
    has_more: Path = None
    short_page_ends: bool = False

    def __post_init__(self) -> None:
        check_size(self.size, where=repr(self))

    @property
    def wanted(self) -> Sequence[Path]:
        """The fields that tell the end."""
        return [path for path in (self.total_pages, self.has_more) if path is not None]

    def walk(self, first: Request) -> Walk:
        """Count pages up."""
        size: dict[Param, object] = {} if self.size is None else {self.size_param: self.size}
        number = self.start
        while True:
            answer = yield first.adding({self.param: number, **size}, token=str(number))
            if self._is_last(answer, number):
                return
            number += 1

    def _is_last(self, answer: Answer, number: int) -> bool:
        if self.has_more is not None:
            return not answer.required(self.has_more)
        if self.total_pages is not None:
            return number - self.start + 1 >= answer.integer(self.total_pages)
        return _is_end(answer.count, self.size if self.short_page_ends else None)


@dataclass(frozen=True, kw_only=True)
class Offset:
    """`?offset=2000&limit=1000`: ends at `total` records or when `has_more` says no, where declared; else
    at an empty page.

    The offset grows by what came, not by what was asked for, so a source that caps the limit loses nothing.
    A `total` may be wrong: behind a full page one more is asked for, and a total that is not reached is
    an UnexpectedResponse. `short_page_ends=True` also ends at a page of fewer than `limit` records, which
    saves the last request. With an `overlap` each page begins so many records before the end of the last
    one, and what is inserted or deleted before the walk's place is noticed and costs no record.
    """

    limit: Size = None
    overlap: int = 0
    param: Param = "offset"
    limit_param: Param = "limit"
    start: int = 0
    total: Path = None
    has_more: Path = None
    short_page_ends: bool = False

    def __post_init__(self) -> None:
        check_size(self.limit, where=repr(self))
        limit = self.limit if isinstance(self.limit, int) else 0
        if self.overlap and (not 0 < self.overlap < limit or self.short_page_ends):
            raise DeclarationError(
                f"{self!r}: pages overlap by fewer records than they have, so they need a limit,"
                " and a short one is not the end",
                hint="Declare it as in Offset(limit=100, overlap=5).",
            )

    @property
    def sees_records(self) -> bool:
        """Where pages overlap."""
        return bool(self.overlap)

    @property
    def wanted(self) -> Sequence[Path]:
        """The fields that tell the end."""
        return [path for path in (self.total, self.has_more) if path is not None]

    def walk(self, first: Request) -> Walk:
        """Move on by as many records as came."""
        if self.overlap and isinstance(self.limit, int):
            yield from overlapping(
                first,
                overlap=self.overlap,
                start=self.start,
                place=lambda at: self._place(at, self.limit),
                is_last=self._is_declared_last,
            )
            return
        offset, sizing = self.start, Sizing(self.limit)
        while True:
            answer = yield from sizing.ask(partial(self._at, first, offset))
            offset += answer.count
            if self._is_last(answer, offset, sizing.asked):
                return

    def _at(self, first: Request, offset: int, limit: int | None) -> Request:
        return first.adding(self._place(offset, limit), token=str(offset))

    def _place(self, offset: int, limit: object) -> dict[Param, object]:
        return {self.param: offset, **({} if limit is None else {self.limit_param: limit})}

    def _is_last(self, answer: Answer, offset: int, limit: int | None) -> bool:
        if self.has_more is None and self.total is None:
            return _is_end(answer.count, limit if self.short_page_ends else None)
        is_full = self.total is not None and limit is not None and answer.count >= limit
        return self._is_declared_last(answer, offset) and not is_full

    def _is_declared_last(self, answer: Answer, offset: int) -> bool:
        if self.has_more is not None:
            return not answer.required(self.has_more)
        if self.total is None:
            return False
        total, read = answer.integer(self.total), offset - self.start
        if not answer.count and read < total:
            raise UnexpectedResponse(
                f"{answer.where}: {self.total!r} says that there are {total:,},"
                f" and behind {read:,} comes nothing",
                hint="If that number is wrong, leave total out: then an empty page is the end.",
            )
        return read >= total


@dataclass(frozen=True)
class TokenInBody:
    """The body names the next page's token, `{"data": […], "next_token": "abc"}`: ends when it is
    missing, null or empty.
    """

    sees_records: ClassVar[bool] = False

    token: Path = "next_token"
    param: Param = field(default="page_token", kw_only=True)

    @property
    def wanted(self) -> Sequence[Path]:
        """Where the token is."""
        return [self.token]

    def walk(self, first: Request) -> Walk:
        """Send each token back."""
        answer = yield first
        while token := _text(value := answer.found.get(self.token)):
            answer = yield first.adding({self.param: value}, token=token)


@dataclass(frozen=True)
class LinkInBody:
    """The body links to the next page, `{"data": […], "next": "https://…"}`: ends when it is missing,
    null or empty.
    """

    sees_records: ClassVar[bool] = False

    link: Path = "next"

    @property
    def wanted(self) -> Sequence[Path]:
        """Where the link is."""
        return [self.link]

    def walk(self, first: Request) -> Walk:
        """Follow each link, relative ones from the page they stand on."""
        answer = yield first
        while target := _text(answer.found.get(self.link)):
            answer = yield answer.following(target, first)


@dataclass(frozen=True)
class LinkHeader:
    """`Link: <https://…>; rel="next"` as in RFC 8288: ends when no link has the relation."""

    sees_records: ClassVar[bool] = False

    relation: str = "next"
    wanted: Sequence[Path] = field(default=(), kw_only=True)

    def walk(self, first: Request) -> Walk:
        """Follow each link."""
        answer = yield first
        while target := link.find(answer.headers.get("link", ""), self.relation):
            answer = yield answer.following(target, first)


@dataclass(frozen=True)
class TokenInHeader:
    """A header names the next page's token: ends when it is missing or empty."""

    sees_records: ClassVar[bool] = False

    header: str
    param: Param = field(default="page_token", kw_only=True)
    wanted: Sequence[Path] = field(default=(), kw_only=True)

    def walk(self, first: Request) -> Walk:
        """Send each token back."""
        answer = yield first
        while token := answer.headers.get(self.header, ""):
            answer = yield first.adding({self.param: token}, token=token)


@dataclass(frozen=True)
class LinkInHeader:
    """A header of its own holds the next page's bare URL (Kinto's `Next-Page`): ends when it is missing
    or empty.
    """

    sees_records: ClassVar[bool] = False

    header: str
    wanted: Sequence[Path] = field(default=(), kw_only=True)

    def walk(self, first: Request) -> Walk:
        """Follow each link."""
        answer = yield first
        while target := answer.headers.get(self.header, ""):
            answer = yield answer.following(target, first)


def _is_end(count: int, full: int | None) -> bool:
    return count == 0 or (full is not None and count < full)


def _text(value: Any) -> str:
    return "" if value is None or value is False else str(value)
