"""Expectations on the command line: what a run says and ends with, and what the ledger tells."""

from collections.abc import Iterator
from pathlib import Path

import pytest
from tests.end_to_end.test_column_life import Harbour, ship

DECLARED = """fleet = Pipeline("fleet")
fleet.sync(Harbour.ships, HarbourShip)
"""


@pytest.fixture
def harbour(tmp_path: Path, database_url: str) -> Iterator[Harbour]:
    harbour = Harbour(tmp_path, database_url)
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
