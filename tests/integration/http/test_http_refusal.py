"""Errors that come with a 200, of JSON-RPC, of GraphQL and of APIs with a word of their own for it."""

import json
import time
import traceback
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from datetime import timedelta
from typing import Any

import pytest

from strandline.errors import CredentialsRejected, RateLimited, SourceUnavailable, UnexpectedResponse
from strandline.source import (
    ClientCredentials,
    Csv,
    Download,
    ErrorInBody,
    JsonLines,
    Ready,
    Retry,
    SessionLogin,
    SinglePage,
    Submit,
    Xml,
)
from strandline.testing.server import ReceivedRequest, Response, ScriptedApi
from strandline.testing.tokens import Tokens

SECRET = "canary-7f3a/b+c d"


def said(answer: object) -> Response:
    return Response(json.dumps(answer).encode())


def read(crm: Any, errors: Any = "error", path: str = "/rpc", **options: Any) -> list[bytes]:
    options = {"records": "result", "errors": errors, **options}
    return [record for page in crm.pages(path, **options) for record in page.records]


WELL = {"jsonrpc": "2.0", "id": 1, "result": [{"id": "C-0"}], "error": None}
FAILED = {"jsonrpc": "2.0", "id": 1, "error": {"code": -32000, "message": "the cursor is gone"}}


def test_an_error_of_json_rpc_is_an_error(api: ScriptedApi, open_crm: Callable[..., Any]) -> None:
    api.respond("/rpc", said(WELL))
    assert read(open_crm()) == [b'{"id": "C-0"}']

    api.respond("/rpc", said(FAILED))
    with pytest.raises(
        UnexpectedResponse, match=r"/rpc: 200, but it is an error: the cursor is gone \[-32000\]; "
    ) as caught:
        read(open_crm())
    assert "ErrorInBody('error', retry=('-32000',))" in str(caught.value.hint)
    assert len(api.requests) == 2


@pytest.mark.parametrize(
    ("errors", "answer", "told"),
    [
        ("error", {"result": [1], "error": "half of it is missing"}, "half of it is missing"),
        ("error", {"error": ["UserError", ["no such model", ""]]}, 'UserError; ["no such model", ""]'),
        ("error", {"error": {"data": {"name": "x"}}}, '{"data": {"name": "x"}}'),
        ("errors", {"errors": [{"code": n, "detail": "bad"} for n in range(5)]}, r"[2] (and 2 more)"),
        ("meta.fault", {"meta": {"fault": True}, "result": []}, "true"),
        (ErrorInBody("ok", fine=(True,), message="why"), {"ok": False, "why": "busy"}, "busy"),
        (ErrorInBody("status", fine=("ok",)), {"status": "error", "result": [1]}, "error"),
        (
            ErrorInBody("status", fine=(0,), code="status", message="text"),
            {"status": 7, "text": "no"},
            "no [7]",
        ),
    ],
    ids=range(8),
)
def test_an_error_is_told_in_the_words_of_the_api(
    api: ScriptedApi, open_crm: Callable[..., Any], errors: Any, answer: object, told: str
) -> None:
    api.respond("/rpc", said(answer))

    with pytest.raises(UnexpectedResponse) as caught:
        read(open_crm(), errors)
    assert f"it is an error: {told}" in caught.value.message or told in caught.value.message


NOTHING: list[object] = [None, False, 0, "", [], {}]


@pytest.mark.parametrize(
    ("errors", "answer"),
    [
        *(("error", {"result": [], "error": it}) for it in NOTHING),
        ("error", {"result": []}),
        (ErrorInBody("status", fine=("ok", "partial")), {"result": [], "status": "partial"}),
        (ErrorInBody("ok", fine=(True,)), {"result": [], "ok": True}),
        (ErrorInBody("status", fine=("ok",)), {"result": []}),
    ],
    ids=range(10),
)
def test_what_says_that_there_is_no_error_is_none(
    api: ScriptedApi, open_crm: Callable[..., Any], errors: Any, answer: object
) -> None:
    api.respond("/rpc", said(answer))

    assert read(open_crm(), errors) == []


