"""The HTTP client of one source: read-only, polite, patient, and discreet.

One httpx client per source keeps connections open. Each request waits for its turn, is tried again as the
source's Retry says, never leaves the source's host (so neither do credentials), and is shown in messages
without its secrets.
"""

from __future__ import annotations

import ssl
from collections.abc import Callable, Collection, Iterable, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Any, Generic, TypeVar

import httpx

from strandline.errors import DeclarationError, MethodRefused, SourceUnavailable, UnexpectedResponse
from strandline.source import encoding, quota, redaction, retry
from strandline.source.auth import Credentials
from strandline.source.certificate import LateContext
from strandline.source.redaction import Redaction
from strandline.source.request import Request
from strandline.source.retry import Retry, Transient
from strandline.source.sizing import TooMuch
from strandline.source.throttle import Held, Throttle
from strandline.source.verdict import Judge, TokenRefused, asked_wait, refused_by_proxy

T = TypeVar("T")

READ_METHODS = ("GET", "HEAD")

_MAX_REDIRECTS = 5
_TOO_MUCH = (413, 504)
_EMPTY = (204, 304)
_DEFAULT_PORTS = {"http": 80, "https": 443}


@dataclass(frozen=True, slots=True)
class Fetched(Generic[T]):
    """A complete answer, its body already read."""

    content: T
    where: str
    """Stream and request, for messages."""
    request: str
    """Method and URL, secrets taken out."""
    url: str
    """Where the answer came from in the end; for relative links, never for showing."""
    status: int
    headers: Mapping[str, str]
    fetched_at: datetime
    size: int


@dataclass(frozen=True, slots=True)
class _Asked(Generic[T]):
    """What one call of `fetch` is about."""

    request: Request
    prepared: httpx.Request
    where: str
    shown: str
    read: Callable[[bytes, str | None], T]
    nothing: T


