"""A source that is an HTTP API: settings, credentials and limits in one class, and `pages`, which walks
an endpoint.
"""

from __future__ import annotations

import ssl
from collections.abc import Collection, Mapping
from decimal import Decimal
from functools import cached_property
from typing import ClassVar, Self

import httpx
from pydantic import SecretStr

from strandline.errors import DeclarationError, UnexpectedResponse
from strandline.source import address, lenient, turn
from strandline.source.auth import Credentials, Owner
from strandline.source.body import reader
from strandline.source.client import READ_METHODS, Client, Fetched
from strandline.source.format import Format
from strandline.source.page import BOM, Pages, Path, keys
from strandline.source.paginator import SinglePage
from strandline.source.refusal import ErrorInBody, Refusing
from strandline.source.report import Download, Ready, Report, Submit
from strandline.source.request import Paginator, Request, Value, as_json, as_texts, sees_records
from strandline.source.retry import Retry
from strandline.source.selector import Selector
from strandline.source.settings import env_prefix
from strandline.source.stream import Source, reading
from strandline.source.tally import Place, Tally
from strandline.source.throttle import Rate, Throttle
from strandline.source.transport import way_of
from strandline.source.turn import Board
from strandline.source.vault import KeepsCredentials, TokenVault
from strandline.source.walk import walk


