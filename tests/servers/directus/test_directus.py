"""A real REST API from end to end: Directus, with filters, tokens, capped pages and soft deletes, and a star
that says what Directus says.
"""

import random
import threading
from collections.abc import Iterator
from datetime import datetime, timedelta
from decimal import Decimal
from typing import Any

import pytest
from pydantic import AwareDatetime, SecretStr, model_validator
from sqlalchemy import Integer, String, select
from sqlalchemy.orm import Mapped
from tests.servers import history
from tests.servers.directus import server as directus
from tests.servers.directus.server import Studio

from strandline import (
    Bearer,
    Cursor,
    Database,
    Dimension,
    Fact,
    HttpSource,
    Mapper,
    Money,
    Pages,
    Pipeline,
    Precision,
    Record,
    SourceSettings,
    attribute,
    event_time,
    field,
    grain,
    measure,
    references,
    run,
    stream,
)
from strandline.pipeline import Deletes, RunReport
from strandline.source import Flag, Keyset, Offset, PageNumber, Settled

pytestmark = pytest.mark.servers

# What a user writes.


class Item(Record):
    """A record of any collection. Its `date_updated` is null until the first change: then it was made."""

    id: int
    date_created: AwareDatetime
    date_updated: AwareDatetime

    @model_validator(mode="before")
    @classmethod
    def _begin_with_creation(cls, sent: Any) -> Any:
        return {**sent, "date_updated": sent["date_updated"] or sent["date_created"]}


class Client(Item):
    """Somebody whom the studio works for."""

    name: str
    tier: str
    status: str


class Job(Item):
    """What it does for them."""

    client: int
    due_at: AwareDatetime
    hours: int
    price: Decimal


class Id(Record):
    """The key of anything."""

    id: int


class DirectusSettings(SourceSettings):
    """STRANDLINE_DIRECTUS__BASE_URL and STRANDLINE_DIRECTUS__TOKEN."""

    base_url: str
    token: SecretStr


# What was written is seen when its transaction ends, some time after the date that it was given.
CHANGES = Cursor("date_updated", precision=Precision.MILLISECOND, lag=timedelta(seconds=5))


class Directus(HttpSource):
    """A studio's data."""

    settings: DirectusSettings

    def auth(self) -> Bearer:
        """A static token."""
        return Bearer(self.settings.token)

    @stream(Client, key="id", cursor=CHANGES, deleted=Flag("status", "archived"))
    def clients(self, since: datetime | None) -> Pages:
        """Everybody, the archived ones too; no page may have more than the server's QUERY_LIMIT_MAX."""
        return self._items("clients", since, Offset(limit=40, overlap=4))

    @stream(Job, key="id", cursor=CHANGES)
    def jobs(self, since: datetime | None) -> Pages:
        """What is done for them."""
        behind = Keyset(cursor="id", param="filter[_and][0][id][_gte]", limit=40)
        return self._items("jobs", since, behind)

    @stream(Id, key="id")
    def client_ids(self) -> Pages:
        """All that there are, page by page until nobody can have been missed."""
        return self.pages(
            "/items/clients",
            params={"fields": "id", "sort": "id", "limit": -1},  # which is all of them here
            records="data",
            paginator=Settled(PageNumber(), key="id"),
        )

    @stream(Id, key="id")
    def job_ids(self) -> Pages:
        """All that there are, compared with how many Directus says that there are."""
        return self.pages(
            "/items/jobs",
            params={"fields": "id", "sort": "id", "limit": 40, "meta": "filter_count"},
            records="data",
            paginator=Offset(limit=40),
            total="meta.filter_count",
        )

    def _items(self, collection: str, since: datetime | None, paginator: Any) -> Pages:
        told = f"{since:%Y-%m-%dT%H:%M:%S.%fZ}" if since else None
        changed = {
            f"filter[_and][1][_or][{number}][{name}][_gte]": told
            for number, name in enumerate(("date_created", "date_updated"))
        }
        return self.pages(
            f"/items/{collection}",
            params={"sort": "id", **changed},
            paginator=paginator,
            records="data",
        )


class DimClient(Dimension):
    """Whom the studio works for; the tier keeps its history."""

    client_name: Mapped[str] = attribute(String(80))
    tier: Mapped[str] = attribute(String(20), scd=2)


class FactJob(Fact):
    """One row a job."""

    job_id: Mapped[str] = grain(String(20))
    due_at: Mapped[datetime] = event_time()
    client_key: Mapped[int] = references(DimClient, as_of="due_at", missing="infer")
    hours: Mapped[int] = measure(Integer)
    price: Mapped[Decimal] = measure(Money)