class Client:
    """Fetches what streams ask for. Safe to share between threads."""

    def __init__(
        self,
        base_url: str,
        *,
        auth: httpx.Auth | None = None,
        policy: Retry,
        throttle: Throttle,
        timeout: float,
        secrets: Iterable[str] = (),
        auth_settings: Collection[str] = (),
        address: str = "base_url",
        verify: bool | ssl.SSLContext = True,
        proxy: httpx.Proxy | None = None,
    ) -> None:
        redaction.guard_httpx_log()
        self._address = address
        self._base = _check_base(base_url, address)
        self._policy = policy
        self._throttle = throttle
        self._timeout = timeout
        self._credentials = _name_credentials(auth, auth_settings)
        self._redaction = _build_redaction(auth, self._base, secrets)
        self._judge = Judge(self._redaction, credentials=self._credentials)
        self._auth = auth
        if isinstance(auth, Credentials):
            auth.redaction, auth.shown = self._redaction, self._credentials
        self._http = httpx.Client(
            base_url=self._base,
            auth=auth,
            timeout=timeout,
            verify=LateContext() if verify is True else verify,
            proxy=proxy,
            headers={"Accept-Encoding": encoding.accepted()},
            event_hooks={"response": [encoding.inflate]},
        )

    def close(self) -> None:
        """Close the connections, after the credentials have said goodbye."""
        if isinstance(self._auth, Credentials):
            self._auth.close(self._http)
        self._http.close()

    def show_token(self, token: str | None) -> str:
        """A page's token or link without secrets."""
        return self._redaction.show_token(token)

    def fetch(
        self,
        request: Request,
        *,
        stream: str,
        methods: Collection[str],
        read: Callable[[bytes, str | None], T],
        nothing: T,
    ) -> Fetched[T]:
        """The answer with `read(body, charset)` as its content, or `nothing` for a 204 or 304; `read` raises
        what `page.split` does, and is told the charset that the Content-Type names.

        Raises MethodRefused, CredentialsRejected, UnexpectedResponse, RateLimited or SourceUnavailable.
        """
        prepared = self._prepare(request)
        shown = f"{prepared.method} {self._show(prepared)}"
        asked = _Asked(request, prepared, f"{stream}: {shown}", shown, read, nothing)
        if prepared.method not in methods:
            raise MethodRefused(
                f"{asked.where}: the client only reads, {prepared.method} is not among {', '.join(methods)}",
                hint=f'If it only reads, declare it: @stream(…, methods=("{prepared.method}",)).',
            )
        self._check_host(prepared.url, where=asked.where, what="the next page")
        return retry.run(lambda: self._attempt(asked), policy=self._policy, where=asked.where)

    def _prepare(self, request: Request) -> httpx.Request:
        try:
            # Merged, not replaced: a path may carry parameters of its own, and so does a link.
            url = httpx.URL(request.url)
            params = url.params.merge(dict(request.params)) if request.params else None
            merged = url.copy_with(params=params) if params is not None else url
            content: dict[str, Any] = {"json": request.body}
            if request.is_form or isinstance(request.body, bytes):
                content = {"data" if request.is_form else "content": request.body}
            method = request.method.upper()
            return self._http.build_request(method, merged, headers=dict(request.headers), **content)
        except httpx.InvalidURL as error:
            raise UnexpectedResponse(f"{self._redaction.scrub(request.url)!r} is no URL: {error}") from error

    def _show(self, prepared: httpx.Request) -> str:
        return self._redaction.show_url(prepared.url)

    def _attempt(self, asked: _Asked[T]) -> Fetched[T]:
        """What is fetched, once again with another token where the answer says that this one is not known."""
        try:
            return self._fetch(asked)
        except TokenRefused as refused:
            if not isinstance(self._auth, Credentials) or not self._auth.renew(asked.prepared):
                raise refused.error from None
        try:
            return self._fetch(asked)
        except TokenRefused as refused:
            raise refused.error from None

    def _fetch(self, asked: _Asked[T]) -> Fetched[T]:
        self._wait(asked.where)
        response = self._answer(asked)
        return Fetched(
            content=self._read(response, asked),
            where=asked.where,
            request=asked.shown,
            url=str(response.url),
            status=response.status_code,
            headers=response.headers,
            fetched_at=datetime.now(UTC),
            size=len(response.content),
        )

    def _answer(self, asked: _Asked[T]) -> httpx.Response:
        """An answer whose status is one. Raises TooMuch where less can be asked for and this was too much."""
        request, prepared = asked.request, asked.prepared
        try:
            response = self._send(prepared, asked.where)
        except Transient as error:
            if request.can_shrink and isinstance(error.__cause__, httpx.ReadTimeout):
                raise TooMuch(error.reason) from error
            raise
        self._heed(response)
        if request.can_shrink and response.status_code in _TOO_MUCH:
            raise TooMuch(self._redaction.scrub(f"{response.status_code} {response.reason_phrase}"))
        if not _is_unchanged(prepared, response) and response.status_code not in request.answers:
            self._judge.check_status(response, asked.where)
        return response

    def _read(self, response: httpx.Response, asked: _Asked[T]) -> T:
        if response.status_code in (*_EMPTY, *asked.request.answers):
            return asked.nothing
        return self._judge.read(response, asked.where, read=asked.read)

    def _wait(self, where: str) -> None:
        try:
            self._throttle.wait()
        except Held as error:
            raise retry.exhausted(
                where, reason="so it was told before", wait=timedelta(seconds=error.seconds)
            ) from error

    def _heed(self, response: httpx.Response) -> None:
        """Let everybody who shares the source know what the answer says of its limits."""
        if (found := quota.read_quota(response.headers)) is not None:
            self._throttle.heed(found)
        if (backoff := quota.read_backoff(response.headers)) is not None:
            self._throttle.hold(min(backoff, self._policy.retry_after_cap).total_seconds())
        if response.status_code == httpx.codes.TOO_MANY_REQUESTS and (asked := asked_wait(response)):
            self._throttle.hold(asked.total_seconds())

    def _send(self, request: httpx.Request, where: str) -> httpx.Response:
        for _ in range(_MAX_REDIRECTS):
            response = self._send_once(request, where)
            if response.next_request is None:
                return response
            request = response.next_request
            self._check_host(request.url, where=where, what=f"{response.status_code} redirect")
        raise UnexpectedResponse(
            f"{where}: more than {_MAX_REDIRECTS} redirects, the last to {self._show(request)}"
        )

    def _send_once(self, request: httpx.Request, where: str) -> httpx.Response:
        try:
            return self._http.send(request)
        except httpx.ConnectTimeout as error:
            raise Transient(f"no connection within {self._timeout:g} s") from error
        except httpx.TimeoutException as error:
            raise Transient(f"no answer within {self._timeout:g} s") from error
        except httpx.ConnectError as error:
            if isinstance(_root_cause(error), ssl.SSLError):
                raise SourceUnavailable(
                    f"{where}: no secure connection: {error}",
                    hint="Check the host's certificate; it is not tried again.",
                ) from error
            asked = error.request.url  # that of a token perhaps, on another host
            address = self._address if asked.host == self._base.host else "the address"
            raise Transient(
                f"cannot connect to {_host(asked)}: {self._redaction.scrub(str(error))}",
                hint=f"Check {address}, and that the source is up and reachable, then run again.",
            ) from error
        except httpx.RemoteProtocolError as error:
            raise Transient(f"answer cut short: {self._redaction.scrub(str(error))}") from error
        except httpx.ProxyError as error:
            # From nothing: the error behind it has the proxy's own text, which may be what it was sent.
            if str(error).startswith("407"):
                raise refused_by_proxy(where) from None
            raise Transient(f"the proxy: {self._redaction.scrub(str(error))}") from None
        except httpx.TransportError as error:
            said = self._redaction.scrub(str(error)) or type(error).__name__
            raise Transient(f"connection broken: {said}") from error
        except httpx.DecodingError as error:
            raise Transient(f"answer cannot be decompressed: {self._redaction.scrub(str(error))}") from error

    def _check_host(self, url: httpx.URL, *, where: str, what: str) -> None:
        same = url.host == self._base.host and (
            _origin(url) == _origin(self._base) or (self._base.scheme, url.scheme) == ("http", "https")
        )
        if not same:
            raise UnexpectedResponse(
                f"{where}: {what} leads to {url.scheme}://{_host(url)},"
                f" away from {self._base.scheme}://{_host(self._base)}",
                hint="Credentials never leave the host: if that one is right, make it the source's base_url.",
            )