def test_what_is_declared_to_pass_is_asked_again(api: ScriptedApi, open_crm: Callable[..., Any]) -> None:
    api.respond("/rpc", said(WELL))
    api.fail("/rpc", said(FAILED), request=(1, 2))
    errors = ErrorInBody("error", retry=(-32000,))

    assert read(open_crm(), errors) == [b'{"id": "C-0"}']
    assert len(api.requests) == 3

    api.fail("/rpc", said(FAILED))
    with pytest.raises(SourceUnavailable, match=r"gave up after 3 attempts .* the cursor is gone"):
        read(open_crm(), errors)


@pytest.mark.parametrize(
    "errors", ["error", ErrorInBody("error", limited=("slow_down",))], ids=["known", "declared"]
)
def test_too_many_requests_are_waited_for_as_after_a_429(
    api: ScriptedApi, open_crm: Callable[..., Any], errors: Any
) -> None:
    code = "ratelimited" if errors == "error" else "slow_down"
    limited = json.dumps({"ok": False, "error": code}).encode()
    api.respond("/rpc", said(WELL))
    api.fail("/rpc", Response(limited, headers={"Retry-After": "1"}), request=1)

    begun = time.monotonic()
    assert read(open_crm(), errors) == [b'{"id": "C-0"}']
    assert time.monotonic() - begun >= 1

    api.fail("/rpc", Response(limited))
    with pytest.raises(RateLimited):
        read(open_crm(), errors)


def test_a_secret_that_an_error_repeats_is_not_told(
    api: ScriptedApi, open_crm: Callable[..., Any], caplog: pytest.LogCaptureFixture
) -> None:
    """Nor half of one, where a long error is cut."""
    caplog.set_level(0)
    for errors in ("error", ErrorInBody("error", retry=(1,)), ErrorInBody("error", rejected=(1,))):
        for before in (0, 20, 485):
            told = {"code": 1, "message": f"{'x' * before}no {SECRET} here", "data": SECRET}
            api.respond("/rpc", said({"error": told, "result": {"x": SECRET}}))
            with pytest.raises((UnexpectedResponse, SourceUnavailable, CredentialsRejected)) as caught:
                read(open_crm(), errors)
            trace = "".join(traceback.format_exception(caught.value)) + str(caught.value.hint)
            assert "no ***" in trace or before
            assert "canary" not in trace + caplog.text


@pytest.mark.parametrize("value", [SECRET, f"{'x' * 30}{SECRET}", {"a": SECRET}], ids=range(3))
@pytest.mark.parametrize("records", ["result", "result[].orders[]", "result.orders"])
def test_no_half_of_a_secret_is_quoted_where_records_should_be(
    api: ScriptedApi, open_crm: Callable[..., Any], value: Any, records: str
) -> None:
    api.respond("/rpc", said({"result": {"orders": value}}))

    with pytest.raises(UnexpectedResponse) as caught:
        read(open_crm(), None, records=records)
    assert "canary" not in "".join(traceback.format_exception(caught.value))


class Rpc:
    """An API by JSON-RPC that answers everything with a 200."""

    def __init__(self, api: ScriptedApi, *, refusal: object, lifetime: float | None = None) -> None:
        self.tokens = Tokens(client_id="crm", client_secret=SECRET, lifetime=lifetime)
        self.refusal = refusal
        api.respond("/token", self.tokens)
        api.respond("/rpc", self.answer)

    def answer(self, request: ReceivedRequest) -> Response:
        """A customer for who is known."""
        token = request.headers.get("authorization", "").removeprefix("Bearer ")
        return said(WELL if self.tokens.is_good(token) else self.refusal)


