"""How a stream's pages follow each other: small immutable declarations, one per way that APIs have of
saying "next".

A walk's state lives in the generator that `walk` returns: it yields a request and is sent what came back.
Each paginator ends by its own rule, told in its docstring; that a walk ends at all is the guard's business,
which knows a request and a page again by their hash, so that a repeated token, link or page is an error and
never an endless loop.
"""

from __future__ import annotations

from collections.abc import Generator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Any, Protocol

import httpx

from strandline.errors import UnexpectedResponse
from strandline.source import link
from strandline.source.page import Path
from strandline.source.request import Param, Request


@dataclass(frozen=True)
class Answer:
    """What a paginator may know of a page."""

    where: str
    """Stream and request, for messages."""
    url: str
    headers: Mapping[str, str]
    count: int
    found: Mapping[Path, Any]

    def following(self, target: str, first: Request) -> Request:
        """The same kind of request to the link that the source gave; a link carries its own parameters."""
        try:
            url = str(httpx.URL(self.url).join(target))
        except httpx.InvalidURL as error:
            raise UnexpectedResponse(
                f"{self.where}: the link to the next page is no URL: {error}",
                hint="Correct the paginator's path to the link; is it a token?",
            ) from error
        return replace(first, url=url, params={}, token=url)

    def required(self, path: Path) -> Any:
        """What stands there; raises UnexpectedResponse if nothing does."""
        if path not in self.found:
            raise UnexpectedResponse(
                f"{self.where}: the paginator expects {_shown(path)} in the body, which has none",
                hint="Correct the path, or declare a paginator that ends at an empty page.",
            )
        return self.found[path]

    def integer(self, path: Path) -> int:
        """The number that stands there, also as a text; raises UnexpectedResponse if it is none."""
        value = self.required(path)
        try:
            return int(value)
        except (TypeError, ValueError) as error:
            raise UnexpectedResponse(
                f"{self.where}: the paginator expects a number at {_shown(path)}, not {value!r}"
            ) from error


Walk = Generator[Request, Answer, None]


class Paginator(Protocol):
    """Turns the first request into all of them."""

    @property
    def wanted(self) -> Sequence[Path]:
        """Paths in the body that the walk needs to see."""

    def walk(self, first: Request) -> Walk:
        """Yield each request; is sent the answer to it."""


@dataclass(frozen=True)
class SinglePage:
    """All records in one answer: ends after it."""

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

    param: Param = "page"
    start: int = 1
    size: int | None = None
    size_param: Param = "page_size"
    total_pages: Path = None
    has_more: Path = None
    short_page_ends: bool = False

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
    `short_page_ends=True` also ends at a page of fewer than `limit` records, which saves the last request.
    """

    limit: int | None = None
    param: Param = "offset"
    limit_param: Param = "limit"
    start: int = 0
    total: Path = None
    has_more: Path = None
    short_page_ends: bool = False

    @property
    def wanted(self) -> Sequence[Path]:
        """The fields that tell the end."""
        return [path for path in (self.total, self.has_more) if path is not None]

    def walk(self, first: Request) -> Walk:
        """Move on by as many records as came."""
        limit: dict[Param, object] = {} if self.limit is None else {self.limit_param: self.limit}
        offset = self.start
        while True:
            answer = yield first.adding({self.param: offset, **limit}, token=str(offset))
            offset += answer.count
            if self._is_last(answer, offset):
                return

    def _is_last(self, answer: Answer, offset: int) -> bool:
        if self.has_more is not None:
            return not answer.required(self.has_more)
        if self.total is not None:
            return offset - self.start >= answer.integer(self.total)
        return _is_end(answer.count, self.limit if self.short_page_ends else None)


@dataclass(frozen=True)
class TokenInBody:
    """The body names the next page's token, `{"data": […], "next_token": "abc"}`: ends when it is
    missing, null or empty.
    """

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


def _shown(path: Path) -> str:
    return repr(".".join(path) if isinstance(path, tuple) else path)
