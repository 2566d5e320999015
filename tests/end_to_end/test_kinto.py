"""A real API from end to end: Kinto, read as a user would, and a star that says what Kinto says."""

import random
import threading
from collections.abc import Iterable, Iterator, Sequence
from datetime import datetime, timedelta
from decimal import Decimal
from pathlib import Path
from typing import Any, NamedTuple

import httpx
import pytest
from pydantic import AwareDatetime, SecretStr
from sqlalchemy import Executable, Integer, String, select
from sqlalchemy.orm import Mapped
from tests.effort import TIMES
from tests.end_to_end import kinto
from tests.end_to_end.kinto import Change, Data, Shop

from strandline import (
    Basic,
    Cursor,
    Database,
    DimDate,
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
    degenerate,
    event_time,
    field,
    grain,
    measure,
    references,
    run,
    stream,
)
from strandline.model.dimension import BEGINNING
from strandline.pipeline import RunReport
from strandline.source import LinkInHeader

# What a user writes.


class Customer(Record):
    """A customer as our shop keeps it in Kinto."""

    id: str
    name: str
    segment: str
    city: str | None = None
    last_modified: AwareDatetime


class Order(Record):
    """An order as our shop keeps it in Kinto."""

    id: str
    customer: str | None
    placed_at: AwareDatetime
    status: str
    quantity: int
    total: Decimal
    last_modified: AwareDatetime


class KintoSettings(SourceSettings):
    """STRANDLINE_KINTO__BASE_URL, …__BUCKET, …__USER, …__PASSWORD and …__PAGE_SIZE."""

    base_url: str
    bucket: str
    user: str
    password: SecretStr
    page_size: int = 700


# Kinto gives no two records of a collection the same millisecond, and `_since` is exclusive.
CHANGES = Cursor("last_modified", precision=Precision.MILLISECOND, unique=True, inclusive=False, ordered=True)


class Kinto(HttpSource):
    """A bucket in Kinto."""

    settings: KintoSettings

    def auth(self) -> httpx.Auth:
        """An account of Kinto's."""
        return Basic(self.settings.user, self.settings.password)

    @stream(Customer, key="id", cursor=CHANGES, deleted="deleted")
    def customers(self, since: datetime | None) -> Pages:
        """Everybody we sell to."""
        return self._records("customers", since)

    @stream(Order, key="id", cursor=CHANGES, deleted="deleted")
    def orders(self, since: datetime | None) -> Pages:
        """What they bought."""
        return self._records("orders", since)

    def _records(self, collection: str, since: datetime | None) -> Pages:
        milliseconds = None if since is None else (since - kinto.EPOCH) // timedelta(milliseconds=1)
        return self.pages(
            f"/buckets/{self.settings.bucket}/collections/{collection}/records",
            params={"_since": milliseconds, "_sort": "last_modified", "_limit": self.settings.page_size},
            paginator=LinkInHeader("Next-Page"),
            records="data",
        )


class DimShopper(Dimension):
    """Who buys; the segment keeps its history."""

    shopper_name: Mapped[str] = attribute(String(80))
    city: Mapped[str | None] = attribute(String(80))
    segment: Mapped[str] = attribute(String(20), scd=2)


class FactPurchase(Fact):
    """One row an order."""

    order_id: Mapped[str] = grain(String(40))
    placed_at: Mapped[datetime] = event_time()
    shopper_key: Mapped[int] = references(DimShopper, as_of="placed_at", missing="infer")
    placed_date_key: Mapped[int] = references(DimDate, on="placed_at")
    status: Mapped[str] = degenerate(String(20))
    quantity: Mapped[int] = measure(Integer)
    total_amount: Mapped[Decimal] = measure(Money)


class KintoShopper(Mapper[Customer, DimShopper]):
    """Kinto's customers."""

    shopper_name = field("name")
    city = field("city")
    segment = field("segment")


class KintoPurchase(Mapper[Order, FactPurchase]):
    """Kinto's orders."""

    order_id = field("id")
    placed_at = field("placed_at")
    shopper_key = field("customer")
    status = field("status")
    quantity = field("quantity")
    total_amount = field("total")


