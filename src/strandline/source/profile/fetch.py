"""One answer of an address, asked for once and without the patience of a run."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Final

import httpx

from strandline.errors import DeclarationError, SourceUnavailable, UnexpectedResponse
from strandline.source.profile.sample import Received
from strandline.source.redaction import Redaction, guard_httpx_log

TIMEOUT_SECONDS: Final = 30.0
MOST_REDIRECTS: Final = 5


def is_address(text: str) -> bool:
    """Whether it is an address, and no file."""
    return text.startswith(("http://", "https://"))


def read_url(url: str, *, headers: Mapping[str, str], timeout: float = TIMEOUT_SECONDS) -> Received:
    """What the address answers. Raises SourceUnavailable where nobody does."""
    guard_httpx_log()
    redaction = Redaction(secrets=_secrets(headers))
    try:
        with httpx.Client(timeout=timeout, headers={"Accept": "application/json", **headers}) as client:
            response = _follow(client, client.build_request("GET", url), redaction)
    except httpx.InvalidURL as error:
        raise DeclarationError(f"{url.partition('?')[0]}: no address: {error}") from error
    except httpx.HTTPError as error:
        raise SourceUnavailable(
            f"{redaction.show_url(url)}: {_reason(error, timeout)}",
            hint="Is it running, and is the address right? Behind a proxy, set HTTPS_PROXY.",
        ) from error
    asked = response.request.url
    content = response.content
    if response.is_error:  # it is quoted, and may repeat the credentials
        content = redaction.scrub(response.text).encode()
    return Received(
        content,
        redaction.show_url(asked),
        name=asked.path.rstrip("/").rpartition("/")[2],
        content_type=response.headers.get("content-type", ""),
        status=response.status_code,
        headers={name.lower(): value for name, value in response.headers.items()},
        params=dict(asked.params),
    )


def _follow(client: httpx.Client, request: httpx.Request, redaction: Redaction) -> httpx.Response:
    """The answer behind redirects that stay with the host, so that credentials go to no other."""
    for _ in range(MOST_REDIRECTS):
        response = client.send(request)
        following = response.next_request
        if following is None:
            return response
        if following.url.host != request.url.host:
            raise UnexpectedResponse(
                f"{redaction.show_url(request.url)}: it redirects to {redaction.show_url(following.url)}",
                hint="If that is the API, name that address.",
            )
        request = following
    raise UnexpectedResponse(f"{redaction.show_url(request.url)}: it redirects without an end")


def _secrets(headers: Mapping[str, str]) -> list[str]:
    return [
        part for value in headers.values() for part in (value, value.rpartition(" ")[2]) if len(part) >= 8
    ]


def _reason(error: httpx.HTTPError, timeout: float) -> str:
    if isinstance(error, httpx.TimeoutException):
        return f"no answer within {timeout:g} seconds"
    if isinstance(error, httpx.ConnectError):
        return f"nobody answers there: {error}"
    return f"the connection broke: {error}" if str(error) else "the connection broke"
