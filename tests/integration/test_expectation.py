"""Expectations in runs: what is rolled back, what is told, what the ledger keeps."""

from datetime import UTC, datetime, timedelta
from decimal import Decimal
from typing import Any

import pytest
from tests.expected import DimPatron, FactOuting, Kiosk, load, pipeline, record, rows

from strandline.model.expectation import Expectation
from strandline.pipeline import accepted, fresh, holds, not_null, refers, row_count, total, unique
from strandline.warehouse.database import Database

APPLIED = "SELECT target, raw_id FROM strandline.applied_mark ORDER BY target"
LEDGER = "SELECT run_id, target, name, severity, status, failing FROM strandline.expectation ORDER BY 1, 2, 3"


def test_a_merge_that_breaks_an_expectation_is_rolled_back_and_taken_up_again(warehouse: Database) -> None:
    kiosk, source = pipeline(), Kiosk()
    kiosk.expect(DimPatron, not_null("segment"), unique("email"))
    first = load(warehouse, kiosk, source, buyers=[record("a", segment="retail", email="a@x")])
    broken = load(warehouse, kiosk, source, buyers=[record("b", email="b@x"), record("c", segment="trade")])

    assert (first.status, broken.status, broken.exit_code) == ("done", "failed", 1)
    assert broken.streams[0].kind == "ExpectationFailed"
    assert broken.streams[0].error == (
        "kiosk.buyers: DimPatron was not merged: not_null(segment): no segment in 1 row: kiosk:b"
    )
    assert "strandline why dim_patron b" in str(broken.streams[0].hint)
    assert rows(warehouse, "SELECT source_id FROM warehouse.dim_patron WHERE patron_key > 0") == [("a",)]
    assert rows(warehouse, APPLIED) == [("DimPatron", 1)]
    assert rows(warehouse, LEDGER) == [
        (1, "DimPatron", "not_null(segment)", "fail", "passed", 0),
        (1, "DimPatron", "unique(email)", "fail", "passed", 0),
        (2, "DimPatron", "not_null(segment)", "fail", "failed", 1),
        (2, "DimPatron", "unique(email)", "fail", "passed", 0),
    ]
    mended = load(warehouse, kiosk, source, buyers=[record("b", 1, email="b@x", segment="trade")])

    assert (mended.status, mended.streams[0].resumed) == ("done", 2)
    assert rows(warehouse, APPLIED) == [("DimPatron", 4)]


def test_a_warning_is_told_and_the_merge_stands(warehouse: Database) -> None:
    kiosk, source = pipeline(), Kiosk()
    kiosk.expect(DimPatron, accepted("segment", ["retail", "trade"]), severity="warn")
    report = load(warehouse, kiosk, source, buyers=[record("a", segment="gold"), record("b"), record("c")])

    assert (report.status, report.exit_code) == ("partial", 3)
    (told,) = report.expectations
    assert (told.status, told.failing, told.samples) == ("warned", 1, [{"source": "kiosk", "key": "a"}])
    assert told.detail == "another segment than 'retail', 'trade' in 1 row: kiosk:a"
    assert rows(warehouse, "SELECT count(*) FROM warehouse.dim_patron WHERE patron_key > 0") == [(3,)]
    assert rows(warehouse, "SELECT status FROM strandline.run_stream WHERE stream = 'kiosk.buyers'") == [
        ("partial",)
    ]


def test_only_rows_of_the_merge_are_looked_at(warehouse: Database) -> None:
    """What was there before the expectation is not; a unique value is looked for in the whole table."""
    kiosk, source = pipeline(), Kiosk()
    load(warehouse, kiosk, source, buyers=[record("a", email="a@x")])
    kiosk.expect(DimPatron, not_null("segment"), unique("email"))
    good = load(warehouse, kiosk, source, buyers=[record("b", email="b@x", segment="trade")])
    same = load(warehouse, kiosk, source, buyers=[record("c", email="a@x", segment="trade")])

    assert (good.status, same.status) == ("done", "failed")
    (told,) = [it for it in same.expectations if it.status == "failed"]
    assert (told.name, told.failing) == ("unique(email)", 2)
    assert [it["key"] for it in told.samples] == ["a", "c"]


