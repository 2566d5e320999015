"""Whoever's key was forgotten in between, facts are those of a plain loop that renames whom they name.

What was known of somebody stays together, of a record that comes again too; a new one is of nobody known.
Whatever the order and the batches in which records and erasures come; a replay changes nothing.
"""

import itertools
import re
from collections import defaultdict
from dataclasses import dataclass, field
from typing import Any

from hypothesis import example, given
from hypothesis import strategies as st
from sqlalchemy import select
from tests.effort import cases
from tests.property.test_retraction_against_oracle import (
    Bought,
    DimMallShopper,
    FactMallPurchase,
    Mall,
    bought,
    buyers,
    mall,
    payloads,
    purchase,
    shopper,
)

from strandline.errors import UnknownKey
from strandline.pipeline import erase, run
from strandline.pipeline.replay import replay
from strandline.testing.written import row_versions
from strandline.warehouse.database import Database

CASES = itertools.count(1)


@dataclass(frozen=True)
class Forgotten:
    """Somebody's key is."""

    buyer: str
    only_pii: bool = False


@dataclass
class Book:
    """Purchases, and whose they are, in the order in which they came."""

    sent: list[tuple[int, int, Any, int]] = field(default_factory=list)
    """Number, minute, buyer and amount: who was forgotten is a pair, and who comes after that another one."""
    gone: set[str] = field(default_factory=set)

    def add(self, it: Bought) -> None:
        """A record comes."""
        whose: Any = it.buyer
        if it.buyer in self.gone:
            before = [known[2] for known in self.sent if known[0] == it.number]
            is_known = before and isinstance(before[-1], tuple)
            whose = before[-1] if is_known else ("new", len(self.sent))
        self.sent.append((it.number, it.minute, whose, it.amount))

    def forget(self, buyer: str) -> None:
        """Somebody is forgotten."""
        self.gone.add(buyer)
        self.sent = [(*it[:2], ("old", buyer) if it[2] == buyer else it[2], it[3]) for it in self.sent]

    def facts(self) -> dict[int, tuple[Any, int]]:
        """The latest word on each purchase."""
        latest: dict[int, tuple[int, Any, int]] = {}
        for number, minute, whose, amount in self.sent:
            if number not in latest or minute >= latest[number][0]:
                latest[number] = minute, whose, amount
        return {number: it[1:] for number, it in latest.items()}


def together(facts: dict[int, tuple[Any, int]]) -> tuple[set[frozenset[int]], dict[int, int]]:
    """Which purchases are of one buyer, and what was paid."""
    found = defaultdict(set)
    for number, (whose, _) in facts.items():
        found[whose].add(number)
    return {frozenset(it) for it in found.values()}, {number: it[1] for number, it in facts.items()}


def found(database: Database, prefix: str) -> dict[int, tuple[Any, int]]:
    """What there is."""
    f, d = FactMallPurchase.table().c, DimMallShopper.table().c
    wanted = select(f.purchase_id, d.source_id, f.amount)
    joined = wanted.join_from(f.note.table, d.tier.table, d.mall_shopper_key == f.shopper_key)
    with database.connect() as connection:
        rows = connection.execute(joined.where(f.purchase_id.startswith(prefix))).all()
    return {int(row[0].removeprefix(prefix)): (row[1].removeprefix(prefix), int(row[2])) for row in rows}


def assert_is_booked(database: Database, prefix: str, book: Book) -> None:
    """Compare; who was not forgotten has their own name."""
    there, booked = found(database, prefix), book.facts()
    assert together(there) == together(booked)
    assert all(there[number][0] == it[0] for number, it in booked.items() if isinstance(it[0], str))


steps = st.lists(
    st.one_of(
        st.lists(bought, min_size=1, max_size=4),
        st.lists(bought, min_size=1, max_size=4),
        st.builds(Forgotten, buyers, st.booleans()),
    ),
    min_size=2,
    max_size=4,
)
A1 = Bought(1, 1, "a", 1)


@given(steps)
@example([[A1, Bought(2, 1, "a", 2)], Forgotten("a"), [A1, Bought(2, 2, "a", 3), Bought(3, 1, "a", 1)]])
@example([[A1, Bought(1, 2, "b", 1)], Forgotten("a", only_pii=True), [A1, A1, Bought(1, 3, "a", 1)]])
@example([[Bought(1, 0, "a", 1), Bought(1, 0, "b", 1)], Forgotten("a")])
@cases(2)
def test_what_was_known_of_somebody_stays_together(
    both: Database, steps: list[Forgotten | list[Bought]]
) -> None:
    prefix, source, book = f"pseudonym {next(CASES)}:", Mall(), Book()
    source.people = [shopper(prefix + it) for it in "abc"]
    for step in steps:
        if isinstance(step, Forgotten):
            key, stream = prefix + step.buyer, Mall.shoppers.qualified_name
            try:
                erase([mall], both, stream, key, reason="a test", only_pii=step.only_pii, pseudonymise=True)
            except UnknownKey:
                continue
            book.forget(step.buyer)
        else:
            source.bought = [purchase(prefix, it) for it in step]
            assert run(mall, both, sources={source.name: source}).status == "done"
            for it in step:
                book.add(it)
        assert_is_booked(both, prefix, book)
    tables = [FactMallPurchase.table(), DimMallShopper.table()]
    written = row_versions(both, *tables) if both.engine.dialect.name == "postgresql" else None

    left = "".join(payloads(both))
    assert not [it for it in book.gone if re.search(rf"{prefix}{it}\b", left)]
    assert replay(mall, both).status == "done"
    assert_is_booked(both, prefix, book)
    if written is not None:
        assert row_versions(both, *tables) == written
