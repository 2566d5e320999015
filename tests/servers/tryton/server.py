"""A real Tryton on a port of its own, with sales in it, and an office that works there through Tryton's own
JSON-RPC.
"""

import base64
import os
import random
import shutil
import subprocess
import threading
import time
from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from pathlib import Path
from typing import Any, Self

import httpx
from tests.servers.history import Change, History, free_port

USER = "admin"
PASSWORD = "canary-Tr7-ton"
DATABASE = "shop"
MODULES = ("ir", "res", "party", "product", "sale")
STARTS_WITHIN = 60.0  # seconds; it takes 5
CONF = """
[database]
uri = sqlite://
path = {folder}

[web]
listen = 127.0.0.1:{port}
"""

Data = dict[str, Any]


@contextmanager
def server(programs: Path, folder: Path) -> Iterator[str]:
    """Run a Tryton that forgets everything; its tables are made once and kept beside its programs."""
    port = free_port()
    shutil.copy(_prepared(programs, folder), folder / f"{DATABASE}.sqlite")
    conf, log = _configured(folder, port), folder / "tryton.log"
    command = [str(programs / "trytond"), "-c", str(conf), "-d", DATABASE]
    environment = {**os.environ, "TZ": "UTC"}  # its times are the machine's local ones
    with (
        log.open("wb") as output,
        subprocess.Popen(command, stdout=output, stderr=output, env=environment) as process,
    ):
        try:
            url = f"http://127.0.0.1:{port}"
            _wait_until_up(url, process, log)
            yield url
        finally:
            process.terminate()


def _prepared(programs: Path, folder: Path) -> Path:
    kept = programs.parent / f"{DATABASE}.sqlite"
    if not kept.exists():
        made, secret = folder / "made", folder / "password"
        made.mkdir()
        (made / kept.name).touch()
        secret.write_text(PASSWORD)
        conf = _configured(made, port=0)
        command = [str(programs / "trytond-admin"), "-c", str(conf), "-d", DATABASE, "-u", *MODULES]
        subprocess.run(
            [*command, "--activate-dependencies", "--email", "office@example.com"],
            env={**os.environ, "TRYTONPASSFILE": str(secret)},
            check=True,
        )
        shutil.move(made / kept.name, kept)
    return kept


def _configured(folder: Path, port: int) -> Path:
    conf = folder / "trytond.conf"
    conf.write_text(CONF.format(folder=folder, port=port))
    return conf


def _wait_until_up(url: str, process: subprocess.Popen[bytes], log: Path) -> None:
    give_up = time.monotonic() + STARTS_WITHIN
    version = {"id": 1, "method": "common.server.version", "params": []}
    while process.poll() is None and time.monotonic() < give_up:
        try:
            httpx.post(f"{url}/rpc/", json=version, timeout=30).raise_for_status()
        except httpx.ConnectError:
            time.sleep(0.1)
        else:
            return
    raise RuntimeError(f"Tryton did not start (exit code {process.poll()}):\n{log.read_text()[-2000:]}")


class Refused(Exception):
    """Tryton says no: a record is used elsewhere, most often."""


