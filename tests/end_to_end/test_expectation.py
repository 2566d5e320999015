"""Expectations on the command line: what a run says and ends with, and what the ledger tells."""

from collections.abc import Iterator
from pathlib import Path

import pytest
from sqlalchemy import text
from tests.end_to_end.test_column_life import Harbour, ship

DECLARED = """fleet = Pipeline("fleet")
fleet.sync(Harbour.ships, HarbourShip)
"""


@pytest.fixture
def harbour(tmp_path: Path, database_url: str, program: Path) -> Iterator[Harbour]:
    harbour = Harbour(tmp_path, database_url, program=program)
    imported = "from strandline.pipeline import accepted, unique\nfrom strandline.source import Page, Source"
    harbour.project.edit("fleet.py", "from strandline.source import Page, Source", imported)
    expected = 'fleet.expect(DimShip, unique("ship_name"))\n'
    expected += 'fleet.expect(DimShip, accepted("flag", ["NO", "SE"]), severity="warn")\n'
    harbour.project.edit("fleet.py", DECLARED, DECLARED + expected)
    yield harbour
    harbour.database.close()


def test_a_broken_expectation_ends_with_1_and_is_in_the_document_and_in_the_ledger(harbour: Harbour) -> None:
    outcome = harbour.run(ship("a", 1, name="same"), ship("b", 1, name="same"))

    assert outcome.code == 1
    told = {it["name"]: it for it in outcome.document["expectations"]}
    assert {name: it["status"] for name, it in told.items()} == {
        "unique(ship_name)": "failed",
        "accepted(flag)": "passed",
    }
    assert told["unique(ship_name)"]["samples"] == [
        {"source": "harbour", "key": "a"},
        {"source": "harbour", "key": "b"},
    ]
    assert (outcome.document["status"], outcome.document["targets"]) == ("failed", [])

    status = harbour.project.strandline("status", "--expectations", "--json")
    kept = status.document["expectations"]
    assert [(it["run_id"], it["name"], it["status"], it["failing"]) for it in kept] == [
        (1, "unique(ship_name)", "failed", 2),
        (1, "accepted(flag)", "passed", 0),
    ]
    assert harbour.run(ship("b", 2, name="other")).code == 0


def test_a_warning_ends_with_3_and_is_shown(harbour: Harbour) -> None:
    harbour.run(ship("a", 1, flag="DK"))
    outcome = harbour.project.strandline("status", "--expectations")

    assert "another flag than 'NO', 'SE'" in " ".join(outcome.stdout.split())
    assert harbour.run(ship("b", 1, flag="DK")).code == 3


def test_a_status_without_the_option_and_before_any_run_tells_nothing(harbour: Harbour) -> None:
    empty = harbour.project.strandline("status", "--expectations", "--json")
    harbour.run(ship("a", 1))
    plain = harbour.project.strandline("status", "--json")

    assert empty.document["expectations"] == []
    assert "expectations" not in plain.document


def test_a_wrong_expectation_ends_with_2_and_says_what_would_be_right(harbour: Harbour) -> None:
    harbour.project.edit("fleet.py", 'unique("ship_name")', 'unique("shipname")')
    outcome = harbour.project.strandline("run", "fleet")

    assert outcome.code == 2
    assert "'shipname' is no column of DimShip" in outcome.error
    assert "Did you mean 'ship_name'?" in outcome.error


def test_a_check_looks_at_whole_tables_and_tells_failures_from_warnings(harbour: Harbour) -> None:
    """Whoever wrote them: here somebody has, by hand."""
    harbour.run(ship("a", 1), ship("b", 1), ship("c", 1, flag="DK"))
    warned = harbour.project.strandline("check", "--only", "expectation", "--json")
    with harbour.database.begin() as connection:
        connection.execute(text("UPDATE warehouse.dim_ship SET ship_name = 'A' WHERE source_id = 'b'"))
    failed = harbour.project.strandline("check", "fleet", "--only", "expectation")

    (finding,) = warned.document["findings"]
    assert (warned.code, warned.document["expectations"]) == (3, 2)
    told = finding["rule"], finding["member"], finding["rows"], finding["severity"]
    assert told == ("expectation", "accepted(flag)", 1, "warning")
    assert finding["sample"] == ["harbour:c"]
    assert failed.code == 1
    told_lines = [line.partition("expectation: ")[2] for line in failed.stdout.splitlines()]
    assert [line for line in told_lines if line] == [
        "dim_ship: unique(ship_name): the same ship_name in 2 rows: harbour:a, harbour:b",
        "dim_ship: accepted(flag): another flag than 'NO', 'SE' in 1 row: harbour:c",
    ]


def test_a_check_tells_when_a_source_cannot_be_asked_or_a_condition_not_be_worked_out(
    harbour: Harbour,
) -> None:
    """The others are looked at all the same."""
    harbour.run(ship("a", 1))
    more = (
        'fleet.expect(DimShip, holds("divides", 1 / (DimShip.version - 1) > 0), row_count(Harbour.count))\n'
    )
    count = """    @reconciliation
    def count(self) -> int:
        raise SourceUnavailable("the harbour is closed")

    def _page(self)"""
    harbour.project.edit("fleet.py", "    def _page(self)", count)
    harbour.project.edit("fleet.py", DECLARED, DECLARED + more)
    harbour.project.edit("fleet.py", "import accepted, unique", "import accepted, holds, row_count, unique")
    harbour.project.edit(
        "fleet.py",
        "from strandline.source import Page, Source",
        "from strandline.errors import SourceUnavailable\n"
        "from strandline.source import Page, Source, reconciliation",
    )
    outcome = harbour.project.strandline("check", "--only", "expectation", "--json")

    assert outcome.code == 1
    told = {it["member"]: it["message"] for it in outcome.document["findings"]}
    assert "division by zero" in told["holds(divides)"]
    assert told["row_count(harbour.count)"] == (
        "dim_ship: row_count(harbour.count): it could not be asked: the harbour is closed"
    )
    assert len(told) == 2
