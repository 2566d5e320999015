"""What `strandline check` finds in a warehouse that somebody has changed by hand, each by one rule."""

from datetime import datetime
from typing import Any

import pytest
from pydantic import AwareDatetime
from sqlalchemy import String, text
from sqlalchemy.orm import Mapped
from tests.hotel import Booking, Till, day, guest, hotel, stay
from tests.integration.test_bridge import label
from tests.integration.test_bridge import load as load_label
from tests.memory import Given, pages

from strandline.model import DimDate, Dimension, Fact, Mapper, attribute, event_time, field, grain, references
from strandline.pipeline import Pipeline, run
from strandline.pipeline.lint import catalog
from strandline.pipeline.lint.lint import Linter
from strandline.pipeline.lint.online import look
from strandline.pipeline.lint.star import Star
from strandline.source import Pages, Record, Source, stream
from strandline.warehouse import census, check, soundness, structure
from strandline.warehouse.database import Database


class Dog(Record):
    """A dog."""

    id: str
    at: AwareDatetime
    kennel: str | None = None
    nickname: str | None = None


class Kennels(Source):
    """Dogs in kennels."""

    def __init__(self, *dogs: Given) -> None:
        super().__init__()
        self.records = dogs

    @stream(Dog, key="id", effective_at="at")
    def dogs(self) -> Pages:
        """What it was given."""
        return pages(self.records)


class DimKennel(Dimension):
    """A kennel, of which only the key is known."""

    owner: Mapped[str | None] = attribute(String(20))


class DimDog(Dimension):
    """A dog."""

    kennel_id: Mapped[str | None] = attribute(outrigger=DimKennel)
    nickname: Mapped[str | None] = attribute(String(20), scd=2)


class FactWalk(Fact):
    """One row a walk."""

    walk_id: Mapped[str] = grain(String(20))
    walked_at: Mapped[datetime] = event_time()
    walk_date_key: Mapped[int] = references(DimDate, on="walked_at")
    dog_key: Mapped[int] = references(DimDog, missing="unknown")


class KennelsDog(Mapper[Dog, DimDog]):
    """Dogs."""

    kennel_id = field("kennel")
    nickname = field("nickname")


class KennelsWalk(Mapper[Dog, FactWalk]):
    """Walks."""

    walk_id = field("id")
    walked_at = field("at")
    dog_key = field("kennel")


kennels = Pipeline("kennels")
kennels.sync(Kennels.dogs, KennelsDog)
kennels.sync(Kennels.dogs, KennelsWalk)

IN_HOTEL = {
    "missing-member": "DELETE FROM warehouse.dim_visitor WHERE visitor_key = -1",
    "version-gap": "UPDATE warehouse.dim_visitor SET valid_to = valid_to - interval '1 hour'"
    " WHERE version = 2",
    "future-version": "UPDATE warehouse.dim_visitor SET valid_from = now() + interval '3 days'"
    " WHERE source_id = 'bob'",
    "stale-inferred": "UPDATE warehouse.dim_visitor SET created_at = now() - interval '8 days'"
    " WHERE is_inferred",
    "column-missing": "ALTER TABLE warehouse.fact_stay DROP COLUMN price",
    "column-type": "ALTER TABLE warehouse.fact_stay ALTER COLUMN price TYPE numeric(20, 2)",
    "column-dropped": "ALTER TABLE warehouse.fact_stay ADD COLUMN discount numeric",
    "column-nullability": "ALTER TABLE warehouse.fact_stay ALTER COLUMN price DROP NOT NULL",
    "missing-index": "DROP INDEX warehouse.ix_fact_stay_guest_key_night",
    "missing-constraint": "ALTER TABLE warehouse.dim_visitor DROP CONSTRAINT ck_dim_visitor_validity",
    "invalid-index": "UPDATE pg_index SET indisvalid = false"
    " WHERE indexrelid = 'warehouse.ix_fact_stay_guest_key_night'::regclass",
    "unvalidated-constraint": "ALTER TABLE warehouse.dim_visitor DROP CONSTRAINT ck_dim_visitor_validity;"
    " ALTER TABLE warehouse.dim_visitor ADD CONSTRAINT ck_dim_visitor_validity"
    " CHECK (valid_to IS NULL OR valid_to > valid_from) NOT VALID",
    "comment-differs": "COMMENT ON TABLE warehouse.fact_stay IS 'Stays'",
    "undeclared-table": "CREATE TABLE warehouse.dim_visitor_2024 ()",
}


def found_in(database: Database, pipeline: Pipeline, *, is_whole: bool = False) -> list[tuple[str, str]]:
    """Rule and subject of everything that is found in the tables of the pipeline."""
    linter = Linter(Star([pipeline]), chosen=[pipeline])
    look(linter, database, [pipeline], is_whole=is_whole)
    return [(it.rule, it.subject) for it in linter.finish().findings]


