"""`strandline erase` and `strandline erasures`, as they are typed."""

from collections.abc import Iterator
from pathlib import Path

import pytest
from tests.end_to_end.test_column_life import Harbour, ship


@pytest.fixture
def harbour(tmp_path: Path, database_url: str) -> Iterator[Harbour]:
    harbour = Harbour(tmp_path, database_url)
    harbour.run(ship("a", 1), ship("a", 3, flag="SE"), ship("b", 1))
    yield harbour
    harbour.database.close()


def test_an_erasure_prints_its_certificate_and_keeps_it(harbour: Harbour) -> None:
    """What it would change is what it changes, and what is left is known by nobody."""
    words = ("erase", "harbour.ships", "a", "--reason", "sunk", "--json")
    dry = harbour.project.strandline(*words, "--dry-run").document
    certificate = harbour.project.strandline(*words).document
    kept = harbour.project.strandline("erasures", "--json").document

    changed = {"raw.harbour_ships": 2, "strandline.field": 1, "warehouse.dim_ship": 2}
    assert dry["counts"] == certificate["counts"] == changed
    assert (dry["is_dry"], dry["erasure_id"]) == (True, None)
    assert [(it["reason"], it["key_hash"]) for it in kept] == [("sunk", certificate["key_hash"])]
    harbour.assert_ships("flag", "| source_id | version | flag |\n| b | 1 | NO |")
    assert "sunk" in harbour.project.strandline("erasures").stdout
    (account,) = harbour.project.strandline("why", "dim_ship", "a", "--json").document
    assert {it["payload"] for it in account["entries"]} == {'{"erased": true}'}
    again = harbour.project.strandline(*words).document
    assert (again["counts"], again["erasure_id"]) == ({}, 2)


def test_an_erasure_up_to_a_moment_lets_later_records_pass(harbour: Harbour) -> None:
    words = ("erase", "harbour.ships", "a", "--reason", "sunk", "--until", "2026-01-02")
    assert harbour.project.strandline(*words).code == 0
    harbour.run(ship("a", 1), ship("a", 2, flag="DK"), ship("a", 4, flag="FI"))

    harbour.assert_ships(
        "flag", "| source_id | version | flag |\n| a | 1 | SE |\n| a | 2 | FI |\n| b | 1 | NO |"
    )


def test_what_cannot_be_erased_says_what_to_type(harbour: Harbour) -> None:
    """Exit code 1 for a key that is not there, 2 for what is typed wrong."""
    say = harbour.project.strandline
    unknown = say("erase", "harbour.ships", "x", "--reason", "sunk")
    no_reason = say("erase", "harbour.ships", "a")
    no_stream = say("erase", "harbours", "a", "--reason", "sunk")

    assert (unknown.code, no_reason.code, no_stream.code) == (1, 2, 2)
    assert "no record of 'x' is in the raw log" in unknown.error
    assert "--reason" in no_reason.error
    assert "harbour.ships" in no_stream.error
    assert say("erasures").stdout == "Nothing was erased.\n"
