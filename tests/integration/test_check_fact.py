"""What a check finds on facts whose keys somebody has moved."""

import pytest
from sqlalchemy import text
from tests.hotel import Booking, DimVisitor, FactStay, Till, guest, hotel, stay

from strandline.pipeline import run
from strandline.warehouse.check import check
from strandline.warehouse.database import Database

BROKEN = {
    "fact-orphan": "UPDATE warehouse.fact_stay SET guest_key = 4711 WHERE stay_id = 's1'",
    "fact-version": "UPDATE warehouse.fact_stay"
    " SET guest_key = (SELECT max(visitor_key) FROM warehouse.dim_visitor) WHERE stay_id = 's1'",
    "fact-waiting": "UPDATE warehouse.fact_stay SET friend_missing = 'till:eve' WHERE stay_id = 's1'",
}


@pytest.fixture
def stayed(warehouse: Database) -> Database:
    sources = {
        "booking": Booking(guest("new", 1), guest("gold", 5), guest("black", 9)),
        "till": Till(stay("s1", 3), stay("s2", 7, friend="eve"), stay("s3", 20)),
    }
    assert run(hotel, warehouse, sources=sources).status == "done"
    return warehouse


def test_facts_that_are_right_have_no_findings(stayed: Database) -> None:
    with stayed.connect() as connection:
        assert check(connection, [DimVisitor, FactStay]) == []


@pytest.mark.parametrize("rule", BROKEN)
def test_a_key_that_was_moved_is_found(stayed: Database, rule: str) -> None:
    with stayed.begin() as connection:
        connection.execute(text(BROKEN[rule]))
        findings = check(connection, [DimVisitor, FactStay])

    (finding,) = findings
    assert (finding.table, finding.rule, finding.sample) == ("fact_stay", rule, ("till:s1",))
