"""A real Kinto on a port of its own, and a shop in it whose records a test changes through Kinto's API.

Kinto keeps one state of a record, the last, and so does a shop's list of the changes that no run has seen:
what was changed twice between two runs, or deleted and made again, is one change.
"""

import random
import socket
import subprocess
import sys
import threading
import time
from collections.abc import Iterable, Iterator, Mapping
from contextlib import contextmanager
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any, NamedTuple, Self

import httpx

USER = "strandline"
PASSWORD = "canary-4b1d"
COLLECTIONS = ("customers", "orders")
BATCH = 500
STARTS_WITHIN = 30.0  # seconds; it takes 2
EPOCH = datetime(1970, 1, 1, tzinfo=UTC)

INI = """
[server:main]
use = egg:waitress#main
host = 127.0.0.1
port = %(http_port)s

[app:main]
use = egg:kinto
kinto.includes = kinto.plugins.accounts
kinto.storage_backend = kinto.core.storage.memory
kinto.cache_backend = kinto.core.cache.memory
kinto.permission_backend = kinto.core.permission.memory
kinto.userid_hmac_secret = only for tests
kinto.account_create_principals = system.Everyone
kinto.bucket_create_principals = system.Authenticated
# Permissions in memory are searched from end to end by every write, so records inherit those of their bucket.
kinto.explicit_permissions = false
kinto.batch_max_requests = 500
multiauth.policies = account
multiauth.policy.account.use = kinto.plugins.accounts.AccountsPolicy
"""

Data = dict[str, Any]


class Change(NamedTuple):
    """What happened to a record, and when by Kinto's clock; a deletion has no data."""

    at: datetime
    data: Data | None


@contextmanager
def server(folder: Path, **settings: str) -> Iterator[str]:
    """Run a Kinto that forgets everything at its end; `settings` are its own, without "kinto."."""
    ini, log, port = folder / "kinto.ini", folder / "kinto.log", _free_port()
    ini.write_text(INI + "".join(f"kinto.{name} = {value}\n" for name, value in settings.items()))
    program = Path(sys.executable).with_name("kinto")
    command = [str(program), "start", "--ini", str(ini), "--port", str(port)]
    with log.open("wb") as output, subprocess.Popen(command, stdout=output, stderr=output) as process:
        try:
            url = f"http://127.0.0.1:{port}/v1"
            _wait_until_up(url, process, log)
            httpx.put(f"{url}/accounts/{USER}", json={"data": {"password": PASSWORD}}).raise_for_status()
            yield url
        finally:
            process.terminate()


def _free_port() -> int:
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        return int(taken.getsockname()[1])


def _wait_until_up(url: str, process: subprocess.Popen[bytes], log: Path) -> None:
    give_up = time.monotonic() + STARTS_WITHIN
    while process.poll() is None and time.monotonic() < give_up:
        try:
            httpx.get(f"{url}/", timeout=5).raise_for_status()
        except httpx.ConnectError:
            time.sleep(0.05)
        else:
            return
    raise RuntimeError(f"Kinto did not start (exit code {process.poll()}):\n{log.read_text()[-2000:]}")


class Shop:
    """A bucket with customers and orders."""

    def __init__(self, url: str, bucket: str) -> None:
        self.url, self.bucket = url, bucket
        self.opened_at = datetime.now(UTC)
        self.written: dict[str, dict[str, list[Change]]] = {name: {} for name in COLLECTIONS}
        """Everything that was written, by collection and record, oldest first."""
        self.changes: dict[str, dict[str, list[Change]]] = {name: {} for name in COLLECTIONS}
        """As much of it as the runs have seen."""
        self._unseen: dict[str, dict[str, Change]] = {name: {} for name in COLLECTIONS}
        self._api = httpx.Client(base_url=url, auth=(USER, PASSWORD), timeout=60)

    def __enter__(self) -> Self:
        bucket, ours = f"/buckets/{self.bucket}", {"permissions": {"write": [f"account:{USER}"]}}
        for path in (bucket, *(f"{bucket}/collections/{name}" for name in COLLECTIONS)):
            self._api.put(path, json=ours).raise_for_status()
        return self

    def __exit__(self, *exception: object) -> None:
        self._api.close()

    def write(self, collection: str, records: Mapping[str, Data | None]) -> None:
        """Put each record under its id; one without data is deleted."""
        items = list(records.items())
        for start in range(0, len(items), BATCH):
            self._write(collection, dict(items[start : start + BATCH]))

    def records(self, collection: str) -> dict[str, Data]:
        """What Kinto says now, by id; it gives at most 10,000 at a time."""
        found, page = dict[str, Data](), self._path(collection)
        while page:
            answer = self._api.get(page).raise_for_status()
            found |= {record["id"]: record for record in answer.json()["data"]}
            page = answer.headers.get("Next-Page", "")
        return found

    def gone(self, collection: str) -> list[str]:
        """The ids of what was there once and is deleted now."""
        return sorted(set(self.written[collection]) - set(self.records(collection)))

    def note_seen(self) -> None:
        """What has been written so far is what the next run sees."""
        for collection, unseen in self._unseen.items():
            for record_id, change in unseen.items():
                self.changes[collection].setdefault(record_id, []).append(change)
            unseen.clear()

    def _write(self, collection: str, records: Mapping[str, Data | None]) -> None:
        path = self._path(collection)
        requests = [
            {"method": "DELETE", "path": f"{path}/{record_id}"}
            if data is None
            else {"method": "PUT", "path": f"{path}/{record_id}", "body": {"data": data}}
            for record_id, data in records.items()
        ]
        answer = self._api.post("/batch", json={"requests": requests}).raise_for_status()
        for (record_id, data), response in zip(records.items(), answer.json()["responses"], strict=True):
            if response["status"] not in (200, 201):
                raise RuntimeError(f"Kinto refused to write {collection} {record_id}: {response}")
            at = moment(response["body"]["data"]["last_modified"])
            self._unseen[collection][record_id] = Change(at, data)
            self.written[collection].setdefault(record_id, []).append(Change(at, data))

    def _path(self, collection: str) -> str:
        return f"/buckets/{self.bucket}/collections/{collection}/records"


