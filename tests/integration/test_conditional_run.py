"""A run asks only for what has changed, by what the last one has stored with its records."""

import json
from decimal import Decimal

from sqlalchemy import Numeric, select
from sqlalchemy.orm import Mapped

from strandline.model import Dimension, Mapper, attribute, field
from strandline.pipeline import Pipeline, run
from strandline.source import Csv, HttpSource, IfChanged, Pages, Record, stream
from strandline.testing.server import ReceivedRequest, Response, ScriptedApi
from strandline.warehouse import state
from strandline.warehouse.database import Database


class ListedPrice(Record):
    """A line of the list."""

    id: str
    price: Decimal


class Grocer(HttpSource):
    """A price list in CSV, with an ETag."""

    @stream(ListedPrice, key="id")
    def prices(self, since: str | None) -> Pages:
        """The list."""
        return self.pages("/prices.csv", format=Csv(), paginator=IfChanged(since))


class DimListedPrice(Dimension):
    """A price."""

    price: Mapped[Decimal] = attribute(Numeric(18, 2))


class GrocerPrice(Mapper[ListedPrice, DimListedPrice]):
    """Prices."""

    price = field("price")


def test_what_has_not_changed_is_not_read_and_a_bad_row_stays_alone(warehouse: Database) -> None:
    lists = {'"v1"': b"id,price\n007,4.20\n008\n", '"v2"': b"id,price\n007,4.30\n"}
    now = '"v1"'

    def answer(request: ReceivedRequest) -> Response:
        if request.headers.get("if-none-match") == now:
            return Response(status=304)
        return Response(lists[now], headers={"ETag": now})

    pipeline = Pipeline("grocer")
    pipeline.sync(Grocer.prices, GrocerPrice)
    with ScriptedApi() as api:
        api.respond("/prices.csv", answer)
        with type("Grocer", (Grocer,), {"base_url": api.url})() as grocer:
            first, again = (run(pipeline, warehouse, sources={"grocer": grocer}).streams[0] for _ in range(2))
            now = '"v2"'
            third = run(pipeline, warehouse, sources={"grocer": grocer}).streams[0]

    assert [(it.records, it.stored, it.rejected) for it in (first, again, third)] == [
        (2, 2, 1),
        (0, 0, 0),
        (1, 1, 0),
    ]
    with warehouse.engine.connect() as connection:
        mark = connection.execute(select(state.read_mark.c.mark)).scalar_one()
        prices = connection.execute(select(DimListedPrice.__table__.c.price)).scalars().all()
    assert json.loads(mark.removeprefix("state:"))["etag"] == '"v2"'
    assert Decimal("4.30") in prices
