"""An endpoint that is read only if it has changed: the validators of its last answer are the stream's state.

What the API sent, an ETag or a time, is stored in the transaction that stores the records, and so it never
vouches for records that are not there. With the next request it goes back, and a 304 means that nothing is
new.
"""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import timedelta
from typing import ClassVar, Final

import xxhash

from strandline.source.page import Path
from strandline.source.quota import read_http_date
from strandline.source.request import Request, Walk

NOT_MODIFIED: Final = 304
_STEP: Final = timedelta(seconds=1)
"""What an HTTP date can tell apart."""


@dataclass(frozen=True)
class IfChanged:
    """`paginator=IfChanged(since)`: all records in one answer, or none if it is the one of last time.

    `since` is what the stream's method takes, a state; the stream has no cursor. An API that sends neither
    ETag nor Last-Modified is read each time, and so is one that is asked for something else than last time.
    """

    sees_records: ClassVar[bool] = False

    since: str | None
    wanted: Sequence[Path] = field(default=(), kw_only=True)

    def walk(self, first: Request) -> Walk:
        """Ask once."""
        asked = _digest(first)
        answer = yield replace(first, headers={**first.headers, **self._conditions(asked)})
        if answer.status != NOT_MODIFIED:
            validators = _validators(answer.headers)
            answer.state = json.dumps({"asked": asked, **validators}) if validators else None

    def _conditions(self, asked: str) -> dict[str, str]:
        try:
            known = json.loads(self.since or "{}")
        except ValueError:  # another source's words: everything is read
            return {}
        if not isinstance(known, dict) or known.get("asked") != asked:
            return {}
        named = {"If-None-Match": known.get("etag"), "If-Modified-Since": known.get("last_modified")}
        return {name: value for name, value in named.items() if isinstance(value, str)}


def _validators(headers: Mapping[str, str]) -> dict[str, str]:
    found = {}
    if etag := headers.get("etag"):
        found["etag"] = etag
    changed, sent = (read_http_date(headers.get(name, "")) for name in ("last-modified", "date"))
    # What changes once more within the second of its last change keeps that time.
    if changed and sent and sent - changed > _STEP:
        found["last_modified"] = headers["last-modified"]
    return found


def _digest(request: Request) -> str:
    """Of what is asked for: some APIs have one ETag for everything."""
    asked = repr((request.method, request.url, sorted(request.params.items()), request.body))
    return xxhash.xxh3_128_hexdigest(asked.encode())