class HttpSource(Source, KeepsCredentials):
    """An HTTP API that is read as streams.

    `base_url` comes from the settings' field of that name unless the class sets it. A stream's method returns
    `self.pages(…)`, or yields from several.
    """

    base_url: ClassVar[str] = ""
    retry: ClassVar[Retry] = Retry()
    rate: ClassVar[Rate | None] = None
    timeout: ClassVar[float] = 30.0
    """Seconds to connect, and to wait for the next bytes."""
    errors: ClassVar[Path | ErrorInBody] = None
    """Where an answer with a 200 says that it is an error, unless `pages` says otherwise."""
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
        params: Mapping[str, Value] | None = None,
        paginator: Paginator | None = None,
        records: Selector = None,
        carry: Mapping[str, Path] | None = None,
        format: Format | None = None,  # noqa: A002  # the word for it
        method: str = "GET",
        body: object = None,
        form: Mapping[str, Value] | None = None,
        headers: Mapping[str, str] | None = None,
        total: Place = None,
        state: Place = None,
        errors: Path | ErrorInBody = None,
        hosts: Collection[str] = (),
    ) -> Pages:
        """Walk an endpoint: `records` says where in the body their array is ("data.items"; the body itself
        if None), or how to get there ("results[].orders[]", "data.*.items", a function from bytes to each
        record's bytes).

        Parameters that are None are left out; timestamps go as UTC with a Z, truth values as true and false.
        `body` goes as JSON, `form` as a form. `carry` adds to each record what stands in the objects around
        it: {"customer_id": "results[].id"}. `format` is what the body is written in, where that is not JSON:
        Csv(), JsonLines(), Xml("a/b").
        `total` says where an answer tells how many records there are in all, `state` where it tells how far
        the source has been read with it: a path in the body, or a Header("X-Total-Count").
        `errors` says where an answer with a 200 tells that it is an error: "error" for JSON-RPC, or an
        ErrorInBody("error", retry=(…)) that says what its codes mean. `hosts` are others that a redirect or
        link may lead to, "files.example.com": they are asked without credentials.
        """
        address.check_hosts(hosts, where="pages")
        asked_by, tally = reading.get(), Tally(total, state)
        first = Request(
            method,
            path,
            as_texts(params),
            body=as_json(body) if form is None else as_texts(form),
            is_form=form is not None,
            headers=as_texts(headers),
            hosts=tuple(hosts),
        )
        chosen = paginator or SinglePage()
        wanted = (*chosen.wanted, *tally.wanted)
        return walk(
            self.client,
            first,
            paginator=chosen,
            read=reader(
                records,
                carry=carry,
                format=format,
                wanted=wanted,
                refusing=self._refusing(errors),
                sees_records=sees_records(chosen),
            ),
            name=asked_by.qualified_name if asked_by else self.name,
            methods=asked_by.methods if asked_by else READ_METHODS,
            tally=tally,
        )

    def report(
        self, *, submit: Submit, ready: Ready, download: Download, errors: Path | ErrorInBody = None
    ) -> Pages:
        """Order a report, wait until it is ready, and read it: for endpoints that make one on request. A run
        that is broken off orders it anew. `errors` is that of `pages`, for every answer about it.
        """
        asked_by = reading.get()
        name, methods = (asked_by.qualified_name, asked_by.methods) if asked_by else (self.name, READ_METHODS)
        return Report(self.client, name, methods, submit, ready, download, self._refusing(errors)).read()

    def graphql(
        self,
        query: str,
        *,
        variables: Mapping[str, object] | None = None,
        records: Selector,
        carry: Mapping[str, Path] | None = None,
        paginator: Paginator | None = None,
        path: str = "/graphql",
        errors: ErrorInBody | None = None,
    ) -> Pages:
        """Ask a GraphQL API: `records` says where the nodes are ("data.orders.nodes", or
        "data.orders.edges[].node").

        Pages follow by the connection's own `pageInfo { hasNextPage endCursor }`, whose cursor goes into the
        variable `after`; declare a `Connection` for other names, SinglePage() where there is one page only.
        An answer with errors is an error, also where it has data too; one that says THROTTLED is asked for
        again, and so is what `errors` names: ErrorInBody("errors", retry=(…)). The query must be no mutation,
        and so the stream need not declare the POST.
        """
        from strandline.source import graphql

        chosen = paginator or graphql.connection_of(query, records)
        asked_by = reading.get()
        name = asked_by.qualified_name if asked_by else self.name
        graphql.check(query, where=name)
        content = {"query": query, "variables": as_json(variables or {}, "variables")}
        return walk(
            self.client,
            Request("POST", path, body=content),
            paginator=chosen,
            read=reader(records, carry=carry, wanted=tuple(chosen.wanted), refusing=graphql.refusing(errors)),
            name=name,
            methods=("POST",),
        )

    def number(
        self,
        path: str,
        *,
        at: Path = None,
        params: Mapping[str, Value] | None = None,
    ) -> Decimal:
        """Ask an endpoint for one exact number, as a @reconciliation does: `at` says where in the answer it
        is ("meta.total"; the whole answer if None).
        """
        fetched: Fetched[Decimal | None] = self.client.fetch(
            Request("GET", path, as_texts(params)),
            stream=self.name,
            methods=READ_METHODS,
            read=lambda body, _: lenient.number(body.whole().removeprefix(BOM), keys(at)),
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
        way = way_of(self.settings, verify=self.verify, source=self.name)
        if isinstance(auth, Credentials):
            auth.belong(Owner(self.name, self._variables_of, lambda: self.vault))
        base_url = self.base_url or self._base_url_of_settings()
        shared_by = [base_url, *self.settings.secrets(), *(it.get_secret_value() for it in secrets)]
        board = Board(turn.file_for(self.name, told_apart_by=shared_by))
        return Client(
            base_url,
            auth=auth,
            policy=self.retry,
            throttle=Throttle(self.rate, board=board, patience=self.retry.retry_after_cap),
            timeout=self.timeout,
            secrets=self.settings.secrets(),
            auth_settings=list(dict.fromkeys(it for secret in secrets for it in self._variables_of(secret))),
            said_by=self._address,
            way=way,
        )

    def _refusing(self, errors: Path | ErrorInBody) -> Refusing | None:
        declared = errors if errors is not None else type(self).errors
        if declared is None:
            return None
        return Refusing(declared if isinstance(declared, ErrorInBody) else ErrorInBody(declared))

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
