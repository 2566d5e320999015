"""Promise 9: whatever goes wrong with any credentials, no log, error, report or table tells them."""

import base64
import json
import traceback
from collections.abc import Callable, Iterator
from datetime import timedelta
from pathlib import Path
from typing import Any
from urllib.parse import quote

import httpx
import pytest
from cryptography.fernet import Fernet
from pydantic import SecretStr
from sqlalchemy import inspect, text
from sqlalchemy.orm import Mapped
from tests.effort import TIMES

from strandline.errors import StrandlineError
from strandline.model import Dimension, Mapper, attribute, field
from strandline.pipeline import Pipeline, run
from strandline.source import (
    ApiKey,
    Basic,
    Bearer,
    ClientCredentials,
    HmacSignature,
    HttpSettings,
    HttpSource,
    JwtAssertion,
    OAuth1,
    PageNumber,
    Pages,
    Record,
    RefreshToken,
    Retry,
    SessionLogin,
    stream,
)
from strandline.testing.server import Html, ReceivedRequest, Reset, Response, ScriptedApi, Truncated
from strandline.testing.tokens import Tokens
from strandline.warehouse import state
from strandline.warehouse.database import Database

SECRET = 'nightjar-7f3a/b+c"d é'
SHARED = SecretStr(f"{SECRET} and long enough for a signature of a JWT")
GIVEN = "nightjar-token"
"""What every token, cookie and session of this API begins with."""


class Keeper(Record):
    """Of a lighthouse."""

    id: str
    name: str


class DimCanaryKeeper(Dimension):
    """A keeper of a lighthouse."""

    keeper_name: Mapped[str] = attribute(scd=1)


class CanaryKeeper(Mapper[Keeper, DimCanaryKeeper]):
    """As the lighthouse sends them."""

    keeper_name = field("name")


class LighthouseSettings(HttpSettings):
    """Where it is, and the secret."""

    base_url: str
    secret: SecretStr = SecretStr(SECRET)


class Lighthouse(HttpSource):
    """An API that wants whatever the test says."""

    name = "lighthouse"
    settings: LighthouseSettings
    retry = Retry(attempts=2, wait_initial=timedelta(milliseconds=1), wait_max=timedelta(milliseconds=2))
    timeout = 5.0
    credentials: Callable[[SecretStr], httpx.Auth] = Bearer

    def auth(self) -> httpx.Auth:
        """What the test wants."""
        return type(self).credentials(self.settings.secret)

    @stream(Keeper, key="id")
    def keepers(self) -> Pages:
        """All of them."""
        return self.pages("/keepers", paginator=PageNumber(has_more="more"), records="data")


pipeline = Pipeline("lighthouse")
pipeline.sync(Lighthouse.keepers, CanaryKeeper)

KINDS: dict[str, Callable[[SecretStr], httpx.Auth]] = {
    "API key in a header": ApiKey,
    "API key in the query": lambda it: ApiKey(it, query="apikey_"),
    "basic": lambda it: Basic(it, it),
    "bearer": Bearer,
    "client credentials": lambda it: ClientCredentials("/token", client_id=it, client_secret=it),
    "client credentials in the body": lambda it: ClientCredentials(
        "/token", client_id="us", client_secret=it, client_secret_in="body"
    ),
    "refresh token": lambda it: RefreshToken("/token", client_id="us", client_secret=it, refresh_token=it),
    "JWT": lambda _: JwtAssertion("/token", issuer="us", key=SHARED, algorithm="HS256"),
    "OAuth 1": lambda it: OAuth1(consumer_key=it, consumer_secret=it, token=it, token_secret=it),
    "session with a token": lambda it: SessionLogin(
        "/token", user="us", password=it, token="access_token", logout="/logout"
    ),
    "session with a cookie": lambda it: SessionLogin("/token", user=it, password=it, send="form"),
    "HMAC": lambda it: HmacSignature(it, form="HMAC {key_id}:{signature}", key_id=it),
}


WITH_ENDPOINT = {
    "client credentials",
    "client credentials in the body",
    "refresh token",
    "JWT",
    "session with a token",
    "session with a cookie",
}


class Echo:
    """An API that answers well, until it is told to answer with what it got."""

    def __init__(self, api: ScriptedApi) -> None:
        self.api = api
        self.granted = 0
        api.respond("/token", self.grant)
        api.respond("/keepers", self.show)
        api.respond("/logout", Response(status=500))

    def grant(self, request: ReceivedRequest) -> Response:
        """Another token, and another cookie."""
        self.granted += 1
        told = {name: f"{GIVEN}-{name}-{self.granted}" for name in ("access_token", "refresh_token")}
        cookie = {"Set-Cookie": f"sid={GIVEN}-cookie-{self.granted}; Path=/"}
        return Response(json.dumps({**told, "expires_in": 0}).encode(), headers=cookie)

    def show(self, request: ReceivedRequest) -> Response:
        """A page of keepers, and a fresh cookie with it."""
        cookie = {"Set-Cookie": f"sid={GIVEN}-cookie-renewed; Path=/"}
        return Response(b'{"data": [{"id": "1", "name": "Grace"}], "more": false}', headers=cookie)


def all_of(request: ReceivedRequest) -> str:
    """What came in, as a careless API writes it into its error."""
    got = [request.query, request.headers, request.body.decode()]
    return json.dumps(got, ensure_ascii=False) + json.dumps(got)


def echo(status: int) -> Callable[[ReceivedRequest], Response]:
    def answer(request: ReceivedRequest) -> Response:
        told = {"error": "invalid_request", "error_description": all_of(request), "all": all_of(request)}
        return Response(json.dumps(told, ensure_ascii=False).encode(), status=status)

    return answer


