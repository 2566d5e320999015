"""Files that lie on another host are fetched from there, where that is declared, with nothing of ours."""

import json
import time
import traceback
from collections.abc import Callable, Iterator, Mapping
from datetime import timedelta
from typing import Any

import httpx
import pytest
from pydantic import SecretStr

from strandline.errors import (
    CredentialsRejected,
    DeclarationError,
    ReportFailed,
    StrandlineError,
    UnexpectedResponse,
)
from strandline.source import (
    ApiKey,
    Basic,
    Bearer,
    ClientCredentials,
    Csv,
    Download,
    HmacSignature,
    LinkInBody,
    OAuth1,
    Ready,
    Retry,
    SessionLogin,
    Submit,
)
from strandline.source.address import is_open
from strandline.source.request import Request
from strandline.testing.server import ReceivedRequest, Response, ScriptedApi, Status

SECRET = "canary-7f3a/b+c d"
SIGNED = "X-Amz-Signature=nightjar-0123456789&X-Amz-Credential=nightjar%2Fkey&part=nightjar-9876543210"
"""A link that lets in whoever has it."""
QUICK = timedelta(milliseconds=5)

KINDS: Mapping[str, Callable[[SecretStr], httpx.Auth]] = {
    "bearer": Bearer,
    "basic": lambda it: Basic("us", it),
    "key": ApiKey,
    "key in the query": lambda it: ApiKey(it, query="token_"),
    "session": lambda it: SessionLogin("/login", user="us", password=it),
    "token": lambda it: ClientCredentials("/login", client_id="us", client_secret=it),
    "signed": lambda it: HmacSignature(it, form="{key_id}:{signature}", key_id=it),
    "OAuth 1": lambda it: OAuth1(consumer_key=it, consumer_secret=it, token=it, token_secret=it),
}


@pytest.fixture
def files() -> Iterator[ScriptedApi]:
    """Another host, which is another port here: cookies would go to it if nobody saw to it."""
    with ScriptedApi() as files:
        files.respond("/a.csv", b"id\n1\n2\n")
        yield files


@pytest.fixture
def crm(api: ScriptedApi, files: ScriptedApi, open_crm: Callable[..., Any]) -> Callable[..., Any]:
    """A function that makes a CRM whose reports lie on the other host; it sets a cookie with every answer."""

    def with_cookie(content: object) -> Callable[[ReceivedRequest], Response]:
        cookie = {"Set-Cookie": f"session={SECRET.replace(' ', '')}; Path=/"}
        return lambda _: Response(json.dumps(content).encode(), headers=cookie)

    api.respond("/login", with_cookie({"access_token": SECRET}))
    api.respond("/reports", with_cookie({"id": 1}))
    api.respond("/reports/1", with_cookie({"status": "DONE", "url": f"{files.url}/a.csv?{SIGNED}"}))
    return lambda kind="bearer", **more: open_crm(credentials=staticmethod(KINDS[kind]), **more)


def host(server: ScriptedApi) -> str:
    return server.url.removeprefix("http://")


def order(crm: Any, *, path: str = "{url}", times: int = 1, **download: Any) -> list[Any]:
    return list(
        crm.report(
            submit=Submit("/reports", method="GET", times=times),
            ready=Ready("/reports/{id}", status="status", done=["DONE"], wait=QUICK),
            download=Download(path, format=Csv(), **download),
        )
    )


def ids(pages: list[Any]) -> list[str]:
    return [json.loads(record)["id"] for page in pages for record in page.records]


def sent(request: ReceivedRequest) -> str:
    return json.dumps([request.path, request.query, dict(request.headers), request.body.decode()])


