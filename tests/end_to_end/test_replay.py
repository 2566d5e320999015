"""`strandline replay` as a person types it: a mapper is mended, looked at and replayed; nothing is asked."""

import random
import re
import signal
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from sqlalchemy import text
from tests.end_to_end.test_column_life import Harbour, ship

from strandline.warehouse.database import Database


@pytest.fixture
def harbour(tmp_path: Path, database_url: str, program: Path) -> Iterator[Harbour]:
    harbour = Harbour(tmp_path, database_url, program=program)
    harbour.run(ship("a", 1), ship("a", 3, flag="SE"), ship("b", 1), ship("c", 2, flag="Norway"))
    (harbour.project.folder / "records.jsonl").unlink()
    yield harbour
    harbour.database.close()


def written(database: Database) -> list[Any]:
    """Every row of the dimension with what changes with each write."""
    with database.connect() as connection:
        return [*connection.execute(text("SELECT ship_key, xmin::text FROM warehouse.dim_ship ORDER BY 1"))]


def shorten_flags(harbour: Harbour) -> None:
    harbour.project.edit(
        "fleet.py", 'flag = field("flag")', 'flag = field("flag", using=lambda it: it[:2].lower())'
    )


def test_a_replay_right_after_a_run_writes_nothing(harbour: Harbour) -> None:
    before = written(harbour.database)
    replayed = harbour.project.strandline("replay", "fleet", "--json")

    assert replayed.code == 0, replayed.stderr
    assert [it["replayed"] for it in replayed.document["streams"]] == [3]
    assert not any(replayed.document["targets"][0]["counts"].values())
    assert written(harbour.database) == before


def test_a_dry_run_tells_what_would_be_and_changes_nothing(harbour: Harbour) -> None:
    shorten_flags(harbour)
    before = written(harbour.database)
    looked = harbour.project.strandline("replay", "fleet", "--dry-run", "--json").document

    assert looked["kind"] == "dry replay"
    assert looked["targets"][0]["counts"]["corrected"] == 3
    assert {(it["source_id"], it["column"], it["before"], it["after"]) for it in looked["samples"]} >= {
        ("a", "flag", "NO", "no"),
        ("c", "flag", None, "no"),
    }
    assert written(harbour.database) == before
    shown = harbour.project.strandline("replay", "fleet", "--dry-run")
    assert "For example" in shown.stdout


def test_a_mended_mapper_rebuilds_the_history_and_lets_its_rejects_go(harbour: Harbour) -> None:
    shorten_flags(harbour)
    status = harbour.project.strandline("status", "--json").document
    assert status["outdated"] == []  # nobody has used the new mapper yet
    replayed = harbour.project.strandline("replay", "fleet")

    assert replayed.code == 0, replayed.stderr
    assert re.search(r"fleet, replay \d+: done", replayed.stdout)
    harbour.assert_ships(
        "flag, is_current",
        """
        | source_id | version | flag | is_current |
        | a         | 1       | no   | false      |
        | a         | 2       | se   | true       |
        | b         | 1       | no   | true       |
        | c         | 1       | no   | true       |
        """,
    )


def test_status_tells_what_an_older_mapper_has_built_until_it_is_replayed(harbour: Harbour) -> None:
    shorten_flags(harbour)
    harbour.run(ship("d", 1))
    told = "DimShip is in part of an older mapper or contract: strandline replay fleet --model DimShip"

    assert told in harbour.project.strandline("status").stdout
    assert harbour.project.strandline("replay", "fleet", "--model", "DimShip").code == 0
    assert told not in harbour.project.strandline("status").stdout


DEADLY = """

import os
import signal
from itertools import count

from strandline.pipeline.load import Load
from strandline.pipeline.resumption import Resumption

Load.chunk_records, Resumption.chunks_at_once = 10, 1
made = count(1)


def shorten(flag: str) -> str:
    if Path("kill_at").exists() and next(made) == int(Path("kill_at").read_text()):
        os.kill(os.getpid(), signal.SIGKILL)
    return flag[:2].lower()

"""
"""A function that a mapper calls, which kills the process when it makes a certain row."""