def change(database: Database, statement: str) -> None:
    with database.begin() as connection:
        for each in statement.split(";"):
            connection.execute(text(each))


@pytest.fixture
def stayed(warehouse: Database) -> Database:
    bob = {**guest("new", 2), "id": "bob"}
    sources = {
        "booking": Booking(guest("new", 1), guest("gold", 5), guest("black", 9), bob),
        "till": Till(stay("s1", 3), stay("s2", 7), stay("s3", 20, guest="zoe")),
    }
    assert run(hotel, warehouse, sources=sources).status == "done"
    return warehouse


def test_a_warehouse_that_a_run_has_made_has_no_findings(stayed: Database) -> None:
    assert found_in(stayed, hotel) == []


@pytest.mark.parametrize("rule", IN_HOTEL)
def test_what_somebody_has_changed_is_found_by_one_rule(stayed: Database, rule: str) -> None:
    before = set(found_in(stayed, hotel, is_whole=True))
    change(stayed, IN_HOTEL[rule])

    (found,) = set(found_in(stayed, hotel, is_whole=True)) - before
    assert found[0] == rule
    assert found[1] in ("dim_visitor", "fact_stay", "dim_visitor_2024")


def test_a_gap_that_a_deletion_has_made_is_none(warehouse: Database) -> None:
    records = [guest("new", 1), guest("new", 3, gone=True), guest("new", 8)]
    assert run(hotel, warehouse, sources={"booking": Booking(*records), "till": Till()}).status == "done"

    assert found_in(warehouse, hotel) == []


def load(database: Database, *dogs: dict[str, Any]) -> None:
    assert run(kennels, database, sources={"kennels": Kennels(*dogs)}).status == "done"


def dog(number: int, at: int, **said: Any) -> dict[str, Any]:
    return {"id": f"d{number}", "at": day(at), **said}


@pytest.mark.parametrize(
    ("statement", "found"),
    [
        ("UPDATE warehouse.dim_dog SET kennel_durable_key = 99 WHERE dog_key > 0", "outrigger-orphan"),
        ("UPDATE warehouse.fact_walk SET walk_date_key = 18991231", "fact-orphan"),
        ("DELETE FROM warehouse.dim_date WHERE date_key = -1", "missing-member"),
    ],
)
def test_keys_of_days_and_outriggers_are_looked_at(warehouse: Database, statement: str, found: str) -> None:
    load(warehouse, dog(1, 1, kennel="k", nickname="Rex"))
    assert found_in(warehouse, kennels) == []

    change(warehouse, statement)
    assert {rule for rule, _ in found_in(warehouse, kennels)} == {found}


def test_members_of_groups_are_looked_at(warehouse: Database) -> None:
    load_label(warehouse, {"id": "1", "writers": ["ada", "bob"]})
    assert found_in(warehouse, label) == []

    change(
        warehouse, "UPDATE warehouse.bridge_writer SET writer_durable_key = 99 WHERE writer_durable_key = 1"
    )
    assert found_in(warehouse, label) == [("bridge-orphan", "bridge_writer")]


def test_a_column_that_is_always_empty_and_a_key_that_is_often_unknown_are_found(warehouse: Database) -> None:
    load(warehouse, *(dog(number, 1, kennel="nobody") for number in range(census.ENOUGH)))

    assert found_in(warehouse, kennels) == [("empty-column", "dim_dog"), ("unknown-share", "fact_walk")]


def test_a_column_that_opens_a_version_with_each_load_is_found(warehouse: Database) -> None:
    for at in range(1, census.LOADS + 1):
        load(warehouse, *(dog(number, at, kennel="k", nickname=f"after {at}") for number in range(6)))
    found = [it for it in found_in(warehouse, kennels) if it[0] != "unknown-share"]

    assert found == [("volatile-history", "dim_dog")]


def test_sqlite_is_looked_at_as_well() -> None:
    database = Database("sqlite://")
    load(database, dog(1, 1, kennel="k", nickname="Rex"))
    assert found_in(database, kennels) == []

    change(database, "UPDATE warehouse.dim_dog SET kennel_durable_key = 99 WHERE dog_key > 0")
    assert found_in(database, kennels) == [("outrigger-orphan", "dim_dog")]
    database.close()


def test_each_rule_on_a_database_is_one_of_the_catalog() -> None:
    known = {*check.RULES, *soundness.RULES, *census.RULES, *structure.RULES}

    on_database = {it.id for it in catalog.ALL.values() if it.look is None}
    assert known | {"expectation"} | {it.id for it in catalog.OF_CHOICES} == on_database
