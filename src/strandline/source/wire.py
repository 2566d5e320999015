"""The wire to a source: connections, with credentials or without, and what goes wrong on them by its name."""

from __future__ import annotations

import ssl
from collections.abc import Iterator
from contextlib import closing, contextmanager
from http.cookiejar import CookieJar, DefaultCookiePolicy

import httpx
from msgspec import Struct

from strandline.errors import CredentialsRejected, DeclarationError, SourceUnavailable
from strandline.source import encoding, lenient, spool
from strandline.source.address import named
from strandline.source.certificate import LateContext
from strandline.source.redaction import Redaction
from strandline.source.retry import Transient
from strandline.source.spool import Body
from strandline.source.transport import socks_errors
from strandline.source.verdict import Judge, refused_by_proxy

_REFUSED_BY_PROXY = ("407", "Invalid username/password", "Requested ")
"""How what httpx says begins: by HTTP, and by SOCKS where the password is wrong or there is none."""


class Base(Struct, frozen=True):
    """Where a source is, and what says so, as a hint calls it."""

    url: httpx.URL
    said_by: str


class Wire:
    """Sends requests; `auth` goes with each, and without any no cookie does either."""

    def __init__(
        self,
        base: Base,
        *,
        auth: httpx.Auth | None,
        timeout: float,
        verify: bool | ssl.SSLContext,
        proxy: httpx.Proxy | None,
        redaction: Redaction,
        judge: Judge,
        is_own: bool,
    ) -> None:
        self.judge = judge
        self.is_own = is_own
        """Whether it leads to the source itself."""
        self._base = base
        self._timeout = timeout
        self._redaction = redaction
        self.http = httpx.Client(
            base_url=base.url if is_own else "",
            auth=auth,
            timeout=timeout,
            verify=LateContext() if verify is True else verify,
            proxy=proxy,
            headers={"Accept-Encoding": encoding.accepted()},
            cookies=None if is_own else CookieJar(DefaultCookiePolicy(allowed_domains=[])),
            event_hooks={"response": [encoding.inflate]},
        )

    def send(self, request: httpx.Request, where: str, *, spools: bool = False) -> httpx.Response:
        """The answer; its body has been read, unless it `spools` and is one. Raises Transient,
        SourceUnavailable, CredentialsRejected.
        """
        with self._naming(where):
            response = self.http.send(request, stream=spools)
            if not response.is_success or response.status_code == httpx.codes.NO_CONTENT:
                response.read()
            return response

    def receive(self, response: httpx.Response, where: str) -> Body:
        """The body, in memory or in a file. Raises what `send` does."""
        if response.is_closed:
            return Body.of(response.content)
        try:
            with self._naming(where), closing(response):
                return spool.collect(response.iter_raw(), where=where)
        except lenient.Truncated as error:
            raise Transient(f"{response.status_code}, but the body is cut short: {error}") from error
        except lenient.Unreadable as error:
            raise Transient(f"{response.status_code}, but {error}") from error

    @contextmanager
    def _naming(self, where: str) -> Iterator[None]:
        try:
            yield
        except httpx.ConnectTimeout as error:
            raise Transient(f"no connection within {self._timeout:g} s") from error
        except httpx.TimeoutException as error:
            raise Transient(f"no answer within {self._timeout:g} s") from error
        except httpx.ConnectError as error:
            raise self._unconnected(error, where) from error
        except httpx.RemoteProtocolError as error:
            raise Transient(f"answer cut short: {self._redaction.scrub(str(error))}") from error
        except httpx.ProxyError as error:
            # From nothing: the error behind it has the proxy's own text, which may be what it was sent.
            raise self._stopped_by_proxy(str(error), where) from None
        except httpx.LocalProtocolError as error:
            raise DeclarationError(
                f"{where}: nobody can send such a request: {self._redaction.scrub(str(error))}",
                hint="What goes into a header, a token perhaps, is not empty behind its kind, and has neither"
                " a line's end nor a space around it.",
            ) from None  # it has the value
        except httpx.TransportError as error:
            said = self._redaction.scrub(str(error)) or type(error).__name__
            raise Transient(f"connection broken: {said}") from error
        except socks_errors() as error:
            raise Transient("the proxy: it does not answer as a SOCKS proxy does") from error
        except httpx.DecodingError as error:
            raise Transient(f"answer cannot be decompressed: {self._redaction.scrub(str(error))}") from error

    def _stopped_by_proxy(self, said: str, where: str) -> CredentialsRejected | Transient:
        if said.startswith(_REFUSED_BY_PROXY):
            return refused_by_proxy(where, by_http=said[:1] == "4")
        return Transient(f"the proxy: {self._redaction.scrub(said)}")

    def _unconnected(self, error: httpx.ConnectError, where: str) -> SourceUnavailable | Transient:
        if isinstance(_root_cause(error), ssl.SSLError):
            return SourceUnavailable(
                f"{where}: no secure connection: {error}",
                hint="Check the host's certificate; it is not tried again.",
            )
        asked = error.request.url  # that of a token perhaps, on another host
        address = self._base.said_by if asked.host == self._base.url.host else "the address"
        return Transient(
            f"cannot connect to {named(asked)}: {self._redaction.scrub(str(error))}",
            hint=f"Check {address}, and that the source is up and reachable, then run again.",
        )


def _root_cause(error: BaseException) -> BaseException:
    while (cause := error.__cause__ or error.__context__) is not None:
        error = cause
    return error
