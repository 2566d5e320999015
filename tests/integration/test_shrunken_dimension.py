"""Shrunken rollup dimensions, drawn: the makes of the products, and the make that each version has."""

from collections.abc import Callable
from datetime import datetime
from decimal import Decimal
from typing import Any

import pytest
from pydantic import AwareDatetime
from sqlalchemy import Select, String, func, select, text
from sqlalchemy.orm import Mapped
from tests.memory import Given, pages

from strandline.errors import DeclarationError
from strandline.model import (
    Dimension,
    Fact,
    Mapper,
    Money,
    ShrunkenDimension,
    attribute,
    event_time,
    field,
    grain,
    measure,
    references,
)
from strandline.pipeline import Pipeline, run
from strandline.source import Pages, Record, Source, stream
from strandline.testing import assert_drawn
from strandline.warehouse.database import Database


class Product(Record):
    """A product."""

    id: str
    at: AwareDatetime
    label: str = "a product"
    brand: str = "Acme"
    weight: Decimal | None = None


class Sale(Record):
    """A sale."""

    id: str
    at: AwareDatetime
    product: str
    amount: Decimal = Decimal(1)


class Works(Source):
    """Products and sales."""

    def __init__(self, *records: Given) -> None:
        super().__init__()
        self.records = records

    @stream(Product, key="id", effective_at="at")
    def products(self) -> Pages:
        """Those of what it was given."""
        return pages([it for it in self.records if "product" not in it])

    @stream(Sale, key="id", effective_at="at")
    def sales(self) -> Pages:
        """Those of what it was given."""
        return pages([it for it in self.records if "product" in it])


class DimCrate(Dimension):
    """A product; the brand keeps its history."""

    label: Mapped[str] = attribute(String(20))
    brand: Mapped[str] = attribute(String(20), scd=2)
    weight: Mapped[Decimal | None] = attribute(Money)


class DimMake(ShrunkenDimension, of=DimCrate, attributes=("brand", "weight")):
    """Brands with a weight."""


class FactCrateSold(Fact):
    """One row a sale."""

    sale_id: Mapped[str] = grain(String(20))
    sold_at: Mapped[datetime] = event_time()
    crate_key: Mapped[int] = references(DimCrate)
    amount: Mapped[Decimal] = measure(Money)


class WorksCrate(Mapper[Product, DimCrate]):
    """Products."""

    label = field("label")
    brand = field("brand")
    weight = field("weight")


class WorksSold(Mapper[Sale, FactCrateSold]):
    """Sales."""

    sale_id = field("id")
    sold_at = field("at")
    crate_key = field("product")
    amount = field("amount")


works = Pipeline("works")
works.sync(Works.products, WorksCrate)
works.sync(Works.sales, WorksSold)

ROLLED_UP = """
    | source_id | version | brand | weight | make_key |
    | p         | 1       | Acme  | 2      | 1        |
    | p         | 2       | Bolt  | 2      | 2        |
    | q         | 1       | Bolt  | ∅      | 3        |
    | r         | 1       | Bolt  | 2      | 2        |
    """


def said(name: str, day: int, **values: Any) -> dict[str, Any]:
    """A record that took effect on that day of January."""
    return {"id": name, "at": f"2026-01-{day:02}T00:00:00+00:00", **values}


def load(database: Database, *records: dict[str, Any]) -> None:
    """One run."""
    report = run(works, database, sources={"works": Works(*records)})
    assert report.status == "done", [it.error for it in report.streams]


def _crates() -> Select[Any]:
    crate, make = DimCrate.table(), DimMake.table()
    return (
        select(crate.c.source_id, crate.c.version, make.c.brand, make.c.weight, crate.c.make_key)
        .join(make, make.c.make_key == crate.c.make_key)
        .where(crate.c.crate_key > 0)
        .order_by(crate.c.source_id, crate.c.version)
    )


def test_each_version_has_the_key_of_its_own_combination(warehouse: Database) -> None:
    load(warehouse, said("p", 1, weight="2"), said("p", 5, brand="Bolt", weight="2.00"))
    load(warehouse, said("q", 1, brand="Bolt"), said("r", 1, brand="Bolt", weight="2"))
    with warehouse.connect() as connection:
        assert_drawn(connection, _crates(), ROLLED_UP)


def test_a_member_that_is_only_inferred_is_unknown_in_the_rollup_until_it_is_known(
    warehouse: Database,
) -> None:
    load(warehouse, said("s", 1, product="p"))
    with warehouse.connect() as connection:
        assert connection.scalar(select(DimCrate.table().c.make_key).where(DimCrate.key_column() > 0)) == -1
        assert connection.scalar(select(func.count()).select_from(DimMake.table())) == 2

    load(warehouse, said("p", 1))
    with warehouse.connect() as connection:
        assert_drawn(connection, _crates(), "| source_id | brand |\n| p | Acme |")


def test_a_rollup_of_what_is_there_already_is_made_in_full_with_its_table(warehouse: Database) -> None:
    load(warehouse, said("p", 1, weight="2"), said("p", 5, brand="Bolt", weight="2.00"))
    load(warehouse, said("q", 1, brand="Bolt"), said("r", 1, brand="Bolt", weight="2"))
    with warehouse.begin() as connection:
        connection.execute(text("DROP TABLE warehouse.dim_make"))
        connection.execute(text("UPDATE warehouse.dim_crate SET make_key = -1"))
    load(warehouse)
    with warehouse.connect() as connection:
        assert_drawn(
            connection,
            _crates().with_only_columns(*list(_crates().selected_columns)[:4]),
            """
            | source_id | version | brand | weight |
            | p         | 1       | Acme  | 2      |
            | p         | 2       | Bolt  | 2      |
            | q         | 1       | Bolt  | ∅      |
            | r         | 1       | Bolt  | 2      |
            """,
        )


def _of_nothing() -> object:
    class DimLoose(ShrunkenDimension):
        """Nothing."""

    return DimLoose


def _misspelt() -> object:
    class DimBrnd(ShrunkenDimension, of=DimCrate, attributes=("brnd",)):
        """A mistake."""

    return DimBrnd


@pytest.mark.parametrize(
    ("declare", "message"),
    [
        (_of_nothing, "DimLoose does not say of which attributes of which dimension it is"),
        (_misspelt, "DimBrnd: DimCrate has no attribute 'brnd'"),
    ],
)
def test_what_cannot_be_is_told_when_it_is_declared(declare: Callable[[], object], message: str) -> None:
    with pytest.raises(DeclarationError) as caught:
        declare()

    assert message in caught.value.message
    assert caught.value.hint
