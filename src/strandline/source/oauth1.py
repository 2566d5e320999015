"""OAuth 1.0a (RFC 5849): every request is signed with the secrets of a consumer and of a token, as NetSuite's
token-based authentication wants it.

Authlib makes the signature. It knows HMAC-SHA1; HMAC-SHA256 differs from it in the hash alone.
"""

from __future__ import annotations

import base64
import hashlib
import hmac
import re
from functools import cached_property
from typing import Any, Literal
from urllib.parse import parse_qsl, unquote, urlencode

import httpx
from pydantic import SecretStr

from strandline.errors import DeclarationError
from strandline.source.auth import Credentials, secret_of
from strandline.source.token import Steps

SignatureMethod = Literal["HMAC-SHA256", "HMAC-SHA1"]

_FORM = "application/x-www-form-urlencoded"


class OAuth1(Credentials):
    """OAuth 1.0a: signs each request; the secrets themselves are never sent.

    `realm` is NetSuite's account, written as in its manual: "1234567_SB1".
    """

    kind = "OAuth 1 token"

    def __init__(
        self,
        *,
        consumer_key: SecretStr | str,
        consumer_secret: SecretStr | str,
        token: SecretStr | str,
        token_secret: SecretStr | str,
        realm: str | None = None,
        method: SignatureMethod = "HMAC-SHA256",
    ) -> None:
        if method not in ("HMAC-SHA256", "HMAC-SHA1"):
            raise DeclarationError(f"OAuth1(method={method!r}): it signs with HMAC-SHA256 or HMAC-SHA1")
        given = consumer_key, consumer_secret, token, token_secret
        # Key and token are names, but whoever gives them as secrets does not want to read them.
        self.secrets = (
            secret_of(consumer_secret),
            secret_of(token_secret),
            *(it for it in (consumer_key, token) if isinstance(it, SecretStr)),
        )
        self._key, self._key_secret, self._token, self._token_secret = map(secret_of, given)
        self._realm = realm
        self._method = method

    def auth_flow(self, request: httpx.Request) -> Steps[None]:
        """Sign the request: method, address, parameters, and the body where it is a form."""
        is_form = request.headers.get("content-type", "").startswith(_FORM)
        _, headers, _ = self._signer.sign(
            request.method,
            _address(request.url),
            {"Content-Type": _FORM} if is_form else {},
            request.read().decode() if is_form else "",
        )
        request.headers["Authorization"] = headers["Authorization"]
        signature = re.search(r'oauth_signature="([^"]+)"', headers["Authorization"])
        self.redaction.learn(headers["Authorization"], unquote(signature[1]) if signature else None)
        yield request

    @cached_property
    def _signer(self) -> Any:
        # Loaded by those who need it.
        from authlib.oauth1 import ClientAuth
        from authlib.oauth1.rfc5849.signature import generate_signature_base_string, sign_hmac_sha1
        from authlib.oauth1.rfc5849.util import escape

        def sign_hmac_sha256(client: Any, request: Any) -> str:
            key = f"{escape(client.client_secret)}&{escape(client.token_secret)}".encode()
            text = generate_signature_base_string(request).encode()
            return base64.b64encode(hmac.new(key, text, hashlib.sha256).digest()).decode()

        class Signer(ClientAuth):  # type: ignore[misc]  # Authlib has no types
            SIGNATURE_METHODS = {"HMAC-SHA1": sign_hmac_sha1, "HMAC-SHA256": sign_hmac_sha256}  # noqa: RUF012  # its own form

        return Signer(
            self._key.get_secret_value(),
            client_secret=self._key_secret.get_secret_value(),
            token=self._token.get_secret_value(),
            token_secret=self._token_secret.get_secret_value(),
            signature_method=self._method,
            realm=self._realm,
        )


def _address(url: httpx.URL) -> str:
    # A parameter may hold characters that httpx sends as they are and Authlib takes for a mistake; the
    # signature is made of what they mean.
    pairs = parse_qsl(url.query.decode("ascii"), keep_blank_values=True)
    return str(url.copy_with(query=urlencode(pairs).encode(), fragment=None))
