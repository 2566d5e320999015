"""A real Directus on a port of its own, and a studio whose records a test changes through its REST API."""

import hashlib
import os
import random
import secrets
import shutil
import subprocess
import threading
import time
from collections.abc import Iterable, Iterator, Sequence
from contextlib import contextmanager
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any, Self

import httpx
from sqlalchemy import URL
from tests.servers.history import Change, History, free_port

FOLDER = Path(__file__).parent
TOKEN = "canary-D1r-ectus"
LARGEST_PAGE = 40
STARTS_WITHIN = 120.0  # seconds; it takes 10

Data = dict[str, Any]


class Missing(Exception):
    """It cannot be installed here, and why."""


def installed(kept: Path) -> Path:
    """The folder with the Directus that package-lock.json locks. Raises Missing where there is no npm."""
    npm = shutil.which("npm")
    if npm is None:
        raise Missing("there is no npm to install Directus with")
    locks = [FOLDER / "package.json", FOLDER / "package-lock.json"]
    wanted = hashlib.sha256(b"".join(it.read_bytes() for it in locks)).hexdigest()
    stamp = kept / ".locked"
    if not stamp.exists() or stamp.read_text() != wanted:
        kept.mkdir(parents=True, exist_ok=True)
        for it in locks:
            shutil.copy(it, kept)
        # Of what would be compiled one thing is needed.
        for command in (["ci", "--ignore-scripts"], ["rebuild", "isolated-vm"]):
            subprocess.run([npm, *command, "--no-audit", "--no-fund"], cwd=kept, check=True)
        stamp.write_text(wanted)
    return kept


@contextmanager
def server(installed: Path, folder: Path, database: URL) -> Iterator[str]:
    """Run a Directus whose tables are in a database of its own."""
    node, port, log = shutil.which("node") or "node", free_port(), folder / "directus.log"
    program = [node, str(installed / "node_modules" / "directus" / "cli.js")]
    environment = _environment(database, port)
    with log.open("wb") as output:
        settings: Data = {"cwd": folder, "env": environment, "stdout": output, "stderr": output}
        if subprocess.run([*program, "bootstrap"], check=False, **settings).returncode:
            raise RuntimeError(f"Directus could not make its tables:\n{log.read_text()[-2000:]}")
        with subprocess.Popen([*program, "start"], **settings) as process:
            try:
                url = f"http://127.0.0.1:{port}"
                _wait_until_up(url, process, log)
                yield url
            finally:
                process.terminate()


def _environment(database: URL, port: int) -> dict[str, str]:
    own = {
        "HOST": "127.0.0.1",
        "PORT": str(port),
        "DB_CLIENT": "pg",
        "DB_HOST": str(database.query.get("host") or database.host),
        "DB_PORT": str(database.port or 5432),
        "DB_USER": database.username or "",
        "DB_PASSWORD": database.password or "",
        "DB_DATABASE": database.database or "",
        "KEY": secrets.token_hex(16),
        "SECRET": secrets.token_hex(16),
        "ADMIN_EMAIL": "studio@example.com",
        "ADMIN_PASSWORD": secrets.token_hex(16),
        "ADMIN_TOKEN": TOKEN,
        "QUERY_LIMIT_MAX": str(LARGEST_PAGE),
        "TELEMETRY": "false",
        "TZ": "UTC",
    }
    return {"PATH": os.environ["PATH"], "HOME": os.environ.get("HOME", "/"), **own}


def _wait_until_up(url: str, process: subprocess.Popen[Any], log: Path) -> None:
    give_up = time.monotonic() + STARTS_WITHIN
    while process.poll() is None and time.monotonic() < give_up:
        try:
            httpx.get(f"{url}/server/ping", timeout=30).raise_for_status()
        except httpx.ConnectError:
            time.sleep(0.1)
        else:
            return
    raise RuntimeError(f"Directus did not start (exit code {process.poll()}):\n{log.read_text()[-2000:]}")


