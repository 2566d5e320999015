"""Paging by what was read last: the next page begins behind the last record's cursor and key."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from functools import partial
from typing import Any

import xxhash

from strandline.errors import DeclarationError, PaginationLoop, UnexpectedResponse
from strandline.source.page import Path
from strandline.source.request import Answer, Param, Request, Walk
from strandline.source.selector import value_at
from strandline.source.sizing import Size, Sizing, check_size


@dataclass(frozen=True, kw_only=True)
class Keyset:
    """`?after=2026-03-01T08:00:00Z&after_id=C-17`: what lies behind the last record, by (cursor, key).

    The records come ordered by cursor, then key, and the API leaves out all up to that pair. Nothing is
    counted, so what is inserted, deleted or changed meanwhile moves nothing out of the way. Ends when
    `has_more` says no, where declared; else at an empty page.

    Without `key` the API filters by the cursor alone and includes it (`>=`): the records of the last instant
    come again and are dropped. That needs a `limit` which the API grants, and more room in a page than one
    instant has records: a page that is full of one instant is a PaginationLoop. Ends at a page that brings
    nothing new.

    `cursor` and `key` are paths in a record; `param` and `key_param` where they go. Where the stream has a
    cursor, `param` is the parameter of its `since` too.
    """

    cursor: Path
    param: Param
    key: Path = None
    key_param: Param | None = None
    limit: Size = None
    limit_param: Param = "limit"
    has_more: Path = None

    def __post_init__(self) -> None:
        check_size(self.limit, where=repr(self))
        if (self.key is None) != (self.key_param is None):
            raise DeclarationError(f"{self!r}: key and key_param go together")
        if self.key is None and not isinstance(self.limit, int):
            raise DeclarationError(
                f"{self!r}: without a key nobody can tell a full page from the last one",
                hint="Declare the limit that is asked for, or key and key_param.",
            )

    @property
    def wanted(self) -> Sequence[Path]:
        """The field that tells the end."""
        return [] if self.has_more is None else [self.has_more]

    def walk(self, first: Request) -> Walk:
        """Ask behind the last record of each page."""
        cursor_of, key_of = value_at(self.cursor), value_at(self.key)
        sizing, instant = Sizing(self.limit), _Instant(self.limit if isinstance(self.limit, int) else 0)
        request, asked = first, None
        while True:
            answer = yield from sizing.ask(partial(self._sized, request))
            if not answer.records:
                return
            last = answer.records[-1]
            key = None if self.key is None else self._check(key_of(last), self.key, last, answer)
            pair = (self._check(cursor_of(last), self.cursor, last, answer), key)
            if self.key is None:
                cursors = list(map(cursor_of, answer.records))
                if instant.is_before(answer.records[0]):
                    raise self._loop(answer, pair, "comes what lies before it")
                answer.records = instant.sift(answer.records, cursors)
                if asked == pair:
                    if answer.count >= instant.full:
                        raise self._loop(answer, pair, f"comes a page full of it, {answer.count} records")
                    return
            elif asked == pair:
                raise self._loop(answer, pair, "the last record is the same again")
            if self.has_more is not None and not answer.required(self.has_more):
                return
            asked = pair
            # With an inclusive filter the one page may be the same as the other, if that is all there is.
            request = replace(self._behind(first, pair), lap=request.lap + (self.key is None))

    def _sized(self, request: Request, limit: int | None) -> Request:
        params: dict[Param, object] = {} if limit is None else {self.limit_param: limit}
        return request.adding(params, token=request.token)

    def _behind(self, first: Request, pair: tuple[Any, Any]) -> Request:
        params: dict[Param, object] = {self.param: pair[0]}
        if self.key_param is not None:
            params[self.key_param] = pair[1]
        return first.adding(params, token=" ".join(str(it) for it in pair if it is not None))

    def _check(self, value: Any, path: Path, record: bytes, answer: Answer) -> Any:
        if isinstance(value, str | int | float) and not isinstance(value, bool):
            return value
        raise UnexpectedResponse(
            f"{answer.where}: the last record has no text or number at {path!r}, so nobody can tell what"
            f" lies behind it: {record[:80].decode('utf-8', 'replace')!r}",
            hint="Have the API sort by a field that every record has.",
        )

    def _loop(self, answer: Answer, pair: tuple[Any, Any], what: str) -> PaginationLoop:
        return PaginationLoop(
            f"{answer.where}: behind {pair[0]!r} {what}, so reading on would never end",
            hint="Check the names of the parameters; where the API takes no key, raise the limit.",
        )


class _Instant:
    """The records of the last instant, which an inclusive filter sends again."""

    def __init__(self, limit: int) -> None:
        self.full = limit
        """So many records fill a page, as far as is known: an API may grant less than is asked for."""
        self._known: set[bytes] = set()
        self._before: set[bytes] = set()
        self._cursor: Any = None
        self._count = 0

    def is_before(self, record: bytes) -> bool:
        """Whether it came with the page before, and lies before the instant that was asked for."""
        return xxhash.xxh3_128_digest(record) in self._before

    def sift(self, records: list[bytes], cursors: Sequence[Any]) -> list[bytes]:
        """Those that are new."""
        digests = [xxhash.xxh3_128_digest(it) for it in records]
        fresh = [it for it, digest in zip(records, digests, strict=True) if digest not in self._known]
        if self._count == len(records) and cursors[-1] != self._cursor:  # neither was the last one
            self.full = min(self.full, self._count)
        kept = self._known if cursors[-1] == self._cursor else set()
        self._known = kept | {it for it, at in zip(digests, cursors, strict=True) if at == cursors[-1]}
        self._before = {it for it, at in zip(digests, cursors, strict=True) if at != cursors[-1]}
        self._cursor, self._count = cursors[-1], len(records)
        return fresh