CREDENTIALS = staticmethod(lambda it: ClientCredentials("/token", client_id="crm", client_secret=it))
NOT_KNOWN = {"error": {"code": 401, "message": "who are you?"}}


@pytest.mark.parametrize(
    ("refusal", "errors"),
    [
        (NOT_KNOWN, "error"),
        ({"error": {"status": "UNAUTHENTICATED", "message": "?"}}, "error"),
        ({"ok": False, "error": "token_expired"}, "error"),
        ({"error": {"code": 100, "message": "Session Expired"}}, ErrorInBody("error", rejected=(100,))),
    ],
    ids=range(4),
)
def test_a_token_that_is_refused_with_a_200_is_renewed(
    api: ScriptedApi, open_crm: Callable[..., Any], refusal: object, errors: Any
) -> None:
    rpc = Rpc(api, refusal=refusal)
    crm = open_crm(credentials=CREDENTIALS)
    assert read(crm, errors) == [b'{"id": "C-0"}']

    rpc.tokens.expire()
    assert read(crm, errors) == [b'{"id": "C-0"}']
    assert rpc.tokens.granted == 2
    assert [it.path for it in api.requests] == ["/token", "/rpc", "/rpc", "/token", "/rpc"]


def test_a_second_refusal_is_of_the_credentials(api: ScriptedApi, open_crm: Callable[..., Any]) -> None:
    Rpc(api, refusal=NOT_KNOWN)
    api.respond("/rpc", said(NOT_KNOWN))

    with pytest.raises(
        CredentialsRejected, match=r"200, but it is an error: who are you\? \[401\], to the OAuth 2"
    ):
        read(open_crm(credentials=CREDENTIALS))
    assert [it.path for it in api.requests] == ["/token", "/rpc", "/token", "/rpc"]


@pytest.mark.parametrize(
    "refusal",
    [NOT_KNOWN, {"error": {"code": "forbidden", "message": "not yours"}}],
    ids=["bearer", "forbidden"],
)
def test_what_no_token_helps_against_is_asked_once(
    api: ScriptedApi, open_crm: Callable[..., Any], refusal: Any
) -> None:
    api.respond("/token", Tokens(client_id="crm", client_secret=SECRET))
    api.respond("/rpc", said(refusal))
    chosen = {} if refusal is NOT_KNOWN else {"credentials": CREDENTIALS}

    with pytest.raises(CredentialsRejected):
        read(open_crm(**chosen))
    assert len(api.requests_to("/rpc")) == 1


def test_streams_that_are_refused_together_fetch_one_token(
    api: ScriptedApi, open_crm: Callable[..., Any]
) -> None:
    rpc = Rpc(api, refusal=NOT_KNOWN)
    crm = open_crm(credentials=CREDENTIALS)
    read(crm)
    rpc.tokens.expire()

    with ThreadPoolExecutor(8) as threads:
        answers = list(threads.map(lambda _: read(crm), range(8)))
    assert answers == [[b'{"id": "C-0"}']] * 8
    assert rpc.tokens.granted == 2


def test_a_session_that_is_over_is_begun_anew(api: ScriptedApi, open_crm: Callable[..., Any]) -> None:
    """As Odoo says it: 200, and an error with the code 100."""
    sessions = iter(range(1, 9))
    api.respond(
        "/login", lambda _: Response(b"{}", headers={"Set-Cookie": f"session=number-{next(sessions)}"})
    )

    def answer(request: ReceivedRequest) -> Response:
        over = {"error": {"code": 100, "message": "Odoo Session Expired"}}
        return said(WELL if request.headers.get("cookie") == "session=number-2" else over)

    api.respond("/rpc", answer)
    login = staticmethod(lambda it: SessionLogin("/login", user="us", password=it))

    crm = open_crm(credentials=login, errors=ErrorInBody("error", rejected=(100,)))
    assert read(crm, None) == [b'{"id": "C-0"}']
    assert len(api.requests_to("/login")) == 2


