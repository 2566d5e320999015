"""A project whose tables are made by migrations: `strandline migrate`, and what a run says then."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from tests.marina import Harbour

from strandline.warehouse.database import Database


@pytest.fixture
def empty(tmp_path: Path, postgres_server: Any, program: Path) -> Iterator[Harbour]:
    """With a database in which nothing is."""
    from strandline.testing import postgres

    with postgres.copy(postgres_server, "template0") as url:
        harbour = Harbour(tmp_path, url.render_as_string(hide_password=False), program=program)
        yield harbour
        harbour.database.close()


def test_with_migrations_a_run_makes_no_table_and_says_what_to_type(empty: Harbour) -> None:
    empty.type("migrate", "init")
    assert "strandline migrate revision" in empty.type("run", "yacht", code=1).error
    empty.type("migrate", "revision", "-m", "the beginning")
    refused = empty.type("run", "yacht", code=1)
    assert "behind by 1 of the migrations" in refused.error
    assert "hint: Type: strandline migrate upgrade" in refused.error
    assert empty.ask("SELECT count(*) FROM pg_namespace WHERE nspname = 'warehouse'") == [(0,)]

    empty.type("migrate", "upgrade")
    report = empty.type("run", "yacht", "--json").document
    assert [it["counts"]["inserted"] for it in report["targets"] if it["target"] == "FactRent"] == [2]
    assert empty.ask("SELECT count(*) FROM warehouse.dim_renter WHERE renter_key < 0") == [(2,)]
    assert empty.ask("SELECT count(*) FROM warehouse.dim_audit WHERE audit_key < 0") == [(2,)]
    assert empty.type("run", "yacht", "--json").document["targets"] == []


def test_what_migrations_make_is_what_runs_make(empty: Harbour, warehouse: Database) -> None:
    from strandline.testing.migration import snapshot

    empty.begin()
    empty.type("run", "yacht")
    made = snapshot(empty.database)
    empty.project.environment["STRANDLINE_DATABASE_URL"] = warehouse.url.render_as_string(hide_password=False)
    (empty.project.folder / "alembic.ini").unlink()
    empty.type("run", "yacht")
    by_run = snapshot(warehouse)

    assert made.shapes == by_run.shapes
    assert made.views.keys() - by_run.views.keys() == {"warehouse.dim_renter_current"}
    assert {name: it for name, it in made.views.items() if name in by_run.views} == by_run.views
    assert len(made.rows["warehouse.dim_date"]) == len(by_run.rows["warehouse.dim_date"])


def test_a_new_column_is_a_revision_and_the_next_run_fills_it(empty: Harbour) -> None:
    empty.begin()
    empty.type("run", "yacht")
    empty.edit(
        "attribute(String(40), scd=2)\n",
        "attribute(String(40), scd=2)\n    segment: Mapped[str] = attribute(String(9))\n",
    )
    empty.edit(
        '    renter_name = field("name")\n',
        '    renter_name = field("name")\n    segment = field("segment")\n',
    )
    empty.edit(
        "measure(Numeric(18, 2))\n",
        "measure(Numeric(18, 2))\n    fee: Mapped[Decimal] = measure(Numeric(18, 2))\n",
    )
    empty.edit('    amount = field("amount")\n', '    amount = field("amount")\n    fee = field("amount")\n')
    refused = empty.type("run", "yacht", code=1)
    assert "dim_renter.segment is not there" in refused.error
    assert "strandline migrate revision" in refused.error
    assert "--fill fact_rent.fee=0" in empty.type("migrate", "revision", "-m", "more", code=2).error

    written = empty.type("migrate", "revision", "-m", "more", "--fill", "fact_rent.fee=0", "--json").document
    assert "warehouse.dim_renter.segment is not there" in written["changes"]
    assert empty.type("migrate", "status", "--json").document["pending"][0]["message"] == "more"
    empty.type("migrate", "upgrade")
    query = "SELECT renter_key, segment FROM warehouse.dim_renter ORDER BY renter_key"
    assert empty.ask(query) == [(-2, "Not appli"), (-1, "Unknown"), (1, "Unknown"), (2, "Unknown")]
    empty.type("run", "yacht")
    assert empty.ask(query)[2:] == [(1, "gold"), (2, "none")]
    assert empty.ask(
        "SELECT DISTINCT segment FROM warehouse.dim_renter_current WHERE renter_key > 0 ORDER BY 1"
    ) == [("gold",), ("none",)]
    assert empty.type("migrate", "status", "--json").document["differences"] == []

    lost = empty.type("migrate", "downgrade", "-1", code=1)
    assert "drops the column warehouse.fact_rent.fee" in lost.error
    empty.type("migrate", "downgrade", "-1", "--allow-destructive")
    assert "behind by 1" in empty.type("run", "yacht", code=1).error
    empty.type("migrate", "upgrade")
    empty.type("run", "yacht")


def test_a_warehouse_that_runs_have_made_goes_on_with_migrations(empty: Harbour) -> None:
    empty.type("run", "yacht")
    before = empty.ask("SELECT renter_key, xmin::text FROM warehouse.dim_renter ORDER BY 1")
    empty.begin()
    assert empty.type("migrate", "status", "--json").document["differences"] == []
    assert empty.type("run", "yacht", "--json").document["targets"] == []
    assert empty.ask("SELECT renter_key, xmin::text FROM warehouse.dim_renter ORDER BY 1") == before


def test_check_fails_until_models_revisions_and_warehouse_agree(empty: Harbour) -> None:
    empty.type("migrate", "init")
    assert empty.type("migrate", "check", "--json", code=1).document["differences"] != []
    empty.type("migrate", "revision", "-m", "the beginning")
    told = empty.type("migrate", "check", code=1).stdout
    assert "at the beginning; the head is " in told
    assert told.endswith(": the beginning\nType: strandline migrate upgrade\n")
    empty.type("migrate", "upgrade")
    assert empty.type("migrate", "check").stdout.endswith("Nothing is to be done.\n")
    empty.edit(
        "attribute(String(40), scd=2)\n",
        "attribute(String(40), scd=2)\n    rank: Mapped[int | None] = attribute()\n",
    )
    assert "differs: warehouse.dim_renter.rank is not there" in empty.type("migrate", "check", code=1).stdout


def test_rows_are_changed_by_a_revision_of_their_own(empty: Harbour) -> None:
    empty.begin()
    empty.type("run", "yacht")
    written = empty.type("migrate", "revision", "--data", "-m", "shout", "--json").document
    assert (written["changes"], written["loses"]) == ([], [])
    step = 'online.update("dim_renter", {"renter_name": "upper(renter_name)"}, schema=schemas.warehouse)'
    empty.project.edit(written["file"], "    pass\n\n\ndef down", f"    {step}\n\n\ndef down")
    empty.type("migrate", "upgrade", "--batch", "1")
    names = "SELECT renter_name FROM warehouse.dim_renter WHERE renter_key > 0 ORDER BY renter_key"
    assert empty.ask(names) == [("ALDER",), ("BIRCH",)]
    empty.type("migrate", "check")


def test_the_script_begins_where_the_warehouse_is(empty: Harbour) -> None:
    empty.type("migrate", "init")
    empty.type("migrate", "revision", "-m", "the beginning")
    script = empty.type("migrate", "sql").stdout
    assert "CREATE TABLE warehouse.dim_renter" in script
    assert script == empty.type("migrate", "sql", "--from", "base").stdout
    empty.type("migrate", "upgrade")
    assert "dim_renter" not in empty.type("migrate", "sql").stdout
    assert (
        "DROP TABLE IF EXISTS warehouse.dim_renter"
        in empty.type("migrate", "sql", "--downgrade", "-1").stdout
    )
    assert "down to which" in empty.type("migrate", "sql", "--downgrade", code=2).error


def test_a_warehouse_that_newer_code_has_migrated_is_left_alone(empty: Harbour) -> None:
    empty.begin()
    (revision,) = (empty.project.folder / "migrations" / "versions").glob("*.py")
    newer = revision.read_text().replace("down_revision = None", "down_revision = 'before'")
    (revision.parent / "before.py").write_text(
        "revision = 'before'\ndown_revision = None\ndef upgrade(): pass\n"
    )
    revision.unlink()
    assert "newer code has migrated it" in empty.type("run", "yacht", code=1).error
    revision.write_text(newer)
    empty.type("run", "yacht")


def test_a_field_is_promoted_with_its_revision_and_its_view(empty: Harbour) -> None:
    empty.begin()
    empty.type("run", "yacht")
    told = empty.type("fields", "promote", "yacht.customers", "odd", "--to", "odd_one", "--json").document
    revision = (empty.project.folder / told["revision"]).read_text()
    assert "sa.Column('odd_one', sa.BIGINT(), nullable=True)" in revision
    empty.type("migrate", "upgrade")
    empty.type("run", "yacht")
    assert empty.ask("SELECT odd_one FROM warehouse.dim_renter_current WHERE renter_key = 2") == [(1,)]


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (["status"], "there are no migrations"),
        (["upgrade"], "there are no migrations"),
        (["revision", "-m", "x", "--rename", "x"], "--rename x: it cannot be read"),
    ],
)
def test_what_cannot_be_done_says_why(empty: Harbour, words: list[str], said: str) -> None:
    assert said in empty.type("migrate", *words, code=2).error


def test_hints_that_fit_nothing_are_refused(empty: Harbour) -> None:
    empty.begin()
    for option, said in (
        ("--rename=dim_renter.nome:x", "there is no dim_renter.nome"),
        ("--rename=dim_renter.renter_name:x", "no model has x"),
        ("--fill=fact_rent.nothing=0", "no model has it"),
    ):
        assert said in empty.type("migrate", "revision", "-m", "x", option, code=2).error
    assert "Nothing differs" in empty.type("migrate", "revision", "-m", "x").stdout
    assert "is there already" in empty.type("migrate", "init", code=2).error
    assert "Can't locate revision" in empty.type("migrate", "upgrade", "nowhere", code=2).error