def test_what_was_and_who_is_deleted_or_inferred_breaks_nothing(warehouse: Database) -> None:
    kiosk, source = pipeline(), Kiosk()
    kiosk.expect(DimPatron, not_null("segment"), unique("email"))
    buyers = [
        record("a", segment=None),
        record("a", 1, segment="retail", email="same"),
        record("b", segment=None, email="same"),
        record("b", 1, gone=1),
    ]
    report = load(warehouse, kiosk, source, buyers=buyers, purchases=[record("p", 5, buyer="nobody")])

    assert report.status == "done"
    assert rows(warehouse, "SELECT count(*) FROM warehouse.dim_patron WHERE is_inferred") == [(1,)]


FACTS: dict[str, tuple[Expectation, list[dict[str, Any]], list[str]]] = {
    "refers(patron_key)": (
        refers("patron_key"),
        [record("p", buyer="a"), record("q"), record("r", buyer="x")],
        ["r"],
    ),
    "refers(patron_key, helper_key)": (
        refers("patron_key", "helper_key"),
        [record("p", helper="a"), record("q", helper="x"), record("r", buyer="y")],
        ["q", "r"],
    ),
    "holds(is positive)": (
        holds("is positive", FactOuting.amount > 0),
        [record("p", amount="1"), record("q", amount="0"), record("r")],
        ["q"],
    ),
    "unique(bought_at, amount)": (
        unique("bought_at", "amount"),
        [record("p", amount="1"), record("q", amount="1.00"), record("r"), record("s")],
        ["p", "q"],
    ),
}


@pytest.mark.parametrize("name", FACTS)
def test_facts_that_break_an_expectation_are_named(warehouse: Database, name: str) -> None:
    expectation, purchases, broken = FACTS[name]
    kiosk, source = pipeline(), Kiosk()
    kiosk.expect(FactOuting, expectation)
    report = load(warehouse, kiosk, source, buyers=[record("a")], purchases=purchases)

    assert [it.status for it in report.streams] == ["done", "failed"]
    assert (report.status, report.exit_code) == ("failed", 1)
    (told,) = report.expectations
    assert (told.name, [it["key"] for it in told.samples]) == (name, broken)
    assert rows(warehouse, "SELECT count(*) FROM warehouse.fact_outing") == [(0,)]


def test_a_share_of_all_rows_may_refer_to_nobody(warehouse: Database) -> None:
    kiosk, source = pipeline(), Kiosk()
    kiosk.expect(FactOuting, refers("helper_key", share=0.25))
    many = [record(f"p{number}", helper="a") for number in range(6)]
    load(warehouse, kiosk, source, buyers=[record("a")], purchases=many)
    some = load(warehouse, kiosk, source, purchases=[record("q", helper="x"), record("r", helper="x")])
    more = load(warehouse, kiosk, source, purchases=[record("s", helper="x")])

    assert (some.status, more.status) == ("done", "failed")
    assert more.expectations[0].detail == (
        "nobody who is known by helper_key (more than 25.00%) in 3 rows: kiosk:q, kiosk:r, kiosk:s"
    )


def test_the_source_is_asked_once_a_run_and_compared_also_when_nothing_comes(warehouse: Database) -> None:
    kiosk, source = pipeline(), Kiosk()
    kiosk.expect(FactOuting, row_count(Kiosk.count_purchases), total("amount", Kiosk.turnover))
    source.says = {"count_purchases": 2, "turnover": Decimal("3.50")}
    purchases = [record("p", amount="1.25"), record("q", amount="2.25")]
    good = load(warehouse, kiosk, source, purchases=purchases)
    source.says = {"count_purchases": 3, "turnover": Decimal("3.50")}
    lost = load(warehouse, kiosk, source, purchases=purchases)

    assert (good.status, lost.status) == ("done", "failed")
    assert source.asked == ["count_purchases", "turnover"] * 2
    assert lost.streams[1].error == (
        "kiosk.purchases: FactOuting is not as expected: row_count(kiosk.count_purchases):"
        " there are 2 rows, and kiosk.count_purchases says 3"
    )
    assert rows(warehouse, "SELECT count(*) FROM warehouse.fact_outing") == [(2,)]