@pytest.mark.parametrize("code", ["UNAUTHENTICATED", "FORBIDDEN"])
def test_graphql_says_so_too(api: ScriptedApi, open_crm: Callable[..., Any], code: str) -> None:
    tokens = Tokens(client_id="crm", client_secret=SECRET)
    error = {"message": "sign in", "extensions": {"code": code}}
    api.respond("/token", tokens)
    api.respond("/graphql", said({"data": None, "errors": [error]}))
    crm = open_crm(credentials=CREDENTIALS)

    with pytest.raises(CredentialsRejected, match=rf"GraphQL has errors: sign in \[{code}\], to the OAuth 2"):
        list(crm.graphql("{ a { id } }", records="data.a", paginator=SinglePage()))
    assert tokens.granted == (2 if code == "UNAUTHENTICATED" else 1)


def test_graphql_is_asked_again_where_that_is_declared(
    api: ScriptedApi, open_crm: Callable[..., Any]
) -> None:
    failed = {"errors": [{"message": "oops", "extensions": {"code": "INTERNAL_SERVER_ERROR"}}]}
    api.respond("/graphql", said({"data": {"a": [{"id": 1}]}}))
    api.fail("/graphql", said(failed), request=1)

    errors = ErrorInBody("errors", retry=("INTERNAL_SERVER_ERROR",))
    pages = open_crm().graphql("{ a { id } }", records="data.a", paginator=SinglePage(), errors=errors)
    assert [page.records for page in pages] == [[b'{"id": 1}']]


@pytest.mark.parametrize("format_", [Csv(), JsonLines(), Xml("a/b")], ids=["csv", "ndjson", "xml"])
def test_an_error_in_json_where_another_format_is_declared(
    api: ScriptedApi, open_crm: Callable[..., Any], format_: Any
) -> None:
    api.respond("/export", said({"error": {"code": 7, "message": "no such export"}}))

    with pytest.raises(UnexpectedResponse, match=r"it is an error: no such export \[7\]"):
        read(open_crm(), path="/export", records=None, format=format_)


def test_an_error_in_xml(api: ScriptedApi, open_crm: Callable[..., Any]) -> None:
    api.respond("/soap", b"<Body><Fault><text>no such order</text></Fault></Body>")
    with pytest.raises(UnexpectedResponse, match="it is an error: no such order"):
        read(open_crm(), "Body.Fault.text", "/soap", records=None, format=Xml("Body/Order"))

    api.respond("/soap", b"<Body><Order><id>1</id></Order></Body>")
    assert read(open_crm(), "Body.Fault.text", "/soap", records=None, format=Xml("Body/Order")) == [
        b'{"id":"1"}'
    ]


def test_every_answer_about_a_report_may_be_an_error(api: ScriptedApi, open_crm: Callable[..., Any]) -> None:
    quick = timedelta(milliseconds=5)
    api.respond("/reports/1", b'{"status": "DONE"}')
    api.respond("/reports/1/rows", said(WELL))
    api.respond("/reports", b'{"id": 1}')
    crm = open_crm(errors=ErrorInBody("error", retry=(7,)), retry=Retry(attempts=2, wait_initial=quick))

    def order() -> list[bytes]:
        pages = crm.report(
            submit=Submit("/reports", method="GET"),
            ready=Ready("/reports/{id}", status="status", done=["DONE"], wait=quick),
            download=Download("/reports/{id}/rows", records="result"),
        )
        return [record for page in pages for record in page.records]

    for path in ("/reports", "/reports/1", "/reports/1/rows"):
        api.fail(
            path, said({"error": {"code": 7, "message": "not now"}}), request=len(api.requests_to(path)) + 1
        )
        assert order() == [b'{"id": "C-0"}']
        api.fail(path, said({"error": {"code": 8, "message": "no"}}))
        with pytest.raises(UnexpectedResponse, match=r"it is an error: no \[8\]"):
            order()
        api.recover(path)
