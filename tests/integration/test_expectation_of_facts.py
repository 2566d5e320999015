"""Expectations of facts that are more than a row a record: reversals, lines, periods that repeat."""

import json
from collections.abc import Iterator
from decimal import Decimal
from typing import Any

import pytest
from sqlalchemy import URL
from tests.integration.test_header_lines import FactLeg, Harbour, HarbourLeg, HarbourPort
from tests.property.test_period_against_oracle import FactTankMonth, Farm, FarmMonth
from tests.property.test_reversal_against_oracle import FactBargain, Market, MarketSale

from strandline.pipeline import Pipeline, RunReport, holds, run, unique
from strandline.source import Source
from strandline.testing import postgres
from strandline.warehouse import expectation
from strandline.warehouse.database import Database
from strandline.warehouse.expectation import Rows


@pytest.fixture(params=["postgresql", "sqlite"])
def database(request: pytest.FixtureRequest) -> Iterator[Database]:
    server: URL = request.getfixturevalue("postgres_server")
    with postgres.copy(server, request.getfixturevalue("warehouse_template")) as url:
        database = Database(url if request.param == "postgresql" else "sqlite://")
        yield database
        database.close()


def broken(report: RunReport) -> dict[str, list[str]]:
    """The samples of each expectation that has not passed."""
    return {
        it.name: [one["key"] for one in it.samples] for it in report.expectations if it.status != "passed"
    }


def load(database: Database, pipeline: Pipeline, source: Source, *records: dict[str, Any]) -> RunReport:
    source.__dict__["records"] = [json.dumps(it).encode() for it in records]
    return run(pipeline, database, sources={source.name: source})


def sale(key: str, day: int, **said: Any) -> dict[str, Any]:
    at = f"2026-01-{day:02}T00:00:00Z"
    return {"id": key, "at": at, "sold": at, "pieces": 2, "amount": "1.50", **said}


def test_a_row_that_negates_another_breaks_nothing_and_is_counted_against_it(database: Database) -> None:
    market, source = Pipeline("market"), Market()
    market.sync(Market.sales, MarketSale)
    market.expect(FactBargain, holds("is something", FactBargain.seen > 0), unique("place"), severity="warn")
    first = load(database, market, source, sale("a", 1), sale("b", 1, pieces=0))
    second = load(database, market, source, sale("a", 2, gone=1), sale("c", 3))

    assert broken(first) == {"holds(is something)": ["b"]}
    assert broken(second) == {}
    with database.connect() as connection:
        rows = Rows(FactBargain, "market")
        assert expectation.count(connection, rows) == 2
        assert expectation.total(connection, rows, "records") == Decimal("3.00")


def trip(key: str, *legs: str) -> dict[str, Any]:
    return {"id": key, "legs": [{"to": to} for to in legs]}


def test_the_lines_of_a_record_are_looked_at_each(database: Database) -> None:
    """Of the records that came; a sample names the record once, however many of its lines it is about."""
    harbour = Pipeline("harbour")
    harbour.sync(Harbour.ports, HarbourPort)
    harbour.sync(Harbour.trips, HarbourLeg)
    load_trips(database, harbour, trip("t1", "rome", "rome"))
    harbour.expect(FactLeg, holds("goes to Oslo", FactLeg.label == "oslo"), severity="warn")
    report = load_trips(database, harbour, trip("t2", "rome", "oslo", "rome"), trip("t3", "oslo"))

    (told,) = report.expectations
    assert (told.failing, broken(report)) == (2, {"holds(goes to Oslo)": ["t2"]})


def load_trips(database: Database, harbour: Pipeline, *trips: dict[str, Any]) -> RunReport:
    return run(harbour, database, sources={"harbour": Harbour(*trips)})


def test_a_period_that_repeats_the_one_before_is_looked_at_once(database: Database) -> None:
    farm, source = Pipeline("farm"), Farm()
    farm.sync(Farm.tanks, FarmMonth)
    farm.expect(FactTankMonth, holds("is not empty", FactTankMonth.step > 0), severity="warn")
    empty = {"id": "x", "at": "2026-01-05T00:00:00Z", "litres": 0}
    report = load(database, farm, source, empty, {"id": "y", "at": "2026-04-05T00:00:00Z", "litres": 7})
    again = load(database, farm, source, {"id": "y", "at": "2026-05-05T00:00:00Z", "litres": 8})

    assert (report.expectations[0].failing, broken(report)) == (1, {"holds(is not empty)": ["x"]})
    assert broken(again) == {}
    with database.connect() as connection:
        assert expectation.count(connection, Rows(FactTankMonth, "farm")) == 3
