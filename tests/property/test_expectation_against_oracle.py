"""Random rows against a plain loop: what breaks each kind of expectation."""

from collections import Counter
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, field
from decimal import Decimal
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from sqlalchemy import delete, select
from tests.effort import cases
from tests.expected import DimPatron, FactOuting, Kiosk, load, pipeline, record

from strandline.pipeline import (
    Pipeline,
    accepted,
    holds,
    inspection,
    not_null,
    refers,
    row_count,
    survey,
    total,
    unique,
)
from strandline.pipeline.report import ExpectationReport
from strandline.warehouse import state
from strandline.warehouse.database import Database

SHARE = 0.5
Row = dict[str, Any]


@dataclass(frozen=True)
class Said:
    """A record: what it says of a key, or that the key is gone."""

    key: str
    values: tuple[Any, ...]
    is_gone: bool = False
    late: int = 0


BUYERS, PURCHASES = "abcd", "pqrstu"

buyers = st.builds(
    Said,
    key=st.sampled_from(BUYERS),
    values=st.tuples(
        st.sampled_from([None, "x@", "y@"]),
        st.sampled_from([None, "red", "blue"]),
        st.sampled_from([None, 0, 5]),
    ),
    is_gone=st.sampled_from([False] * 5 + [True]),
    late=st.integers(0, 3),
)
purchases = st.builds(
    Said,
    key=st.sampled_from(PURCHASES),
    values=st.tuples(
        st.sampled_from([None, *BUYERS, "nobody"]),
        st.sampled_from([None, *BUYERS, "nobody"]),
        st.sampled_from([None, "0.10", "0.20", "3.00"]),
    ),
    is_gone=st.sampled_from([False] * 5 + [True]),
)
runs = st.lists(
    st.lists(buyers, min_size=1, max_size=5) | st.lists(purchases, min_size=1, max_size=6),
    min_size=1,
    max_size=5,
)
"""One merge each: who was touched by it can be told from the keys before and after."""


@dataclass
class Oracle:
    """What is there, worked out record by record."""

    number: int = 0
    said: dict[str, list[tuple[int, int, Row | None]]] = field(default_factory=dict)
    purchases: dict[str, Row] = field(default_factory=dict)
    touched: set[str] = field(default_factory=set)

    def take(self, sent: Iterable[Said], *, is_buyer: bool) -> list[Row]:
        """Remember what is sent; the records."""
        records = []
        for it in sent:
            self.number += 1
            day = self.number * 5
            if is_buyer:
                if it.is_gone and it.key not in self.said:
                    continue
                day -= 0 if it.is_gone else it.late * 5
                values = dict(zip(("email", "segment", "visits"), it.values, strict=True))
                row = None if it.is_gone else {"key": it.key, **values}
                self.said.setdefault(it.key, []).append((day, self.number, row))
            else:
                values = dict(zip(("buyer", "helper", "amount"), it.values, strict=True))
                if it.is_gone:
                    self.purchases.pop(it.key, None)
                else:
                    self.purchases[it.key] = {"key": it.key, "day": day, **values}
            self.touched.add(it.key)
            gone = {"gone": 1} if it.is_gone else {}
            records.append(record(it.key, day, n=self.number, **values, **gone))
        return records

    @property
    def current(self) -> list[Row]:
        """The buyers as they are now, without those who are gone."""
        latest = [max(said, key=lambda it: it[:2])[2] for said in self.said.values()]
        return [row for row in latest if row is not None]

    def is_known(self, key: str | None) -> bool:
        """Whether a reference leads to somebody who was described, or to nobody on purpose."""
        return key is None or key in self.said

    def broken(self) -> dict[str, list[str]]:
        """The keys of the rows that break each expectation, of those that were touched."""
        current, bought = self.current, list(self.purchases.values())
        found = {
            "not_null(segment)": [it for it in current if it["segment"] is None],
            "not_null(email, visits)": [it for it in current if it["email"] is None or it["visits"] is None],
            "accepted(segment)": [it for it in current if it["segment"] == "blue"],
            "accepted(visits)": [it for it in current if it["visits"] == 0],
            "holds(has come)": [it for it in current if it["visits"] == 0],
            "refers(patron_key)": [it for it in bought if not self.is_known(it["buyer"])],
            "refers(patron_key, helper_key)": [
                it for it in bought if not (self.is_known(it["buyer"]) and self.is_known(it["helper"]))
            ],
            "holds(is worth it)": [
                it for it in bought if it["amount"] is not None and Decimal(it["amount"]) <= Decimal("0.15")
            ],
            "not_null(amount)": [it for it in bought if it["amount"] is None],
        }
        keys = {name: [it["key"] for it in rows if it["key"] in self.touched] for name, rows in found.items()}
        keys["unique(email)"] = self._shared(current, lambda it: (it["email"],))
        keys["unique(email, segment)"] = self._shared(current, lambda it: (it["email"], it["segment"]))
        keys["unique(amount)"] = self._shared(bought, lambda it: (it["amount"],))
        unknown = [it["key"] for it in bought if not self.is_known(it["helper"])]
        keys["refers(helper_key)"] = unknown if len(unknown) > SHARE * len(bought) else []
        return keys

    def _shared(self, rows: Sequence[Row], values: Callable[[Row], tuple[Any, ...]]) -> list[str]:
        counted = Counter(values(it) for it in rows)
        touched = {values(it) for it in rows if it["key"] in self.touched}
        return [
            it["key"]
            for it in rows
            if None not in values(it) and counted[values(it)] > 1 and values(it) in touched
        ]


