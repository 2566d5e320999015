"""What keeps a walk from going on for ever: a request or a page that comes again is known by its hash."""

from __future__ import annotations

from collections.abc import Callable, Sequence

import xxhash

from strandline.errors import PaginationLoop
from strandline.source.request import Request


class Guard:
    """Knows the requests and pages of one walk again; keeps 16 bytes of each, never the page."""

    def __init__(self, show_token: Callable[[str | None], str]) -> None:
        self._show_token = show_token
        self._requests: set[bytes] = set()
        self._pages: dict[bytes, int] = {}
        self._lap = 0

    def check_request(self, request: Request, *, where: str, number: int) -> None:
        """A request that was made before would bring what it brought before."""
        if request.lap != self._lap:  # the paginator goes back, and knows what it does
            self._lap = request.lap
            self._requests.clear()
            self._pages.clear()
        identity = repr((request.url, sorted(request.params.items()), request.body))
        digest = xxhash.xxh3_128_digest(identity.encode())
        if digest in self._requests:
            raise self._loop(where, number, request, what="is asked for with a request that was made before")
        self._requests.add(digest)

    def check_page(self, seen: Seen, *, where: str, number: int, request: Request) -> None:
        """The same records under another number or token mean that the source ignores it. Empty pages
        may repeat.
        """
        if not seen.count:
            return
        digest = seen.digest()
        if digest in self._pages:
            what = f"has the same {seen.count} records as page {self._pages[digest]}"
            raise self._loop(where, number, request, what=what)
        self._pages[digest] = number

    def _loop(self, where: str, number: int, request: Request, *, what: str) -> PaginationLoop:
        token = self._show_token(request.token)
        return PaginationLoop(
            f"{where}: page {number} (token {token!r}) {what}, so reading on would never end",
            hint="Check the paginator's parameter names: ignored ones bring the first page again.",
        )


class Seen:
    """The records of a page, of which a hash is kept."""

    def __init__(self, records: Sequence[bytes]) -> None:
        self._hasher = xxhash.xxh3_128()
        self.count = 0
        self.add(records)

    def add(self, records: Sequence[bytes]) -> None:
        """See these as well."""
        self.count += len(records)
        if records:
            # Joined: two calls for each record would take six times as long as the copy.
            self._hasher.update(b"\n".join(records))
            self._hasher.update(b"\n")

    def digest(self) -> bytes:
        """The hash of all of them."""
        return self._hasher.digest()
