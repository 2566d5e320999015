"""A session: user and password are posted once, and what the API answers, a token or cookies, is sent with
every request; signed in again after a 401, signed out at the end.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
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

    `token` says where the answer has a token ("data.token"), or is a function that makes one of the decoded
    answer; it goes into `header` behind `prefix`. Without it the answer's cookies are the session. `fields`
    are sent beside user and password; `body`, a function of both, makes what is sent in their place. With a
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
        body: Callable[[str, str], object] | None = None,
        token: Path | Callable[[Any], str] = None,
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
        if body and (fields or send != "json"):
            raise DeclarationError("SessionLogin(body=…): what it makes goes as json, and has all fields")
        self._user, self._password = secret_of(user), secret_of(password)
        self._sent = {user_field: user, password_field: self._password, **(fields or {})}
        self._send = send
        self._body = body
        self._token_of = token if callable(token) else _find_at(token) if token else None
        self._place = "token" if callable(token) else ".".join(keys(token))
        self._header, self._prefix = header, prefix
        self._lifetime = lifetime.total_seconds() if lifetime is not None else None
        self._cookies = _Jar()
        self.secrets = tuple(it for it in self._sent.values() if isinstance(it, SecretStr))

    def obtain(self, request: httpx.Request, *, refused: Token | None) -> Steps[Token]:
        """Sign in, anew where the session was ended."""
        response = yield self._ask(request)
        response.read()
        told = refuse(response, redaction=self.redaction, may_redirect=self._token_of is None)
        if response.is_error:
            raise CredentialsRejected(f"{told} to {self.shown}", hint=_HINT)
        return Token(SecretStr(self._session(response, told)), end_of(self._lifetime))

    def _ask(self, request: httpx.Request) -> httpx.Request:
        if self._body is not None:
            sent = self._body(self._user.get_secret_value(), self._password.get_secret_value())
            return ask(request, "POST", self._login, json=sent)
        fields = {name: secret_of(it).get_secret_value() for name, it in self._sent.items()}
        if self._send == "form":
            return ask(request, "POST", self._login, form=fields)
        return ask(request, "POST", self._login, json=fields)

    def sign(self, request: httpx.Request, token: Token) -> None:
        """Send the token, or the cookies as they are now."""
        if self._token_of is not None:
            request.headers[self._header] = f"{self._prefix}{token.access.get_secret_value()}"
        else:
            request.headers.pop("cookie", None)
            self._cookies.set_cookie_header(request)

    def saw(self, response: httpx.Response) -> None:
        """Keep the cookies that an API renews with its answers."""
        if self._token_of is None and "set-cookie" in response.headers:
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
        if self._token_of is not None:
            found = _made(self._token_of, response.content)
            if found is None:
                raise CredentialsRejected(f"{told}, but it has no {self._place}", hint=_HINT)
            return found
        self._cookies = _Jar()
        self._cookies.extract_cookies(response)
        values = [it.value for it in self._cookies.jar if it.value]
        if not values:
            raise CredentialsRejected(f"{told}, but it sets no cookie", hint=_HINT)
        self.redaction.learn(*values)
        return "; ".join(values)


def _made(token_of: Callable[[Any], Any], body: bytes) -> str | None:
    try:
        found = token_of(msgspec.json.decode(body))
    except (msgspec.DecodeError, LookupError, TypeError, ValueError):  # whatever was sent, it is no session
        return None
    return found if isinstance(found, str) and found else None


def _find_at(path: Path) -> Callable[[Any], Any]:
    def find(answer: Any) -> Any:
        for key in keys(path):
            answer = answer.get(key) if isinstance(answer, dict) else None
        return answer

    return find
