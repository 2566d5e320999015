"""`strandline prune` as it is typed: what goes, what stays, and what can still be done afterwards."""

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from sqlalchemy import text
from tests.end_to_end.test_column_life import Harbour, ship

HISTORY = """
| source_id | version | flag | is_current |
| a         | 1       | NO   | false      |
| a         | 2       | SE   | true       |
| b         | 1       | NO   | true       |
"""
SHIPS = [ship("a", 1), ship("a", 2, port="Moss"), ship("a", 5, flag="SE"), ship("b", 1)]


@pytest.fixture
def harbour(tmp_path: Path, database_url: str, program: Path) -> Iterator[Harbour]:
    harbour = Harbour(tmp_path, database_url, program=program)
    harbour.run(*SHIPS, *(ship("a", day, flag="SE", name=f"A{day}") for day in (6, 7, 8)))
    yield harbour
    harbour.database.close()


def raw_ids(harbour: Harbour) -> list[int]:
    with harbour.database.connect() as connection:
        return list(connection.scalars(text("SELECT raw_id FROM raw.harbour_ships ORDER BY raw_id")))


def written(harbour: Harbour) -> list[Any]:
    with harbour.database.connect() as connection:
        return [*connection.execute(text("SELECT ship_key, xmin::text FROM warehouse.dim_ship ORDER BY 1"))]


def test_a_prune_deletes_what_is_old_and_nothing_that_is_shown(harbour: Harbour) -> None:
    """The latest entry of each key stays, and the one by which its latest version is traced."""
    say, before = harbour.project.strandline, written(harbour)
    nothing = say("prune", "fleet", "--json").document
    dry = say("prune", "fleet", "--older-than", "0d", "--dry-run", "--json").document
    assert len(raw_ids(harbour)) == 7
    pruned = say("prune", "fleet", "--older-than", "0d", "--json").document

    assert nothing["streams"][0]["status"] == "kept"
    (told,) = pruned["streams"]
    assert (told["status"], told["entries"], told["keys"]) == ("done", 4, 1)
    assert {**dry["streams"][0], "seconds": 0, "before": 0} == {**told, "seconds": 0, "before": 0}
    assert raw_ids(harbour) == [3, 4, 7]
    assert say("replay", "fleet").code == 0
    assert written(harbour) == before
    harbour.assert_ships("flag, is_current", HISTORY)
    (account,) = say("why", "dim_ship", "a", "--json").document
    current = {it["column"]: it["raw_id"] for it in account["rows"][1]["columns"]}
    assert (current["flag"], current["ship_name"], account["pruned_until"][:10]) == (3, 7, "2026-01-07")
    assert "not all is in the raw log any more" in say("why", "dim_ship", "a").stdout


def test_what_is_late_is_put_where_it_belongs_or_told(harbour: Harbour) -> None:
    """Behind the horizon of its key as ever, and a reject before; the run is partial then."""
    harbour.project.strandline("prune", "fleet", "--older-than", "0d")
    late = harbour.run(
        ship("a", 12, flag="DK"), ship("a", 10, flag="FI"), ship("b", 3, flag="FI"), ship("a", 4, flag="IS")
    )
    harbour.assert_ships(
        "flag",
        """
        | source_id | version | flag |
        | a         | 1       | NO   |
        | a         | 2       | SE   |
        | a         | 3       | FI   |
        | a         | 4       | DK   |
        | b         | 1       | NO   |
        | b         | 2       | FI   |
        """,
    )

    assert late.code == 3
    (reject,) = harbour.project.strandline("quarantine", "list", "--json").document["rejects"]
    assert (reject["rule"], reject["source_id"]) == ("pruned", "a")
    assert "it took effect at 2026-01-04" in reject["reason"]
    assert harbour.project.strandline("check").code == 0


def test_a_mended_mapper_is_of_use_for_what_was_kept(harbour: Harbour) -> None:
    harbour.project.strandline("prune", "fleet", "--older-than", "0d")
    harbour.project.edit(
        "fleet.py", 'flag = field("flag")', 'flag = field("flag", using=lambda it: it.lower())'
    )
    assert harbour.project.strandline("replay", "fleet").code == 0

    harbour.assert_ships(
        "flag, valid_from::date",
        """
        | source_id | version | flag | valid_from |
        | a         | 1       | NO   | 2026-01-01 |
        | a         | 2       | SE   | 2026-01-05 |
        | a         | 3       | se   | 2026-01-08 |
        | b         | 1       | no   | 2026-01-01 |
        """,
    )


def test_an_erasure_takes_the_versions_that_alone_still_tell(harbour: Harbour) -> None:
    say = harbour.project.strandline
    say("prune", "fleet", "--older-than", "0d")
    part = say("erase", "harbour.ships", "a", "--reason", "sunk", "--until", "2026-01-03")
    whole = say("erase", "harbour.ships", "a", "--reason", "sunk", "--json").document

    assert part.code == 2
    assert "were pruned from the raw log" in part.error
    assert whole["counts"].items() >= {"raw.harbour_ships": 2, "warehouse.dim_ship": 2}.items()
    harbour.assert_ships("flag", "| source_id | version | flag |\n| b | 1 | NO |")
    stream = say("prune", "fleet", "--stream", "x")

    assert stream.code == 2
    assert "it reads no 'x'" in stream.error


def test_what_was_exported_comes_back(harbour: Harbour) -> None:
    say = harbour.project.strandline
    pruned = say("prune", "fleet", "--older-than", "0d", "--export", "kept", "--json").document
    restored = say("restore", "kept")

    assert [Path(it).parent.name for it in pruned["streams"][0]["exported"]] == ["kept"]
    assert restored.code == 0
    assert "harbour.ships  done" in restored.stdout
    assert raw_ids(harbour) == [1, 2, 3, 4, 5, 6, 7]
    nothing = say("restore", ".")
    assert nothing.code == 2
    assert "there are no files of strandline prune --export" in nothing.error


def test_versions_that_stay_of_an_older_mapper_are_told_until_they_are_restored(
    harbour: Harbour, tmp_path: Path
) -> None:
    """What a replay has brought to the new mapper is not all of the table then."""
    say, folder = harbour.project.strandline, str(tmp_path / "archive")
    say("prune", "fleet", "--older-than", "0d", "--export", folder)
    assert say("status", "--json").document["out_of_reach"] == []
    harbour.project.edit("fleet.py", 'flag = field("flag")', 'flag = field("flag", using=str.lower)')
    replayed = say("replay", "fleet", "--json").document
    status = say("status", "--json").document

    told = {"pipeline": "fleet", "stream": "harbour.ships", "target": "DimShip", "natural_keys": 1}
    assert (status["outdated"], status["out_of_reach"], replayed["out_of_reach"]) == ([], [told], [told])
    assert "DimShip has versions of an older mapper" in say("status").stdout
    say("restore", folder)
    assert say("replay", "fleet", "--json").document["out_of_reach"] == []
