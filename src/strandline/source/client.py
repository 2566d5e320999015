"""The HTTP client of one source: read-only, polite, patient, and discreet.

Each request waits for its turn, is tried again as the source's Retry says, and is shown in messages without
its secrets. None leaves the source's host, but for those that may lead to other hosts: they go over a wire of
their own, on which there are no credentials.
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterable, Mapping
from contextlib import closing
from datetime import UTC, datetime, timedelta
from functools import cached_property
from typing import Any, Generic, TypeVar

import httpx
from msgspec import Struct

from strandline.errors import MethodRefused, SourceError, UnexpectedResponse
from strandline.source import address, quota, redaction, retry
from strandline.source.auth import Credentials
from strandline.source.redaction import Redaction
from strandline.source.request import Request
from strandline.source.retry import Retry, Transient
from strandline.source.sizing import TooMuch
from strandline.source.spool import Body
from strandline.source.throttle import Held, Throttle
from strandline.source.transport import DIRECT, Way
from strandline.source.verdict import Judge, TokenRefused, asked_wait
from strandline.source.wire import Base, Wire

T = TypeVar("T")

Read = Callable[[Body, str | None], T]
"""(body, charset of the transport) → what is made of it"""

READ_METHODS = ("GET", "HEAD")

_MAX_REDIRECTS = 5
_TOO_MUCH = (413, 504)
_EMPTY = (204, 304)
_HINT_ELSEWHERE = (
    "Another host is asked without credentials: its link has to be enough, and good for long enough."
)


class Fetched(Struct, Generic[T], frozen=True):
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


class _Asked(Struct, Generic[T], frozen=True):
    """What one call of `fetch` is about."""

    request: Request
    prepared: httpx.Request
    wire: Wire
    where: str
    shown: str
    read: Read[T]
    nothing: T
    spools: bool


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
        said_by: str = "base_url",
        way: Way = DIRECT,
    ) -> None:
        redaction.guard_httpx_log()
        self._base = Base(address.check_base(base_url, said_by), said_by)
        self._policy = policy
        self._throttle = throttle
        self._timeout = timeout
        self._way = way
        self._redaction = _build_redaction(auth, self._base.url, [*secrets, *way.secrets])
        self._auth = auth
        credentials = _name_credentials(auth, auth_settings)
        if isinstance(auth, Credentials):
            auth.redaction, auth.shown = self._redaction, credentials
        self._own = Wire(
            self._base,
            auth=auth,
            timeout=timeout,
            verify=way.verify,
            proxy=way.proxy,
            redaction=self._redaction,
            judge=Judge(self._redaction, credentials=credentials),
            is_own=True,
        )

    @cached_property
    def _bare(self) -> Wire:
        """To other hosts, without credentials, cookies and certificate; made when first needed."""
        return Wire(
            self._base,
            auth=None,
            timeout=self._timeout,
            verify=self._way.verify_others,
            proxy=self._way.proxy,
            redaction=self._redaction,
            judge=Judge(self._redaction, credentials="nobody", hint=_HINT_ELSEWHERE),
            is_own=False,
        )

    def close(self) -> None:
        """Close the connections, after the credentials have said goodbye."""
        if isinstance(self._auth, Credentials):
            self._auth.close(self._own.http)
        self._own.http.close()
        if "_bare" in self.__dict__:
            self._bare.http.close()

    def show_token(self, token: str | None) -> str:
        """A page's token or link without secrets."""
        return self._redaction.show_token(token)

    def explain_late(self, error: Exception, fetched: Fetched[Any]) -> SourceError:
        """What is wrong with a body of which some records have been read on already."""
        return self._own.judge.explain_late(error, fetched.where, status=fetched.status)

    def fetch(
        self,
        request: Request,
        *,
        stream: str,
        methods: Collection[str],
        read: Read[T],
        nothing: T,
        spools: bool = False,
    ) -> Fetched[T]:
        """The answer with `read(body, charset)` as its content, or `nothing` for a 204 or 304; `read` raises
        what `page.split` does, and is told the charset that the Content-Type names. A body that `spools` and
        is large is a file.

        Raises MethodRefused, CredentialsRejected, UnexpectedResponse, RateLimited or SourceUnavailable.
        """
        prepared = self._prepare(request)
        shown = f"{prepared.method} {self._show(prepared)}"
        where = f"{stream}: {shown}"
        if prepared.method not in methods:
            raise MethodRefused(
                f"{where}: the client only reads, {prepared.method} is not among {', '.join(methods)}",
                hint=f'If it only reads, declare it: @stream(…, methods=("{prepared.method}",)).',
            )
        wire = self._wire_to(prepared, request, where, what="the next page")
        if not wire.is_own:
            prepared = self._stripped(prepared)
        asked = _Asked(request, prepared, wire, where, shown, read, nothing, spools)
        return retry.run(lambda: self._attempt(asked), policy=self._policy, where=where)

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
            return self._own.http.build_request(method, merged, headers=dict(request.headers), **content)
        except httpx.InvalidURL as error:
            raise UnexpectedResponse(f"{self._redaction.scrub(request.url)!r} is no URL: {error}") from error

    def _show(self, prepared: httpx.Request) -> str:
        if address.is_own(prepared.url, self._base.url):
            return self._redaction.show_url(prepared.url)
        return self._redaction.scrub(address.bare(prepared.url))

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
        if asked.wire.is_own:
            self._wait(asked.where)
        try:
            response, wire = self._answer(asked)
            body = wire.receive(response, asked.where)
        except Transient as error:
            if asked.request.can_shrink and isinstance(error.__cause__, httpx.ReadTimeout):
                raise TooMuch(error.reason) from error
            raise
        return Fetched(
            content=self._content(response, body, wire, asked),
            where=asked.where,
            request=asked.shown,
            url=str(response.url),
            status=response.status_code,
            headers=response.headers,
            fetched_at=datetime.now(UTC),
            size=body.size,
        )

    def _answer(self, asked: _Asked[T]) -> tuple[httpx.Response, Wire]:
        """An answer whose status is one. Raises TooMuch where less can be asked for and this was too much."""
        response, wire = self._send(asked)
        if wire.is_own:
            self._heed(response)
        code = response.status_code
        if asked.request.can_shrink and code in _TOO_MUCH:
            raise TooMuch(self._redaction.scrub(f"{code} {response.reason_phrase}"))
        if not _is_unchanged(asked.prepared, response) and code not in _answers(asked.request, wire):
            wire.judge.check_status(response, asked.where)
        return response, wire

    def _content(self, response: httpx.Response, body: Body, wire: Wire, asked: _Asked[T]) -> T:
        if response.status_code in (*_EMPTY, *_answers(asked.request, wire)):
            return asked.nothing
        with closing(body):  # which does nothing where the reader goes on with its file
            return wire.judge.read(response, body, asked.where, read=asked.read)

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

    def _send(self, asked: _Asked[T]) -> tuple[httpx.Response, Wire]:
        """The answer, and the wire over which it came in the end."""
        request, wire = asked.prepared, asked.wire
        for _ in range(_MAX_REDIRECTS):
            response = wire.send(request, asked.where, spools=asked.spools)
            if response.next_request is None:
                return response, wire
            request = response.next_request
            there = self._wire_to(
                request, asked.request, asked.where, what=f"{response.status_code} redirect"
            )
            if not (there.is_own and wire.is_own):  # who was led away stays without credentials
                request, wire = self._stripped(request), self._bare
        raise UnexpectedResponse(
            f"{asked.where}: more than {_MAX_REDIRECTS} redirects, the last to {self._show(request)}"
        )

    def _wire_to(self, prepared: httpx.Request, request: Request, where: str, *, what: str) -> Wire:
        """The wire that may lead there. Raises UnexpectedResponse if none may."""
        url = prepared.url
        if address.is_own(url, self._base.url):
            return self._own
        if prepared.method == "GET" and address.is_open(url, request.hosts, base=self._base.url):
            return self._bare
        base = self._base.url
        raise UnexpectedResponse(
            f"{where}: {what} leads to {url.scheme}://{address.named(url)},"
            f" away from {base.scheme}://{address.named(base)}",
            hint="Credentials never leave the host: if that one is right, make it the base_url, or let it be"
            f' asked without them: hosts=("{address.named(url)}",).',
        )

    def _stripped(self, request: httpx.Request) -> httpx.Request:
        """What asks for the same with nothing of ours in it."""
        self._redaction.learn(*address.secrets_of(request.url))
        return self._bare.http.build_request("GET", request.url)


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


def _answers(request: Request, wire: Wire) -> tuple[int, ...]:
    """The statuses that are an answer too. A link to another host that is no longer good is a 403 there."""
    return (*request.answers, 403) if request.answers and not wire.is_own else request.answers


def _is_unchanged(request: httpx.Request, response: httpx.Response) -> bool:
    """Whether it is a 304 to somebody who has asked for one."""
    was_asked = "if-none-match" in request.headers or "if-modified-since" in request.headers
    return was_asked and response.status_code == httpx.codes.NOT_MODIFIED
