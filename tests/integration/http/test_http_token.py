"""OAuth 2 client credentials: a token is fetched once, renewed in time, and asked for on one host only."""

import json
import threading
import time
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import pytest
from pydantic import SecretStr

from strandline.errors import (
    CredentialsRejected,
    DeclarationError,
    RateLimited,
    SourceUnavailable,
    UnexpectedResponse,
)
from strandline.source import ClientCredentials, PageNumber
from strandline.testing.dataset import Dataset
from strandline.testing.server import (
    Hang,
    Html,
    Latency,
    ReceivedRequest,
    Reset,
    Response,
    ScriptedApi,
    Status,
    Truncated,
)
from strandline.testing.tokens import Tokens

SECRET = "canary-7f3a/b+c d"


def client_credentials(token_url: str = "/token", **options: Any) -> Any:
    return staticmethod(
        lambda secret: ClientCredentials(token_url, client_id="crm: ü", client_secret=secret, **options)
    )


@pytest.fixture
def tokens(api: ScriptedApi, customers: Callable[[int], list[dict[str, str]]]) -> Tokens:
    """The API hands out tokens, and shows nine customers, three a page, to who has one."""
    tokens = Tokens(client_id="crm: ü", client_secret=SECRET)
    api.respond("/token", tokens)
    api.respond("/customers", showing(customers(9), tokens))
    return tokens


def showing(customers: list[dict[str, str]], tokens: Tokens) -> Callable[[ReceivedRequest], Response]:
    pages = Dataset(customers, page_size=3)
    return tokens.guarded(lambda request: Response(pages.page(request.query, url="").body))


NINE = [f"C-{number}" for number in range(9)]


@pytest.mark.parametrize("client_secret_in", ["basic", "body"])
def test_a_token_is_fetched_once_for_a_walk(
    open_crm: Callable[..., Any], tokens: Tokens, client_secret_in: str
) -> None:
    crm = open_crm(
        credentials=client_credentials(client_secret_in=client_secret_in, scope="read all", audience="crm"),
        paginator=PageNumber(),
    )

    assert crm.read_ids() == NINE
    assert crm.read_ids() == NINE
    assert tokens.granted == 1
    form = tokens.forms[0]
    assert (form["grant_type"], form["scope"], form["audience"]) == ("client_credentials", "read all", "crm")
    assert ("client_secret" in form) == (client_secret_in == "body")


def test_a_token_is_fetched_again_shortly_before_it_expires(
    open_crm: Callable[..., Any], tokens: Tokens
) -> None:
    tokens.lifetime = 0.5
    crm = open_crm(credentials=client_credentials(), paginator=PageNumber())

    assert crm.read_ids() == NINE
    time.sleep(0.46)  # within the last tenth of its life: it would still be good
    assert crm.read_ids() == NINE
    assert tokens.granted == 2


def test_a_token_that_is_refused_in_the_middle_of_a_walk_is_fetched_again(
    api: ScriptedApi,
    open_crm: Callable[..., Any],
    tokens: Tokens,
    customers: Callable[[int], list[dict[str, str]]],
) -> None:
    """The API forgets all tokens before the second page; the page is then asked for again."""
    tokens.lifetime = None
    crm = open_crm(credentials=client_credentials(), paginator=PageNumber())
    served = showing(customers(9), tokens)

    def forgetful(request: ReceivedRequest) -> Response:
        if request.number == 2:
            tokens.expire()
        return served(request)

    api.respond("/customers", forgetful)

    assert crm.read_ids() == NINE
    assert tokens.granted == 2
    assert [request.query.get("page") for request in api.requests_to("/customers")] == [
        "1",
        "2",
        "2",
        "3",
        "4",
    ]


def test_a_second_401_is_an_error(api: ScriptedApi, open_crm: Callable[..., Any], tokens: Tokens) -> None:
    api.fail("/customers", Status(401, body=SECRET.encode()))

    with pytest.raises(CredentialsRejected) as caught:
        open_crm(credentials=client_credentials()).read()

    assert caught.value.message.endswith(
        ": 401 Unauthorized to the OAuth 2 client credentials from STRANDLINE_CRM__TOKEN"
    )
    assert (tokens.granted, len(api.requests_to("/customers"))) == (2, 2)


