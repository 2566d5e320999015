"""Tables that a real dlt and a real Singer target land, and what becomes of them after each of their runs."""

import json
import subprocess
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import pytest
from sqlalchemy import text
from tests.lodgers import House, house, stored, there, versions

from strandline.pipeline import Deletes
from strandline.warehouse.database import Database

pytestmark = pytest.mark.connectors

HERE = Path(__file__).parent


@pytest.fixture
def url(warehouse: Database) -> str:
    """The warehouse's, for other programs."""
    return warehouse.url.set(drivername="postgresql").render_as_string(hide_password=False)


@pytest.fixture
def dlt(landers: Callable[[str], Path], url: str, tmp_path: Path) -> Callable[..., None]:
    """Runs dlt on some lodgers, in one of its ways to write them."""

    def land(way: str, lodgers: Sequence[dict[str, Any]], *, breaks: bool = False) -> None:
        program = [str(landers("dlt") / "python"), str(HERE / "dlt" / "land.py")]
        program += [way, url, str(tmp_path), str(int(breaks))]
        asked = json.dumps(lodgers)
        done = subprocess.run(program, input=asked, text=True, capture_output=True, check=False)
        assert done.returncode == (9 if breaks else 0), done.stderr

    return land


@pytest.fixture
def target(landers: Callable[[str], Path], url: str, tmp_path: Path) -> Callable[..., None]:
    """Pipes messages into target-postgres."""
    config = tmp_path / "config.json"
    told = {"sqlalchemy_url": url.replace("postgresql:", "postgresql+psycopg:", 1)}
    config.write_text(json.dumps(told | {"default_target_schema": "tap", "activate_version": True}))

    def land(lodgers: Sequence[dict[str, Any]], *, version: int) -> None:
        kinds = {"id": "integer", "name": "string", "room": "string"}
        schema = {"type": "object", "properties": {it: {"type": kind} for it, kind in kinds.items()}}
        named = {"stream": "lodgers"}
        messages: list[dict[str, Any]] = [
            named | {"type": "SCHEMA", "schema": schema, "key_properties": ["id"]}
        ]
        messages += [named | {"type": "RECORD", "record": it, "version": version} for it in lodgers]
        messages += [named | {"type": "ACTIVATE_VERSION", "version": version}]
        program = [str(landers("meltano") / "target-postgres"), "--config", str(config)]
        subprocess.run(
            program, input="\n".join(map(json.dumps, messages)), text=True, capture_output=True, check=True
        )

    return land


def lodger(no: int, room: str) -> dict[str, Any]:
    return {"id": no, "name": f"L{no}", "room": room}


def test_what_a_target_lands_and_marks_as_deleted(warehouse: Database, target: Callable[..., None]) -> None:
    target([lodger(1, "a"), lodger(2, "b"), lodger(3, "c")], version=1)
    assert stored(warehouse, "singer") == 3
    target([lodger(1, "a"), lodger(2, "bb"), lodger(3, "c")], version=2)
    assert stored(warehouse, "singer") == 1  # though the target has written every row anew
    target([lodger(1, "a"), lodger(2, "bb")], version=3)
    assert stored(warehouse, "singer") == 1
    assert there(warehouse) == {("1", "a"), ("2", "bb")}
    target([lodger(1, "a"), lodger(2, "bb"), lodger(3, "d")], version=4)
    stored(warehouse, "singer")
    assert there(warehouse) == {("1", "a"), ("2", "bb"), ("3", "d")}
    assert stored(warehouse, "singer") == 0


def test_what_dlt_merges(warehouse: Database, dlt: Callable[..., None]) -> None:
    sweep = {"deletes": Deletes.by_ids(House.dlt_ids)}
    dlt("merge", [lodger(1, "a"), lodger(2, "b"), lodger(3, "c")])
    assert stored(warehouse, "dlt", **sweep) == 3
    dlt("merge", [lodger(2, "bb"), lodger(3, "c") | {"is_gone": True}, lodger(4, "d")])
    assert stored(warehouse, "dlt", **sweep) == 3  # two records and a deletion
    assert there(warehouse) == {("1", "a"), ("2", "bb"), ("4", "d")}
    assert stored(warehouse, "dlt", **sweep) == 0


def test_a_load_of_dlt_that_breaks_off_is_read_when_it_has_ended(
    warehouse: Database, dlt: Callable[..., None]
) -> None:
    dlt("append", [lodger(1, "a")])
    assert stored(warehouse, "dlt") == 1
    dlt("append", [lodger(2, "b")], breaks=True)
    with warehouse.begin() as connection:
        assert connection.scalar(text("SELECT count(*) FROM crm.lodgers")) == 2
    assert stored(warehouse, "dlt") == 0
    dlt("append", [lodger(3, "c")])  # dlt then ends what it has begun, and nothing else
    assert stored(warehouse, "dlt") == 1
    assert there(warehouse) == {("1", "a"), ("2", "b")}


def test_the_history_that_dlt_keeps(warehouse: Database, dlt: Callable[..., None]) -> None:
    dlt("scd2", [lodger(1, "a"), lodger(2, "b")])
    assert stored(warehouse, "scd2") == 2
    dlt("scd2", [lodger(1, "aa")])
    assert stored(warehouse, "scd2") == 2
    assert [(who, room, gone) for who, room, _, _, gone in versions(warehouse)] == [
        ("1", "a", False),
        ("1", "aa", False),
        ("2", "b", True),
    ]
    first, second, gone = versions(warehouse)
    assert first[3] == second[2] == gone[3]


def test_what_dlt_takes_apart(warehouse: Database, dlt: Callable[..., None]) -> None:
    pets = [{"name": "Rex", "age": 3}, {"name": "Tom", "age": 1}]
    dlt("merge", [lodger(1, "a") | {"pets": pets, "keys": ["k1", "k2"]}])
    with house(warehouse) as source:
        (page,) = House.with_pets.read(source, None)
    assert [json.loads(it) for it in page.records] == [
        {"id": 1, "room": "a", "pets": pets, "keys": ["k1", "k2"]}
    ]
