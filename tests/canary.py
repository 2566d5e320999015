"""An API that tells everybody what it was told, and how a secret may look where it must not be."""

import base64
import json
from collections.abc import Callable, Iterator
from typing import Any
from urllib.parse import quote

from sqlalchemy import inspect, text
from tests.lighthouse import SECRET

from strandline.testing.server import Html, ReceivedRequest, Reset, Response, ScriptedApi, Truncated
from strandline.warehouse.database import Database

GIVEN = "nightjar-token"
"""What every token, cookie and session of this API begins with."""


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