def _check_base(base_url: str, address: str) -> httpx.URL:
    hint = f"Correct {address}; it looks like https://api.example.com/v1."
    try:
        url = httpx.URL(base_url)
    except httpx.InvalidURL as error:
        # Not shown: what cannot be taken apart may have a password in any part.
        raise DeclarationError("base_url is no URL", hint=hint) from error
    if url.scheme not in _DEFAULT_PORTS or not url.host:
        shown = str(url.copy_with(username=None, password=None))
        raise DeclarationError(f"base_url {shown!r} is no http:// or https:// URL", hint=hint)
    return url


def _build_redaction(auth: httpx.Auth | None, base: httpx.URL, secrets: Iterable[str]) -> Redaction:
    own = auth if isinstance(auth, Credentials) else None
    return Redaction(
        parameters=own.query_parameters if own else (),
        secrets=[
            *secrets,
            *(secret.get_secret_value() for secret in (own.secrets if own else ())),
            base.password,
        ],
    )


def _name_credentials(auth: httpx.Auth | None, settings: Collection[str]) -> str:
    if auth is None:
        return "no credentials"
    kind = auth.kind if isinstance(auth, Credentials) else type(auth).__name__
    return f"the {kind}" + (f" from {', '.join(settings)}" if settings else "")


def _is_unchanged(request: httpx.Request, response: httpx.Response) -> bool:
    """Whether it is a 304 to somebody who has asked for one."""
    was_asked = "if-none-match" in request.headers or "if-modified-since" in request.headers
    return was_asked and response.status_code == httpx.codes.NOT_MODIFIED


def _origin(url: httpx.URL) -> tuple[str, int | None]:
    return url.scheme, url.port or _DEFAULT_PORTS.get(url.scheme)


def _host(url: httpx.URL) -> str:
    return f"{url.host}:{url.port}" if url.port else url.host


def _root_cause(error: BaseException) -> BaseException:
    while (cause := error.__cause__ or error.__context__) is not None:
        error = cause
    return error
