"""An HttpSource only reads, only from its own host, and shows no secret anywhere."""

import json
import traceback
from collections.abc import Callable
from typing import Any

import pytest

from strandline.errors import (
    CredentialsRejected,
    MethodRefused,
    SourceError,
    UnexpectedResponse,
)
from strandline.source import (
    ApiKey,
    Basic,
    Bearer,
    LinkInBody,
)
from strandline.testing.server import (
    Fault,
    Html,
    ReceivedRequest,
    Reset,
    Response,
    ScriptedApi,
    Status,
    Truncated,
)

SECRET = "canary-7f3a/b+c d"


@pytest.mark.parametrize("code", [401, 403])
def test_rejected_credentials_name_their_kind_and_setting(
    api: ScriptedApi, open_crm: Callable[..., Any], code: int
) -> None:
    api.fail("/customers", Status(code, body=f"bad token {SECRET}".encode()))

    with pytest.raises(CredentialsRejected) as caught:
        open_crm().read()

    assert f": {code} " in caught.value.message
    assert caught.value.message.endswith("to the bearer token from STRANDLINE_CRM__TOKEN")
    assert len(api.requests) == 1


@pytest.mark.parametrize(
    ("credentials", "header", "value"),
    [
        (Bearer, "authorization", f"Bearer {SECRET}"),
        (ApiKey, "x-api-key", SECRET),
        (lambda token: ApiKey(token, header="X-Token"), "x-token", SECRET),
        (lambda token: Basic("user", "pass"), "authorization", "Basic dXNlcjpwYXNz"),
    ],
    ids=["bearer", "api key", "api key in a header", "basic"],
)
def test_credentials_go_into_their_header(
    api: ScriptedApi, open_crm: Callable[..., Any], credentials: Any, header: str, value: Any
) -> None:
    api.serve("/customers", [])

    open_crm(credentials=staticmethod(credentials)).read()

    assert api.requests[0].headers[header] == value


def test_an_api_key_goes_into_the_query_and_is_never_shown(
    api: ScriptedApi, open_crm: Callable[..., Any]
) -> None:
    api.serve("/customers", [])

    crm = open_crm(credentials=staticmethod(lambda token: ApiKey(token, query="apikey_")))
    pages = crm.read()

    assert api.requests[0].query["apikey_"] == SECRET
    assert SECRET not in pages[0].request


def _echo(request: ReceivedRequest) -> Response:
    """What a careless API does: everything it got comes back in its error."""
    return Response(json.dumps([request.query, request.headers], ensure_ascii=False).encode(), status=400)


def _link_away(request: ReceivedRequest) -> Response:
    return Response(json.dumps({"data": [], "next": f"http://elsewhere.example/?apikey_={SECRET}"}).encode())


def _link_to_itself(request: ReceivedRequest) -> Response:
    return Response(json.dumps({"data": [], "next": f"/customers?apikey_={SECRET}"}).encode())


SPOILERS: dict[str, Fault | Callable[[ReceivedRequest], Response]] = {
    "401": Status(401, body=SECRET.encode()),
    "400 that echoes": _echo,
    "503": Status(503, body=SECRET.encode()),
    "429": Status(429),
    "reset": Reset(),
    "truncated": Truncated(),
    "html": Html(body=f"<html>{SECRET}".encode()),
    "link to another host": _link_away,
    "link to itself": _link_to_itself,
}


@pytest.mark.parametrize("spoiler", SPOILERS)
@pytest.mark.parametrize(
    "credentials",
    [Bearer, lambda token: ApiKey(token, query="apikey_"), ApiKey, lambda token: Basic("user", token)],
    ids=["bearer", "query", "header", "basic"],
)
def test_no_secret_is_in_any_log_error_or_repr(
    api: ScriptedApi,
    open_crm: Callable[..., Any],
    customers: Callable[[int], list[dict[str, str]]],
    credentials: Any,
    spoiler: str,
    caplog: pytest.LogCaptureFixture,
    capfd: pytest.CaptureFixture[str],
) -> None:
    """The canary: neither the token nor its encoded forms."""
    caplog.set_level(0)
    api.serve("/customers", customers(3))
    met = SPOILERS[spoiler]
    if callable(met):
        api.respond("/customers", met)
    else:
        api.fail("/customers", met)
    crm = open_crm(credentials=staticmethod(credentials), paginator=LinkInBody())

    with pytest.raises(SourceError) as caught:
        crm.read()

    told = "".join(traceback.format_exception(caught.value)) + caplog.text + "".join(capfd.readouterr())
    told += repr([crm, crm.settings, crm.auth(), crm.client, vars(crm.client), caught.value.hint])
    for form in (SECRET, "canary-7f3a", "Y2FuYXJ5", "dXNlcjpjYW5hcnk"):
        assert form not in told


def test_the_client_only_reads_unless_the_stream_declares_a_method(
    api: ScriptedApi, open_crm: Callable[..., Any]
) -> None:
    crm = open_crm()

    with pytest.raises(MethodRefused, match="the client only reads, DELETE is not among GET, HEAD") as caught:
        list(crm.changed.read(crm))

    assert 'methods=("DELETE",)' in str(caught.value.hint)
    assert api.requests == []


def test_a_declared_method_may_be_used_with_a_body(
    api: ScriptedApi, open_crm: Callable[..., Any], customers: Callable[[int], list[dict[str, str]]]
) -> None:
    api.serve("/search", customers(2))
    crm = open_crm()

    assert [json.loads(record)["id"] for page in crm.found.read(crm) for record in page.records] == [
        "C-0",
        "C-1",
    ]
    assert (api.requests[0].method, json.loads(api.requests[0].body)) == ("POST", {"q": "*"})


def test_redirects_are_followed_on_the_same_host_only(
    api: ScriptedApi, open_crm: Callable[..., Any], customers: Callable[[int], list[dict[str, str]]]
) -> None:
    api.serve("/v2/customers", customers(1))
    api.respond("/customers", Response(status=308, headers={"Location": "/v2/customers?moved=1"}))
    crm = open_crm()

    assert crm.read_ids() == ["C-0"]

    with ScriptedApi() as elsewhere:
        api.respond("/customers", Response(status=302, headers={"Location": f"{elsewhere.url}/steal"}))
        with pytest.raises(
            UnexpectedResponse, match=r"302 redirect leads to http://127.0.0.1:\d+, away from"
        ):
            crm.read()
        assert elsewhere.requests == []


def test_an_endless_redirect_ends(api: ScriptedApi, open_crm: Callable[..., Any]) -> None:
    api.respond("/customers", Response(status=302, headers={"Location": "/customers"}))

    with pytest.raises(UnexpectedResponse, match="more than 5 redirects"):
        open_crm().read()


def test_next_links_to_another_host_are_refused(api: ScriptedApi, open_crm: Callable[..., Any]) -> None:
    api.respond("/customers", b'{"data": [1], "next": "https://elsewhere.example/customers?page=2"}')

    with pytest.raises(
        UnexpectedResponse, match=r"next page leads to https://elsewhere.example, away from http://127"
    ):
        open_crm(paginator=LinkInBody()).read()
