"""What a new field was called before is guessed from what the same records said last."""

from typing import Any

import pytest
from sqlalchemy import select
from tests.property.test_register_against_oracle import Box, box

from strandline.pipeline import run
from strandline.warehouse import state
from strandline.warehouse.database import Database


@pytest.fixture(params=["postgresql", "sqlite"])
def either(request: pytest.FixtureRequest) -> Database:
    """A warehouse in either database."""
    if request.param == "sqlite":
        return Database("sqlite://")
    warehouse: Database = request.getfixturevalue("warehouse")
    return warehouse


def guessed(database: Database, *sent: list[dict[str, Any]]) -> dict[str, str]:
    """After a run over each of these."""
    source = Box()
    for records in sent:
        source.records = records
        assert run(box, database, sources={"box": source}).status == "done"
    with database.connect() as connection:
        rows = connection.execute(select(state.field.c.path, state.field.c.renamed_from))
        return {it.path: it.renamed_from for it in rows if it.renamed_from is not None}


def gem(key: str, **fields: Any) -> dict[str, Any]:
    return {"id": key, **fields}


def test_a_field_with_the_values_of_one_that_is_gone_was_perhaps_renamed(either: Database) -> None:
    before = [gem("a", hue="red", weight=1), gem("b", hue="blue", weight=2), gem("c", hue="red", weight=3)]
    after = [gem("a", tint="red", mass=1), gem("b", tint="blue", mass=2), gem("d", tint="green", mass=9)]

    assert guessed(either, before, after) == {"tint": "hue", "mass": "weight"}


def test_a_contracts_field_and_a_nested_one_may_have_been_renamed(either: Database) -> None:
    before = [gem("a", cut="oval", ring={"size": 7}), gem("b", cut="step", ring={"size": 8})]
    after = [gem("a", shape="oval", ring={"width": 7}), gem("b", shape="step", ring={"width": 8})]

    assert guessed(either, before, after) == {"shape": "cut", "ring.width": "ring.size"}


def test_other_values_another_type_or_a_field_that_still_comes_make_no_guess(either: Database) -> None:
    before = [gem("a", hue="red", weight=1, cut="oval"), gem("b", hue="blue", weight=2, cut="step")]
    after = [gem("a", tint="pale", mass="1", form="oval", cut="oval"), gem("b", tint="dark", mass="2")]

    assert guessed(either, before, after) == {}


def test_a_first_run_guesses_nothing(either: Database) -> None:
    assert guessed(either, [gem("a", hue="red")]) == {}
