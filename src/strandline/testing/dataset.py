"""Records as a scripted API pages them: encoded once, cut by the paging style, filtered by a `since`
parameter, whatever it is called.

    style         request                        says what is next by page          ?page=1&page_size=100
    nothing (an empty page ends it); "total_pages" and "has_more" are there offset
    ?offset=0&limit=100            nothing (an empty page ends it); "total" and "has_more" are there token
    ?page_token=…                  "next_token" in the body link_body
    "next" in the body link_header                                  Link: <…>; rel="next" token_header
    ?page_token=…                  Next-Page-Token: … url_header
    Next-Page: <the URL itself>

The body is `{"data": […], …}`, or the bare array with `records_at=None`.
"""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any, Literal
from urllib.parse import urlencode

Style = Literal["page", "offset", "token", "link_body", "link_header", "token_header", "url_header"]
RawRecord = Mapping[str, Any] | bytes
"""Bytes are served exactly as they are, JSON or not."""


@dataclass(frozen=True)
class ServedPage:
    """A body, and the headers that belong to it."""

    body: bytes
    headers: Mapping[str, str]


@dataclass(frozen=True)
class _Window:
    begin: int
    size: int
    total: int
    where: int
    """The page number or offset that was asked for."""

    @property
    def end(self) -> int:
        return min(self.begin + self.size, self.total)

    @property
    def has_more(self) -> bool:
        return self.end < self.total


class Dataset:
    """The records of one path. Immutable: serve another one to change what the API knows."""

    def __init__(
        self,
        records: Iterable[RawRecord],
        *,
        page_size: int = 100,
        style: Style = "page",
        records_at: str | None = "data",
        since_field: str | None = None,
        since_param: str = "since",
    ) -> None:
        self._since_param = since_param
        self._page_size = page_size
        self._style = style
        self._records_at = records_at
        kept = list(records)
        self._records = [_encode(record) for record in kept]
        self._since = [_comparable(_value(record, since_field)) for record in kept] if since_field else None
        self._selections: dict[str | None, list[bytes]] = {None: self._records}

    def __len__(self) -> int:
        return len(self._records)

    def page(self, query: Mapping[str, str], *, url: str) -> ServedPage:
        """What the API answers to these parameters; `url` is its own, for links."""
        since = query.get(self._since_param) if self._since is not None else None
        records = self._select(since)
        window = self._window(query, len(records))
        following = self._following(query, window, url)
        beside = {**self._totals(window), **following.get("body", {})}
        body = self._body(records[window.begin : window.end], beside)
        return ServedPage(body, following.get("headers", {}))

    def _select(self, since: str | None) -> list[bytes]:
        if since not in self._selections and self._since is not None and since is not None:
            lowest = _comparable(since)
            self._selections[since] = [
                record for record, value in zip(self._records, self._since, strict=True) if value >= lowest
            ]
        return self._selections[since]

    def _window(self, query: Mapping[str, str], total: int) -> _Window:
        match self._style:
            case "page":
                size = int(query.get("page_size", self._page_size))
                number = int(query.get("page", "1"))
                return _Window((number - 1) * size, size, total, number)
            case "offset":
                size = int(query.get("limit", self._page_size))
                offset = int(query.get("offset", "0"))
                return _Window(offset, size, total, offset)
        begin = int(query.get("page_token", "t0").removeprefix("t"))
        return _Window(begin, self._page_size, total, begin)

    def _totals(self, window: _Window) -> dict[str, Any]:
        totals = {"total": window.total, "has_more": window.has_more}
        match self._style:
            case "page":
                return {"page": window.where, "total_pages": -(-window.total // window.size), **totals}
            case "offset":
                return {"offset": window.where, **totals}
        return {}

    def _following(self, query: Mapping[str, str], window: _Window, url: str) -> dict[str, dict[str, str]]:
        if not window.has_more:
            return {}
        token = f"t{window.end}"
        link = f"{url}?{urlencode({**query, 'page_token': token})}"
        match self._style:
            case "token":
                return {"body": {"next_token": token}}
            case "link_body":
                return {"body": {"next": link}}
            case "link_header":
                return {"headers": {"Link": f'<{url}>; rel="first", <{link}>; rel="next"'}}
            case "token_header":
                return {"headers": {"Next-Page-Token": token}}
            case "url_header":
                return {"headers": {"Next-Page": link}}
        return {}

    def _body(self, records: list[bytes], beside: Mapping[str, Any]) -> bytes:
        array = b"[" + b",".join(records) + b"]"
        if self._records_at is None:
            return array
        rest = b", " + json.dumps(beside).encode()[1:-1] if beside else b""
        return b"{" + json.dumps(self._records_at).encode() + b": " + array + rest + b"}"


def _encode(record: RawRecord) -> bytes:
    if isinstance(record, bytes):
        return record
    return json.dumps(record, ensure_ascii=False, default=str, separators=(",", ":")).encode()


def _value(record: RawRecord, field: str) -> Any:
    decoded = json.loads(record) if isinstance(record, bytes) else record
    return decoded[field]


def _comparable(value: Any) -> tuple[int, Any]:
    """Numbers, then times, then text; a date means its first moment."""
    text = str(value)
    if text.lstrip("-").isdecimal():
        return 0, int(text)
    try:
        moment = datetime.fromisoformat(text)
    except ValueError:
        return 2, text
    return 1, moment if moment.tzinfo else moment.replace(tzinfo=UTC)