class DirectusClient(Mapper[Client, DimClient]):
    """The studio's clients."""

    client_name = field("name")
    tier = field("tier")


class DirectusJob(Mapper[Job, FactJob]):
    """The studio's jobs."""

    job_id = field("id")
    due_at = field("due_at")
    client_key = field("client")
    hours = field("hours")
    price = field("price")


studio_work = Pipeline("studio_work")
studio_work.sync(Directus.clients, DirectusClient, deletes=Deletes.by_ids(Directus.client_ids))
studio_work.sync(Directus.jobs, DirectusJob, deletes=Deletes.by_ids(Directus.job_ids))


# What the star must say.


def assert_star_is_what_directus_says(warehouse: Database, studio: Studio) -> None:
    """Members, all their versions, facts and the versions that they point at."""
    found = history.stored(warehouse, DimClient, "tier")

    assert found == history.with_deletions_of(studio.clients.versions(), found)
    assert_clients_are_current(warehouse, studio)
    assert_jobs_are_there(warehouse, studio)


def assert_clients_are_current(warehouse: Database, studio: Studio) -> None:
    d = DimClient
    found = select(d.source_id, d.client_name, d.tier).where(d.is_current, d.key > 0, ~d.is_inferred)

    assert sorted(history.rows(warehouse, found)) == sorted(
        (str(it["id"]), it["name"], it["tier"]) for it in studio.read("clients") if it["status"] == "active"
    )


def assert_jobs_are_there(warehouse: Database, studio: Studio) -> None:
    f, d = FactJob, DimClient
    found = select(f.job_id, f.due_at, f.hours, f.price, d.source_id, d.valid_from).join(
        d, f.client_key == d.key
    )
    own = history.by_member(history.stored(warehouse, DimClient, "tier"))

    expected = []
    for it in studio.read("jobs"):
        client, due_at = str(it["client"]), directus.moment(it["due_at"])
        begin = history.begin_of(own.get(client, []), due_at)
        expected.append((str(it["id"]), due_at, it["hours"], Decimal(it["price"]), client, begin))
    assert sorted(history.rows(warehouse, found)) == sorted(expected)


ROUNDS = (
    directus.nothing,
    directus.change,
    directus.archive,
    directus.restore,
    directus.delete,
    directus.change,
)


@pytest.fixture(scope="module")
def studio(directus_url: str) -> Iterator[Studio]:
    """A studio with clients and jobs."""
    with Studio(directus_url) as studio:
        studio.open()
        directus.seed(studio, random.Random(1))
        yield studio


def load(
    warehouse: Database, studio: Studio, *, token: str = directus.TOKEN, full: bool = False
) -> RunReport:
    studio.clients.note_seen()
    settings = DirectusSettings(base_url=studio.url, token=SecretStr(token))
    with Directus(settings=settings) as source:
        return run(studio_work, warehouse, sources={Directus.name: source}, full=full)


def test_after_every_run_the_star_is_what_directus_says(warehouse: Database, studio: Studio) -> None:
    """Members, histories, facts and deletions; each run again, and one that reads all, changes no row."""
    dice = random.Random(2)
    for happens in ROUNDS:
        happens(studio, dice)
        report = load(warehouse, studio)
        assert history.told(report) == {("done", None)}, happens.__doc__
        assert_star_is_what_directus_says(warehouse, studio)

        before = history.every_row(warehouse, DimClient, FactJob)
        for is_full in (False, True):
            again = load(warehouse, studio, full=is_full)
            assert not any(it.stored for it in again.streams), (happens.__doc__, is_full, again)
            assert history.every_row(warehouse, DimClient, FactJob) == before


def test_nothing_is_lost_while_others_work(warehouse: Database, studio: Studio) -> None:
    """Records change, go, and are added between one page and the next."""
    dice, is_over = random.Random(3), threading.Event()
    writer = threading.Thread(target=directus.keep_working, args=(studio, dice), kwargs={"until": is_over})
    writer.start()
    try:
        reports = [load(warehouse, studio) for _ in range(3)]
    finally:
        is_over.set()
        writer.join()
    reports.append(load(warehouse, studio))

    assert set().union(*map(history.told, reports)) == {("done", None)}
    assert_clients_are_current(warehouse, studio)
    assert_jobs_are_there(warehouse, studio)


def test_a_wrong_token_is_told_without_it(warehouse: Database, studio: Studio) -> None:
    report = load(warehouse, studio, token="canary-wrong")

    assert {it.status for it in report.streams} == {"failed"}
    assert report.streams[0].kind == "CredentialsRejected"
    assert "STRANDLINE_DIRECTUS__TOKEN" in str(report.streams[0].error)
    assert "canary" not in str(report.as_dict())
