"""A real ERP from end to end: Tryton, read by its JSON-RPC, and a star that says what Tryton says."""

import base64
import random
import threading
from collections.abc import Iterator
from datetime import date, datetime, timedelta
from decimal import Decimal
from typing import Annotated, Any

import pytest
from pydantic import AwareDatetime, BeforeValidator, Field, SecretStr, model_validator
from sqlalchemy import Date, Float, String, select
from sqlalchemy.orm import Mapped
from tests.servers import history
from tests.servers.tryton import server as tryton
from tests.servers.tryton.server import Office

from strandline import (
    Cursor,
    Database,
    Dimension,
    Fact,
    HttpSource,
    Mapper,
    Money,
    Pages,
    Pipeline,
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
from strandline.pipeline import Deletes, RunReport
from strandline.source import InBody, Keyset, SessionLogin

pytestmark = pytest.mark.servers

# What a user writes.

Moment = Annotated[AwareDatetime, BeforeValidator(tryton.moment)]
Amount = Annotated[Decimal, BeforeValidator(tryton.plain)]
Day = Annotated[date, BeforeValidator(tryton.plain)]


class Row(Record):
    """A record of any model. A `write_date` is missing until the first change, so neither it nor the
    `create_date` can be the cursor: the later one of both is, of the record and of those that it includes.
    """

    id: int
    create_date: Moment
    write_date: Annotated[datetime | None, BeforeValidator(lambda it: it and tryton.moment(it))] = None
    changed_at: AwareDatetime

    @model_validator(mode="before")
    @classmethod
    def _find_last_change(cls, sent: Any) -> Any:
        parts = [sent, *(it for name, it in sent.items() if name.endswith(".") and it)]
        dates = [part.get(name) for part in parts for name in ("create_date", "write_date")]
        return {**sent, "changed_at": max(tryton.moment(it) for it in dates if it)}


class Party(Row):
    """A party.party."""

    name: str
    code: str
    active: bool


class Template(Row):
    """A product.template."""

    name: str
    list_price: Amount


class Sale(Record):
    """What is read of the sale of a line."""

    party: int
    sale_date: Day


class Variant(Record):
    """What is read of the product of a line."""

    template: int


class Line(Row):
    """A sale.line."""

    sale: Sale = Field(alias="sale.")
    product: Variant = Field(alias="product.")
    quantity: float
    unit_price: Amount
    amount: Amount


class Id(Record):
    """The key of anything."""

    id: int


class TrytonSettings(SourceSettings):
    """STRANDLINE_TRYTON__BASE_URL, …__DATABASE, …__USER and …__PASSWORD."""

    base_url: str
    database: str
    user: str
    password: SecretStr
    company: int = 1


# A write date is the time at which its transaction began, which others may see only when it has ended.
CHANGES = Cursor("changed_at", lag=timedelta(seconds=5))


class Tryton(HttpSource):
    """An ERP whose every question is a POST to one path."""

    settings: TrytonSettings

    def auth(self) -> SessionLogin:
        """As somebody of the office; Tryton has a scheme of its own, of user, number and session."""

        def sign_in(user: str, password: str) -> Any:
            return {"id": 0, "method": "common.db.login", "params": [user, {"password": password}]}

        def session(answer: Any) -> str:
            number, key, _ = answer["result"]
            return base64.b64encode(f"{self.settings.user}:{number}:{key}".encode()).decode()

        return SessionLogin(
            self._path,
            user=self.settings.user,
            password=self.settings.password,
            body=sign_in,
            token=session,
            prefix="Session ",
        )

    @stream(Party, key="id", cursor=CHANGES, methods=("POST",))
    def parties(self, since: datetime | None) -> Pages:
        """Customers and others, in use or not."""
        return self._search("party.party", ["name", "code", "active"], since)

    @stream(Template, key="id", cursor=CHANGES, methods=("POST",))
    def products(self, since: datetime | None) -> Pages:
        """What is sold."""
        return self._search("product.template", ["name", "list_price"], since)

    @stream(Line, key="id", cursor=CHANGES, methods=("POST",))
    def lines(self, since: datetime | None) -> Pages:
        """What was sold; a change of the sale changes its lines, too."""
        head = [f"sale.{it}" for it in ("party", "sale_date", "create_date", "write_date")]
        own = ["product.template", "quantity", "unit_price", "amount"]
        return self._search("sale.line", [*own, *head], since, parent="sale")

    @stream(Id, key="id", methods=("POST",))
    def party_ids(self) -> Pages:
        """All that there are."""
        return self._search("party.party", [])

    @stream(Id, key="id", methods=("POST",))
    def line_ids(self) -> Pages:
        """All that there are."""
        return self._search("sale.line", [])

    @property
    def _path(self) -> str:
        return f"/{self.settings.database}/rpc/"

    def _search(
        self, model: str, fields: list[str], since: datetime | None = None, *, parent: str | None = None
    ) -> Pages:
        dates = ["create_date", "write_date"] if fields else []
        domain: list[Any] = [["id", ">=", 0]]
        if since:
            places = [*dates, *(f"{parent}.{it}" for it in dates if parent)]
            domain.append(["OR", *([[place, ">=", written(since)]] for place in places)])
        context = {"active_test": False, "company": self.settings.company}
        limit = 50
        return self.pages(
            self._path,
            method="POST",
            body={
                "id": 0,
                "method": f"model.{model}.search_read",
                "params": [domain, 0, limit, [["id", "ASC"]], [*fields, *dates], context],
            },
            paginator=Keyset(
                cursor="id", param=InBody("params.0.0.2"), limit=limit, limit_param=InBody("params.2")
            ),
            records="result",
        )


def written(at: datetime) -> dict[str, Any]:
    """A time as Tryton writes it."""
    parts = ("year", "month", "day", "hour", "minute", "second", "microsecond")
    return {"__class__": "datetime", **{part: getattr(at, part) for part in parts}}


class DimParty(Dimension):
    """Who buys; the name keeps its history."""

    party_name: Mapped[str] = attribute(String(80), scd=2)
    code: Mapped[str] = attribute(String(20))
    is_active: Mapped[bool] = attribute()


class DimMerchandise(Dimension):
    """What is sold; the price keeps its history."""

    merchandise_name: Mapped[str] = attribute(String(80))
    list_price: Mapped[Decimal] = attribute(Money, scd=2)


class FactSaleLine(Fact):
    """One row a line."""

    line_id: Mapped[str] = grain(String(20))
    entered_at: Mapped[datetime] = event_time()
    party_key: Mapped[int] = references(DimParty, as_of="entered_at", missing="infer")
    merchandise_key: Mapped[int] = references(DimMerchandise, as_of="entered_at", missing="infer")
    sold_on: Mapped[date] = degenerate(Date)
    quantity: Mapped[float] = measure(Float)
    unit_price: Mapped[Decimal] = measure(Money, additive=False)
    amount: Mapped[Decimal] = measure(Money)


class TrytonParty(Mapper[Party, DimParty]):
    """Tryton's parties."""

    party_name = field("name")
    code = field("code")
    is_active = field("active")


class TrytonMerchandise(Mapper[Template, DimMerchandise]):
    """Tryton's product templates."""

    merchandise_name = field("name")
    list_price = field("list_price")


class TrytonSaleLine(Mapper[Line, FactSaleLine]):
    """Tryton's sale lines."""

    line_id = field("id")
    entered_at = field("create_date")
    party_key = field("sale.party")
    merchandise_key = field("product.template")
    sold_on = field("sale.sale_date")
    quantity = field("quantity")
    unit_price = field("unit_price")
    amount = field("amount")


office_work = Pipeline("office_work")
office_work.sync(Tryton.parties, TrytonParty, deletes=Deletes.by_ids(Tryton.party_ids))
office_work.sync(Tryton.products, TrytonMerchandise)
office_work.sync(Tryton.lines, TrytonSaleLine, deletes=Deletes.by_ids(Tryton.line_ids))


# What the star must say.


def assert_star_is_what_tryton_says(warehouse: Database, office: Office) -> None:
    """Members, all their versions, facts and the versions that they point at."""
    for dimension, tracked, kept in (
        (DimParty, "party_name", office.parties),
        (DimMerchandise, "list_price", office.products),
    ):
        found = history.stored(warehouse, dimension, tracked)
        assert found == history.with_deletions_of(kept.versions(), found)
    assert_members_are_current(warehouse, office)
    assert_lines_are_there(warehouse, office)


def assert_members_are_current(warehouse: Database, office: Office) -> None:
    d, a = DimParty, DimMerchandise
    parties = select(d.source_id, d.party_name, d.code, d.is_active).where(d.is_current, d.key > 0)
    merchandise = select(a.source_id, a.merchandise_name, a.list_price).where(a.is_current, a.key > 0)

    assert sorted(history.rows(warehouse, parties)) == sorted(
        (str(it["id"]), it["name"], it["code"], bool(it["active"]))
        for it in office.read("party.party", ["name", "code", "active"])
    )
    assert sorted(history.rows(warehouse, merchandise)) == sorted(
        (str(it["id"]), it["name"], tryton.plain(it["list_price"]))
        for it in office.read("product.template", ["name", "list_price"])
    )


def assert_lines_are_there(warehouse: Database, office: Office) -> None:
    f, d, a = FactSaleLine, DimParty, DimMerchandise
    values = (f.line_id, f.entered_at, f.sold_on, f.quantity, f.unit_price, f.amount)
    points_at = (d.source_id, d.valid_from, a.source_id, a.valid_from)
    found = select(*values, *points_at).join(d, f.party_key == d.key).join(a, f.merchandise_key == a.key)
    head = ["sale.party", "sale.sale_date", "product.template"]
    said = office.read("sale.line", [*head, "quantity", "unit_price", "amount", "create_date"])
    parties = history.by_member(history.stored(warehouse, DimParty, "party_name"))
    merchandise = history.by_member(history.stored(warehouse, DimMerchandise, "list_price"))

    expected = []
    for it in said:
        at, party = tryton.moment(it["create_date"]), str(it["sale."]["party"])
        ware = str(it["product."]["template"])
        sold_on, *numbers = map(
            tryton.plain, (it["sale."]["sale_date"], it["quantity"], it["unit_price"], it["amount"])
        )
        buyer = (party, history.begin_of(parties[party], at))
        sold = (ware, history.begin_of(merchandise[ware], at))
        expected.append((str(it["id"]), at, sold_on, *numbers, *buyer, *sold))
    assert sorted(history.rows(warehouse, found)) == sorted(expected)


ROUNDS = (tryton.nothing, tryton.change, tryton.delete, tryton.add, tryton.change)


@pytest.fixture(scope="module")
def office(tryton_url: str) -> Iterator[Office]:
    """An office with a company, and with what it has to sell."""
    with Office(tryton_url) as office:
        office.open_company()
        tryton.seed(office, random.Random(1))
        yield office


def load(
    warehouse: Database, office: Office, *, password: str = tryton.PASSWORD, **options: Any
) -> RunReport:
    office.parties.note_seen()
    office.products.note_seen()
    settings = TrytonSettings(
        base_url=office.url, database=tryton.DATABASE, user=tryton.USER, password=SecretStr(password)
    )
    with Tryton(settings=settings) as source:
        return run(office_work, warehouse, sources={Tryton.name: source}, **options)


def test_after_every_run_the_star_is_what_tryton_says(warehouse: Database, office: Office) -> None:
    """Members, histories, facts and deletions; each run again, and one that reads all, changes no row."""
    dice = random.Random(2)
    for happens in ROUNDS:
        happens(office, dice)
        report = load(warehouse, office)
        assert history.told(report) == {("done", None)}, happens.__doc__
        assert_star_is_what_tryton_says(warehouse, office)

        before = history.every_row(warehouse, DimParty, DimMerchandise, FactSaleLine)
        for is_full in (False, True):
            again = load(warehouse, office, full=is_full)
            assert not any(it.stored for it in again.streams), (happens.__doc__, is_full, again)
            assert history.every_row(warehouse, DimParty, DimMerchandise, FactSaleLine) == before


def test_nothing_is_lost_while_others_work(warehouse: Database, office: Office) -> None:
    """Records change, go, and are added between one page and the next."""
    dice, is_over = random.Random(3), threading.Event()
    writer = threading.Thread(target=tryton.keep_working, args=(office, dice), kwargs={"until": is_over})
    writer.start()
    try:
        reports = [load(warehouse, office) for _ in range(3)]
    finally:
        is_over.set()
        writer.join()
    reports.append(load(warehouse, office))

    assert set().union(*map(history.told, reports)) == {("done", None)}
    assert_members_are_current(warehouse, office)
    assert_lines_are_there(warehouse, office)


def test_a_wrong_password_is_told_without_it(warehouse: Database, office: Office) -> None:
    report = load(warehouse, office, password="canary-wrong")

    assert {it.status for it in report.streams} == {"failed"}
    assert report.streams[0].kind == "CredentialsRejected"
    assert "STRANDLINE_TRYTON__PASSWORD" in str(report.streams[0].error)
    assert "canary" not in str(report.as_dict())
