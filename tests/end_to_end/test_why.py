"""`strandline why`: the record behind each column of each row, and how it came here."""

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from sqlalchemy import URL
from tests.end_to_end.test_column_life import Harbour, ship

from strandline.testing import postgres


@pytest.fixture(scope="module")
def harbour(
    tmp_path_factory: pytest.TempPathFactory, postgres_server: URL, warehouse_template: str, program: Path
) -> Iterator[Harbour]:
    with postgres.copy(postgres_server, warehouse_template) as url:
        harbour = Harbour(
            tmp_path_factory.mktemp("harbour"), url.render_as_string(hide_password=False), program=program
        )
        harbour.declare("port: Mapped[str] = attribute(String(20), scd=3)", 'port = field("port")')
        harbour.declare("owner: Mapped[str | None] = attribute(String(20), scd=6)", 'owner = field("owner")')
        harbour.declare(
            "builder: Mapped[str | None] = attribute(String(20), scd=0)", 'builder = field("owner")'
        )
        harbour.run(ship("a", 1), ship("a", 5, name="AA", flag="SE"), ship("b", 2))
        late = ship("a", 3, flag="SE", port="Oslo", owner="Eva")
        harbour.run(late, ship("b", 7, gone=1), ship("a", 4, flag=None))
        yield harbour
        harbour.database.close()


def origins(harbour: Harbour, *words: str) -> list[dict[str, tuple[Any, int | None]]]:
    """Value and entry of each column, of each row."""
    (account,) = harbour.project.strandline("why", *words, "--json").document
    return [{it["column"]: (it["value"], it["raw_id"]) for it in row["columns"]} for row in account["rows"]]


def test_each_column_names_the_record_that_its_type_takes_it_from(harbour: Harbour) -> None:
    """First, last, the one that began the version, the one before the last change; late ones included."""
    first, late, back = 1, 4, 2
    one, two, three = origins(harbour, "dim_ship", "a")

    assert [row["flag"] for row in (one, two, three)] == [("NO", first), ("SE", late), ("SE", back)]
    assert [row["owner"] for row in (one, two, three)] == [("Odd", first), ("Eva", late), ("Odd", back)]
    assert {row["current_owner"] for row in (one, two, three)} == {("Odd", back)}
    assert {row["builder"] for row in (one, two, three)} == {("Odd", first)}
    assert {row["ship_name"] for row in (one, two, three)} == {("AA", back)}
    assert {row["port"] for row in (one, two, three)} == {("Bergen", back)}
    assert {row["previous_port"] for row in (one, two, three)} == {("Oslo", late)}
    assert one["valid_to"] == ("2026-01-03 00:00:00+00:00", late)


def test_the_end_of_a_deleted_member_is_the_record_that_deleted_it(harbour: Harbour) -> None:
    (only,) = origins(harbour, "DimShip", "b")

    assert only["flag"] == ("NO", 3)
    assert only["valid_to"] == ("2026-01-07 00:00:00+00:00", 5)


def test_a_person_sees_field_record_request_and_run(harbour: Harbour) -> None:
    outcome = harbour.project.strandline("why", "dim_ship", "b", "flag")

    assert outcome.code == 0
    assert "b of harbour.ships: ship_key " in outcome.stdout
    assert 'HarbourShip.flag = field("flag")' in outcome.stdout
    assert "records.jsonl" in outcome.stdout


def test_a_refused_record_is_told_with_its_reason(harbour: Harbour) -> None:
    outcome = harbour.project.strandline("why", "dim_ship", "a", "flag")

    assert "Set aside" in outcome.stdout
    assert "Vessel.flag" in outcome.stdout


@pytest.mark.parametrize(
    ("words", "code", "told"),
    [
        (["dim_ship", "x"], 1, "dim_ship: no record of 'x' is in the raw log"),
        (["dim_shop", "a"], 2, "no stream fills a table 'dim_shop'"),
        (["dim_ship", "a", "flg"], 2, "dim_ship has no column 'flg'"),
        (["dim_ship", "a", "--source", "harbor"], 2, "dim_ship is not filled from 'harbor'"),
    ],
)
def test_what_there_is_not_is_told_with_what_is_meant(
    harbour: Harbour, words: list[str], code: int, told: str
) -> None:
    outcome = harbour.project.strandline("why", *words)

    assert outcome.code == code
    assert told in outcome.error


def test_a_mapper_that_has_changed_since_is_told(harbour: Harbour) -> None:
    harbour.project.edit(
        "fleet.py", 'ship_name = field("name")', 'ship_name = field("name", using=str.title)'
    )
    outcome = harbour.project.strandline("why", "dim_ship", "b", "ship_name")
    harbour.project.edit("fleet.py", ", using=str.title)", ")")

    assert "HarbourShip, as it was before its last change" in outcome.stdout
