"""Requests that are signed with a shared secret, as each API of this kind describes it in its own words."""

from __future__ import annotations

import base64
import hashlib
import hmac
import time
import uuid
from collections.abc import Callable, Mapping
from datetime import UTC, datetime
from typing import Final, Literal

import httpx
from pydantic import SecretStr

from strandline.errors import DeclarationError
from strandline.source.auth import Credentials, secret_of
from strandline.source.token import Steps

_ALGORITHMS: Final = ("sha1", "sha256", "sha384", "sha512")
_ENCODINGS: Final[Mapping[str, Callable[[bytes], str]]] = {
    "hex": bytes.hex,
    "base64": lambda raw: base64.b64encode(raw).decode(),
    "base64url": lambda raw: base64.urlsafe_b64encode(raw).decode().rstrip("="),
}
_CLOCKS: Final[Mapping[str, Callable[[], str]]] = {
    "seconds": lambda: str(int(time.time())),
    "milliseconds": lambda: str(time.time_ns() // 1_000_000),
    "iso": lambda: datetime.now(UTC).strftime("%Y-%m-%dT%H:%M:%SZ"),
}
PARTS: Final = (
    "method",
    "host",
    "path",
    "query",
    "sorted_query",
    "target",
    "body",
    "body_hash",
    "timestamp",
    "nonce",
    "key_id",
)


class HmacSignature(Credentials):
    """Signs each request: the `parts`, joined by `separator`, go with the secret into an HMAC.

    A part is method, host, path, query, sorted_query, target (path and query), body, body_hash (in the same
    algorithm, as hex), timestamp, nonce or key_id. `form` is what stands in the header: "{signature}", or
    such as "HMAC {key_id}:{signature}", with {timestamp} and {nonce} where the API wants them there.
    """

    kind = "HMAC signature"

    def __init__(
        self,
        secret: SecretStr | str,
        *,
        parts: tuple[str, ...] = ("method", "path", "body_hash"),
        separator: str = "\n",
        algorithm: Literal["sha1", "sha256", "sha384", "sha512"] = "sha256",
        encoding: Literal["hex", "base64", "base64url"] = "hex",
        header: str = "X-Signature",
        form: str = "{signature}",
        key_id: SecretStr | str | None = None,
        key_id_header: str | None = None,
        timestamp: Literal["seconds", "milliseconds", "iso"] = "seconds",
        timestamp_header: str | None = None,
        nonce_header: str | None = None,
    ) -> None:
        self._secret = secret_of(secret)
        self._key_id = secret_of(key_id) if key_id is not None else SecretStr("")
        self._parts, self._separator = parts, separator
        self._algorithm = _known(algorithm, _ALGORITHMS, "algorithm")
        self._encode = _ENCODINGS[_known(encoding, _ENCODINGS, "encoding")]
        self._clock = _CLOCKS[_known(timestamp, _CLOCKS, "timestamp")]
        self._header, self._form = header, form
        self._headers = {"key_id": key_id_header, "timestamp": timestamp_header, "nonce": nonce_header}
        self.secrets = (self._secret, *([key_id] if isinstance(key_id, SecretStr) else []))
        self._check()

    def auth_flow(self, request: httpx.Request) -> Steps[None]:
        """Sign the request."""
        told = {
            "timestamp": self._clock(),
            "nonce": uuid.uuid4().hex,
            "key_id": self._key_id.get_secret_value(),
        }
        signed = self._separator.encode().join(self._part(name, request, told) for name in self._parts)
        digest = hmac.new(self._secret.get_secret_value().encode(), signed, self._algorithm).digest()
        signature = self._encode(digest)
        value = self._form.format(signature=signature, **told)
        self.redaction.learn(signature, value)
        request.headers[self._header] = value
        for name, header in self._headers.items():
            if header is not None:
                request.headers[header] = told[name]
        yield request

    def _part(self, name: str, request: httpx.Request, told: Mapping[str, str]) -> bytes:
        url = request.url
        match name:
            case "method":
                return request.method.encode()
            case "host":
                return url.netloc
            case "path":
                return url.raw_path.partition(b"?")[0]
            case "target":
                return url.raw_path
            case "query":
                return url.query
            case "sorted_query":
                return b"&".join(sorted(url.query.split(b"&")))
            case "body":
                return request.read()
            case "body_hash":
                return hashlib.new(self._algorithm, request.read()).hexdigest().encode()
        return told[name].encode()

    def _check(self) -> None:
        if not self._parts:
            raise DeclarationError("HmacSignature(parts=()): nothing would be signed")
        for part in self._parts:
            _known(part, PARTS, "a part of parts")
        try:
            self._form.format(signature="", timestamp="", nonce="", key_id="")
        except (KeyError, IndexError, ValueError) as error:
            raise DeclarationError(
                f"HmacSignature(form={self._form!r}): it has more than"
                " {signature}, {timestamp}, {nonce} and {key_id}"
            ) from error
        for name in ("timestamp", "nonce"):
            if name in self._parts and self._headers[name] is None and f"{{{name}}}" not in self._form:
                raise DeclarationError(
                    f"HmacSignature: the {name} is signed but not sent",
                    hint=f"Name its header: {name}_header=…, or put {{{name}}} into form.",
                )


def _known(word: str, known: Mapping[str, object] | tuple[str, ...], what: str) -> str:
    if word not in known:
        raise DeclarationError(f"HmacSignature: {what} {word!r} is none of {', '.join(known)}")
    return word
