"""Header and lines: the latest record stands with all its lines and no others, in whatever order they come.

Orders have up to four lines, are restated, lose lines and come back after they were deleted. What stands
then, and each line's part of the shipping, is told by a plain loop over all that was sent.
"""

import itertools
import json
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from fractions import Fraction
from typing import Any

import pytest
from hypothesis import example, given
from hypothesis import strategies as st
from pydantic import AwareDatetime
from sqlalchemy import Integer, SelectBase, String, func, select, text
from sqlalchemy.orm import Mapped
from tests.effort import cases
from tests.memory import pages
from tests.written import assert_is_its_query

from strandline.model import (
    Aggregate,
    Fact,
    Mapper,
    Money,
    allocate,
    field,
    grain,
    line,
    line_number,
    measure,
)
from strandline.pipeline import Pipeline, Rejects, RunReport, run
from strandline.source import Pages, Record, Source, stream
from strandline.testing.written import row_versions
from strandline.warehouse.database import Database

START = datetime(2026, 1, 1, tzinfo=UTC)


class Item(Record):
    """A line."""

    sku: str
    amount: Decimal | None = None


class Basket(Record):
    """An order with its lines."""

    id: str
    at: AwareDatetime
    shipping: Decimal | None = None
    items: list[Item] | None = None


class Stand(Source):
    """Orders."""

    name = "stand"

    def __init__(self) -> None:
        super().__init__()
        self.records: list[bytes] = []

    @stream(Basket, key="id", effective_at="at", deleted="gone")
    def baskets(self) -> Pages:
        """What it was given."""
        return pages(self.records)


class FactItem(Fact):
    """One row a line; the names of columns are no traps."""

    basket_id: Mapped[str] = grain(String(40))
    number: Mapped[int] = grain(Integer)
    record: Mapped[str] = measure(String(10))
    lines: Mapped[Decimal | None] = measure(Money)


class FactSku(Fact):
    """One row an order and article."""

    basket_id: Mapped[str] = grain(String(40))
    sku: Mapped[str] = grain(String(10))
    amount: Mapped[Decimal | None] = measure(Money)


class AggItem(Aggregate):
    """Lines by article."""

    record: Mapped[str] = grain(String(10))
    items: Mapped[int] = measure()
    shipping: Mapped[Decimal | None] = measure(Money)

    @classmethod
    def query(cls) -> SelectBase:
        """Sum the parts of the shipping up."""
        return select(
            FactItem.record, func.count().label("items"), func.sum(FactItem.lines).label("shipping")
        ).group_by(FactItem.record)


class StandItem(Mapper[Basket, FactItem], each="items"):
    """Lines, numbered."""

    basket_id = field("id")
    number = line_number()
    record = line("sku")
    lines = allocate("shipping", by="amount")


class StandSku(Mapper[Basket, FactSku], each="items"):
    """Lines, by article."""

    basket_id = field("id")
    sku = line("sku")

    def amount(self, record: Basket, line: Item) -> Decimal | None:
        """None of an order that has no shipping."""
        return line.amount if record.shipping is not None else None


stand = Pipeline("stand")
stand.sync(Stand.baskets, StandItem, rejects=Rejects(count=10**6))
stand.sync(Stand.baskets, StandSku)


@dataclass(frozen=True)
class Sent:
    """What was said of a basket; items as (sku, amount)."""

    basket: int
    minute: int
    shipping: Decimal | None
    items: tuple[tuple[str, Decimal | None], ...]
    is_deleted: bool = False


amounts = st.sampled_from([Decimal(it) for it in ("0", "0", "1", "1", "2.5", "3.33", "100")])
items = st.tuples(st.sampled_from("aabcd"), st.one_of(amounts, amounts, amounts, st.just(None)))
sent = st.builds(
    Sent,
    st.sampled_from([0, 0, 0, 1]),
    st.integers(1, 5),
    st.sampled_from([None, *map(Decimal, ("0", "10", "-5.01", "0.02", "0.1", "1.234"))]),
    st.lists(items, max_size=4).map(tuple),
    st.sampled_from([False, False, False, True]),
)
loads = st.lists(st.lists(sent, min_size=1, max_size=5), min_size=1, max_size=4)


def shared_out(shipping: Decimal | None, weights: list[Decimal]) -> list[Decimal | None]:
    """Cent by cent: each goes to the line that is furthest from what it should have."""
    if shipping is None:
        return [None] * len(weights)
    cents = int(shipping * 100)
    exact = [Fraction(str(weight)) for weight in weights]
    total = sum(exact)
    should = [abs(cents) * (weight / total if total else Fraction(1, len(exact))) for weight in exact]
    has = [int(it) for it in should]
    while sum(has) < abs(cents):
        gaps = [want - have for want, have in zip(should, has, strict=True)]
        has[gaps.index(max(gaps))] += 1
    return [Decimal(it if cents >= 0 else -it) / 100 for it in has]


def numbered(it: Sent) -> list[tuple[str, Decimal | None]] | None:
    """The rows of the first fact; None: a reject."""
    weights = [amount for _, amount in it.items if amount is not None]
    if it.shipping == Decimal("1.234") or (it.shipping is not None and len(weights) < len(it.items)):
        return None
    if it.shipping and not it.items:
        return None
    parts = shared_out(it.shipping, weights if it.shipping is not None else [Decimal(0)] * len(it.items))
    return [(sku, part) for (sku, _), part in zip(it.items, parts, strict=True)]


def by_sku(it: Sent) -> dict[str, Decimal | None] | None:
    """The rows of the second fact; None: a reject."""
    found = {sku: amount if it.shipping is not None else None for sku, amount in it.items}
    return found if len(found) == len(it.items) else None


