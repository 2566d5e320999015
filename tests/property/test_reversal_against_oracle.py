"""A deleted record's row stays, and a row that negates it stands beside it, in whatever order they arrive.

Sales are made, corrected, cancelled and made again. Which rows there are is told by a plain loop over
everything that was sent.
"""

import itertools
import json
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from typing import Any

import pytest
from hypothesis import example, given
from hypothesis import strategies as st
from pydantic import AwareDatetime
from sqlalchemy import Integer, String, select, text
from sqlalchemy.orm import Mapped
from tests.effort import cases
from tests.memory import pages

from strandline.model import (
    DimDate,
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
from strandline.pipeline import Pipeline, RunReport, run
from strandline.source import Pages, Record, Source, stream
from strandline.testing.written import row_versions
from strandline.warehouse.database import Database

START = datetime(2026, 1, 1, tzinfo=UTC)


class Sale(Record):
    """A sale."""

    id: str
    at: AwareDatetime
    edition: int | None = None
    sold: AwareDatetime
    packed: AwareDatetime | None = None
    buyer: str | None = None
    pieces: int
    amount: Decimal | None = None
    status: str | None = None


class Market(Source):
    """Sales."""

    name = "market"

    def __init__(self) -> None:
        super().__init__()
        self.records: list[bytes] = []

    @stream(Sale, key="id", effective_at="at", tie_break="edition", deleted="gone")
    def sales(self) -> Pages:
        """What it was given."""
        return pages(self.records)


class DimBargainer(Dimension):
    """A buyer."""

    label: Mapped[str | None] = attribute(String(10))


class FactBargain(Fact, deletes="reverse"):
    """One row a sale; the names of columns are no traps."""

    place: Mapped[str] = grain(String(40))
    sold_at: Mapped[datetime] = event_time()
    packed_at: Mapped[datetime | None] = degenerate()
    buyer_key: Mapped[int] = references(DimBargainer)
    sold_date_key: Mapped[int] = references(DimDate, on="sold_at")
    packed_date_key: Mapped[int] = references(DimDate, on="packed_at")
    seen: Mapped[int] = measure(Integer)
    records: Mapped[Decimal | None] = measure(Money)
    price: Mapped[Decimal | None] = measure(Money, additive=False)
    rate: Mapped[int] = measure(Integer, additive=False)
    status: Mapped[str | None] = degenerate(String(10))


class MarketSale(Mapper[Sale, FactBargain]):
    """Sales."""

    place = field("id")
    sold_at = field("sold")
    packed_at = field("packed")
    buyer_key = field("buyer")
    seen = field("pieces")
    records = field("amount")
    price = field("amount")
    rate = field("pieces")
    status = field("status")


market = Pipeline("market")
market.sync(Market.sales, MarketSale)


@dataclass(frozen=True)
class Sent:
    """A record: of which sale, the minute at which it was said, and what it says."""

    sale: str
    minute: int
    edition: int | None = None
    sold: int = 0
    packed: int | None = None
    buyer: str | None = None
    pieces: int = 1
    amount: str | None = None
    status: str | None = None
    is_deleted: bool = False


sent = st.builds(
    Sent,
    sale=st.sampled_from(["a", "a", "a", "ü"]),
    minute=st.integers(1, 6),
    edition=st.sampled_from([None, None, 1]),
    sold=st.integers(0, 2),
    packed=st.sampled_from([None, 0, 3]),
    buyer=st.sampled_from([None, "x", "y"]),
    pieces=st.integers(-1, 2),
    amount=st.sampled_from([None, "0.10", "99999999999999.99"]),
    status=st.sampled_from([None, "ok"]),
    is_deleted=st.sampled_from([False, False, True]),
)
loads = st.lists(st.lists(sent, min_size=1, max_size=6), min_size=1, max_size=4)

Row = tuple[Any, ...]


def naive_rows(heard: list[Sent]) -> dict[tuple[str, bool], Row]:
    """What stands of everything that was sent, in the order in which it was."""
    rows: dict[tuple[str, bool], Row] = {}
    for sale in {it.sale for it in heard}:
        words: dict[int, Sent] = {}
        for it in heard:
            before = words.get(it.minute)
            if it.sale == sale and (before is None or (it.edition or 0) >= (before.edition or 0)):
                words[it.minute] = it
        last: Sent | None = None
        deleted_at: int | None = None
        for minute in sorted(words):
            if not words[minute].is_deleted:
                last, deleted_at = words[minute], None
            elif deleted_at is None:
                deleted_at = minute
        if last is None:
            continue
        amount = None if last.amount is None else Decimal(last.amount)
        same = (_moment(last.packed), last.buyer)
        days = 20260101 + last.sold, -2 if last.packed is None else 20260101 + last.packed
        rows[sale, False] = (
            _moment(last.sold), *same, *days, last.pieces, amount, amount, last.pieces, last.status,
        )  # fmt: skip
        if deleted_at is not None:
            negated = None if amount is None else -amount
            gone = START + timedelta(minutes=deleted_at)
            rows[sale, True] = (
                gone, *same, 20260101, days[1], -last.pieces, negated, None, last.pieces, last.status,
            )  # fmt: skip
    return rows


def _moment(day: int | None) -> datetime | None:
    return None if day is None else START + timedelta(days=day)


class Bed:
    """One database for all cases: each has natural keys of its own."""

    def __init__(self, database: Database) -> None:
        self.database = database
        self.market = Market()
        self._cases = itertools.count(1)
        self._numbers = itertools.count(1)

    def begin(self) -> str:
        """The prefix of a case's keys."""
        return f"{next(self._cases)}:"

    def load(self, prefix: str, batch: list[Sent]) -> RunReport:
        """Let the market send the batch."""
        self.market.records = [_payload(prefix, next(self._numbers), it) for it in batch]
        report = run(market, self.database, sources={"market": self.market})
        assert report.status == "done", report.streams[0].error
        return report

    def rows(self, prefix: str) -> dict[tuple[str, bool], Row]:
        """What stands, by sale and whether it negates it."""
        fact, buyer = FactBargain.table(), DimBargainer.table()
        query = (
            select(fact, buyer.c.source_id.label("buyer"))
            .join(buyer, buyer.c.bargainer_key == fact.c.buyer_key)
            .where(fact.c.place.startswith(prefix))
        )
        named = ("sold_date_key", "packed_date_key", "seen", "records", "price", "rate", "status")
        with self.database.connect() as connection:
            found = connection.execute(query).mappings().all()
        return {
            (it["place"].removeprefix(prefix), it["is_reversal"]): (
                it["sold_at"],
                it["packed_at"],
                None if it["buyer_key"] == -2 else it["buyer"].removeprefix(prefix),
                *(it[name] for name in named),
            )
            for it in found
        }

    def row_versions(self) -> list[tuple[Any, ...]]:
        """What changes with every write, also an identical one."""
        return row_versions(self.database, FactBargain.table())


def _payload(prefix: str, number: int, it: Sent) -> bytes:
    said: dict[str, Any] = {"id": prefix + it.sale, "edition": it.edition, "number": number}
    said["at"] = (START + timedelta(minutes=it.minute)).isoformat()
    if it.is_deleted:
        return json.dumps({**said, "gone": True}).encode()
    packed = _moment(it.packed)
    return json.dumps(
        {
            **said,
            "sold": (START + timedelta(days=it.sold)).isoformat(),
            "packed": packed and packed.isoformat(),
            "buyer": prefix + it.buyer if it.buyer else None,
            "pieces": it.pieces,
            "amount": it.amount,
            "status": it.status,
        }
    ).encode()


@pytest.fixture(scope="module")
def bed(both: Database) -> Bed:
    return Bed(both)


GONE = Sent("a", 3, is_deleted=True)


@given(loads)
@example([[Sent("a", 1, amount="0.10", buyer="x")], [GONE], [Sent("a", 4, pieces=2)], [Sent("a", 2)]])
@example([[GONE], [Sent("a", 1, amount="0.10")], [Sent("a", 5, is_deleted=True)], [Sent("a", 2, pieces=2)]])
@example([[Sent("a", 1), GONE, Sent("a", 5, is_deleted=True)], [Sent("a", 3, status="ok")]])
@example([[Sent("a", 1)], [Sent("a", 1, is_deleted=True)], [Sent("a", 1, edition=1)]])
@cases(3)
def test_a_deletion_is_a_row_that_negates_the_last_word_in_whatever_order_they_arrive(
    bed: Bed, batches: list[list[Sent]]
) -> None:
    """After every batch, corrections and returns included."""
    prefix, heard = bed.begin(), list[Sent]()
    for batch in batches:
        heard += batch
        bed.load(prefix, batch)
        assert bed.rows(prefix) == naive_rows(heard)


@given(st.lists(sent, min_size=1, max_size=10))
@cases(3)
def test_reversing_the_same_records_again_writes_nothing(bed: Bed, batch: list[Sent]) -> None:
    """Also when the applied mark is put back, so that everything of the log is merged again."""
    prefix = bed.begin()
    bed.load(prefix, batch)
    before = bed.row_versions()
    with bed.database.begin() as connection:
        connection.execute(text("DELETE FROM strandline.applied_mark WHERE target = 'FactBargain'"))
    bed.load(prefix, [])

    assert bed.row_versions() == before


def test_the_sum_over_a_deleted_sale_is_nothing(bed: Bed) -> None:
    prefix = bed.begin()
    bed.load(prefix, [Sent("a", 1, pieces=2, amount="0.10"), Sent("ü", 1, pieces=5)])
    deleted = bed.load(prefix, [GONE])
    rows = bed.rows(prefix)

    assert deleted.targets[0].counts["inserted"] == 1
    assert deleted.targets[0].counts["deleted"] == 0
    assert sum(row[5] for row in rows.values()) == 5
