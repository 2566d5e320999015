"""Custom fields as people ask for them: by value, by name, and found by an index."""

from datetime import UTC, datetime
from decimal import Decimal

import pytest
from sqlalchemy import select, text
from sqlalchemy.orm import Session
from tests.property.test_custom_against_oracle import DimSpare, Kit, kit

from strandline.pipeline import run
from strandline.warehouse.database import Database

AT = datetime(2026, 1, 1, tzinfo=UTC).isoformat()


@pytest.fixture(params=["postgresql", "sqlite"])
def filled(request: pytest.FixtureRequest) -> Database:
    """A warehouse with three parts, in either database."""
    database: Database = (
        Database("sqlite://") if request.param == "sqlite" else request.getfixturevalue("warehouse")
    )
    source = Kit()
    source.records = [
        f'{{"id": "a", "at": "{AT}", "region": "EU", "price": 12.5, "is new": true}}'.encode(),
        f'{{"id": "b", "at": "{AT}", "region": "US", "price": 2}}'.encode(),
        f'{{"id": "c", "at": "{AT}", "note": "a\\u0000b", "region": null}}'.encode(),
    ]
    assert run(kit, database, sources={"kit": source}).status == "done"
    return database


def found(database: Database, condition: object) -> list[str]:
    query = select(DimSpare.source_id).where(condition, DimSpare.key > 0).order_by(DimSpare.source_id)  # type: ignore[arg-type]  # a condition
    with database.connect() as connection, Session(connection) as session:
        return list(session.scalars(query))


def test_rows_are_found_by_value_and_by_name(filled: Database) -> None:
    assert found(filled, DimSpare.custom_is(region="EU")) == ["a"]
    assert found(filled, DimSpare.custom_is(region="US", price=2)) == ["b"]
    assert found(filled, DimSpare.custom_is(**{"is new": True})) == ["a"]
    assert found(filled, DimSpare.has_custom("price")) == ["a", "b"]
    assert found(filled, DimSpare.has_custom("is new")) == ["a"]
    assert found(filled, DimSpare.custom("region").as_string() == "US") == ["b"]
    assert found(filled, DimSpare.custom("price").as_numeric(30, 2) > 1) == ["a", "b"]


def test_what_json_cannot_hold_does_not_stop_a_run(filled: Database) -> None:
    assert found(filled, DimSpare.custom_is(note="a\\0b")) == ["c"]


def test_a_number_is_exact(warehouse: Database) -> None:
    source = Kit()
    source.records = [f'{{"id": "a", "at": "{AT}", "price": 12345678901234567.89}}'.encode()]
    assert run(kit, warehouse, sources={"kit": source}).status == "done"
    with warehouse.connect() as connection:
        number = DimSpare.custom("price").as_numeric(30, 2)
        price = connection.scalar(select(number).where(DimSpare.source_id == "a"))

    assert price == Decimal("12345678901234567.89")


@pytest.mark.parametrize(
    "condition", [DimSpare.custom_is(region="EU"), DimSpare.has_custom("region")], ids=["value", "name"]
)
def test_the_index_answers(warehouse: Database, condition: object) -> None:
    source = Kit()
    source.records = [f'{{"id": "{it}", "at": "{AT}", "region": "r{it}"}}'.encode() for it in range(200)]
    run(kit, warehouse, sources={"kit": source})
    query = select(DimSpare.key).where(condition)  # type: ignore[arg-type]  # a condition
    with warehouse.connect() as connection:
        connection.execute(text("SET enable_seqscan = off"))
        compiled = query.compile(connection, compile_kwargs={"literal_binds": True})
        told = "\n".join(connection.exec_driver_sql(f"EXPLAIN {compiled}".replace("%", "%%")).scalars())

    assert "ix_dim_spare_custom_fields" in told