shopping = Pipeline("shopping")
shopping.sync(Kinto.customers, KintoShopper)
shopping.sync(Kinto.orders, KintoPurchase)


# What the star must say, worked out by plain loops from what was written.


class Version(NamedTuple):
    """One version of a member."""

    source_id: str
    version: int
    segment: str
    valid_from: datetime
    valid_to: datetime | None
    is_deleted: bool


def expected_versions(source_id: str, changes: list[Change]) -> list[Version]:
    """A change of segment, a beginning or a return opens a version; the next one or a deletion ends it."""
    versions: list[Version] = []
    for at, data in changes:
        last = versions[-1] if versions else None
        is_open = last is not None and last.valid_to is None
        if is_open and data is not None and data["segment"] == versions[-1].segment:
            continue
        if is_open:
            versions[-1] = versions[-1]._replace(valid_to=at, is_deleted=data is None)
        elif last is not None and data is not None:
            versions[-1] = last._replace(is_deleted=False)
        if data is not None:
            versions.append(
                Version(source_id, len(versions) + 1, data["segment"], at, None, is_deleted=False)
            )
    return versions


def expected_begin(order: Data, own: Sequence[Version]) -> datetime:
    """When the order's version begins: the one of its time, or the first for all time before it."""
    if not own:
        return BEGINNING  # nobody, or somebody of whom no record has come
    begins = [it.valid_from for it in own if it.valid_from <= datetime.fromisoformat(order["placed_at"])]
    return begins[-1] if begins else own[0].valid_from


def assert_star_is_what_kinto_says(warehouse: Database, shop: Shop) -> None:
    """Members, all their versions, facts and the versions that they point at."""
    seen = shop.changes["customers"].items()
    expected = sorted(it for source_id, changes in seen for it in expected_versions(source_id, changes))

    assert stored_versions(warehouse) == expected
    assert_members_are_current(warehouse, shop)
    assert_orders_are_there(warehouse, shop, expected)


def assert_members_are_current(warehouse: Database, shop: Shop) -> None:
    d = DimShopper
    found = select(d.source_id, d.shopper_name, d.city, d.segment).where(
        d.source_system == "kinto", d.is_current, ~d.is_inferred
    )

    assert by_first(rows(warehouse, found)) == {
        source_id: (it["name"], it["city"], it["segment"])
        for source_id, it in shop.records("customers").items()
    }


def assert_orders_are_there(warehouse: Database, shop: Shop, versions: Sequence[Version]) -> None:
    f, d = FactPurchase, DimShopper
    values = (f.order_id, f.placed_at, f.status, f.quantity, f.total_amount, d.source_id, d.valid_from)
    found = select(*values).join(d, f.shopper_key == d.key)
    own: dict[str, list[Version]] = {}
    for version in versions:
        own.setdefault(version.source_id, []).append(version)

    assert by_first(rows(warehouse, found)) == {
        order_id: (
            datetime.fromisoformat(it["placed_at"]),
            it["status"],
            it["quantity"],
            Decimal(str(it["total"])),
            it["customer"] or "not applicable",
            expected_begin(it, own.get(it["customer"], [])),
        )
        for order_id, it in shop.records("orders").items()
    }


def stored_versions(warehouse: Database) -> list[Version]:
    columns = [getattr(DimShopper, name) for name in Version._fields]
    found = select(*columns).where(DimShopper.source_system == "kinto", ~DimShopper.is_inferred)
    return sorted(Version(*row) for row in rows(warehouse, found))


def every_row(warehouse: Database) -> list[tuple[Any, ...]]:
    """The star with its audit columns: also a row that was written again just as it was would show."""
    tables = (DimShopper.table(), FactPurchase.table())
    return [row for table in tables for row in rows(warehouse, select(table).order_by(*table.primary_key))]


def rows(warehouse: Database, query: Executable) -> list[tuple[Any, ...]]:
    with warehouse.begin() as connection:
        return [tuple(row) for row in connection.execute(query)]


def by_first(found: Iterable[tuple[Any, ...]]) -> dict[str, tuple[Any, ...]]:
    return {row[0]: row[1:] for row in found}


