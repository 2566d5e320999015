"""Promise 8: an amount is the same in the table as in the source's JSON, to the last digit, strict or not."""

from decimal import Decimal

import pytest
from sqlalchemy import Numeric, String, select
from sqlalchemy.orm import Mapped
from tests.memory import pages

from strandline.model import Fact, Mapper, field, grain, measure
from strandline.pipeline import Pipeline, run
from strandline.source import Pages, Record, Source, stream
from strandline.warehouse.database import Database

AMOUNTS = ["0.1", "12345678901234567.89", "-0.1000000001", "99999999999999999999.9999999999", "1e-10", "7"]


class Amount(Record):
    """An amount in a currency, two levels down."""

    value: Decimal


class Posting(Record):
    """A posting."""

    id: str
    amount: Amount | None = None


class Ledger(Source):
    """Postings, twice."""

    @stream(Posting, key="id")
    def lenient(self) -> Pages:
        """As they come."""
        return pages(_payloads())

    @stream(Posting, key="id", strict=True)
    def strict(self) -> Pages:
        """As promised."""
        return pages(_payloads())


class FactPosting(Fact):
    """One row a posting."""

    posting_id: Mapped[str] = grain(String(20))
    amount: Mapped[Decimal | None] = measure(Numeric(30, 10))


class LedgerPosting(Mapper[Posting, FactPosting]):
    """Postings."""

    posting_id = field("id")
    amount = field("amount.value")


def _payloads() -> list[bytes]:
    return [
        b'{"id": "%d", "amount": {"value": %s}}' % (place, it.encode()) for place, it in enumerate(AMOUNTS)
    ]


@pytest.mark.parametrize("name", ["lenient", "strict"])
def test_an_amount_arrives_to_the_last_digit(warehouse: Database, name: str) -> None:
    pipeline = Pipeline("ledger")
    pipeline.sync(Ledger.streams()[name], LedgerPosting)
    report = run(pipeline, warehouse)
    table = FactPosting.table().c
    with warehouse.connect() as connection:
        found = list(connection.scalars(select(table.amount).order_by(table.posting_id)))

    assert report.status == "done"
    assert found == [Decimal(it) for it in AMOUNTS]
