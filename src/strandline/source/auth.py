"""How a source knows us: API key, basic and bearer, as httpx auth that never shows its secret.

The credentials that talk to the source before they are worth anything have modules of their own: `oauth2`,
`rotation`, `assertion`, `session`; those that sign each request are in `oauth1` and `signature`.
"""

from __future__ import annotations

import base64
from collections.abc import Callable, Generator

import httpx
from msgspec import Struct
from pydantic import SecretStr

from strandline.errors import DeclarationError
from strandline.source.redaction import Redaction
from strandline.source.vault import TokenVault


class Owner(Struct, frozen=True):
    """The source whose credentials they are."""

    name: str
    variables: Callable[[SecretStr], list[str]]
    """Which variables hold a secret."""
    vault: Callable[[], TokenVault | None]
    """Where the pipeline keeps what must outlive a run; None where there is no pipeline."""


class Credentials(httpx.Auth):
    """An httpx auth that says what it is without saying what it knows."""

    kind: str = "credentials"
    """As it is named in messages."""
    secrets: tuple[SecretStr, ...] = ()
    """What must never be shown."""
    query_parameters: frozenset[str] = frozenset()
    """Parameters of a URL that hold a secret."""
    redaction: Redaction = Redaction()
    """The client's, once there is one: it is told of every secret that is obtained on the way."""
    shown: str = "the credentials"
    """What they are and which variables they came from, once there is a client."""

    def belong(self, owner: Owner) -> None:
        """Know whose they are, before anything is read; most have no use for it."""

    def renew(self, request: httpx.Request) -> bool:
        """Let this request, which was refused with a 200, go out with another token; most have but one."""
        return False

    def close(self, http: httpx.Client) -> None:
        """Say goodbye before the connections are closed; most have nothing to say."""

    def __repr__(self) -> str:
        return f"<{self.kind}>"


class ApiKey(Credentials):
    """A key in a header (`X-API-Key` unless named otherwise) or in a query parameter."""

    def __init__(
        self, value: SecretStr | str, *, header: str | None = None, query: str | None = None
    ) -> None:
        if header and query:
            raise DeclarationError(
                f"ApiKey(header={header!r}, query={query!r}):"
                " a key goes into a header or into the query, not both"
            )
        self._value = secret_of(value)
        self._header = header or "X-API-Key"
        self._query = query
        self.kind = (
            f"API key in the query parameter {query}" if query else f"API key in the header {self._header}"
        )
        self.secrets = (self._value,)
        self.query_parameters = frozenset({query} if query else ())

    def auth_flow(self, request: httpx.Request) -> Generator[httpx.Request, httpx.Response, None]:
        """Add the key."""
        if self._query:
            request.url = request.url.copy_set_param(self._query, self._value.get_secret_value())
        else:
            request.headers[self._header] = self._value.get_secret_value()
        yield request


class Basic(Credentials):
    """User and password, RFC 7617."""

    kind = "basic auth"

    def __init__(self, user: SecretStr | str, password: SecretStr | str) -> None:
        # A user's name is public, but with some APIs it is the key: hidden when it is given as a secret.
        self.secrets = tuple(part for part in (user, secret_of(password)) if isinstance(part, SecretStr))
        pair = f"{secret_of(user).get_secret_value()}:{secret_of(password).get_secret_value()}"
        self._header = SecretStr("Basic " + base64.b64encode(pair.encode()).decode())
        self.secrets += (SecretStr(pair),)

    def auth_flow(self, request: httpx.Request) -> Generator[httpx.Request, httpx.Response, None]:
        """Add the header."""
        request.headers["Authorization"] = self._header.get_secret_value()
        yield request


class Bearer(Credentials):
    """A bearer token, RFC 6750."""

    kind = "bearer token"

    def __init__(self, token: SecretStr | str) -> None:
        self._token = secret_of(token)
        self.secrets = (self._token,)

    def auth_flow(self, request: httpx.Request) -> Generator[httpx.Request, httpx.Response, None]:
        """Add the header."""
        request.headers["Authorization"] = f"Bearer {self._token.get_secret_value()}"
        yield request


def secret_of(value: SecretStr | str | None) -> SecretStr:
    """The value, wrapped so that nothing shows it. Raises DeclarationError where a setting was not set."""
    if value is None:
        raise DeclarationError(
            "the credentials lack a secret: it is None",
            hint="Declare its setting without a default, token: SecretStr: who has not set it is told.",
        )
    return value if isinstance(value, SecretStr) else SecretStr(value)