class Office:
    """People who keep parties, products and sales in Tryton, and remember what they did."""

    def __init__(self, url: str) -> None:
        self.url = url
        self.parties = History()
        """Of their names."""
        self.products = History()
        """Of the list prices of product templates."""
        self._api = httpx.Client(base_url=f"{url}/{DATABASE}", timeout=120)
        self._context: Data = {}

    def __enter__(self) -> Self:
        user, session, _ = self._call("common.db.login", USER, {"password": PASSWORD})
        known = base64.b64encode(f"{USER}:{user}:{session}".encode()).decode()
        self._api.headers["Authorization"] = f"Session {known}"
        return self

    def __exit__(self, *exception: object) -> None:
        self._api.close()

    def open_company(self) -> None:
        """What sales need: a currency, a company that counts in it, a unit to sell by."""
        rate = {"date": as_date(datetime(2020, 1, 1, tzinfo=UTC)), "rate": as_decimal(Decimal(1))}
        euro = {"name": "Euro", "code": "EUR", "symbol": "€", "rates": [["create", [rate]]]}
        (self.currency,) = self.call("currency.currency.create", [euro])
        (party,) = self.call("party.party.create", [{"name": "The shop"}])
        (company,) = self.call("company.company.create", [{"party": party, "currency": self.currency}])
        self.call("res.user.write", [1], {"companies": [["add", [company]]], "company": company})
        self._context = {"company": company}
        (self.unit,) = self.call("product.uom.search", [["name", "=", "Unit"]], 0, 1, None)
        self._note_parties([party])

    def call(self, method: str, *params: Any, **context: Any) -> Any:
        """Call a method of a model."""
        return self._call(f"model.{method}", *params, {**self._context, **context})

    def read(self, model: str, fields: Sequence[str], domain: Sequence[Any] = ()) -> list[Data]:
        """What Tryton says now, of those that are no longer active too."""
        return list(self.call(f"{model}.search_read", domain, 0, None, None, list(fields), active_test=False))

    def ids(self, model: str) -> list[int]:
        """All that there are."""
        return sorted(it["id"] for it in self.read(model, ["id"]))

    def active(self) -> list[int]:
        """Parties in use; the others cannot be renamed."""
        return [it["id"] for it in self.read("party.party", ["active"]) if it["active"]]

    def add_parties(self, names: Iterable[str]) -> None:
        """New ones, with an address to send to."""
        address = ["create", [{"street": "Kai 1"}]]
        values = [{"name": name, "addresses": [address]} for name in names]
        self._note_parties(self.call("party.party.create", values))

    def change_parties(self, ids: Sequence[int], values: Data) -> None:
        """The same for all of them."""
        self.call("party.party.write", ids, values)
        self._note_parties(ids)

    def delete_parties(self, ids: Sequence[int]) -> None:
        """They go, one by one; who has bought something stays, as Tryton wants it."""
        for party in ids:
            try:
                self.call("party.party.delete", [party])
            except Refused:
                continue
            self.parties.note(str(party), Change(datetime.now(UTC), None, is_gone=True))

    def add_products(self, prices: Mapping[str, Decimal]) -> None:
        """New ones, with one variant each."""
        common = {"default_uom": self.unit, "sale_uom": self.unit, "salable": True}
        values = [
            {**common, "name": name, "list_price": as_decimal(price), "products": [["create", [{}]]]}
            for name, price in prices.items()
        ]
        self._note_products(self.call("product.template.create", values))

    def change_price(self, product: int, price: Decimal) -> None:
        """It is sold for another price from now on."""
        self.call("product.template.write", [product], {"list_price": as_decimal(price)})
        self._note_products([product])

    def sell(self, dice: random.Random, count: int) -> None:
        """Drawn sales of some lines each; their parties and products are any that there are."""
        variants = self.ids("product.product")
        addresses = self.read("party.address", ["party"])
        sales = []
        for address in dice.choices(addresses, k=count):
            head = {"party": address["party"], "currency": self.currency, **self._context}
            place = {"invoice_address": address["id"], "shipment_address": address["id"]}
            lines = [self._line(dice, variants) for _ in range(dice.randint(1, 4))]
            when = as_date(datetime(2026, 1, 1, tzinfo=UTC) + timedelta(days=dice.randrange(300)))
            sales.append({**head, **place, "sale_date": when, "lines": [["create", lines]]})
        self.call("sale.sale.create", sales)

    def _line(self, dice: random.Random, variants: Sequence[int]) -> Data:
        price = as_decimal(Decimal(dice.randrange(100, 100_000)).scaleb(-2))
        sold = {"product": dice.choice(variants), "unit": self.unit, "quantity": dice.randint(1, 9)}
        return {"type": "line", "unit_price": price, **sold}

    def _note_parties(self, ids: Iterable[int]) -> None:
        self._note(self.parties, "party.party", ids, "name")

    def _note_products(self, ids: Iterable[int]) -> None:
        self._note(self.products, "product.template", ids, "list_price")

    def _note(self, known: History, model: str, ids: Iterable[int], field: str) -> None:
        fields = [field, "create_date", "write_date"]
        for it in self.read(model, fields, [["id", "in", list(ids)]]):
            at = moment(it["write_date"] or it["create_date"])
            known.note(str(it["id"]), Change(at, plain(it[field])))

    def _call(self, method: str, *params: Any) -> Any:
        answer = self._api.post("/rpc/", json={"id": 1, "method": method, "params": params})
        told = answer.raise_for_status().json()
        if "error" in told:
            raise Refused(f"{method}: {told['error'][:2]}")
        return told["result"]