def test_a_merge_that_the_source_contradicts_is_rolled_back(warehouse: Database) -> None:
    kiosk, source = pipeline(), Kiosk()
    kiosk.expect(FactOuting, total("amount", Kiosk.turnover, tolerance=Decimal("0.01"), share=0.001))
    source.says = {"turnover": Decimal("1.27")}
    wrong = load(warehouse, kiosk, source, purchases=[record("p", amount="1.25")])
    source.says = {"turnover": Decimal("1.26")}
    right = load(warehouse, kiosk, source)

    assert (wrong.status, right.status) == ("failed", "done")
    assert wrong.expectations[0].detail == (
        "there are 1.25 as the sum of amount, and kiosk.turnover says 1.27"
    )
    assert right.targets[0].counts["inserted"] == 1


@pytest.mark.parametrize(("severity", "code"), [("fail", 1), ("warn", 3)])
def test_a_source_that_cannot_be_asked_is_never_passed_over(
    warehouse: Database, severity: Any, code: int
) -> None:
    kiosk, source = pipeline(), Kiosk()
    kiosk.expect(DimPatron, row_count(Kiosk.count_buyers), severity=severity)
    report = load(warehouse, kiosk, source, buyers=[record("a")])

    assert report.exit_code == code
    assert [(it.status, it.detail) for it in report.expectations] == [
        ("unanswered", "it could not be asked: kiosk: nobody answers")
    ]
    assert report.streams[0].kind == ("ReconciliationUnanswered" if severity == "fail" else None)


def test_rows_that_are_not_fresh_are_told_also_when_nothing_comes(warehouse: Database) -> None:
    kiosk, source = pipeline(), Kiosk()
    kiosk.expect(FactOuting, fresh("bought_at", within=timedelta(days=2)), severity="warn")
    none = load(warehouse, kiosk, source)
    now = {"id": "p", "at": (datetime.now(UTC) - timedelta(days=1)).isoformat()}
    new = load(warehouse, kiosk, source, purchases=[now, record("q")])
    old = load(warehouse, kiosk, source, purchases=[{**now, "gone": 1, "at": datetime.now(UTC).isoformat()}])

    assert [it.status for it in (none, new, old)] == ["partial", "done", "partial"]
    assert [it.expectations[0].detail for it in (none, old)] == [
        "no bought_at within 2 days, 0:00:00: there is none",
        "no bought_at within 2 days, 0:00:00: the latest is 2026-01-01T00:00:00+00:00",
    ]


def test_a_condition_that_the_database_cannot_work_out_fails_its_stream_only(warehouse: Database) -> None:
    kiosk, source = pipeline(), Kiosk()
    kiosk.expect(FactOuting, holds("divides", 1 / FactOuting.amount > 0))
    report = load(warehouse, kiosk, source, buyers=[record("a")], purchases=[record("p", amount="0")])

    assert [it.status for it in report.streams] == ["done", "failed"]
    assert "division by zero" in str(report.streams[1].error)


def test_a_run_without_news_writes_nothing_but_the_ledger(warehouse: Database) -> None:
    kiosk, source = pipeline(), Kiosk()
    kiosk.expect(DimPatron, not_null("segment"), row_count(Kiosk.count_buyers))
    source.says = {"count_buyers": 1}
    buyers = [record("a", segment="retail")]
    load(warehouse, kiosk, source, buyers=buyers)
    before = rows(warehouse, "SELECT xmin, * FROM warehouse.dim_patron ORDER BY patron_key")
    again = load(warehouse, kiosk, source, buyers=buyers)

    assert (again.status, [it.name for it in again.expectations]) == (
        "done",
        ["row_count(kiosk.count_buyers)"],
    )
    assert rows(warehouse, "SELECT xmin, * FROM warehouse.dim_patron ORDER BY patron_key") == before