def expecting() -> Pipeline:
    """The kiosk's pipeline, which expects one of each."""
    kiosk = pipeline()
    kiosk.expect(
        DimPatron,
        *(not_null("segment"), not_null("email", "visits"), accepted("segment", ["red", "green"])),
        *(accepted("visits", [5]), holds("has come", DimPatron.visits > 0), unique("email")),
        *(unique("email", "segment"), row_count(Kiosk.count_buyers)),
        severity="warn",
    )
    kiosk.expect(
        FactOuting,
        *(refers("patron_key"), refers("helper_key", share=SHARE), refers("patron_key", "helper_key")),
        *(holds("is worth it", FactOuting.amount > Decimal("0.15")), not_null("amount"), unique("amount")),
        *(row_count(Kiosk.count_purchases), total("amount", Kiosk.turnover)),
        severity="warn",
    )
    return kiosk


KIOSK = expecting()


def clear(database: Database) -> None:
    """Leave nothing of the case before."""
    with database.begin() as connection:
        for reading in KIOSK.readings:
            connection.execute(delete(reading.raw))
        connection.execute(delete(DimPatron.table()).where(DimPatron.key_column() > 0))
        connection.execute(delete(FactOuting.table()))
        for table in (state.applied_mark, state.read_mark, state.reject, state.expectation):
            connection.execute(delete(table))


def survey_all(database: Database, source: Kiosk) -> dict[str, ExpectationReport]:
    """What a check of the whole tables tells, by expectation."""
    answers: inspection.Answers = {}
    inspection.ask(KIOSK.expectations, source, answers)
    models = [DimPatron, FactOuting]
    with database.connect() as connection:
        found = survey.look(database, connection, [KIOSK], models=models, answers=answers)
    return {it.told.name: it.told for it in found}


def keys_of(told: ExpectationReport) -> list[str]:
    return [it["key"] for it in told.samples]


def keys_of_purchases(database: Database) -> dict[str, tuple[int, int]]:
    """Which versions each purchase points at."""
    fact = FactOuting.table().c
    with database.connect() as connection:
        found = connection.execute(select(fact.source_id, fact.patron_key, fact.helper_key))
        return {it.source_id: (it.patron_key, it.helper_key) for it in found}


def check_sent(told: dict[str, ExpectationReport], oracle: Oracle, moved: set[str]) -> None:
    """What is told is what breaks an expectation among those that were sent, and if nothing does there, among
    those that moved.
    """
    among_sent = oracle.broken()
    oracle.touched = moved
    among_moved = oracle.broken() if moved else {name: [] for name in among_sent}
    for name in among_sent.keys() & told.keys():
        expected = among_sent[name] or among_moved[name]
        assert (told[name].failing, keys_of(told[name])) == (len(expected), sorted(expected)[:5]), name


OF_PURCHASES = ("refers", "holds(is worth it)", "not_null(amount)", "unique(amount)")


@pytest.fixture(scope="module")
def prepared(both: Database) -> Database:
    source = Kiosk()
    load(both, KIOSK, source)
    return both


@given(runs)
@cases(3)
def test_what_breaks_an_expectation_is_what_a_loop_over_the_rows_finds(
    prepared: Database, batches: list[list[Said]]
) -> None:
    """Over those that records gave, and those whose keys have moved."""
    clear(prepared)
    oracle, source = Oracle(), Kiosk()
    for number, batch in enumerate(batches):
        is_buyer, sent = batch[0].key in BUYERS, {it.key for it in batch}
        oracle.touched = set()
        records = oracle.take(batch, is_buyer=is_buyer)
        amounts = [Decimal(it["amount"] or 0) for it in oracle.purchases.values()]
        source.says = {
            "count_buyers": len(oracle.current),
            "count_purchases": len(oracle.purchases) + number % 2,
            "turnover": sum(amounts, Decimal(0)),
        }
        before = keys_of_purchases(prepared)
        report = load(prepared, KIOSK, source, **{"buyers" if is_buyer else "purchases": records})
        after = keys_of_purchases(prepared)
        moved = {it for it in before if it in after and before[it] != after[it]} - sent
        told = {(it.stream, it.name): it for it in report.expectations}
        of_buyers = {name: it for (_, name), it in told.items() if it.target == "DimPatron"}
        of_purchases = {name: it for (_, name), it in told.items() if it.target == "FactOuting"}

        check_sent(of_buyers if is_buyer else of_purchases, oracle, moved)
        if is_buyer:
            oracle.touched = moved
            wanted = oracle.broken() if moved else {}
            rows = {name: it for name, it in of_purchases.items() if it.stream == "kiosk.buyers"}
            assert {name: keys_of(it) for name, it in rows.items()} == {
                name: sorted(keys)[:5]
                for name, keys in wanted.items()
                if keys and name.startswith(OF_PURCHASES)
            }
        assert told["kiosk.buyers", "row_count(kiosk.count_buyers)"].status == "passed"
        assert told["kiosk.purchases", "total(amount, kiosk.turnover)"].status == "passed"
        assert told["kiosk.purchases", "row_count(kiosk.count_purchases)"].failing == number % 2
        assert (("kiosk.buyers", "not_null(segment)") in told) == (is_buyer and bool(records))
        assert is_buyer or ("kiosk.purchases", "not_null(amount)") in told
    oracle.touched = {*BUYERS, *PURCHASES}
    expected, surveyed = oracle.broken(), survey_all(prepared, source)
    assert {name: it.failing for name, it in surveyed.items() if name in expected} == {
        name: len(keys) for name, keys in expected.items()
    }
    assert all(keys_of(surveyed[name]) == sorted(keys)[:5] for name, keys in expected.items())
    assert surveyed["total(amount, kiosk.turnover)"].status == "passed"
