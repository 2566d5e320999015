"""Aggregates are what their query gives, at any time: a plain loop over everything that was sent says what.

After each run, whatever it brought: new, late, changed and deleted persons and sales, in any order.
"""

import itertools
import json
from collections import Counter
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from typing import Any

import pytest
from hypothesis import example, given
from hypothesis import strategies as st
from sqlalchemy import select, text
from tests.effort import cases
from tests.property.sale import AggAdoption, AggBusyArea, AggHelp, Till, till

from strandline.pipeline import RunReport, run
from strandline.testing.written import row_versions
from strandline.warehouse.database import Database

START = datetime(2026, 1, 10, tzinfo=UTC)
UNKNOWN, NOBODY, GONE = "Unknown", "Not applicable", "gone"


@dataclass(frozen=True)
class PersonSent:
    """A person's record, and the day on which it took effect."""

    name: str
    day: int
    segment: str


@dataclass(frozen=True)
class SaleSent:
    """A sale's record, and the day on which it was said; of one sale the latest word stands."""

    number: int
    day: int
    sold: int
    area: str | None
    buyer: str | None
    helper: str | None
    amount: int | None
    is_deleted: bool


Sent = PersonSent | SaleSent
often_the_same = ("a", "a", "a", "b", "ü")
whom = st.sampled_from([None, *often_the_same])
days = st.integers(1, 8)
persons = st.builds(PersonSent, st.sampled_from(often_the_same), days, st.sampled_from(["x", "y", "z", GONE]))
sales = st.builds(
    SaleSent,
    st.integers(1, 4),
    st.integers(1, 4),
    st.integers(-2, 9),
    st.sampled_from([None, "", "n", "s"]),
    whom,
    whom,
    st.sampled_from([None, 0, 1, 2, -3]),
    st.sampled_from([False, False, False, True]),
)
loads = st.lists(
    st.lists(st.one_of(persons, persons, sales, sales), min_size=2, max_size=8), min_size=1, max_size=4
)


def _at(day: int) -> datetime:
    return START + timedelta(days=10 * day)


def _payload(prefix: str, number: int, it: Sent) -> bytes:
    return json.dumps({**_said(prefix, it), "at": _at(it.day).isoformat(), "n": number}).encode()


def _said(prefix: str, it: Sent) -> dict[str, Any]:
    match it:
        case PersonSent(segment="gone"):
            return {"id": prefix + it.name, "gone": True}
        case PersonSent():
            return {"id": prefix + it.name, "segment": it.segment}
        case SaleSent(is_deleted=True):
            return {"id": f"{prefix}{it.number}", "gone": True}
    return {
        "id": f"{prefix}{it.number}",
        "sold_at": _at(it.sold).isoformat(),
        "book": prefix,
        "area": it.area,
        "buyer": prefix + it.buyer if it.buyer else None,
        "helper": prefix + it.helper if it.helper else None,
        "amount": it.amount,
    }


Version = tuple[int, int | None, str]
"""From, to, segment."""


class Oracle:
    """Knows everything that was sent."""

    def __init__(self) -> None:
        self.records: dict[str, dict[int, str]] = {}
        self.mentioned: set[str] = set()
        self.sales: dict[int, SaleSent] = {}

    def hear(self, it: Sent) -> None:
        """Take note; of what is said of one day the last stands."""
        if isinstance(it, PersonSent):
            self.records.setdefault(it.name, {})[it.day] = it.segment
            if it.segment != GONE:
                self.mentioned.add(it.name)
            return
        if it.number not in self.sales or self.sales[it.number].day <= it.day:
            self.sales[it.number] = it
        if it.buyer and not it.is_deleted:
            self.mentioned.add(it.buyer)

    def versions(self, name: str) -> list[Version]:
        """The person's versions; who is only mentioned has one, of an unknown segment."""
        found: list[Version] = []
        for day, segment in sorted(self.records.get(name, {}).items()):
            is_open = bool(found) and found[-1][1] is None
            if is_open and segment == found[-1][2]:
                continue
            if is_open:
                found[-1] = (found[-1][0], day, found[-1][2])
            if segment != GONE:
                found.append((day, None, segment))
        if not found and name in self.mentioned:
            return [(-1000, None, UNKNOWN)]
        return found

    def buyer_segment(self, it: SaleSent) -> str:
        """The segment of the time of the sale."""
        if not it.buyer:
            return NOBODY
        versions = self.versions(it.buyer)
        begun = [segment for start, _, segment in versions if start <= it.sold]
        return begun[-1] if begun else versions[0][2]

    def helper_segment(self, it: SaleSent) -> str | None:
        """The segment of now, if the helper was there at the time of the sale."""
        if not it.helper:
            return NOBODY
        versions = self.versions(it.helper)
        if not versions:
            return UNKNOWN
        first = versions[0][0]
        was_there = it.sold < first or any(
            start <= it.sold and (end is None or it.sold < end) for start, end, _ in versions
        )
        if not was_there:
            return UNKNOWN
        return versions[-1][2] if versions[-1][1] is None else None

    def standing(self) -> list[SaleSent]:
        """The sales that are not deleted."""
        return [it for it in self.sales.values() if not it.is_deleted]

    def expected_sales(self) -> dict[Any, Any]:
        """What AggAdoption says."""
        found: dict[Any, list[int | None]] = {}
        for it in self.standing():
            group = (f"{_at(it.sold):%Y-%m}", it.area, self.buyer_segment(it))
            found.setdefault(group, []).append(it.amount)
        told = {}
        for group, amounts in found.items():
            given = [it for it in amounts if it is not None]
            told[group] = (len(amounts), sum(given) if given else None, min(given, default=None))
        return told

    def expected_help(self) -> dict[Any, Any]:
        """What AggHelp says."""
        return dict(Counter(self.helper_segment(it) for it in self.standing()))

    def expected_busy(self) -> dict[Any, Any]:
        """What AggBusyArea says."""
        return {area: n for area, n in Counter(it.area for it in self.standing()).items() if n > 1}


