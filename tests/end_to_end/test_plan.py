"""`strandline plan` on the command line: before the first run, with rows that wait, and before a deploy."""

from collections.abc import Iterator
from pathlib import Path

import pytest
from tests.end_to_end.test_column_life import Harbour, ship

from strandline.testing.project import Project

DECLARED = """fleet = Pipeline("fleet")
fleet.sync(Harbour.ships, HarbourShip)
"""


@pytest.fixture
def harbour(tmp_path: Path, database_url: str, program: Path) -> Iterator[Harbour]:
    harbour = Harbour(tmp_path, database_url, program=program)
    yield harbour
    harbour.database.close()


def expect(harbour: Harbour, expected: str) -> None:
    harbour.project.edit("fleet.py", DECLARED, DECLARED + expected)
    harbour.project.edit(
        "fleet.py",
        "from strandline.source import Page, Source",
        "from strandline.pipeline import unique\nfrom strandline.source import Page, Source",
    )


def test_to_plan_makes_no_database(harbour: Harbour, tmp_path: Path, program: Path) -> None:
    project = Project(tmp_path, environment={"STRANDLINE_APP": "fleet"}, program=program)
    outcome = project.strandline("plan")

    assert outcome.code == 0
    assert "There is no warehouse yet: strandline run fleet makes one, with 1 table" in outcome.stdout
    assert not (tmp_path / ".strandline").exists()


def test_before_the_first_run_the_tables_are_told_and_printed_in_sql(harbour: Harbour) -> None:
    told = harbour.project.strandline("plan")
    sql = harbour.project.strandline("plan", "--sql")

    assert told.code == 0
    assert "  create table: raw.harbour_ships, warehouse.dim_ship\n" in told.stdout
    assert "  stages are made: staging.harbour_ships__dim_ship\n" in told.stdout
    assert sql.stdout.startswith("CREATE TABLE raw.harbour_ships (\n")
    assert "CREATE TABLE warehouse.dim_ship (\n" in sql.stdout


def test_what_is_printed_in_sql_makes_the_tables(harbour: Harbour) -> None:
    sql = harbour.project.strandline("plan", "--sql").stdout
    with harbour.database.begin() as connection:
        connection.exec_driver_sql(sql.replace("%", "%%"))
    (plan,) = harbour.project.strandline("plan", "--json").document["plans"]

    assert plan["statements"] == []


def test_rows_that_wait_are_told_with_what_becomes_of_them(harbour: Harbour) -> None:
    harbour.run(ship("a", 1))
    expect(harbour, 'fleet.expect(DimShip, unique("flag"))\n')
    harbour.run(ship("a", 3, flag="SE"), ship("b", 1, flag="SE"))
    refused = harbour.project.strandline("plan", "fleet")
    harbour.project.edit("fleet.py", 'unique("flag")', 'unique("ship_name")')
    told = harbour.project.strandline("plan", "fleet")
    (plan,) = harbour.project.strandline("plan", "fleet", "--json").document["plans"]

    assert refused.code == 1
    assert "the merge would fail" in refused.stdout
    assert "the same flag in 2 rows: harbour:a, harbour:b" in refused.stdout
    assert told.code == 0
    assert "1 members, 2 versions, 1 closed" in told.stdout
    (target,) = plan["targets"]
    assert (target["entries"], target["counts"]["versions"], target["counts"]["closed"]) == (2, 2, 1)
    assert target["writes"]["warehouse.dim_ship"] == {"inserted": 2, "updated": 1, "deleted": 0}


def test_a_plan_before_a_deploy_ends_with_1_where_the_run_would_stop(harbour: Harbour) -> None:
    harbour.run(ship("a", 1))
    harbour.declare("port: Mapped[str] = attribute(String(20))", 'port = field("port")')
    outcome = harbour.project.strandline("plan")

    assert outcome.code == 1
    assert "A run would stop: " in outcome.stdout
    assert "hint: Look at it, then type in psql: ALTER TABLE warehouse.dim_ship" in outcome.stdout


def test_quickly_it_counts(harbour: Harbour) -> None:
    harbour.run(ship("a", 1))
    expect(harbour, 'fleet.expect(DimShip, unique("flag"))\n')
    harbour.run(ship("b", 1), ship("c", 1))
    outcome = harbour.project.strandline("plan", "--quick")

    assert outcome.code == 0
    assert "not looked at" in outcome.stdout


def test_a_project_without_a_pipeline_is_told_so(harbour: Harbour) -> None:
    (harbour.project.folder / "empty.py").write_text("")
    outcome = harbour.project.strandline("plan", "--app", "empty")

    assert outcome.code == 2
    assert "empty: no pipeline is declared" in outcome.error


def test_a_migration_that_is_missing_or_pending_is_told(harbour: Harbour) -> None:
    for words in (("init",), ("revision", "-m", "the harbour"), ("upgrade",)):
        assert harbour.project.strandline("migrate", *words).code == 0
    harbour.run(ship("a", 1))
    before = harbour.project.strandline("plan")
    harbour.declare("port: Mapped[str | None] = attribute(String(20))", 'port = field("port")')
    missing = harbour.project.strandline("plan")
    harbour.project.strandline("migrate", "revision", "-m", "ports")
    pending = harbour.project.strandline("plan")
    harbour.project.strandline("migrate", "upgrade")
    filled = harbour.project.strandline("plan")

    assert before.code == 0
    assert missing.code == 1
    assert "strandline migrate revision" in missing.stdout
    assert pending.code == 1
    assert "strandline migrate upgrade" in pending.stdout
    assert filled.code == 0
    assert "new columns port" in filled.stdout
