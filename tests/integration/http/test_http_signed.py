"""Requests that are signed: OAuth 1 and HMAC, each checked by a computation that knows nothing of ours."""

import base64
import hashlib
import hmac
import re
from collections.abc import Callable
from typing import Any
from urllib.parse import parse_qsl, quote, unquote

import pytest
from pydantic import SecretStr

from strandline.errors import DeclarationError
from strandline.source import HmacSignature, OAuth1, Offset
from strandline.testing.server import ReceivedRequest, ScriptedApi

SECRET = "canary-7f3a/b+c d"


def escape(text: str) -> str:
    """RFC 5849, 3.6."""
    return quote(text, safe="-._~")


def signature(
    method: str, url: str, query: str, oauth: dict[str, str], *, secrets: tuple[str, str], algorithm: str
) -> str:
    """RFC 5849, 3.4, by the book."""
    pairs = [*parse_qsl(query, keep_blank_values=True), *oauth.items()]
    normalized = "&".join(
        f"{name}={value}" for name, value in sorted((escape(n), escape(v)) for n, v in pairs)
    )
    base = "&".join([method, escape(url), escape(normalized)])
    key = "&".join(map(escape, secrets))
    return base64.b64encode(hmac.new(key.encode(), base.encode(), algorithm).digest()).decode()


def test_the_computation_is_that_of_the_standard() -> None:
    """The example of RFC 5849, 1.2."""
    oauth = {
        "oauth_consumer_key": "dpf43f3p2l4k3l03",
        "oauth_token": "nnch734d00sl2jdk",
        "oauth_signature_method": "HMAC-SHA1",
        "oauth_timestamp": "137131202",
        "oauth_nonce": "chapoH",
    }
    signed = signature(
        "GET",
        "http://photos.example.net/photos",
        "file=vacation.jpg&size=original",
        oauth,
        secrets=("kd94hf93k423kf44", "pfkkdhi9sl3r4s00"),
        algorithm="sha1",
    )

    assert signed == unquote("MdpQcU8iPSUjWoN%2FUDMsK2sui9I%3D")


@pytest.mark.parametrize(("method", "algorithm"), [("HMAC-SHA256", "sha256"), ("HMAC-SHA1", "sha1")])
@pytest.mark.parametrize("odd", ["a b+c&d=e%/é~", 'it\'s [x] $(y); "z"'])
def test_oauth_1_signs_what_is_sent(
    api: ScriptedApi, open_crm: Callable[..., Any], method: Any, algorithm: str, odd: str
) -> None:
    api.serve("/customers", [], style="offset")
    credentials = staticmethod(
        lambda secret: OAuth1(
            consumer_key="key ü",
            consumer_secret=secret,
            token="token",
            token_secret="other/secret",
            realm="1234567_SB1",
            method=method,
        )
    )
    crm = open_crm(credentials=credentials, paginator=Offset(limit=10))
    list(crm.pages("/customers", params={"q": odd, "empty": ""}, records="data"))

    request = api.requests[0]
    told = header(request)
    assert told.pop("realm") == "1234567_SB1"
    sent = told.pop("oauth_signature")
    assert (told["oauth_consumer_key"], told["oauth_token"]) == ("key ü", "token")
    assert told["oauth_signature_method"] == method
    query = "&".join(f"{escape(name)}={escape(value)}" for name, value in request.query.items())
    assert sent == signature(
        "GET", f"{api.url}/customers", query, told, secrets=(SECRET, "other/secret"), algorithm=algorithm
    )


def header(request: ReceivedRequest) -> dict[str, str]:
    kind, _, rest = request.headers["authorization"].partition(" ")
    assert kind == "OAuth"
    return {name: unquote(value) for name, value in re.findall(r'(\w+)="([^"]*)"', rest)}


def test_oauth_1_does_not_sign_a_body_of_json(api: ScriptedApi, open_crm: Callable[..., Any]) -> None:
    """As RFC 5849, 3.4.1.3.1 has it: a body is signed where it is a form."""
    api.serve("/search", [])
    crm = open_crm(
        credentials=staticmethod(
            lambda secret: OAuth1(consumer_key="k", consumer_secret=secret, token="t", token_secret="s")
        )
    )
    list(crm.found.read(crm))

    told = header(api.requests[0])
    sent = told.pop("oauth_signature")
    assert "realm" not in told
    assert sent == signature("POST", f"{api.url}/search", "", told, secrets=(SECRET, "s"), algorithm="sha256")
    assert api.requests[0].body == b'{"q":"*"}'


