"""Custom fields as people ask for them: by value, by name, and found by an index."""

from datetime import UTC, datetime
from decimal import Decimal

import pytest
from sqlalchemy import not_, or_, select, text
from sqlalchemy.orm import Session, aliased
from tests.property.test_custom_against_oracle import DimSpare, Kit, kit

from strandline.errors import DeclarationError
from strandline.pipeline import run
from strandline.warehouse.database import Database

AT_ONCE = datetime(2026, 1, 1, tzinfo=UTC)
AT = AT_ONCE.isoformat()


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


def come_in(database: Database, record: str) -> None:
    source = Kit()
    source.records = [record.encode()]
    assert run(kit, database, sources={"kit": source}).status == "done"


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


def test_a_row_without_custom_fields_has_none(filled: Database) -> None:
    """What is not so is so for a row that has nothing at all, as for any other that has it not."""
    come_in(filled, f'{{"id": "d", "at": "{AT}"}}')

    assert found(filled, not_(DimSpare.custom_is(region="EU"))) == ["b", "c", "d"]
    assert found(filled, ~DimSpare.has_custom("price")) == ["c", "d"]
    assert found(filled, or_(DimSpare.custom_is(region="US"), ~DimSpare.has_custom("region"))) == ["b", "d"]


def test_a_number_is_asked_of_numbers_only(filled: Database) -> None:
    come_in(filled, f'{{"id": "d", "at": "{AT}", "price": "on request"}}')

    assert found(filled, DimSpare.custom_number("price") > Decimal("2.5")) == ["a"]
    assert found(filled, DimSpare.custom_number("price").is_(None)) == ["c", "d"]


def test_a_value_is_the_whole_of_it(filled: Database) -> None:
    come_in(filled, f'{{"id": "d", "at": "{AT}", "tags": ["old", "new"], "region": "E"}}')

    assert found(filled, DimSpare.custom_is(tags=["old", "new"])) == ["d"]
    assert found(filled, DimSpare.custom_is(tags=["old"])) == []
    assert found(filled, DimSpare.custom_is(region=None)) == ["c"]
    assert found(filled, DimSpare.custom_is(price=Decimal("12.50"))) == ["a"]


def test_an_alias_is_asked_about_itself(filled: Database) -> None:
    other = aliased(DimSpare)
    query = select(other.source_id).where(other.custom_is(region="EU"), other.has_custom("price"))
    with filled.connect() as connection, Session(connection) as session:
        assert list(session.scalars(query)) == ["a"]


@pytest.mark.parametrize(("asked", "told"), [({}, "no field"), ({"region": AT_ONCE}, "no JSON value")])
def test_what_cannot_be_asked_is_told_at_once(asked: dict[str, object], told: str) -> None:
    with pytest.raises(DeclarationError, match=told):
        DimSpare.custom_is(**asked)


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