@pytest.mark.parametrize("kind", KINDS)
def test_nothing_of_ours_goes_to_another_host(
    files: ScriptedApi, crm: Callable[..., Any], kind: str, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(0)
    source = crm(kind)

    pages = [*order(source, hosts=[host(files)]), *order(source, hosts=[host(files)])]
    assert ids(pages) == ["1", "2", "1", "2"]
    first, second = files.requests
    assert first.query["X-Amz-Signature"] == "nightjar-0123456789"
    for request in (first, second):
        assert not {"authorization", "cookie", "x-api-key", "x-signature"} & set(request.headers)
        assert "canary" not in sent(request)
    assert {page.request for page in pages} == {f"GET {files.url}/a.csv?…"}
    assert "nightjar" not in caplog.text + repr(pages)


def test_a_host_that_is_not_declared_is_refused(files: ScriptedApi, crm: Callable[..., Any]) -> None:
    with pytest.raises(UnexpectedResponse, match="away from") as caught:
        order(crm())
    assert f'hosts=("{host(files)}",)' in str(caught.value.hint)
    assert "nightjar" not in "".join(traceback.format_exception(caught.value))

    for hosts in (["files.example.com"], ["127.0.0.1"], ["127.0.0.1:9"], ["*.0.0.1"]):
        with pytest.raises(UnexpectedResponse, match="away from"):
            order(crm(), hosts=hosts)
    assert files.requests == []


@pytest.mark.parametrize("kind", KINDS)
def test_a_redirect_to_another_host_is_followed_without_credentials(
    api: ScriptedApi, files: ScriptedApi, crm: Callable[..., Any], kind: str
) -> None:
    """From the source to the host of files, which sends it on to a third, and back to the source."""
    with ScriptedApi() as third:
        api.respond("/download", Response(status=302, headers={"Location": f"{files.url}/moved?{SIGNED}"}))
        moved = {"Location": f"{third.url}/moved", "Set-Cookie": "session=theirs; Path=/"}
        files.respond("/moved", Response(status=307, headers=moved))
        third.respond("/moved", Response(status=302, headers={"Location": f"{api.url}/at-last"}))
        api.respond("/at-last", b"id\n3\n")

        pages = order(crm(kind), path="/download", hosts=[host(files), host(third)])
        assert ids(pages) == ["3"]
        assert pages[0].request.startswith(f"GET {api.url}/download")
        led_away = [*files.requests, *third.requests, *api.requests_to("/at-last")]
        assert len(led_away) == 3
        for request in led_away:
            assert not {"authorization", "cookie", "x-api-key", "x-signature"} & set(request.headers)
            assert "canary" not in sent(request)


def test_pages_may_lead_to_another_host_too(
    api: ScriptedApi, files: ScriptedApi, crm: Callable[..., Any]
) -> None:
    api.respond("/export", Response(status=303, headers={"Location": f"{files.url}/a.csv"}))
    api.respond("/linked", json.dumps({"data": [{"id": "0"}], "next": f"{files.url}/next"}).encode())
    files.respond("/next", b'{"data": [{"id": "1"}]}')
    source = crm()

    assert ids(list(source.pages("/export", format=Csv(), hosts=[host(files)]))) == ["1", "2"]
    linked = source.pages("/linked", records="data", paginator=LinkInBody("next"), hosts=[host(files)])
    assert ids(list(linked)) == ["0", "1"]
    assert all("authorization" not in it.headers for it in files.requests)


def test_headers_and_bodies_of_ours_stay_at_home(
    api: ScriptedApi, files: ScriptedApi, crm: Callable[..., Any]
) -> None:
    api.respond("/export", Response(status=302, headers={"Location": f"{files.url}/a.csv"}))
    api.respond("/search", Response(status=307, headers={"Location": f"{files.url}/a.csv"}))
    source, hosts = crm(), [host(files)]

    list(source.pages("/export", format=Csv(), headers={"X-Tenant": SECRET}, hosts=hosts))
    assert "x-tenant" not in files.requests[0].headers
    posted = Request("POST", "/search", body={"secret": SECRET}, hosts=tuple(hosts))
    with pytest.raises(UnexpectedResponse, match="307 redirect leads to"):
        source.client.fetch(posted, stream="crm", methods=("POST",), read=lambda *_: None, nothing=None)
    assert len(files.requests) == 1


def test_a_link_that_is_no_longer_good_is_ordered_anew(
    api: ScriptedApi, files: ScriptedApi, crm: Callable[..., Any]
) -> None:
    files.fail(
        "/a.csv", Status(403, body=b"<Error><Message>Request has expired</Message></Error>"), request=1
    )

    assert ids(order(crm(), times=2, hosts=[host(files)])) == ["1", "2"]
    assert len(api.requests_to("/reports")) == 2

    files.fail("/a.csv", Status(403))
    with pytest.raises(ReportFailed, match=r"the last time: GET http://127.0.0.1:\d+/a.csv\?…: 403"):
        order(crm(), times=2, hosts=[host(files)])


def test_who_wants_credentials_elsewhere_gets_none(files: ScriptedApi, crm: Callable[..., Any]) -> None:
    files.fail("/a.csv", Status(401, body=b"sign in"))

    with pytest.raises(CredentialsRejected, match=r"401 Unauthorized to nobody$") as caught:
        order(crm("token"), hosts=[host(files)])
    assert "asked without credentials" in str(caught.value.hint)
    assert len(files.requests) == 1


@pytest.mark.parametrize("status", [400, 500])
def test_a_signed_link_is_not_told_where_it_fails(
    files: ScriptedApi, crm: Callable[..., Any], caplog: pytest.LogCaptureFixture, status: int
) -> None:
    """Stores repeat in their errors what they have got."""
    caplog.set_level(0)

    def echo(request: ReceivedRequest) -> Response:
        return Response(f"<StringToSign>{json.dumps(request.query)}".encode(), status=status)

    files.respond("/a.csv", echo)
    with pytest.raises(StrandlineError, match=r"/a.csv\?…") as caught:
        order(crm(retry=Retry(attempts=2, wait_initial=QUICK)), hosts=[host(files)])
    told = "".join(traceback.format_exception(caught.value)) + str(caught.value.hint) + caplog.text
    assert "nightjar" not in told


def test_what_another_host_says_of_its_limits_does_not_hold_the_source(
    files: ScriptedApi, crm: Callable[..., Any]
) -> None:
    files.respond("/a.csv", Response(b"id\n1\n", headers={"Backoff": "5", "X-RateLimit-Remaining": "0"}))
    source = crm()

    begun = time.monotonic()
    assert ids([*order(source, hosts=[host(files)]), *order(source, hosts=[host(files)])]) == ["1", "1"]
    assert time.monotonic() - begun < 4


@pytest.mark.parametrize(
    "hosts",
    ["files.example.com", ["https://files.example.com"], ["files.example.com/x"], ["*"], ["*.com"], [""]],
)
def test_what_is_no_host_is_refused_when_declared(hosts: Any) -> None:
    with pytest.raises(DeclarationError, match="give hosts"):
        Download("{url}", hosts=hosts)


@pytest.mark.parametrize(
    ("url", "is_fitting"),
    [
        ("https://files.example.com/a", True),
        ("https://FILES.example.com:443/a", True),
        ("https://files.example.com:8443/a", False),
        ("http://files.example.com/a", False),
        ("https://bucket.s3.amazonaws.com/a", True),
        ("https://s3.amazonaws.com/a", False),
        ("https://evils3.amazonaws.com/a", False),
        ("https://files.example.com.evil.example/a", False),
        ("https://evil.example/?files.example.com", False),
        ("https://files.example.com@evil.example/a", False),
        ("https://depot.example:9443/a", True),
        ("https://depot.example/a", False),
    ],
)
def test_hosts_are_compared_whole(url: str, is_fitting: bool) -> None:
    hosts = ("Files.example.com", "*.s3.amazonaws.com", "depot.example:9443")
    assert is_open(httpx.URL(url), hosts, base=httpx.URL("https://api.example.com")) == is_fitting
