"""OAuth 2 by a JWT that we sign ourselves (RFC 7523), as Google's service accounts and Salesforce want it."""

from __future__ import annotations

import time
import uuid
from collections.abc import Mapping
from datetime import timedelta
from functools import cached_property
from typing import Any, Final, Literal

import httpx
from pydantic import SecretStr

from strandline.errors import DeclarationError
from strandline.source.auth import Owner, secret_of
from strandline.source.endpoint import Denied, TokenEndpoint
from strandline.source.token import Steps, Token, TokenCredentials

Algorithm = Literal["RS256", "ES256", "HS256"]

_GRANT = "urn:ietf:params:oauth:grant-type:jwt-bearer"
_ALGORITHMS: Final = ("RS256", "ES256", "HS256")


class JwtAssertion(TokenCredentials):
    r"""A JWT, signed with our key, is exchanged for a bearer token that is kept until shortly before it
    expires.

    `key` is a PEM, which may stand in one line with `\n` between its lines, or the shared secret of HS256.
    `audience` is the token endpoint's own address unless given. A `scope` is both claimed and asked for.
    """

    kind = "JWT assertion"

    def __init__(
        self,
        token_url: str,
        *,
        issuer: str,
        key: SecretStr | str,
        algorithm: Algorithm = "RS256",
        subject: str | None = None,
        audience: str | None = None,
        scope: str | None = None,
        key_id: str | None = None,
        lifetime: timedelta = timedelta(minutes=3),
        claims: Mapping[str, str] | None = None,
    ) -> None:
        super().__init__()
        if algorithm not in _ALGORITHMS:
            raise DeclarationError(f"JwtAssertion(algorithm={algorithm!r}): one of {', '.join(_ALGORITHMS)}")
        self._endpoint = TokenEndpoint(token_url, client_id=None, client_secret=None)
        self._url = token_url
        self._key = secret_of(key)
        self._algorithm = algorithm
        self._header = {"alg": algorithm, "typ": "JWT", **({"kid": key_id} if key_id else {})}
        self._audience = audience
        self._scope = scope
        self._lifetime = lifetime
        self._claims = {"iss": issuer, "sub": subject, "scope": scope, **(claims or {})}
        self.secrets = (self._key,)

    def belong(self, owner: Owner) -> None:
        """Look at the key, so that one that cannot be one is told before anything is read."""
        _ = self._jwk

    def obtain(self, request: httpx.Request, *, refused: Token | None) -> Steps[Token]:
        """Sign a new JWT and exchange it."""
        assertion = self._sign(audience=self._audience or str(request.url.join(self._url)))
        self.redaction.learn(assertion)
        answer = yield from self._endpoint.exchange(
            {"grant_type": _GRANT, "assertion": assertion, "scope": self._scope},
            before=request,
            redaction=self.redaction,
            shown=self.shown,
        )
        if isinstance(answer, Denied):
            raise answer.error()
        return answer

    def _sign(self, *, audience: str) -> str:
        from joserfc import jwt

        now = int(time.time())
        claims = {name: it for name, it in self._claims.items() if it is not None}
        claims |= {"aud": audience, "jti": uuid.uuid4().hex}
        times = {"iat": now, "exp": now + int(self._lifetime.total_seconds())}
        return jwt.encode(self._header, {**claims, **times}, self._jwk, algorithms=[self._algorithm])

    @cached_property
    def _jwk(self) -> Any:
        # Loaded by those who need it.
        from joserfc.errors import JoseError
        from joserfc.jwk import ECKey, OctKey, RSAKey

        text = self._key.get_secret_value()
        # A .env file has one line for it.
        text = text.replace("\\n", "\n") if text.startswith("-----BEGIN") else text
        try:
            kinds: dict[str, Any] = {"RS256": RSAKey, "ES256": ECKey, "HS256": OctKey}
            jwk = kinds[self._algorithm].import_key(text)
        except (ValueError, TypeError, JoseError) as error:
            raise self._unreadable() from error
        if not jwk.is_private:
            raise self._unreadable()
        return jwk

    def _unreadable(self) -> DeclarationError:
        return DeclarationError(
            f"JwtAssertion: the key cannot be read as one for {self._algorithm}",
            hint="RS256 and ES256 want a private key as PEM: -----BEGIN PRIVATE KEY----- and so on.",
        )
