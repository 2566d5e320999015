"""OAuth 2 without a user: the client's own credentials are exchanged for a token (RFC 6749, 4.4)."""

from __future__ import annotations

import httpx
from pydantic import SecretStr

from strandline.source.endpoint import ClientSecretIn, Denied, TokenEndpoint
from strandline.source.token import Steps, Token, TokenCredentials


class ClientCredentials(TokenCredentials):
    """OAuth 2 client credentials: id and secret, as the endpoint wants them, for a bearer token that is kept
    until shortly before it expires.

    `token_url` is a path on the source's host, or a URL. `client_secret_in="body"` sends the secret beside
    the grant instead of by basic auth; `scope` and `audience` are sent where they are given.
    """

    kind = "OAuth 2 client credentials"

    def __init__(
        self,
        token_url: str,
        *,
        client_id: SecretStr | str,
        client_secret: SecretStr | str,
        client_secret_in: ClientSecretIn = "basic",
        scope: str | None = None,
        audience: str | None = None,
    ) -> None:
        super().__init__()
        self._endpoint = TokenEndpoint(
            token_url, client_id=client_id, client_secret=client_secret, client_secret_in=client_secret_in
        )
        self._form = {"grant_type": "client_credentials", "scope": scope, "audience": audience}
        self.secrets = self._endpoint.secrets

    def obtain(self, request: httpx.Request, *, refused: Token | None) -> Steps[Token]:
        """Ask for a token; there is nothing to renew."""
        answer = yield from self._endpoint.exchange(
            self._form, before=request, redaction=self.redaction, shown=self.shown
        )
        if isinstance(answer, Denied):
            raise answer.error()
        return answer
