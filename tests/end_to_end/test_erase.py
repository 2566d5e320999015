"""`strandline erase` and `strandline erasures`, as they are typed: one project, whose ships go one by one."""

from collections.abc import Iterator
from pathlib import Path

import pytest
from sqlalchemy import URL, text
from tests.end_to_end.test_column_life import Harbour, ship

from strandline.testing import assert_drawn, postgres


@pytest.fixture(scope="module")
def harbour(
    tmp_path_factory: pytest.TempPathFactory, postgres_server: URL, warehouse_template: str, program: Path
) -> Iterator[Harbour]:
    with postgres.copy(postgres_server, warehouse_template) as url:
        harbour = Harbour(
            tmp_path_factory.mktemp("harbour"), url.render_as_string(hide_password=False), program=program
        )
        assert harbour.project.strandline("erasures").stdout == "Nothing was erased.\n"
        harbour.run(*(ship(it, day, flag=flag) for it in "abcd" for day, flag in ((1, "NO"), (3, "SE"))))
        yield harbour
        harbour.database.close()


def assert_flags(harbour: Harbour, key: str, drawing: str) -> None:
    """Compare a ship's versions."""
    query = f"SELECT version, flag FROM warehouse.dim_ship WHERE source_id = '{key}' ORDER BY 1"
    with harbour.database.connect() as connection:
        assert_drawn(connection, text(query), drawing)


def test_an_erasure_prints_its_certificate_and_keeps_it(harbour: Harbour) -> None:
    """What it would change is what it changes, and what is left is known by nobody."""
    words = ("erase", "harbour.ships", "a", "--reason", "sunk", "--json")
    dry = harbour.project.strandline(*words, "--dry-run").document
    certificate = harbour.project.strandline(*words).document
    kept = {it["key_hash"]: it for it in harbour.project.strandline("erasures", "--json").document}

    gone = {"raw.harbour_ships": 2, "warehouse.dim_ship": 2}
    assert dry["counts"].items() >= gone.items()
    assert certificate["counts"].items() >= gone.items()
    assert (dry["is_dry"], dry["erasure_id"]) == (True, None)
    assert kept[certificate["key_hash"]]["reason"] == "sunk"
    assert_flags(harbour, "a", "| version | flag |")
    (account,) = harbour.project.strandline("why", "dim_ship", "a", "--json").document
    assert {it["payload"] for it in account["entries"]} == {'{"erased": true}'}


def test_an_erasure_up_to_a_moment_lets_later_records_pass(harbour: Harbour) -> None:
    words = ("erase", "harbour.ships", "c", "--reason", "sunk", "--until", "2026-01-02")
    assert harbour.project.strandline(*words).code == 0
    harbour.run(ship("c", 1), ship("c", 2, flag="DK"), ship("c", 4, flag="FI"))

    assert_flags(harbour, "c", "| version | flag |\n| 1 | SE |\n| 2 | FI |")


def test_what_cannot_be_erased_says_what_to_type(harbour: Harbour) -> None:
    """Exit code 1 for a key that is not there, 2 for what is typed wrong."""
    say = harbour.project.strandline
    unknown = say("erase", "harbour.ships", "x", "--reason", "sunk")
    no_stream = say("erase", "harbours", "a", "--reason", "sunk")

    assert (unknown.code, no_stream.code) == (1, 2)
    assert "no record of 'x' is in the raw log" in unknown.error
    assert "harbour.ships" in no_stream.error


def test_what_is_not_personal_stays(harbour: Harbour) -> None:
    """Where nothing is declared personal that is everything."""
    words = ("erase", "harbour.ships", "d", "--reason", "sold", "--only-pii")
    outcome = harbour.project.strandline(*words)

    assert outcome.code == 0
    assert "only_pii    True" in outcome.stdout
    assert_flags(harbour, "d", "| version | flag |\n| 1 | NO |\n| 2 | SE |")


def test_a_key_that_is_forgotten_is_found_no_more(harbour: Harbour) -> None:
    words = ("erase", "harbour.ships", "b", "--reason", "sold", "--only-pii", "--pseudonymise-key")
    certificate = harbour.project.strandline(*words, "--json").document
    again = harbour.project.strandline(*words)
    late = harbour.project.strandline("erase", "harbour.ships", "d", *words[3:], "--until", "2026-01-02")

    assert certificate["pseudonymised"]
    assert (again.code, late.code) == (1, 2)
    assert "no record of 'b' is in the raw log" in again.error
    assert "another natural key than before" in late.error
    assert_flags(harbour, "b", "| version | flag |")