class Bed:
    """One database for all cases: each has natural keys and a book of its own."""

    def __init__(self, database: Database) -> None:
        self.database = database
        self.source = Till()
        self._cases = itertools.count(1)
        self._numbers = itertools.count(1)

    def begin(self) -> str:
        """The prefix of a case's keys."""
        return f"{next(self._cases)}:"

    def load(self, prefix: str, batch: list[Sent], oracle: Oracle) -> RunReport:
        """Let the till send the batch."""
        self.source.person_records, self.source.sale_records = [], []
        for it in batch:
            oracle.hear(it)
            sink = self.source.person_records if isinstance(it, PersonSent) else self.source.sale_records
            sink.append(_payload(prefix, next(self._numbers), it))
        report = run(till, self.database, sources={"till": self.source})
        assert report.status == "done", [stream.error for stream in report.streams]
        return report

    def check(self, prefix: str, oracle: Oracle) -> None:
        """Every aggregate is what the oracle says."""
        assert self._sales(prefix) == oracle.expected_sales()
        assert self._counted(AggHelp.segment, AggHelp.sales, AggHelp.book, prefix) == oracle.expected_help()
        busy = self._counted(AggBusyArea.area, AggBusyArea.sales, AggBusyArea.book, prefix)
        assert busy == oracle.expected_busy()

    def _sales(self, prefix: str) -> dict[Any, Any]:
        it = AggAdoption
        query = select(it.year_month, it.area, it.segment, it.sales, it.amount, it.smallest)
        with self.database.connect() as connection:
            rows = connection.execute(query.where(it.book == prefix)).all()
        assert len({row[:3] for row in rows}) == len(rows)
        return {tuple(row[:3]): (row[3], *map(_whole, row[4:])) for row in rows}

    def _counted(self, group: Any, count: Any, book: Any, prefix: str) -> dict[Any, Any]:
        with self.database.connect() as connection:
            rows = connection.execute(select(group, count).where(book == prefix)).all()
        assert len({row[0] for row in rows}) == len(rows)
        return {row[0]: row[1] for row in rows}

    def row_versions(self) -> list[tuple[Any, ...]]:
        """Whether anything was written."""
        return row_versions(self.database, AggAdoption.table(), AggHelp.table(), AggBusyArea.table())


def _whole(amount: Decimal | None) -> int | None:
    return None if amount is None else int(amount)


@pytest.fixture(scope="module")
def bed(both: Database) -> Bed:
    bed = Bed(both)
    bed.load(bed.begin(), [], Oracle())  # which builds the aggregates, so that they are kept up
    return bed


def _sale(number: int = 1, day: int = 1, buyer: str | None = "a", helper: str | None = None) -> SaleSent:
    return SaleSent(number, day, 5, None, buyer, helper, 1, is_deleted=False)


@given(loads)
@example([[_sale(), PersonSent("a", 1, "x")], [PersonSent("a", 4, "y")]])
@example([[_sale(helper="b")], [PersonSent("b", 6, "x")], [PersonSent("b", 7, GONE)]])
@example([[_sale(helper="b")], [_sale(number=2, buyer="b")]])
@example(
    [[PersonSent("b", 1, "x"), _sale(helper="b")], [PersonSent("b", 4, GONE)], [PersonSent("b", 7, "y")]]
)
@example([[_sale(), _sale(number=2)], [SaleSent(1, 2, 5, None, None, None, None, is_deleted=True)]])
@cases(4)
def test_an_aggregate_is_what_its_query_gives_whatever_arrives_first(
    bed: Bed, batches: list[list[Sent]]
) -> None:
    prefix, oracle = bed.begin(), Oracle()
    for batch in batches:
        bed.load(prefix, batch, oracle)
        bed.check(prefix, oracle)


@given(st.lists(st.one_of(persons, sales), min_size=1, max_size=10))
@cases(4)
def test_merging_the_same_again_writes_no_group(bed: Bed, batch: list[Sent]) -> None:
    """Also when the applied marks are put back, so that everything of the log is merged again."""
    prefix, oracle = bed.begin(), Oracle()
    bed.load(prefix, batch, oracle)
    written = bed.row_versions()
    with bed.database.begin() as connection:
        connection.execute(text("DELETE FROM strandline.applied_mark WHERE target LIKE 'Fact%'"))
    report = bed.load(prefix, [], oracle)

    assert bed.row_versions() == written
    assert not any(it.counts.get("groups") for it in report.targets)
