"""A session: user and password are posted once, and what the API answers, a token or cookies, is sent with
every request; signed in again after a 401, signed out at the end.
"""

from __future__ import annotations

from collections.abc import Mapping
from datetime import timedelta
from typing import Any, Literal

import httpx
import msgspec
from pydantic import SecretStr

from strandline import log
from strandline.errors import CredentialsRejected, DeclarationError
from strandline.source.auth import secret_of
from strandline.source.endpoint import check_address, refuse
from strandline.source.page import Path, keys
from strandline.source.token import Steps, Token, TokenCredentials, ask, end_of

_HINT = "Check user and password, what the fields are called, and where the answer has its token."


class _Jar(httpx.Cookies):
    """Cookies that are not shown."""

    def __repr__(self) -> str:
        return "<cookies>"


class SessionLogin(TokenCredentials):
    """Signs in with a POST of user and password.

    `token` says where the answer has a token ("data.token"), which goes into `header` behind `prefix`;
    without it the answer's cookies are the session. `fields` are sent beside user and password. With a
    `logout` path the session is ended when the source is closed. `lifetime` is how long a session lasts,
    where that is known.
    """

    kind = "session"

    def __init__(
        self,
        login: str,
        *,
        user: SecretStr | str,
        password: SecretStr | str,
        user_field: str = "username",
        password_field: str = "password",
        send: Literal["json", "form"] = "json",
        fields: Mapping[str, SecretStr | str] | None = None,
        token: Path = None,
        header: str = "Authorization",
        prefix: str = "Bearer ",
        logout: str | None = None,
        logout_method: str = "POST",
        lifetime: timedelta | None = None,
    ) -> None:
        super().__init__()
        if send not in ("json", "form"):
            raise DeclarationError(f"SessionLogin(send={send!r}): user and password go as json or form")
        self._login = check_address(login, what="login")
        self._logout = check_address(logout, what="logout") if logout else None
        self._logout_method = logout_method
        self._sent = {user_field: user, password_field: secret_of(password), **(fields or {})}
        self._send = send
        self._path = keys(token)
        self._header, self._prefix = header, prefix
        self._lifetime = lifetime.total_seconds() if lifetime is not None else None
        self._cookies = _Jar()
        self.secrets = tuple(it for it in self._sent.values() if isinstance(it, SecretStr))

    def obtain(self, request: httpx.Request, *, refused: Token | None) -> Steps[Token]:
        """Sign in, anew where the session was ended."""
        fields = {name: secret_of(it).get_secret_value() for name, it in self._sent.items()}
        form = {"form": fields} if self._send == "form" else {"json": fields}
        response = yield ask(request, "POST", self._login, **form)
        response.read()
        told = refuse(response, redaction=self.redaction, may_redirect=not self._path)
        if response.is_error:
            raise CredentialsRejected(f"{told} to {self.shown}", hint=_HINT)
        return Token(SecretStr(self._session(response, told)), end_of(self._lifetime))

    def sign(self, request: httpx.Request, token: Token) -> None:
        """Send the token, or the cookies as they are now."""
        if self._path:
            request.headers[self._header] = f"{self._prefix}{token.access.get_secret_value()}"
        else:
            request.headers.pop("cookie", None)
            self._cookies.set_cookie_header(request)

    def saw(self, response: httpx.Response) -> None:
        """Keep the cookies that an API renews with its answers."""
        if not self._path and "set-cookie" in response.headers:
            self._cookies.extract_cookies(response)
            self.redaction.learn(*(it.value for it in self._cookies.jar))

    def close(self, http: httpx.Client) -> None:
        """Sign out, where the API has a path for it; one that does not answer forgets the session itself."""
        token, self._token = self._token, None
        if self._logout is None or token is None:
            return
        request = http.build_request(self._logout_method, http.base_url.join(self._logout))
        self.sign(request, token)
        try:
            code = http.send(request, auth=None).status_code
        except httpx.HTTPError as error:
            log.warn("not signed out", of=self.shown, reason=type(error).__name__)
        else:
            if code >= httpx.codes.BAD_REQUEST:
                log.warn("not signed out", of=self.shown, reason=str(code))

    def _session(self, response: httpx.Response, told: str) -> str:
        if self._path:
            found = _find(response.content, self._path)
            if found is None:
                raise CredentialsRejected(f"{told}, but it has no {'.'.join(self._path)}", hint=_HINT)
            return found
        self._cookies = _Jar()
        self._cookies.extract_cookies(response)
        values = [it.value for it in self._cookies.jar if it.value]
        if not values:
            raise CredentialsRejected(f"{told}, but it sets no cookie", hint=_HINT)
        self.redaction.learn(*values)
        return "; ".join(values)


def _find(body: bytes, path: tuple[str, ...]) -> str | None:
    try:
        found: Any = msgspec.json.decode(body)
    except (msgspec.DecodeError, UnicodeDecodeError):
        return None
    for key in path:
        found = found.get(key) if isinstance(found, dict) else None
    return found if isinstance(found, str) and found else None