def moment(value: Data) -> datetime:
    """Tryton's way to write a time, which is UTC."""
    parts = {name: it for name, it in value.items() if name != "__class__"}
    return datetime(**parts, tzinfo=UTC)


def plain(value: Any) -> Any:
    """A decimal or a date as Python has it; anything else is what it is."""
    match value:
        case {"__class__": "Decimal"}:
            return Decimal(value["decimal"])
        case {"__class__": "date"}:
            return datetime(value["year"], value["month"], value["day"], tzinfo=UTC).date()
    return value


def as_decimal(value: Decimal) -> Data:
    """As Tryton writes it."""
    return {"__class__": "Decimal", "decimal": str(value)}


def as_date(value: datetime) -> Data:
    """As Tryton writes it."""
    return {"__class__": "date", "year": value.year, "month": value.month, "day": value.day}


def seed(office: Office, dice: random.Random) -> None:
    """Open with so many of each."""
    office.add_parties(f"Party {number}" for number in range(200))
    office.add_products({f"Product {number}": price(dice) for number in range(40)})
    office.sell(dice, 60)


def change(office: Office, dice: random.Random) -> None:
    """Names and prices change; some go out of use; lines and the heads of sales are corrected."""
    chosen = dice.sample(office.active(), 30)
    for party in chosen[:20]:
        office.change_parties([party], {"name": f"Renamed {dice.randrange(1000)}"})
    office.change_parties(chosen[15:], {"active": False})
    for product in dice.sample(office.ids("product.template"), 10):
        office.change_price(product, price(dice))
    for line in dice.sample(office.ids("sale.line"), 10):
        office.call("sale.line.write", [line], {"quantity": dice.randint(10, 99)})
    later = as_date(datetime(2026, 12, 24, tzinfo=UTC))
    office.call("sale.sale.write", dice.sample(office.ids("sale.sale"), 8), {"sale_date": later})
    office.sell(dice, 10)


def delete(office: Office, dice: random.Random) -> None:
    """Lines are taken off their sales, and parties go."""
    office.call("sale.line.delete", dice.sample(office.ids("sale.line"), 7))
    office.delete_parties(dice.sample(office.ids("party.party"), 12))


def add(office: Office, dice: random.Random) -> None:
    """More of everything."""
    office.add_parties(f"New {dice.randrange(1000)}" for _ in range(25))
    office.add_products({f"New {number}": price(dice) for number in range(5)})
    office.sell(dice, 20)


def nothing(office: Office, dice: random.Random) -> None:
    """A quiet day."""


def price(dice: random.Random) -> Decimal:
    """Of up to four digits, which Tryton keeps exactly."""
    return Decimal(dice.randrange(100, 1_000_000)).scaleb(-2)


def keep_working(office: Office, dice: random.Random, *, until: threading.Event) -> None:
    """Change and delete a few of each, and sell, over and over."""
    while not until.is_set():
        office.change_parties(dice.sample(office.active(), 3), {"name": f"B {dice.random()}"})
        office.change_price(dice.choice(office.ids("product.template")), price(dice))
        office.delete_parties(dice.sample(office.ids("party.party"), 2))
        office.call("sale.line.delete", dice.sample(office.ids("sale.line"), 1))
        office.add_parties([f"N {dice.random()}"])
        office.sell(dice, 1)
