"""The token endpoint of OAuth 2 (RFC 6749, 3.2 and 5): what is sent to it, and what its answer means.

Nothing of an answer is shown but the error's name and description: the rest may hold tokens that nobody knows
of yet.
"""

from __future__ import annotations

import base64
import re
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Literal
from urllib.parse import quote_plus

import httpx
import msgspec
from pydantic import SecretStr

from strandline.errors import CredentialsRejected, DeclarationError, UnexpectedResponse
from strandline.source import quota
from strandline.source.auth import secret_of
from strandline.source.redaction import Redaction
from strandline.source.retry import Transient
from strandline.source.token import Steps, Token, ask, end_of

ClientSecretIn = Literal["basic", "body"]

_WORTH_ANOTHER_TRY = (408, 425, 429)


class _Answer(msgspec.Struct):
    access_token: str | None = None
    refresh_token: str | None = None
    expires_in: float | str | None = None
    error: str | None = None
    error_description: str | None = None

    def __repr__(self) -> str:
        return "<answer>"


@dataclass(frozen=True)
class Denied:
    """The endpoint does not hand out a token."""

    message: str
    code: str
    """As RFC 6749, 5.2 names it, such as invalid_grant; empty where it says none."""

    def error(self, hint: str | None = None) -> CredentialsRejected:
        """As an error."""
        return CredentialsRejected(self.message, hint=hint or _HINTS.get(self.code, _HINTS[""]))


_HINTS = {
    "": "Check that the credentials are right, not expired, and allowed to read this.",
    "invalid_client": "Check client id and client secret; some endpoints want them in the body:"
    ' client_secret_in="body".',
    "invalid_grant": "Check that what is exchanged for a token is right, not expired, and for this client.",
    "invalid_scope": "Check the scope.",
    "unauthorized_client": "Have this client allowed to use this grant.",
}


class TokenEndpoint:
    """Where tokens come from, and as which client we ask for them."""

    def __init__(
        self,
        url: str,
        *,
        client_id: SecretStr | str | None,
        client_secret: SecretStr | str | None,
        client_secret_in: ClientSecretIn = "basic",
    ) -> None:
        self._url = check_address(url, what="token_url")
        self._id = secret_of(client_id) if client_id is not None else None
        self._is_id_secret = isinstance(client_id, SecretStr)
        self._secret = secret_of(client_secret) if client_secret is not None else None
        self._in = client_secret_in
        if client_secret_in not in ("basic", "body"):
            raise DeclarationError(
                f"client_secret_in={client_secret_in!r}: a client secret goes basic or body"
            )

    @property
    def secrets(self) -> tuple[SecretStr, ...]:
        """What must never be shown."""
        known = (
            self._secret,
            *([self._id] if self._is_id_secret else []),
            *([SecretStr(self._pair)] if self._id and self._secret else []),
        )
        return tuple(it for it in known if it is not None)

    def exchange(
        self, form: Mapping[str, str | None], *, before: httpx.Request, redaction: Redaction, shown: str
    ) -> Steps[Token | Denied]:
        """Ask for a token. Raises Transient where asking again may help, and UnexpectedResponse."""
        request = self._request({name: it for name, it in form.items() if it is not None}, before=before)
        response = yield request
        response.read()
        return _judge(response, redaction=redaction, shown=shown)

    def _request(self, form: dict[str, str], *, before: httpx.Request) -> httpx.Request:
        by_header = self._in == "basic" and self._id is not None and self._secret is not None
        if not by_header:
            form |= {
                name: it.get_secret_value()
                for name, it in (("client_id", self._id), ("client_secret", self._secret))
                if it is not None
            }
        request = ask(before, "POST", self._url, form=form)
        if by_header:
            request.headers["Authorization"] = f"Basic {base64.b64encode(self._pair.encode()).decode()}"
        return request

    @property
    def _pair(self) -> str:
        # RFC 6749, 2.3.1: both are form-encoded before they are joined.
        parts = [quote_plus(it.get_secret_value()) for it in (self._id, self._secret) if it]
        return ":".join(parts)


def check_address(url: str, *, what: str) -> str:
    """The address, which is a path on the source's own host or another host's that is named in full."""
    if not re.match(r"https?://[^/@]+(/|$)|/(?!/)", url):
        # Not shown: what cannot be taken apart may have a password in any part.
        raise DeclarationError(
            f"{what} is neither a path nor an https:// URL",
            hint="It looks like https://login.example.com/oauth/token, or /oauth/token on the source's host.",
        )
    return url


def refuse(response: httpx.Response, *, redaction: Redaction, may_redirect: bool = False) -> str:
    """Raise what must be raised whoever was asked: Transient, or UnexpectedResponse after a redirect that
    may not be. Where the answer came from, and its status, for messages.
    """
    where = f"{response.request.method} {redaction.show_url(response.request.url)}"
    code = response.status_code
    told = redaction.scrub(f"{where}: {code} {response.reason_phrase}".strip())
    if response.is_redirect and not may_redirect:
        raise UnexpectedResponse(
            f"{told}: it leads elsewhere, and credentials are not sent after it",
            hint="Give the address where it leads, if that one is right.",
        )
    if code in _WORTH_ANOTHER_TRY or code >= httpx.codes.INTERNAL_SERVER_ERROR:
        raise Transient(told, retry_after=quota.read_retry_after(response.headers), rate_limited=code == 429)
    return told


def _judge(response: httpx.Response, *, redaction: Redaction, shown: str) -> Token | Denied:
    told = refuse(response, redaction=redaction)
    answer = _parse(response)
    if response.is_success and answer is not None and answer.access_token:
        return Token(
            SecretStr(answer.access_token),
            end_of(_seconds(answer.expires_in)),
            SecretStr(answer.refresh_token) if answer.refresh_token else None,
        )
    if response.is_success and (answer is None or not answer.error):
        raise Transient(f"{told}, but there is no access_token in it")
    code = answer.error or "" if answer else ""
    code = code if re.fullmatch(r"[a-z_]{1,40}", code) else ""
    said = redaction.scrub(answer.error_description or "")[:200] if answer else ""
    reasons = ", ".join(it for it in (code, repr(said) if said else "") if it)
    return Denied(f"{told}{f' ({reasons})' if reasons else ''} to {shown}", code)


def _parse(response: httpx.Response) -> _Answer | None:
    try:
        return msgspec.json.decode(response.content, type=_Answer)
    except (msgspec.DecodeError, UnicodeDecodeError):
        return None


def _seconds(told: float | str | None) -> float | None:
    try:
        return float(told) if told is not None else None
    except ValueError:
        return None