def test_every_request_has_a_nonce_of_its_own(
    api: ScriptedApi, open_crm: Callable[..., Any], customers: Callable[[int], list[dict[str, str]]]
) -> None:
    api.serve("/customers", customers(20), page_size=10, style="offset")
    crm = open_crm(
        credentials=staticmethod(
            lambda secret: OAuth1(consumer_key="k", consumer_secret=secret, token="t", token_secret="s")
        ),
        paginator=Offset(limit=10),
    )
    crm.read()

    assert len({header(request)["oauth_nonce"] for request in api.requests}) == len(api.requests) == 3


def test_oauth_1_signs_by_what_it_knows() -> None:
    with pytest.raises(DeclarationError, match="it signs with HMAC-SHA256 or HMAC-SHA1"):
        OAuth1(
            consumer_key="k",
            consumer_secret="s",
            token="t",
            token_secret="s",
            method="PLAINTEXT",  # type: ignore[arg-type]
        )


def test_an_hmac_is_made_of_the_parts_that_are_named(api: ScriptedApi, open_crm: Callable[..., Any]) -> None:
    api.serve("/search", [])
    credentials = staticmethod(
        lambda secret: HmacSignature(
            secret,
            parts=("method", "target", "timestamp", "nonce", "body_hash"),
            encoding="base64",
            header="Authorization",
            form="HMAC {key_id}:{signature}",
            key_id="us",
            timestamp_header="X-Timestamp",
            nonce_header="X-Nonce",
        )
    )
    crm = open_crm(credentials=credentials)
    list(crm.found.read(crm))

    request = api.requests[0]
    moment, nonce = request.headers["x-timestamp"], request.headers["x-nonce"]
    text = "\n".join(["POST", "/search", moment, nonce, hashlib.sha256(request.body).hexdigest()])
    signed = base64.b64encode(hmac.new(SECRET.encode(), text.encode(), "sha256").digest()).decode()
    assert request.headers["authorization"] == f"HMAC us:{signed}"


@pytest.mark.parametrize(
    ("options", "text", "algorithm"),
    [
        ({"parts": ("method", "path")}, "GET\n/customers", "sha256"),
        ({"parts": ("host", "sorted_query"), "separator": "|"}, "{host}|a=1&b=2", "sha256"),
        ({"parts": ("query", "body"), "separator": ""}, "b=2&a=1", "sha256"),
        ({"algorithm": "sha512", "parts": ("target",)}, "/customers?b=2&a=1", "sha512"),
    ],
    ids=["path", "host", "query", "sha512"],
)
def test_what_an_api_can_want_to_be_signed(
    api: ScriptedApi, open_crm: Callable[..., Any], options: dict[str, Any], text: str, algorithm: str
) -> None:
    api.serve("/customers", [])
    crm = open_crm(credentials=staticmethod(lambda secret: HmacSignature(secret, **options)))
    list(crm.pages("/customers", params={"b": 2, "a": 1}, records="data"))

    text = text.format(host=api.url.removeprefix("http://"))
    assert (
        api.requests[0].headers["x-signature"]
        == hmac.new(SECRET.encode(), text.encode(), algorithm).hexdigest()
    )


@pytest.mark.parametrize(
    ("options", "told"),
    [
        ({"parts": ("verb",)}, "'verb' is none of method, host, path"),
        ({"parts": ("nonce",)}, "the nonce is signed but not sent"),
        ({"form": "{other}"}, "it has more than {signature}"),
        ({"algorithm": "md5"}, "algorithm 'md5' is none of"),
        ({"encoding": "rot13"}, "encoding 'rot13' is none of"),
        ({"timestamp": "moon"}, "timestamp 'moon' is none of"),
    ],
)
def test_a_signature_that_nobody_could_check_is_refused(options: dict[str, Any], told: str) -> None:
    with pytest.raises(DeclarationError, match=told):
        HmacSignature(SecretStr(SECRET), **options)
