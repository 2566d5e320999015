"""Whoever was erased in between, facts are those of a plain loop that leaves out what is personal of them.

Whatever the order and the batches in which orders and erasures come; a replay and a second erasure change
nothing, and nothing that was personal is left in the raw log.
"""

import itertools
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from typing import Annotated, Any

from hypothesis import example, given
from hypothesis import strategies as st
from pydantic import AwareDatetime
from sqlalchemy import String, text
from sqlalchemy.orm import Mapped
from tests.effort import cases
from tests.memory import pages

from strandline.model import (
    CustomFields,
    Dimension,
    Fact,
    Mapper,
    Money,
    attribute,
    degenerate,
    event_time,
    field,
    grain,
    measure,
    references,
)
from strandline.pipeline import Pipeline, erase, run
from strandline.pipeline.replay import replay
from strandline.source import Pages, Personal, Record, Source, stream
from strandline.testing.written import row_versions
from strandline.warehouse.database import Database

START = datetime(2026, 1, 1, tzinfo=UTC)


class Shopper(Record):
    """Somebody who buys."""

    id: str
    at: AwareDatetime
    mail: Annotated[str | None, Personal()] = None
    tier: str = "none"


class Purchase(Record):
    """What somebody bought."""

    id: str
    at: AwareDatetime
    buyer: str
    amount: Decimal
    mail: Annotated[str | None, Personal()] = None
    note: Annotated[str, Personal()] = "none"


class Mall(Source):
    """Whatever it is given."""

    name = "mall_of_retractions"

    def __init__(self) -> None:
        super().__init__()
        self.people: list[dict[str, Any]] = []
        self.bought: list[dict[str, Any]] = []

    @stream(Shopper, key="id", effective_at="at")
    def shoppers(self) -> Pages:
        """Those."""
        return pages(self.people)

    @stream(Purchase, key="id", effective_at="at")
    def purchases(self) -> Pages:
        """Those."""
        return pages(self.bought)


class DimMallShopper(Dimension):
    """Somebody who buys."""

    mail: Mapped[str | None] = attribute(String(60), pii=True)
    tier: Mapped[str] = attribute(String(20), scd=2)


class FactMallPurchase(Fact, CustomFields):
    """One row a purchase."""

    purchase_id: Mapped[str] = grain(String(40))
    bought_at: Mapped[datetime] = event_time()
    shopper_key: Mapped[int] = references(DimMallShopper)
    mail: Mapped[str | None] = degenerate(String(60))
    note: Mapped[str] = degenerate(String(60))
    amount: Mapped[Decimal] = measure(Money)


class MallShopper(Mapper[Shopper, DimMallShopper]):
    """Shoppers."""

    mail = field("mail")
    tier = field("tier")


class MallPurchase(Mapper[Purchase, FactMallPurchase]):
    """Purchases."""

    purchase_id = field("id")
    bought_at = field("at")
    shopper_key = field("buyer")
    mail = field("mail")
    note = field("note")
    amount = field("amount")


mall = Pipeline("mall")
mall.sync(Mall.shoppers, MallShopper)
mall.sync(Mall.purchases, MallPurchase)


@dataclass(frozen=True)
class Bought:
    """A record of a purchase; what is personal in it is its buyer's."""

    number: int
    minute: int
    buyer: str
    amount: int


@dataclass(frozen=True)
class Erased:
    """Somebody is."""

    buyer: str
    only_pii: bool


buyers = st.sampled_from("abc")
bought = st.builds(Bought, st.integers(1, 3), st.integers(0, 4), buyers, st.integers(1, 3))
steps = st.lists(
    st.one_of(
        st.lists(bought, min_size=1, max_size=5),
        st.lists(bought, min_size=1, max_size=5),
        st.builds(Erased, buyers, st.booleans()),
    ),
    min_size=2,
    max_size=4,
)
CASES = itertools.count(1)


def shopper(key: str) -> dict[str, Any]:
    return {"id": key, "at": START.isoformat(), "mail": f"{key}@canary.example"}