class Studio:
    """People who keep clients and their jobs in Directus, and remember what they did."""

    def __init__(self, url: str) -> None:
        self.url = url
        self.clients = History()
        """Of their tiers."""
        self._api = httpx.Client(
            base_url=url, headers={"Authorization": f"Bearer {TOKEN}"}, timeout=60, params={"limit": -1}
        )

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *exception: object) -> None:
        self._api.close()

    def open(self) -> None:
        """Make the collections: clients, who are archived rather than deleted, and jobs."""
        archive = {"archive_field": "status", "archive_value": "archived", "unarchive_value": "active"}
        texts: list[Data] = [{"field": it, "type": "string"} for it in ("name", "tier", "status")]
        self._make("clients", [*texts, *_dates()], archive)
        client = {"field": "client", "type": "integer"}
        done: list[Data] = [
            {"field": "due_at", "type": "timestamp"},
            {"field": "hours", "type": "integer"},
            {"field": "price", "type": "decimal", "schema": {"numeric_precision": 12, "numeric_scale": 2}},
        ]
        self._make("jobs", [client, *done, *_dates()], {})

    def read(self, collection: str) -> list[Data]:
        """What Directus says now, those that are archived too."""
        found: list[Data] = []
        while True:
            where = {"filter[id][_gt]": found[-1]["id"] if found else 0, "sort": "id"}
            page = self._said("GET", f"/items/{collection}", params=where)
            if not page:
                return found
            found += page

    def ids(self, collection: str) -> list[int]:
        """All that there are."""
        return [it["id"] for it in self.read(collection)]

    def active(self) -> list[int]:
        """Clients who are not archived."""
        return [it["id"] for it in self.read("clients") if it["status"] == "active"]

    def add(self, collection: str, records: Sequence[Data]) -> None:
        """New ones, in as many requests as it takes."""
        for start in range(0, len(records), LARGEST_PAGE):
            made = self._said("POST", f"/items/{collection}", json=records[start : start + LARGEST_PAGE])
            self._note(collection, made)

    def change(self, collection: str, ids: Sequence[int], values: Data) -> None:
        """The same for all of them."""
        self._note(
            collection, self._said("PATCH", f"/items/{collection}", json={"keys": ids, "data": values})
        )

    def delete(self, collection: str, ids: Sequence[int]) -> None:
        """They are gone for good."""
        self._said("DELETE", f"/items/{collection}", json=ids)
        for it in ids if collection == "clients" else []:
            self.clients.note(str(it), Change(datetime.now(UTC), None, is_gone=True))

    def _make(self, name: str, fields: Iterable[Data], meta: Data) -> None:
        key = {"is_primary_key": True, "has_auto_increment": True}
        fields = [{"field": "id", "type": "integer", "schema": key}, *fields]
        self._said(
            "POST", "/collections", json={"collection": name, "meta": meta, "schema": {}, "fields": fields}
        )

    def _note(self, collection: str, records: Iterable[Data]) -> None:
        for it in records if collection == "clients" else []:
            at = moment(it["date_updated"] or it["date_created"])
            self.clients.note(str(it["id"]), Change(at, it["tier"], is_gone=it["status"] == "archived"))

    def _said(self, method: str, path: str, **options: Any) -> Any:
        answer = self._api.request(method, path, **options)
        if answer.is_error:
            raise RuntimeError(f"Directus refused {method} {path}: {answer.text[:500]}")
        return answer.json()["data"] if answer.content else None


def _dates() -> list[Data]:
    return [
        {"field": f"date_{it}", "type": "timestamp", "meta": {"special": [f"date-{it}"]}}
        for it in ("created", "updated")
    ]


def moment(text: str) -> datetime:
    """Directus's way to write a time."""
    return datetime.fromisoformat(text)


TIERS = ("bronze", "silver", "gold")


def client(dice: random.Random) -> Data:
    """A drawn one."""
    return {"name": f"Client {dice.randrange(1000)}", "tier": dice.choice(TIERS), "status": "active"}


def job(dice: random.Random, clients: Sequence[int]) -> Data:
    """A drawn one of any of these clients."""
    due = datetime.now(UTC) + timedelta(seconds=dice.uniform(-3600, 60))
    return {
        "client": dice.choice(clients),
        "due_at": due.isoformat(timespec="milliseconds"),
        "hours": dice.randint(1, 80),
        "price": f"{dice.randrange(10_000, 10_000_000) / 100:.2f}",
    }


def seed(studio: Studio, dice: random.Random) -> None:
    """Open with so many of each."""
    studio.add("clients", [client(dice) for _ in range(130)])
    add_jobs(studio, dice, 170)


def add_jobs(studio: Studio, dice: random.Random, count: int) -> None:
    """For any clients that there are, the archived ones too."""
    clients = studio.ids("clients")
    studio.add("jobs", [job(dice, clients) for _ in range(count)])


def change(studio: Studio, dice: random.Random) -> None:
    """Tiers and names change, and jobs."""
    chosen = dice.sample(studio.active(), 30)
    for tier, some in zip(TIERS, (chosen[:10], chosen[10:20], chosen[15:25]), strict=True):
        studio.change("clients", some, {"tier": tier})
    studio.change("clients", chosen[25:], {"name": f"Renamed {dice.randrange(1000)}"})
    studio.change("jobs", dice.sample(studio.ids("jobs"), 12), {"hours": dice.randint(100, 200)})


def archive(studio: Studio, dice: random.Random) -> None:
    """Clients are archived, which is how Directus deletes softly."""
    studio.change("clients", dice.sample(studio.active(), 9), {"status": "archived"})


def restore(studio: Studio, dice: random.Random) -> None:
    """Half of those who are archived come back, as something else."""
    archived = sorted(set(studio.ids("clients")) - set(studio.active()))
    studio.change("clients", archived[::2], {"status": "active", "tier": dice.choice(TIERS)})
    add_jobs(studio, dice, 20)


def delete(studio: Studio, dice: random.Random) -> None:
    """Some go for good, archived before or not, and so do jobs."""
    archived = sorted(set(studio.ids("clients")) - set(studio.active()))
    studio.delete("clients", [*dice.sample(studio.active(), 5), *archived[:1]])
    studio.delete("jobs", dice.sample(studio.ids("jobs"), 8))


def nothing(studio: Studio, dice: random.Random) -> None:
    """A quiet day."""


def keep_working(studio: Studio, dice: random.Random, *, until: threading.Event) -> None:
    """Change, archive, delete and add a few of each, over and over."""
    while not until.is_set():
        active = dice.sample(studio.active(), 4)
        studio.change("clients", active[:2], {"tier": dice.choice(TIERS)})
        studio.change("clients", active[2:3], {"status": "archived"})
        studio.delete("clients", active[3:])
        studio.add("clients", [client(dice), client(dice)])
        studio.delete("jobs", dice.sample(studio.ids("jobs"), 1))
        add_jobs(studio, dice, 2)
