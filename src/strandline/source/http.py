"""A source that is an HTTP API: settings, credentials and limits in one class, and `pages`, which walks
an endpoint.
"""

from __future__ import annotations

import ssl
from collections.abc import Mapping
from datetime import UTC, date, datetime
from decimal import Decimal
from functools import cached_property
from itertools import count
from typing import ClassVar, Final, Self

import httpx
from pydantic import SecretStr

from strandline.errors import DeclarationError, UnexpectedResponse
from strandline.source import lenient
from strandline.source.auth import Credentials, Owner
from strandline.source.body import Reader, reader
from strandline.source.client import READ_METHODS, Client, Fetched
from strandline.source.format import Format
from strandline.source.page import BOM, Cut, Page, Pages, Path, keys
from strandline.source.paginator import Answer, Guard, Paginator, Request, SinglePage
from strandline.source.retry import Retry
from strandline.source.settings import env_prefix
from strandline.source.stream import Source, reading
from strandline.source.throttle import Rate, Throttle
from strandline.source.vault import TokenVault

MOST_RECORDS: Final = 50_000
"""Of one page; an answer with more becomes several."""

Parameter = str | int | float | bool | date | datetime | None


class HttpSource(Source):
    """An HTTP API that is read as streams.

    `base_url` comes from the settings' field of that name unless the class sets it. A stream's method returns
    `self.pages(…)`, or yields from several.
    """

    base_url: ClassVar[str] = ""
    retry: ClassVar[Retry] = Retry()
    rate: ClassVar[Rate | None] = None
    timeout: ClassVar[float] = 30.0
    """Seconds to connect, and to wait for the next bytes."""
    verify: ClassVar[bool | ssl.SSLContext] = True
    """False, or a context of one's own, for a host with a private certificate."""
    vault: TokenVault | None = None
    """Where credentials that change are kept between runs: a pipeline gives its own; else files."""

    def auth(self) -> httpx.Auth | None:
        """The credentials: ApiKey, Basic, Bearer or any httpx.Auth; none unless overridden."""
        return None

    def pages(
        self,
        path: str,
        *,
        params: Mapping[str, Parameter] | None = None,
        paginator: Paginator | None = None,
        records: Path = None,
        format: Format | None = None,  # noqa: A002  # the word for it
        method: str = "GET",
        body: object = None,
    ) -> Pages:
        """Walk an endpoint: `records` says where in the body their array is ("data.items"; the body itself
        if None).

        Parameters that are None are left out; timestamps go as UTC with a Z, truth values as true and false.
        `format` is what the body is written in, where that is not JSON: Csv(), JsonLines(), Xml("a/b").
        """
        asked_by = reading.get()
        first = Request(
            method, path, {name: _text(value) for name, value in (params or {}).items() if value is not None}
        )
        return self._walk(
            Request(first.method, first.url, first.params, body=body),
            paginator=paginator or SinglePage(),
            read=reader(records, format=format, wanted=tuple(paginator.wanted if paginator else ())),
            name=asked_by.qualified_name if asked_by else self.name,
            methods=asked_by.methods if asked_by else READ_METHODS,
        )

    def number(
        self,
        path: str,
        *,
        at: Path = None,
        params: Mapping[str, Parameter] | None = None,
    ) -> Decimal:
        """Ask an endpoint for one exact number, as a @reconciliation does: `at` says where in the answer it
        is ("meta.total"; the whole answer if None).
        """
        given = {name: _text(value) for name, value in (params or {}).items() if value is not None}
        fetched: Fetched[Decimal | None] = self.client.fetch(
            Request("GET", path, given),
            stream=self.name,
            methods=READ_METHODS,
            read=lambda answer, _: lenient.number(answer.removeprefix(BOM), keys(at)),
            nothing=None,
        )
        if fetched.content is None:
            raise UnexpectedResponse(f"{fetched.where}: there is no number in an empty answer")
        return fetched.content

    def __enter__(self) -> Self:
        """Have a client, so that an address that cannot be one is told before anything is read."""
        _ = self.client
        return super().__enter__()

    def close(self) -> None:
        """Close the connections."""
        # Only if there are any: looking at the client would make it.
        if "client" in self.__dict__:
            self.client.close()

    @cached_property
    def client(self) -> Client:
        """What fetches; made when first needed."""
        auth = self.auth()
        secrets = auth.secrets if isinstance(auth, Credentials) else ()
        if isinstance(auth, Credentials):
            auth.belong(Owner(self.name, self._variables_of, lambda: self.vault))
        return Client(
            self.base_url or self._base_url_of_settings(),
            auth=auth,
            policy=self.retry,
            throttle=Throttle(self.rate),
            timeout=self.timeout,
            secrets=self.settings.secrets(),
            auth_settings=[variable for secret in secrets for variable in self._variables_of(secret)],
            address=self._address,
            verify=self.verify,
        )

    def _variables_of(self, secret: SecretStr) -> list[str]:
        return self.settings.variables_of(secret, source_name=self.name)

    @property
    def _address(self) -> str:
        """What says where the API is, as a hint calls it."""
        return f"{type(self).__name__}.base_url" if self.base_url else f"{env_prefix(self.name)}BASE_URL"

    def _base_url_of_settings(self) -> str:
        base_url = getattr(self.settings, "base_url", None)
        if not base_url:
            raise DeclarationError(
                f"{type(self).__name__}: has no base_url",
                hint="Set it on the class, or declare base_url: str on its settings.",
            )
        return str(base_url)

    def _walk(
        self, first: Request, *, paginator: Paginator, read: Reader, name: str, methods: tuple[str, ...]
    ) -> Pages:
        guard = Guard(self.client.show_token)
        steps = paginator.walk(first)
        request = next(steps)
        for number in count(1):
            guard.check_request(request, where=name, number=number)
            fetched = self.client.fetch(
                request,
                stream=name,
                methods=methods,
                read=read,
                nothing=Cut([], {}),
            )
            cut = fetched.content
            guard.check_page(cut.records, where=fetched.where, number=number, request=request)
            yield from _pages(fetched, number)
            try:
                request = steps.send(_answer(fetched))
            except StopIteration:
                return


def _pages(fetched: Fetched[Cut], number: int) -> Pages:
    """One page, or several where one answer is a whole export, each with the numbers of its rows."""
    records = fetched.content.records
    for first in range(0, len(records) or 1, MOST_RECORDS):
        some = records[first : first + MOST_RECORDS] if len(records) > MOST_RECORDS else records
        rows = f", rows {first + 1} to {first + len(some)}" if some is not records else ""
        yield Page(
            records=some,
            number=number,
            request=fetched.request + rows,
            status=fetched.status,
            fetched_at=fetched.fetched_at,
            size=sum(map(len, some)) if rows else fetched.size,
        )


def _answer(fetched: Fetched[Cut]) -> Answer:
    return Answer(
        where=fetched.where,
        url=fetched.url,
        headers=fetched.headers,
        count=len(fetched.content.records),
        found=fetched.content.found,
    )


def _text(value: Parameter) -> str:
    match value:
        case bool():
            return "true" if value else "false"
        case datetime() if value.tzinfo is not None:
            return value.astimezone(UTC).isoformat().replace("+00:00", "Z")
        case date():
            return value.isoformat()
    return str(value)
