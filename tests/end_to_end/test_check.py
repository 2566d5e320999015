"""`strandline check` on a warehouse that is right, and on one that somebody has repaired by hand."""

from collections.abc import Iterator
from pathlib import Path

import pytest
from sqlalchemy import text
from tests.end_to_end.test_column_life import Harbour, ship

from strandline.warehouse.check import RULES


@pytest.fixture
def harbour(tmp_path: Path, database_url: str, program: Path) -> Iterator[Harbour]:
    harbour = Harbour(tmp_path, database_url, program=program)
    harbour.run(ship("a", 1), ship("a", 3, flag="SE"), ship("b", 1), ship("b", 2, gone=1), ship("b", 5))
    yield harbour
    harbour.database.close()


ON_ROWS = [word for rule in RULES for word in ("--only", rule)]

BROKEN = {
    "version-overlap": "UPDATE warehouse.dim_ship SET valid_to = '2026-01-04'"
    " WHERE source_id = 'a' AND version = 1",
    "version-number": "UPDATE warehouse.dim_ship SET version = 7 WHERE source_id = 'a' AND version = 2",
    "version-latest": "DELETE FROM warehouse.dim_ship WHERE source_id = 'a' AND version = 2",
    "durable-key": "UPDATE warehouse.dim_ship SET ship_durable_key = 99 WHERE ship_key = 1",
    "type-1-drift": "UPDATE warehouse.dim_ship SET ship_name = 'other' WHERE source_id = 'a' AND version = 1",
}


def test_a_warehouse_that_is_right_has_no_findings(harbour: Harbour) -> None:
    outcome = harbour.project.strandline("check", *ON_ROWS)

    assert outcome.code == 0
    assert outcome.stdout == f"Nothing found in 1 model and 1 table, by {len(RULES)} rules.\n"


@pytest.mark.parametrize("rule", BROKEN)
def test_a_finding_names_table_rule_and_rows_and_ends_with_1(harbour: Harbour, rule: str) -> None:
    with harbour.database.begin() as connection:
        connection.execute(text(BROKEN[rule]))
    outcome = harbour.project.strandline("check", "fleet", *ON_ROWS, "--json")

    assert outcome.code == 1
    (finding,) = outcome.document["findings"]
    assert (finding["table"], finding["rule"], finding["rows"]) == ("dim_ship", rule, 1)
    assert finding["sample"][0].startswith("harbour:a version ")


def test_two_members_that_share_a_durable_key_are_found(harbour: Harbour) -> None:
    with harbour.database.begin() as connection:
        connection.execute(text("UPDATE warehouse.dim_ship SET ship_durable_key = 42 WHERE ship_key > 0"))
    outcome = harbour.project.strandline("check", *ON_ROWS)

    assert outcome.code == 1
    assert outcome.stdout.startswith(
        "fleet.py:39: error durable-key: dim_ship: two members share a durable key: durable key 42\n"
    )


def test_before_the_first_run_there_is_nothing_to_check(
    tmp_path: Path, database_url: str, program: Path
) -> None:
    harbour = Harbour(tmp_path, database_url, program=program)
    try:
        outcome = harbour.project.strandline("check", *ON_ROWS)
    finally:
        harbour.database.close()

    assert outcome.code == 0
    assert outcome.stdout.startswith(
        "None of the tables is there yet, so no data was checked: strandline run fleet makes and fills them."
    )