def test_threads_wait_for_one_token(api: ScriptedApi, open_crm: Callable[..., Any], tokens: Tokens) -> None:
    api.fail("/token", Latency(0.2), request=1)
    crm = open_crm(credentials=client_credentials(), paginator=PageNumber())
    together = threading.Barrier(6)

    def read() -> list[str]:
        together.wait()
        ids: list[str] = crm.read_ids()
        return ids

    with ThreadPoolExecutor(6) as pool:
        assert [done.result() for done in [pool.submit(read) for _ in range(6)]] == [NINE] * 6
    assert tokens.granted == 1


def test_a_refused_client_is_told_what_the_endpoint_says(
    api: ScriptedApi, open_crm: Callable[..., Any], tokens: Tokens
) -> None:
    said = {"error": "invalid_client", "error_description": f"no client with {SECRET} \n" + "x" * 500}
    api.respond("/token", Response(json.dumps(said).encode(), status=400))

    with pytest.raises(CredentialsRejected) as caught:
        open_crm(credentials=client_credentials()).read()

    assert caught.value.message.startswith(
        f"POST {api.url}/token: 400 Bad Request (invalid_client, 'no client with *** \\nxxx"
    )
    assert caught.value.message.endswith("') to the OAuth 2 client credentials from STRANDLINE_CRM__TOKEN")
    assert len(caught.value.message) < 400
    assert 'client_secret_in="body"' in str(caught.value.hint)
    assert len(api.requests_to("/token")) == 1


@pytest.mark.parametrize(
    ("fault", "error", "told"),
    [
        (Status(500, body=SECRET.encode()), SourceUnavailable, "last answer: POST .*/token: 500 Internal"),
        (Status(429, retry_after=0), RateLimited, "last answer: POST .*/token: 429"),
        (Reset(), SourceUnavailable, "connection broken"),
        (Truncated(), SourceUnavailable, "cut short"),
        (Truncated(content_length=False), SourceUnavailable, "200 OK, but there is no access_token in it"),
        (Html(), SourceUnavailable, "but there is no access_token in it"),
        (Hang(), SourceUnavailable, "no answer within 0.2 s"),
        (
            Response(status=302, headers={"Location": "https://elsewhere.example/"}),
            UnexpectedResponse,
            "302 Found: it leads elsewhere, and credentials are not sent after it",
        ),
    ],
    ids=["500", "429", "reset", "truncated", "truncated silently", "html", "hang", "redirect"],
)
def test_what_a_token_endpoint_can_do_wrong(
    api: ScriptedApi, open_crm: Callable[..., Any], tokens: Tokens, fault: Any, error: Any, told: str
) -> None:
    api.fail("/token", fault)
    crm = open_crm(credentials=client_credentials(), timeout=0.2)

    with pytest.raises(error, match=told):
        crm.read()

    assert len(api.requests_to("/token")) == (1 if error is UnexpectedResponse else 3)
    assert not api.requests_to("/customers")
    api.recover("/token")
    assert crm.read()


def test_the_token_endpoint_may_be_on_another_host_that_is_named(
    api: ScriptedApi, open_crm: Callable[..., Any], customers: Callable[[int], list[dict[str, str]]]
) -> None:
    with ScriptedApi() as login:
        tokens = Tokens(client_id="crm: ü", client_secret=SECRET)
        api.respond("/customers", showing(customers(3), tokens))
        login.respond("/oauth/token", tokens)
        crm = open_crm(credentials=client_credentials(token_url=f"{login.url}/oauth/token"))

        assert crm.read()
        assert [request.path for request in login.requests] == ["/oauth/token"]
        assert not api.requests_to("/token")

    tokens.expire()
    with pytest.raises(SourceUnavailable, match=rf"cannot connect to {login.address[0]}:{login.address[1]}"):
        crm.read()


@pytest.mark.parametrize(
    "url", ["oauth/token", "//elsewhere.example/token", "https://u:p@a.example/", "ftp://a/b"]
)
def test_a_token_url_that_cannot_be_one_is_refused(url: str) -> None:
    with pytest.raises(DeclarationError, match="token_url is neither a path nor an https:// URL") as caught:
        ClientCredentials(url, client_id="a", client_secret=SecretStr("b"))

    assert url not in caught.value.message