ROUNDS = (
    kinto.nothing,
    kinto.change,
    kinto.delete,
    kinto.restore,
    kinto.delete_and_restore,
    kinto.add,
    kinto.arrive,
    kinto.change,
)


@pytest.fixture(scope="module")
def url(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    with kinto.server(tmp_path_factory.mktemp("kinto")) as url:
        yield url


@pytest.fixture
def shop(url: str, request: pytest.FixtureRequest) -> Iterator[Shop]:
    """A bucket of this test's own."""
    with Shop(url, request.node.name.replace("_", "-")[:50]) as shop:
        yield shop


def load(
    warehouse: Database, shop: Shop, *, page_size: int = 700, password: str = kinto.PASSWORD
) -> RunReport:
    shop.note_seen()
    settings = KintoSettings(
        base_url=shop.url,
        bucket=shop.bucket,
        user=kinto.USER,
        password=SecretStr(password),
        page_size=page_size,
    )
    with Kinto(settings=settings) as source:
        return run(shopping, warehouse, sources={Kinto.name: source})


def test_after_every_run_the_star_is_what_kinto_says(warehouse: Database, shop: Shop) -> None:
    """Thousands of records, and everything that can happen to them; each run again changes no row."""
    dice, times = random.Random(1), min(TIMES, 4)
    kinto.seed(shop, dice, customers_=800 * times, orders_=2_500 * times)

    for happens in ROUNDS:
        happens(shop, dice)
        report = load(warehouse, shop)
        assert [it.status for it in report.streams] == ["done", "done"], (happens.__doc__, report)
        assert_star_is_what_kinto_says(warehouse, shop)

        before = every_row(warehouse)
        again = load(warehouse, shop)
        # At least the one at the mark is read again; more where Kinto's clock, which gives every write
        # a millisecond of its own, has run ahead of the run's start.
        assert [it.stored for it in again.streams] == [0, 0], (happens.__doc__, again)
        assert all(it.records < 700 for it in again.streams)
        assert not any(it.changed for it in again.targets)
        assert every_row(warehouse) == before


def test_nothing_is_lost_while_others_write(warehouse: Database, shop: Shop) -> None:
    """Records move to the end of the list, vanish and come back between one page and the next."""
    dice, is_over = random.Random(2), threading.Event()
    kinto.seed(shop, dice, customers_=300, orders_=600)
    writer = threading.Thread(target=kinto.keep_changing, args=(shop, dice), kwargs={"until": is_over})
    writer.start()
    try:
        reports = [load(warehouse, shop, page_size=20) for _ in range(3)]
    finally:
        is_over.set()
        writer.join()
    reports.append(load(warehouse, shop, page_size=20))

    assert [it.status for report in reports for it in report.streams] == ["done"] * 8
    stored = stored_versions(warehouse)
    assert_members_are_current(warehouse, shop)
    assert_orders_are_there(warehouse, shop, stored)
    made = {
        (source_id, at, data["segment"])
        for source_id, changes in shop.written["customers"].items()
        for at, data in changes
        if data
    }
    assert {(it.source_id, it.valid_from, it.segment) for it in stored} <= made


def test_a_wrong_password_is_told_without_it(warehouse: Database, shop: Shop) -> None:
    report = load(warehouse, shop, password="canary-wrong")

    assert [it.status for it in report.streams] == ["failed", "failed"]
    assert report.streams[0].kind == "CredentialsRejected"
    assert "STRANDLINE_KINTO__PASSWORD" in str(report.streams[0].error)
    assert "canary" not in str(report.as_dict())


def test_a_kinto_that_asks_for_less_load_is_read_to_its_end(warehouse: Database, tmp_path: Path) -> None:
    """Every answer carries `Backoff: 1`, which asks clients to wait a second before the next request."""
    with kinto.server(tmp_path, backoff="1") as url, Shop(url, "busy") as shop:
        assert httpx.get(f"{url}/").headers["Backoff"] == "1"
        kinto.seed(shop, random.Random(3), customers_=50, orders_=50)

        report = load(warehouse, shop, page_size=20)

        assert [(it.status, it.pages, it.records) for it in report.streams] == [("done", 3, 50)] * 2
        assert_star_is_what_kinto_says(warehouse, shop)
