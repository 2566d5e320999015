"""A project of a user with a source for every way in which a source can have a secret.

Each is an API at STRANDLINE_<KIND>__BASE_URL, or another kind of source.
"""

from collections.abc import Callable
from datetime import timedelta
from typing import Any

import httpx
from pydantic import SecretStr
from sqlalchemy.orm import Mapped

from strandline import Dimension, Mapper, Pages, Pipeline, Record, SourceSettings, attribute, field, stream
from strandline.source import (
    ApiKey,
    Basic,
    Bearer,
    ClientCredentials,
    Csv,
    FileSource,
    HmacSignature,
    HttpSettings,
    HttpSource,
    JwtAssertion,
    OAuth1,
    PageNumber,
    RefreshToken,
    Retry,
    SessionLogin,
    SqlSource,
)

SECRET = 'nightjar-7f3a/b+c"d é'
SHARED = SecretStr(f"{SECRET} and long enough for a signature of a JWT")

KINDS: dict[str, Callable[[SecretStr], httpx.Auth]] = {
    "api_key_in_a_header": ApiKey,
    "api_key_in_the_query": lambda it: ApiKey(it, query="apikey_"),
    "basic": lambda it: Basic(it, it),
    "bearer": Bearer,
    "client_credentials": lambda it: ClientCredentials("/token", client_id=it, client_secret=it),
    "client_credentials_in_the_body": lambda it: ClientCredentials(
        "/token", client_id="us", client_secret=it, client_secret_in="body"
    ),
    "refresh_token": lambda it: RefreshToken("/token", client_id="us", client_secret=it, refresh_token=it),
    "jwt": lambda _: JwtAssertion("/token", issuer="us", key=SHARED, algorithm="HS256"),
    "oauth_1": lambda it: OAuth1(consumer_key=it, consumer_secret=it, token=it, token_secret=it),
    "session_with_a_token": lambda it: SessionLogin(
        "/token", user="us", password=it, token="access_token", logout="/logout"
    ),
    "session_with_a_cookie": lambda it: SessionLogin("/token", user=it, password=it, send="form"),
    "hmac": lambda it: HmacSignature(it, form="HMAC {key_id}:{signature}", key_id=it),
}
"""Each kind of credentials, by the name of its source."""

WITH_ENDPOINT = {
    "client_credentials",
    "client_credentials_in_the_body",
    "refresh_token",
    "jwt",
    "session_with_a_token",
    "session_with_a_cookie",
}
"""Those that ask for a token first."""


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
        return self.pages("keepers", paginator=PageNumber(has_more="more"), records="data")


class HarbourSettings(SourceSettings):
    """An address with a password in it."""

    url: SecretStr


class Harbour(SqlSource):
    """A database that asks for a password."""

    name = "database"
    settings: HarbourSettings
    retry = Retry(attempts=1)

    @stream(Keeper, key="id")
    def keepers(self) -> Pages:
        """All of them."""
        return self.table("keepers", at_once=True)


class ShedSettings(SourceSettings):
    """An address with a password in it."""

    root: SecretStr


class Shed(FileSource):
    """A server of files that asks for a password."""

    name = "files"
    settings: ShedSettings

    @stream(Keeper, key="id")
    def keepers(self, since: str | None) -> Pages:
        """All of them."""
        return self.files("keepers.csv", format=Csv(), since=since)


WAYS = ("proxy", "client_certificate")
"""Sources whose secret is of the way to them, in their settings."""


def source_of(name: str, credentials: Callable[[SecretStr], httpx.Auth]) -> Any:
    """A lighthouse of that name with these credentials."""
    return type("Lighthouse", (Lighthouse,), {"name": name, "credentials": staticmethod(credentials)})


lighthouses = Pipeline("lighthouses")
for kind in (*KINDS, "proxy"):
    lighthouses.sync(source_of(kind, KINDS.get(kind, Bearer)).keepers, CanaryKeeper)

sealed = Pipeline("sealed")
sealed.sync(source_of("client_certificate", Bearer).keepers, CanaryKeeper)

elsewhere = Pipeline("elsewhere")
for source in (Harbour, Shed):
    elsewhere.sync(source.keepers, CanaryKeeper)