def test_a_replay_that_was_killed_is_gone_on_with(harbour: Harbour) -> None:
    """Its rows are not made again; nobody sees anything of it before it is merged."""
    harbour.run(*(ship(f"s{number:02}", 1) for number in range(1, 61)))
    project, kill_at = harbour.project, harbour.project.folder / "kill_at"
    shorten_flags(harbour)
    project.edit("fleet.py", "lambda it: it[:2].lower()", "shorten")
    project.edit("fleet.py", "\n\nclass Vessel(Record)", f"{DEADLY}\nclass Vessel(Record)")
    before, rejects = written(harbour.database), list_rejects(harbour.database)
    dice = random.Random(20261123)
    for _ in range(3):
        kill_at.write_text(str(dice.randint(11, 20)))
        assert project.strandline("replay", "fleet").code == -signal.SIGKILL
        assert (written(harbour.database), list_rejects(harbour.database)) == (before, rejects)
    kill_at.unlink()
    resumed = project.strandline("replay", "fleet", "--json").document["streams"][0]

    assert (resumed["resumed"], resumed["replayed"]) == (30, 63)
    with harbour.database.connect() as connection:
        counted = text(
            "SELECT flag, count(*) FROM warehouse.dim_ship WHERE ship_key > 0 GROUP BY 1 ORDER BY 1"
        )
        assert [tuple(it) for it in connection.execute(counted)] == [("no", 63), ("se", 1)]


def list_rejects(database: Database) -> list[Any]:
    """What is in the quarantine."""
    with database.connect() as connection:
        return [*connection.execute(text("SELECT raw_id, state FROM strandline.reject ORDER BY 1"))]


def test_only_the_keys_that_are_given_are_replayed(harbour: Harbour) -> None:
    shorten_flags(harbour)
    assert harbour.project.strandline("replay", "fleet", "--keys", "b, c").code == 0

    harbour.assert_ships(
        "flag",
        """
        | source_id | version | flag |
        | a         | 1       | NO   |
        | a         | 2       | SE   |
        | b         | 1       | no   |
        | c         | 1       | no   |
        """,
    )


def test_a_key_that_was_never_sent_is_told(harbour: Harbour) -> None:
    refused = harbour.project.strandline("replay", "fleet", "--keys", "b,bb,zz")
    assert refused.code == 1
    assert "fleet: no record of 'bb', 'zz' is in a raw log" in refused.error


def test_only_what_was_read_since_then_is_replayed(harbour: Harbour) -> None:
    shorten_flags(harbour)
    before = written(harbour.database)
    assert harbour.project.strandline("replay", "fleet", "--since", "2099-01-01").code == 0
    assert written(harbour.database) == before
    assert harbour.project.strandline("replay", "fleet", "--since", "2020-01-01T00:00:00").code == 0

    with harbour.database.connect() as connection:
        flags = connection.scalars(text("SELECT DISTINCT flag FROM warehouse.dim_ship WHERE ship_key > 0"))
        assert sorted(flags) == ["no", "se"]


def test_a_mapper_that_refuses_too_much_leaves_everything_as_it_was(harbour: Harbour) -> None:
    harbour.project.edit(
        "fleet.py",
        "fleet.sync(Harbour.ships, HarbourShip)",
        "from strandline.pipeline import Rejects\n"
        "fleet.sync(Harbour.ships, HarbourShip, rejects=Rejects(count=1, share=0.1))",
    )
    harbour.project.edit("fleet.py", 'flag = field("flag")', 'flag = field("flag", using=int)')
    before = written(harbour.database)
    refused = harbour.project.strandline("replay", "fleet")

    assert refused.code == 1
    assert "3 of 3 entries that are in DimShip would be rejected" in refused.error
    assert written(harbour.database) == before


def test_a_name_that_nothing_has_is_told(harbour: Harbour) -> None:
    refused = harbour.project.strandline("replay", "fleet", "--model", "DimShop")

    assert refused.code == 2
    assert "nothing is filled by the name 'DimShop'" in refused.error