def purchase(prefix: str, it: Bought) -> dict[str, Any]:
    """With the buyer's mail in a declared and in an undeclared field."""
    key, at = prefix + it.buyer, START + timedelta(minutes=it.minute)
    mail = f"{key}@canary.example"
    made = {"id": f"{prefix}{it.number}", "at": at.isoformat(), "buyer": key, "amount": str(it.amount)}
    return {**made, "mail": mail, "note": f"to {mail}", "undeclared": [{"mail": mail, "code": "C1"}]}


def naive_facts(prefix: str, sent: list[Bought], erased: set[str]) -> dict[str, tuple[Any, ...]]:
    """The latest word on each purchase; nothing personal of whom was erased."""
    latest: dict[str, Bought] = {}
    for it in sent:
        known = latest.get(f"{prefix}{it.number}")
        if known is None or it.minute >= known.minute:
            latest[f"{prefix}{it.number}"] = it
    found = {}
    for key, it in latest.items():
        mail = f"{prefix}{it.buyer}@canary.example"
        personal = (None, "[erased]", None) if it.buyer in erased else (mail, f"to {mail}", mail)
        found[key] = (prefix + it.buyer, Decimal(it.amount), *personal)
    return found


def facts(database: Database, prefix: str) -> dict[str, tuple[Any, ...]]:
    """What there is."""
    f, d = FactMallPurchase.table(), DimMallShopper.table()
    columns = (f.c.purchase_id, d.c.source_id, f.c.amount, f.c.mail, f.c.note, f.c.custom_fields)
    wanted = f.join(d, d.c.mall_shopper_key == f.c.shopper_key).select().with_only_columns(*columns)
    with database.connect() as connection:
        rows = connection.execute(wanted.where(f.c.purchase_id.startswith(prefix))).all()
    return {row[0]: (*row[1:5], row[5]["undeclared"]["value"][0]["mail"]) for row in rows}


def payloads(database: Database) -> Iterator[str]:
    with database.connect() as connection:
        for name in ("raw.mall_of_retractions_purchases", "raw.mall_of_retractions_shoppers"):
            yield from (bytes(it).decode() for it in connection.scalars(text(f"SELECT payload FROM {name}")))


@given(steps)
@example([[Bought(1, 1, "a", 1)], Erased("a", only_pii=False), [Bought(1, 0, "a", 2), Bought(1, 1, "a", 1)]])
@example([[Bought(1, 1, "a", 1), Bought(1, 2, "b", 1)], Erased("a", only_pii=False), [Bought(1, 3, "a", 1)]])
@cases(2)
def test_facts_are_those_of_what_is_not_personal(both: Database, steps: list[Erased | list[Bought]]) -> None:
    prefix, source, sent, erased = f"{next(CASES)}:", Mall(), list[Bought](), set[str]()
    source.people = [shopper(prefix + it) for it in "abc"]
    # Undeclared fields are known by what they hold: so let every one have been seen before.
    seen = [Bought(number, -1, it, 1) for number, it in enumerate("abc", 7)]
    for step in [seen, *steps]:
        if isinstance(step, Erased):
            key = prefix + step.buyer
            erase([mall], both, Mall.shoppers.qualified_name, key, reason="a test", only_pii=step.only_pii)
            erased.add(step.buyer)
        else:
            source.bought = [purchase(prefix, it) for it in step]
            assert run(mall, both, sources={source.name: source}).status == "done"
            sent += step
        assert facts(both, prefix) == naive_facts(prefix, sent, erased)
    tables = [FactMallPurchase.table(), DimMallShopper.table()]
    written = row_versions(both, *tables) if both.engine.dialect.name == "postgresql" else None

    left = "".join(payloads(both))
    assert not [it for it in erased if f"{prefix}{it}@canary.example" in left]
    assert replay(mall, both).status == "done"
    assert facts(both, prefix) == naive_facts(prefix, sent, erased)
    if written is not None:
        assert row_versions(both, *tables) == written
