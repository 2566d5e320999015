"""A token endpoint of OAuth 2 on order: client credentials, refresh tokens that are good for one use, JWT
assertions, and paths that are answered with a good token only.

    tokens = Tokens(client_id="crm", client_secret="secret", refresh_token="first")
    api.respond("/token", tokens)
    api.respond("/customers", tokens.guarded(customers))
"""

from __future__ import annotations

import base64
import json
import threading
import time
from collections.abc import Callable
from urllib.parse import parse_qsl, unquote_plus

from strandline.testing.server import ReceivedRequest, Response


class Tokens:
    """Answers a path as a token endpoint does, and knows which tokens are good.

    A refresh token is good for one use: using it gives another, and using it again withdraws all that came of
    it. With `grace` the token before may be used as long as its successor has not been.
    """

    def __init__(
        self,
        *,
        client_id: str = "client",
        client_secret: str = "secret",
        refresh_token: str | None = None,
        lifetime: float | None = 3600,
        grace: bool = False,
    ) -> None:
        self.client_id = client_id
        self.client_secret = client_secret
        self.lifetime = lifetime
        self.grace = grace
        self.refresh_token = refresh_token
        """The one that is good."""
        self.granted = 0
        """How many access tokens were handed out."""
        self.forms: list[dict[str, str]] = []
        """What was sent, in order."""
        self._before: str | None = None
        self._access: dict[str, float] = {}
        self._lock = threading.Lock()

    def __call__(self, request: ReceivedRequest) -> Response:
        """Answer a request to the token endpoint."""
        form = dict(parse_qsl(request.body.decode(), keep_blank_values=True))
        with self._lock:
            self.forms.append(form)
            if not self._is_client(request, form):
                return _refuse("invalid_client", status=401)
            match form.get("grant_type"):
                case "client_credentials" | "urn:ietf:params:oauth:grant-type:jwt-bearer":
                    return self._grant(renewable=False)
                case "refresh_token":
                    return self._rotate(form.get("refresh_token"))
            return _refuse("unsupported_grant_type")

    def guarded(self, answer: Callable[[ReceivedRequest], Response]) -> Callable[[ReceivedRequest], Response]:
        """Answer so only with a token that is good; 401 otherwise."""

        def answer_guarded(request: ReceivedRequest) -> Response:
            token = request.headers.get("authorization", "").removeprefix("Bearer ")
            return answer(request) if self.is_good(token) else Response(b'{"error": "token"}', status=401)

        return answer_guarded

    def is_good(self, access_token: str) -> bool:
        """Whether the token may be used now."""
        with self._lock:
            return self._access.get(access_token, 0) > time.monotonic()

    def expire(self) -> None:
        """Let no token that was handed out be good any more."""
        with self._lock:
            self._access.clear()

    def _is_client(self, request: ReceivedRequest, form: dict[str, str]) -> bool:
        given = request.headers.get("authorization", "").removeprefix("Basic ")
        pair = base64.b64decode(given).decode().partition(":") if given else ("", "", "")
        by_header = unquote_plus(pair[0]), unquote_plus(pair[2])
        by_body = form.get("client_id"), form.get("client_secret")
        return "assertion" in form or (self.client_id, self.client_secret) in (by_header, by_body)

    def _rotate(self, used: str | None) -> Response:
        if used is not None and used == self.refresh_token:
            self._before = used
        elif not (self.grace and used is not None and used == self._before):
            # Somebody has a token that was used already: nobody knows who is the thief.
            self.refresh_token = self._before = None
            self._access.clear()
            return _refuse("invalid_grant")
        return self._grant(renewable=True)

    def _grant(self, *, renewable: bool) -> Response:
        self.granted += 1
        access = f"access-token-{self.granted}"
        self._access[access] = time.monotonic() + (self.lifetime or 10**6)
        told: dict[str, object] = {"access_token": access, "token_type": "Bearer"}
        if self.lifetime is not None:
            told["expires_in"] = self.lifetime
        if renewable:
            self.refresh_token = f"refresh-token-{self.granted}"
            told["refresh_token"] = self.refresh_token
        return Response(json.dumps(told).encode())


def _refuse(code: str, *, status: int = 400) -> Response:
    return Response(json.dumps({"error": code}).encode(), status=status)
