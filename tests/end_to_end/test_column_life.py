"""A dimension's columns come, go and change their type: what that does to the versions that are there."""

import json
import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from sqlalchemy import text

from strandline.testing import assert_drawn
from strandline.testing.project import Outcome, Project
from strandline.warehouse.database import Database


class Harbour:
    """The project, its records and its warehouse."""

    def __init__(self, folder: Path, database_url: str, *, program: Path) -> None:
        self.project = Project(
            folder,
            environment={"STRANDLINE_DATABASE_URL": database_url, "STRANDLINE_APP": "fleet"},
            program=program,
        )
        self.project.add(Path(__file__).with_name("fleet.py"))
        self.database = Database(database_url)

    def run(self, *records: dict[str, Any]) -> Outcome:
        """Run on these records."""
        (self.project.folder / "records.jsonl").write_text("".join(f"{json.dumps(it)}\n" for it in records))
        return self.project.strandline("run", "fleet", "--json")

    def migrate(self) -> None:
        """Type in psql what the refusal says."""
        refused = self.run()
        assert refused.code == 1, refused
        statements = re.findall(r"ALTER TABLE .+?;", refused.error)
        assert statements, refused.error
        with self.database.begin() as connection:
            for statement in statements:
                connection.execute(text(statement))

    def declare(self, column: str, mapped: str) -> None:
        """Add a column to the model, and a field to the mapper."""
        self.project.edit("fleet.py", "    # more columns", f"    {column}\n    # more columns")
        self.project.edit("fleet.py", "    # more fields", f"    {mapped}\n    # more fields")

    def assert_ships(self, columns: str, drawing: str) -> None:
        """Compare these columns of all versions."""
        query = f"SELECT source_id, version, {columns} FROM warehouse.dim_ship WHERE ship_key > 0"
        with self.database.connect() as connection:
            assert_drawn(connection, text(f"{query} ORDER BY 1, 2"), drawing)


def ship(key: str, day: int, **said: Any) -> dict[str, Any]:
    """A ship as of a day in January."""
    known = {"name": key.upper(), "flag": "NO", "port": "Bergen", "owner": "Odd"}
    return {"id": key, "at": f"2026-01-{day:02}T00:00:00Z", **known, **said}


@pytest.fixture
def harbour(tmp_path: Path, database_url: str, program: Path) -> Iterator[Harbour]:
    harbour = Harbour(tmp_path, database_url, program=program)
    yield harbour
    harbour.database.close()


def test_a_new_column_is_filled_without_new_versions_and_then_compared_like_the_others(
    harbour: Harbour,
) -> None:
    """The next run fills it, though nothing new comes: tracked ones in the latest version, others in all."""
    harbour.run(
        ship("a", 1), ship("a", 3, flag="SE", port="Oslo", owner="Eva"), ship("b", 1), ship("b", 9, gone=1)
    )
    harbour.declare("port: Mapped[str] = attribute(String(20), scd=2)", 'port = field("port")')
    harbour.declare("owner: Mapped[str | None] = attribute(String(20), scd=6)", 'owner = field("owner")')
    harbour.declare("builder: Mapped[str | None] = attribute(String(20), scd=0)", 'builder = field("owner")')
    harbour.migrate()
    filled = harbour.run()

    assert filled.code == 0, filled.stderr
    assert filled.document["targets"][0]["counts"]["filled"] > 0
    harbour.assert_ships(
        "flag, port, owner, current_owner, builder, valid_from::date, is_current",
        """
        | source_id | version | flag | port   | owner | current_owner | builder | valid_from | is_current |
        | a         | 1       | NO   |        |       | Eva           | Odd     | 2026-01-01 | false      |
        | a         | 2       | SE   | Oslo   | Eva   | Eva           | Odd     | 2026-01-03 | true       |
        | b         | 1       | NO   | Bergen | Odd   | Odd           | Odd     | 2026-01-01 | false      |
        """,
    )
    assert harbour.run().document["targets"] == []

    harbour.run(ship("a", 5, flag="SE", port="Narvik", owner="Eva"))
    harbour.assert_ships(
        "port, valid_from::date",
        """
        | source_id | version | port   | valid_from |
        | a         | 1       |        | 2026-01-01 |
        | a         | 2       | Oslo   | 2026-01-03 |
        | a         | 3       | Narvik | 2026-01-05 |
        | b         | 1       | Bergen | 2026-01-01 |
        """,
    )


def test_a_column_that_the_model_drops_stays_and_stops_changing(harbour: Harbour) -> None:
    """Also when it was required: the refusal says which check has to go."""
    harbour.run(ship("a", 1), ship("b", 1))
    harbour.project.edit("fleet.py", "    ship_name: Mapped[str] = attribute(String(20))\n", "")
    harbour.project.edit("fleet.py", '    ship_name = field("name")\n', "")
    harbour.migrate()
    harbour.run(ship("a", 2, name="other", flag="SE"), ship("c", 2))

    harbour.assert_ships(
        "flag, ship_name",
        """
        | source_id | version | flag | ship_name |
        | a         | 1       | NO   | A         |
        | a         | 2       | SE   | A         |
        | b         | 1       | NO   | B         |
        | c         | 1       | NO   |           |
        """,
    )


def test_a_column_that_turns_from_type_1_to_2_has_a_history_from_now_on(harbour: Harbour) -> None:
    harbour.run(ship("a", 1, name="first"), ship("a", 2, name="second"))
    harbour.project.edit("fleet.py", "attribute(String(20))", "attribute(String(20), scd=2)")
    harbour.run(ship("a", 3, name="third"))

    harbour.assert_ships(
        "ship_name, valid_from::date",
        """
        | source_id | version | ship_name | valid_from |
        | a         | 1       | second    | 2026-01-01 |
        | a         | 2       | third     | 2026-01-03 |
        """,
    )


def test_a_new_required_column_stays_empty_where_old_records_have_no_value(harbour: Harbour) -> None:
    """What was accepted once is no reject for a column that came later; new records must fill it."""
    harbour.run(ship("a", 1, owner=None), ship("b", 1))
    harbour.declare("owner: Mapped[str] = attribute(String(20))", 'owner = field("owner")')
    harbour.migrate()

    assert harbour.run(ship("c", 1, owner=None)).code == 3
    harbour.assert_ships(
        "owner",
        """
        | source_id | version | owner |
        | a         | 1       |       |
        | b         | 1       | Odd   |
        """,
    )
    with harbour.database.connect() as connection:
        assert connection.scalars(text("SELECT source_id FROM strandline.reject")).all() == ["c"]
