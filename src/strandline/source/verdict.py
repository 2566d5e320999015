"""What an answer means: what was asked for, a reason to ask again, or an error that says what to do."""

from __future__ import annotations

from collections.abc import Callable
from datetime import timedelta
from typing import NoReturn, TypeVar

import httpx

from strandline.errors import CredentialsRejected, SourceError, SourceUnavailable, UnexpectedResponse
from strandline.source import lenient, quota
from strandline.source.redaction import Redaction
from strandline.source.refusal import Refusal
from strandline.source.retry import Transient
from strandline.source.spool import Body

T = TypeVar("T")

_REJECTED = (401, 403)
_WORTH_ANOTHER_TRY = (408, 425, 429)


class TokenRefused(Exception):
    """An answer with a 200 says that it is not known who asks: another token may help. Never leaves the
    source layer; `error` does, where none does.
    """

    def __init__(self, error: CredentialsRejected) -> None:
        super().__init__(str(error))
        self.error = error


class Judge:
    """Judges the answers of one source; knows what may be shown, and who we said we are."""

    def __init__(self, redaction: Redaction, *, credentials: str, hint: str | None = None) -> None:
        self._redaction = redaction
        self._credentials = credentials
        self._hint = hint or _hint_for(credentials)

    def check_status(self, response: httpx.Response, where: str) -> None:
        """Raise what a status means that is no answer: CredentialsRejected, Transient, UnexpectedResponse."""
        code = response.status_code
        answer = self._redaction.scrub(f"{code} {response.reason_phrase}".strip())
        if code in _REJECTED:
            raise CredentialsRejected(f"{where}: {answer} to {self._credentials}", hint=self._hint)
        if code == httpx.codes.PROXY_AUTHENTICATION_REQUIRED:
            raise refused_by_proxy(where, by_http=True)
        if code in _WORTH_ANOTHER_TRY or code >= 500:
            raise Transient(answer, retry_after=asked_wait(response), rate_limited=code == 429)
        if not response.is_success:
            raise UnexpectedResponse(
                f"{where}: {answer}; {self._describe(response, Body.of(response.content))}",
                hint="Check the path and the parameters that the stream sends.",
            )

    def read(
        self, response: httpx.Response, body: Body, where: str, *, read: Callable[[Body, str | None], T]
    ) -> T:
        """What `read` makes of the body. Raises Transient for one that is cut short, UnexpectedResponse for
        one that is something else, and for a Refusal what it means, TokenRefused perhaps.
        """
        try:
            return read(body, response.charset_encoding)
        except lenient.Truncated as error:
            raise Transient(f"{response.status_code}, but the body is cut short: {error}") from error
        except lenient.Unreadable as error:
            self._explain(error, response, body, where)

    def explain_late(self, error: Exception, where: str, *, status: int) -> SourceError:
        """What is wrong with a body of which some records have been read on already."""
        if isinstance(error, lenient.Unreadable):
            told = error.told(self._redaction.scrub)
            return UnexpectedResponse(f"{where}: {status}, but {told}", hint=error.hint)
        return SourceUnavailable(
            f"{where}: {status}, but the body is cut short: {error}",
            hint="Run again: what has come is kept, and the whole is asked for anew.",
        )

    def _explain(
        self, error: lenient.Unreadable, response: httpx.Response, body: Body, where: str
    ) -> NoReturn:
        told = error.told(self._redaction.scrub)
        said = f"{response.status_code}, but {told}"
        kind = error.kind if isinstance(error, Refusal) else "error"
        # From nothing where it quotes what may be a secret: its own words are not to stand in a traceback.
        cause = error if told == str(error) and not isinstance(error, Refusal) else None
        if isinstance(error, Refusal) and kind in ("limited", "retry"):
            wait = error.wait or asked_wait(response)
            raise Transient(said, retry_after=wait, rate_limited=kind == "limited") from None
        if kind in ("rejected", "forbidden"):
            rejected = CredentialsRejected(f"{where}: {said}, to {self._credentials}", hint=self._hint)
            raise (TokenRefused(rejected) if kind == "rejected" else rejected) from None
        raise UnexpectedResponse(
            f"{where}: {said}; {self._describe(response, body)}", hint=error.hint
        ) from cause

    def _describe(self, response: httpx.Response, body: Body) -> str:
        kind = response.headers.get("content-type", "no content type")
        # Scrubbed before it is cut, lest half a secret escapes.
        text = self._redaction.scrub(body.start.decode("utf-8", "replace"))
        return f"{kind}, {body.size} bytes: {text[:120]!r}"


def _hint_for(credentials: str) -> str:
    if credentials == "no credentials":
        return "The source wants credentials: return them from its auth method."
    return "Check that the credentials are right, not expired, and allowed to read this."


def asked_wait(response: httpx.Response) -> timedelta | None:
    """For how long an answer that is none asks to wait: what it says, or until its quota has more."""
    asked = quota.read_retry_after(response.headers)
    if asked is None and (found := quota.read_quota(response.headers)) and not found.remaining:
        return timedelta(seconds=found.seconds)
    return asked


def refused_by_proxy(where: str, *, by_http: bool) -> CredentialsRejected:
    """What a 407 means, and the like of it from a SOCKS proxy."""
    said = "407 Proxy Authentication Required" if by_http else "the SOCKS proxy says no"
    return CredentialsRejected(
        f"{where}: {said} to the proxy's user and password",
        hint="Correct them: PROXY among the source's settings, or HTTPS_PROXY and its like.",
    )
