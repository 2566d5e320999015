"""An access token that is kept in memory: fetched when it is first needed, again shortly before it expires,
and once more where the API answers 401.

Streams share their source's credentials, so one thread fetches while the others wait for what it gets. The
requests that fetch go through the source's own client, with its certificates, its proxy and its timeout.
"""

from __future__ import annotations

import threading
import time
from collections.abc import Generator
from dataclasses import dataclass
from typing import TypeVar

import httpx
from pydantic import SecretStr

from strandline.source.auth import Credentials

T = TypeVar("T")

Steps = Generator[httpx.Request, httpx.Response, T]
"""Requests that go out, answers that come in, and what is known in the end."""

_SENT = "strandline.sent"
_REFUSED = "strandline.refused"
_EARLY_SECONDS = 60.0
_EARLY_SHARE = 0.1


@dataclass(frozen=True, slots=True)
class Token:
    """What an endpoint handed out."""

    access: SecretStr
    good_until: float | None = None
    """When to fetch another, by this machine's clock; None: when the API refuses it."""
    refresh: SecretStr | None = None

    @property
    def is_good(self) -> bool:
        """Whether it may still be sent."""
        return self.good_until is None or time.time() < self.good_until


def end_of(lifetime: float | None) -> float | None:
    """When to stop using what lasts for so many seconds: a minute before the end, or a tenth of its life."""
    if lifetime is None:
        return None
    return time.time() + lifetime - min(_EARLY_SECONDS, lifetime * _EARLY_SHARE)


class TokenCredentials(Credentials):
    """Credentials that have to be exchanged for a token; a subclass says how."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._token: Token | None = None

    def obtain(self, request: httpx.Request, *, refused: Token | None) -> Steps[Token]:
        """Fetch a token, in the place of the one that the API has refused, if it has."""
        raise NotImplementedError

    def sign(self, request: httpx.Request, token: Token) -> None:
        """Put the token where the API looks for it."""
        request.headers["Authorization"] = f"Bearer {token.access.get_secret_value()}"

    def saw(self, response: httpx.Response) -> None:
        """Look at what the API answers; most have no use for it."""

    def auth_flow(self, request: httpx.Request) -> Steps[None]:
        """Send the request with a token; once again, with another token, after a 401."""
        token = yield from self._signed(request, refused=request.extensions.pop(_REFUSED, None))
        response = yield request
        self.saw(response)
        if response.status_code == httpx.codes.UNAUTHORIZED:
            yield from self._signed(request, refused=token)
            self.saw((yield request))

    def renew(self, request: httpx.Request) -> bool:
        """Send this request with another token the next time."""
        request.extensions[_REFUSED] = request.extensions.get(_SENT)
        return request.extensions[_REFUSED] is not None

    def _signed(self, request: httpx.Request, *, refused: Token | None) -> Steps[Token]:
        token = yield from self._current(request, refused=refused)
        self.sign(request, token)
        # Which token it was must be known where an answer with a 200 refuses it: streams share this.
        request.extensions[_SENT] = token
        return token

    def _current(self, request: httpx.Request, *, refused: Token | None) -> Steps[Token]:
        # Held while the token is fetched; httpx closes this generator whatever happens, which gives it back.
        with self._lock:
            if self._token is None or self._token is refused or not self._token.is_good:
                self._token = yield from self.obtain(request, refused=refused)
                refresh = self._token.refresh
                self.redaction.learn(
                    self._token.access.get_secret_value(), refresh.get_secret_value() if refresh else None
                )
            return self._token


def ask(
    before: httpx.Request,
    method: str,
    url: str,
    *,
    form: dict[str, str] | None = None,
    json: object = None,
) -> httpx.Request:
    """A request that must be answered before this one can go out; `url` may be a path on its host."""
    return httpx.Request(
        method,
        before.url.join(url),
        data=form,
        json=json,
        headers={"Accept": "application/json"},
        # The client puts the timeout only into requests of its own.
        extensions={"timeout": before.extensions.get("timeout", {})},
    )
