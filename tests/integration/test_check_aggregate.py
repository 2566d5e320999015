"""What a check finds in aggregates that somebody has changed by hand."""

import json
from collections.abc import Iterator
from typing import Any

import pytest
from sqlalchemy import URL, text
from tests.property.sale import AggAdoption, AggBusyArea, AggHelp, Till, till

from strandline.pipeline import run
from strandline.testing import postgres
from strandline.warehouse.check import check
from strandline.warehouse.database import Database

AGGREGATES = [AggAdoption, AggHelp, AggBusyArea]

SALES: list[dict[str, Any]] = [
    {
        "id": f"s{number}",
        "at": "2026-03-01T00:00:00Z",
        "sold_at": f"2026-0{1 + number % 2}-10T00:00:00Z",
        "book": "b",
        "area": ["north", None][number % 2],
        "buyer": "a",
        "helper": [None, "h"][number % 2],
        "amount": number,
    }
    for number in range(6)
]

BROKEN = {
    "another value": ("UPDATE {} SET amount = amount + 0.01 WHERE area IS NULL", 1),
    "an empty value": ("UPDATE {} SET smallest = NULL", 2),
    "a group that is gone": ("DELETE FROM {} WHERE area = 'north'", 1),
    "a group of nothing": ("UPDATE {} SET area = 'south' WHERE area = 'north'", 2),
    "the fact itself": ("UPDATE warehouse.fact_adoption SET amount = 100 WHERE sale_id = 's1'", 1),
}


@pytest.fixture(params=["postgresql", "sqlite"])
def sold(request: pytest.FixtureRequest) -> Iterator[Database]:
    server: URL = request.getfixturevalue("postgres_server")
    with postgres.copy(server, request.getfixturevalue("warehouse_template")) as url:
        database = Database(url if request.param == "postgresql" else "sqlite://")
        source = Till()
        source.sale_records = [json.dumps(it).encode() for it in SALES]
        assert run(till, database, sources={"till": source}).status == "done"
        yield database
        database.close()


def test_aggregates_that_are_right_have_no_findings(sold: Database) -> None:
    with sold.connect() as connection:
        assert check(connection, AGGREGATES) == []
        assert check(connection, AGGREGATES) == []


@pytest.mark.parametrize("how", BROKEN)
def test_groups_that_are_not_what_the_query_gives_are_found(sold: Database, how: str) -> None:
    statement, groups = BROKEN[how]
    with sold.begin() as connection:
        connection.execute(text(statement.format("analytics.agg_adoption")))
        findings = check(connection, AGGREGATES)

    (finding,) = findings
    assert (finding.table, finding.rule, finding.rows) == ("agg_adoption", "aggregate-query", groups)
    assert finding.sample[0].startswith("book=b year_month=2026-0")