def standing(heard: list[Sent], rows_of: Any) -> dict[int, Any]:
    """By basket, what its last word that is no reject says."""
    last: dict[int, Sent] = {}
    for it in heard:
        is_reject = not it.is_deleted and rows_of(it) is None
        if not is_reject and (it.basket not in last or last[it.basket].minute <= it.minute):
            last[it.basket] = it
    found = {basket: rows_of(it) for basket, it in last.items() if not it.is_deleted}
    return {basket: rows for basket, rows in found.items() if rows}


class Bed:
    """One database for all cases: each has natural keys of its own."""

    def __init__(self, database: Database) -> None:
        self.database = database
        self.source = Stand()
        self._cases = itertools.count(1)
        self._numbers = itertools.count(1)

    def begin(self) -> str:
        """The prefix of a case's keys."""
        return f"{next(self._cases)}:"

    def load(self, prefix: str, batch: list[Sent]) -> RunReport:
        """Let the stand send the batch."""
        self.source.records = [self._payload(prefix, it) for it in batch]
        report = run(stand, self.database, sources={"stand": self.source})
        assert report.streams[0].error is None
        return report

    def _payload(self, prefix: str, it: Sent) -> bytes:
        said: dict[str, Any] = {"id": f"{prefix}{it.basket}", "n": next(self._numbers)}
        said["at"] = (START + timedelta(minutes=it.minute)).isoformat()
        if it.is_deleted:
            return json.dumps({**said, "gone": True}).encode()
        lines = [{"sku": sku, "amount": None if amount is None else str(amount)} for sku, amount in it.items]
        shipping = None if it.shipping is None else str(it.shipping)
        return json.dumps({**said, "shipping": shipping, "items": lines}).encode()

    def numbered(self, prefix: str) -> dict[int, list[tuple[str, Decimal | None]]]:
        """The rows of the first fact, by basket; the numbers are dense."""
        table, found = FactItem.table(), dict[int, list[tuple[str, Decimal | None]]]()
        query = select(table).where(table.c.basket_id.startswith(prefix)).order_by(table.c.number)
        with self.database.connect() as connection:
            for it in connection.execute(query):
                rows = found.setdefault(int(it.basket_id.removeprefix(prefix)), [])
                rows.append((it.record, it.lines))
                assert (it.number, it.source_id) == (len(rows), it.basket_id)
        return found

    def by_sku(self, prefix: str) -> dict[int, dict[str, Decimal | None]]:
        """The rows of the second fact, by basket."""
        table, found = FactSku.table(), dict[int, dict[str, Decimal | None]]()
        with self.database.connect() as connection:
            for it in connection.execute(select(table).where(table.c.basket_id.startswith(prefix))):
                found.setdefault(int(it.basket_id.removeprefix(prefix)), {})[it.sku] = it.amount
        return found

    def row_versions(self) -> list[tuple[Any, ...]]:
        """What changes with every write, also an identical one."""
        return row_versions(self.database, FactItem.table(), FactSku.table())


@pytest.fixture(scope="module")
def bed(both: Database) -> Bed:
    return Bed(both)


ONE, TWO = (("a", Decimal(1)),), (("a", Decimal(1)), ("b", Decimal(2)))
TEN = Decimal(10)


@given(loads)
@example([[Sent(0, 1, TEN, TWO)], [Sent(0, 2, TEN, ONE)], [Sent(0, 3, None, ())]])
@example([[Sent(0, 3, TEN, ONE)], [Sent(0, 2, TEN, TWO)], [Sent(0, 4, None, (), True)]])
@example([[Sent(0, 1, TEN, TWO), Sent(0, 2, TEN, ONE)], [Sent(0, 3, TEN, ()), Sent(0, 2, None, (), True)]])
@example([[Sent(0, 2, TEN, (*ONE, *ONE)), Sent(0, 1, TEN, TWO)]])
@cases(4)
def test_the_last_word_stands_with_all_its_lines_and_no_others(bed: Bed, batches: list[list[Sent]]) -> None:
    """A record of which one line is refused is refused whole, and what was known of it before stands."""
    prefix, heard = bed.begin(), list[Sent]()
    for batch in batches:
        heard += batch
        bed.load(prefix, batch)

        assert bed.numbered(prefix) == standing(heard, numbered)
        assert bed.by_sku(prefix) == standing(heard, by_sku)
        assert_is_its_query(bed.database, AggItem)


@given(st.lists(sent, min_size=2, max_size=8), st.data())
@cases(3)
def test_the_lines_are_the_same_in_whatever_order_their_records_arrive(
    bed: Bed, said: list[Sent], data: st.DataObject
) -> None:
    """Promise 3: no two are of one minute here, so that nothing is left to the order of the log."""
    in_order, shuffled = bed.begin(), bed.begin()
    apart = [Sent(it.basket, minute, it.shipping, it.items, it.is_deleted) for minute, it in enumerate(said)]
    bed.load(in_order, apart)
    order = data.draw(st.permutations(apart))
    cut = data.draw(st.integers(0, len(order)))
    bed.load(shuffled, order[:cut])
    bed.load(shuffled, order[cut:])

    assert bed.numbered(in_order) == bed.numbered(shuffled)
    assert bed.by_sku(in_order) == bed.by_sku(shuffled)


@given(st.lists(sent, min_size=1, max_size=6))
@cases(4)
def test_merging_the_same_lines_again_writes_nothing(bed: Bed, said: list[Sent]) -> None:
    """Promise 2, also when the facts are built again from the first entry of the log."""
    prefix = bed.begin()
    bed.load(prefix, said)
    written = bed.row_versions()
    with bed.database.begin() as connection:
        connection.execute(text("DELETE FROM strandline.applied_mark"))
    bed.load(prefix, [])

    assert bed.row_versions() == written