def moment(milliseconds: int) -> datetime:
    """Kinto's `last_modified`, exactly."""
    return EPOCH + timedelta(milliseconds=milliseconds)


SEGMENTS = ("small", "medium", "large", "public")
CITIES = ("Emden", "Norden", "Husum", None)
STATUSES = ("open", "paid", "sent")
TO_COME = [f"M{number}" for number in range(20)]


def customers(dice: random.Random, ids: Iterable[str]) -> dict[str, Data]:
    """Drawn customers."""
    return {
        source_id: {
            "name": f"{dice.choice(('Anna', 'Jan', 'Øyvind', '梅'))} {dice.randrange(1000)}",
            "segment": dice.choice(SEGMENTS),
            "city": dice.choice(CITIES),
        }
        for source_id in ids
    }


def orders(dice: random.Random, ids: Iterable[str], *, shop: Shop) -> dict[str, Data]:
    """Drawn orders of anybody who was ever a customer, of some who are to come, and of nobody known."""
    buyers = [*sorted(shop.written["customers"]), *TO_COME, None]
    now, hour = datetime.now(UTC), timedelta(hours=1)
    # Before any customer was there; between the changes that the test makes (most); ordered ahead.
    times = [
        (shop.opened_at - hour, shop.opened_at),
        *[(shop.opened_at, now)] * 4,
        (now, now + hour),
    ]
    return {
        order_id: {
            "customer": dice.choice(buyers),
            "placed_at": moment_between(dice, *dice.choice(times)).isoformat(),
            "status": dice.choice(STATUSES),
            "quantity": dice.randint(1, 9),
            "total": round(dice.uniform(1, 5000), 2),
        }
        for order_id in ids
    }


def moment_between(dice: random.Random, first: datetime, last: datetime) -> datetime:
    """Any instant from the first to the last."""
    return first + (last - first) * dice.random()


def seed(shop: Shop, dice: random.Random, *, customers_: int, orders_: int) -> None:
    """Open with so many of each."""
    shop.write("customers", customers(dice, [f"C{number}" for number in range(customers_)]))
    shop.write("orders", orders(dice, [f"O-{number}" for number in range(orders_)], shop=shop))


def change(shop: Shop, dice: random.Random) -> None:
    """Some change their segment, some only name and city, some go back to what they were; orders too."""
    chosen = dice.sample(sorted(shop.records("customers")), 200)
    shop.write("customers", customers(dice, chosen))
    shop.write("customers", customers(dice, chosen[:40]))  # of two changes between runs Kinto keeps one
    shop.write("orders", orders(dice, dice.sample(sorted(shop.records("orders")), 300), shop=shop))


def delete(shop: Shop, dice: random.Random) -> None:
    """Customers go, whether they have orders or not, and so do orders."""
    for collection, number in (("customers", 100), ("orders", 300)):
        shop.write(collection, dict.fromkeys(dice.sample(sorted(shop.records(collection)), number)))


def restore(shop: Shop, dice: random.Random) -> None:
    """Half of what was deleted comes back under its old id, as something else."""
    shop.write("customers", customers(dice, shop.gone("customers")[::2]))
    shop.write("orders", orders(dice, shop.gone("orders")[::2], shop=shop))


def delete_and_restore(shop: Shop, dice: random.Random) -> None:
    """What goes and comes back between two runs leaves no tombstone."""
    chosen = dice.sample(sorted(shop.records("customers")), 20)
    shop.write("customers", dict.fromkeys(chosen))
    shop.write("customers", customers(dice, chosen))


def add(shop: Shop, dice: random.Random) -> None:
    """New customers and new orders, most of which were placed before the last changes."""
    shop.write("customers", customers(dice, [f"N{number}" for number in range(50)]))
    shop.write("orders", orders(dice, [f"late-{number}" for number in range(400)], shop=shop))


def arrive(shop: Shop, dice: random.Random) -> None:
    """Those who were to come do, when orders of theirs are long there."""
    shop.write("customers", customers(dice, TO_COME))


def nothing(shop: Shop, dice: random.Random) -> None:
    """A quiet day."""


def keep_changing(shop: Shop, dice: random.Random, *, until: threading.Event) -> None:
    """Change, delete and bring back a few of each, over and over."""
    while not until.is_set():
        for collection in COLLECTIONS:
            there = sorted(shop.records(collection))
            ids = [*dice.sample(there, 5), *shop.gone(collection)[:3]]
            drawn = customers(dice, ids) if collection == "customers" else orders(dice, ids, shop=shop)
            shop.write(collection, {**drawn, **dict.fromkeys(dice.sample(there, 3))})