def lead_away(request: ReceivedRequest) -> Response:
    where = f"https://elsewhere.example/?key={quote(all_of(request))}"
    return Response(status=302, headers={"Location": where, "X-Echo": quote(all_of(request))})


FAILURES: dict[str, Any] = {
    "401": echo(401),
    "400": echo(400),
    "500": echo(500),
    "an answer of another kind": echo(200),
    "redirect": lead_away,
    "truncated": Truncated(),
    "reset": Reset(),
    "html": Html(body=f"<html>{SECRET}".encode(), status=403),
}


@pytest.fixture(autouse=True)
def settings(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setenv("STRANDLINE_SECRET_KEY", Fernet.generate_key().decode())
    monkeypatch.setenv("STRANDLINE_HOME", str(tmp_path))


def dump(warehouse: Database) -> Iterator[str]:
    """All that stands in the database, a row at a time."""
    with warehouse.begin() as connection:
        for schema in warehouse.schemas.model_dump().values():
            for table in inspect(connection).get_table_names(schema=schema):
                yield from connection.scalars(text(f'SELECT t::text FROM "{schema}"."{table}" t'))


def forms() -> set[str]:
    """How a canary may look: as it is, in hex, and in base64 wherever it stands in the text."""
    song = b"nightjar"
    shifted = {base64.b64encode(b"\0" * skip + song)[(skip + 2) // 3 * 4 :] for skip in range(3)}
    return {song.decode(), song.hex(), *(it[:6].decode() for it in shifted)}


def signatures(api: ScriptedApi) -> set[str]:
    """What was sent to prove who we are, which is made anew for each request."""
    heads = [it.headers.get(name, "") for it in api.requests for name in ("authorization", "x-signature")]
    jwts = [it.body.decode().partition("assertion=")[2].partition("&")[0] for it in api.requests]
    return {word for it in [*heads, *jwts] for word in it.replace('"', " ").split() if len(word) > 25}


def fail(api: ScriptedApi, path: str, failure: Any) -> None:
    if callable(failure):
        api.respond(path, failure)
    else:
        api.fail(path, failure)


@pytest.mark.parametrize("kind", KINDS)
def test_no_secret_is_told_or_stored(
    api: ScriptedApi,
    warehouse: Database,
    kind: str,
    caplog: pytest.LogCaptureFixture,
    capfd: pytest.CaptureFixture[str],
) -> None:
    """Reading goes well, then wrong in each way in which the API, or its token endpoint, can be wrong."""
    caplog.set_level(0)
    source = type(
        "Lighthouse", (Lighthouse,), {"name": "lighthouse", "credentials": staticmethod(KINDS[kind])}
    )
    told: list[str] = []
    paths = ["/keepers", *(["/token"] if kind in WITH_ENDPOINT else [])]
    cases = [("/keepers", None), *((path, it) for path in paths for it in FAILURES.values())]
    for path, failure in cases:
        Echo(api)
        if failure is not None:
            fail(api, path, failure)
        with source(settings=LighthouseSettings(base_url=api.url)) as lighthouse:
            if TIMES > 1 or failure in (None, FAILURES["400"], FAILURES["truncated"]):
                report = run(pipeline, warehouse, sources={"lighthouse": lighthouse})
                told += [json.dumps(report.as_dict(), default=str), repr(report)]
                assert (report.exit_code == 0) == (failure is None), told[-1]
            told += [*states(lighthouse), told_of_error(lighthouse)]
            assert (told[-1] == "read") == (failure is None)
        api.recover(path)

    logged = caplog.text + "".join(capfd.readouterr())
    assert "receive_response_headers.complete" in logged  # of httpcore, so it was at its most talkative
    everything = "\n".join([*told, logged, *dump(warehouse)])
    for form in forms() | signatures(api):
        assert form not in everything, everything[max(0, everything.find(form) - 300) :][:600]


def test_a_run_keeps_its_tokens_in_the_warehouse_and_sealed(api: ScriptedApi, warehouse: Database) -> None:
    """Two machines, each with an environment of its own and one warehouse, go on with one chain."""
    tokens = Tokens(client_id="us", client_secret=SECRET, refresh_token=SECRET)
    served = tokens.guarded(lambda _: Response(b'{"data": [{"id": "1", "name": "Grace"}], "more": false}'))
    api.respond("/token", tokens)
    api.respond("/keepers", served)
    attributes = {"name": "lighthouse", "credentials": staticmethod(KINDS["refresh token"])}
    source = type("Lighthouse", (Lighthouse,), attributes)
    for _ in range(3):
        tokens.expire()
        with source(settings=LighthouseSettings(base_url=api.url)) as lighthouse:
            report = run(pipeline, warehouse, sources={"lighthouse": lighthouse})
            assert report.exit_code == 0, report.streams

    assert [form["refresh_token"] for form in tokens.forms] == [SECRET, "refresh-token-1", "refresh-token-2"]
    with warehouse.begin() as connection:
        (kept,) = connection.execute(state.credential.select()).all()
    assert kept.name == "lighthouse.refresh_token"
    assert b"token" not in kept.sealed


def told_of_error(lighthouse: Lighthouse) -> str:
    """The whole traceback, causes and all, of reading without a pipeline."""
    try:
        list(Lighthouse.keepers.read(lighthouse))
    except StrandlineError as error:
        return "".join(traceback.format_exception(error)) + str(error.hint)
    return "read"


def states(lighthouse: Lighthouse) -> list[str]:
    auth = lighthouse.client._auth
    return [
        repr(it)
        for it in (lighthouse, lighthouse.settings, lighthouse.client, auth, vars(auth), vars(lighthouse))
    ]
