"""The source under test and the API that it reads, for every test of an HttpSource."""

import json
from collections.abc import Callable, Iterator, Mapping
from datetime import UTC, date, datetime, timedelta
from typing import Any

import httpx
import pytest
from pydantic import AwareDatetime, SecretStr

from strandline.source import (
    Bearer,
    Cursor,
    HttpSource,
    Page,
    Pages,
    Record,
    Retry,
    SourceSettings,
    stream,
)
from strandline.source.request import Paginator
from strandline.testing.server import ScriptedApi

SECRET = "canary-7f3a/b+c d"
AT = datetime(2026, 3, 4, 5, 6, 7, tzinfo=UTC)


class Customer(Record):
    """As the CRM sends it."""

    id: str
    updated_at: AwareDatetime


class CrmSettings(SourceSettings):
    """Where the CRM is, and the canary that nobody may see."""

    base_url: str
    token: SecretStr = SecretStr(SECRET)


class Crm(HttpSource):
    """The CRM; a test sets what it is about as class attributes."""

    settings: CrmSettings
    retry = Retry(attempts=3, wait_initial=timedelta(milliseconds=1), wait_max=timedelta(milliseconds=5))
    timeout = 5.0
    paginator: Paginator | None = None
    search: Mapping[str, Any] = {}
    credentials: Callable[[SecretStr], httpx.Auth] = Bearer

    def auth(self) -> httpx.Auth | None:
        """The token, in the way that the test wants."""
        return type(self).credentials(self.settings.token)

    @stream(Customer, key="id", cursor=Cursor("updated_at"))
    def customers(self, since: datetime | date | None) -> Pages:
        """The customers."""
        return self.pages("/customers", params={"since": since}, paginator=self.paginator, records="data")

    @stream(Customer, key="id", methods=("post",))
    def found(self) -> Pages:
        """A search that needs a POST, and says so."""
        return self.pages("/search", method="POST", body={"q": "*"}, records="data")

    @stream(Customer, key="id", methods=("post",))
    def searched(self) -> Pages:
        """A search as the test wants it."""
        return self.pages("/search", method="POST", **self.search)

    @stream(Customer, key="id")
    def changed(self) -> Pages:
        """A stream that wants to delete, and has not said so."""
        return self.pages("/customers", method="DELETE")

    @stream(Customer, key="id")
    def both(self) -> Pages:
        """Two walks after each other."""
        yield from self.pages("/a", records=None)
        yield from self.pages("/b", records=None)

    def read(self, since: datetime | date | None = None) -> list[Page]:
        """All pages of the customers."""
        return list(self.customers.read(self, since))

    def read_ids(self, since: datetime | date | None = None) -> list[str]:
        """The ids of all customers, in order."""
        return [json.loads(record)["id"] for page in self.read(since) for record in page.records]


@pytest.fixture
def api() -> Iterator[ScriptedApi]:
    """An API without any path."""
    with ScriptedApi() as api:
        yield api


@pytest.fixture
def open_crm(api: ScriptedApi) -> Iterator[Callable[..., Crm]]:
    """A function that makes sources for the API; they are closed after the test."""
    opened: list[Crm] = []

    def make(base_url: str = api.url, **attributes: Any) -> Crm:
        opened.append(type("Crm", (Crm,), attributes)(settings=CrmSettings(base_url=base_url)))
        return opened[-1]

    yield make
    for crm in opened:
        crm.close()


@pytest.fixture
def customers() -> Callable[[int], list[dict[str, str]]]:
    """A function that makes that many customers, C-0 and on, changed a day apart."""
    return lambda count: [
        {"id": f"C-{number}", "updated_at": (AT + timedelta(days=number)).isoformat()}
        for number in range(count)
    ]
