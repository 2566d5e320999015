"""Tables that Singer targets and dlt land, as each documents them, become dimensions."""

import json
from datetime import UTC, datetime

import pytest
from tests.lodgers import House, execute, house, stored, there, versions

from strandline.pipeline import Deletes
from strandline.warehouse.database import Database

SINGER = """
    CREATE SCHEMA tap;
    CREATE TABLE tap.lodgers (
        id bigint PRIMARY KEY, name text, room text, _sdc_extracted_at timestamp, _sdc_received_at timestamp,
        _sdc_batched_at timestamp, _sdc_deleted_at timestamp, _sdc_sequence bigint, _sdc_table_version bigint
    );
    INSERT INTO tap.lodgers VALUES
        (1, 'L1', 'a', now(), now(), now(), NULL, 1, 7), (2, 'L2', 'b', now(), now(), now(), NULL, 1, 7)
"""


@pytest.mark.parametrize("kind", ["timestamp", "timestamptz", "varchar"])
def test_what_a_target_marks_as_deleted_is_gone(warehouse: Database, kind: str) -> None:
    execute(warehouse, SINGER, f"ALTER TABLE tap.lodgers ALTER _sdc_deleted_at TYPE {kind}")
    assert stored(warehouse, "singer") == 2

    execute(
        warehouse,
        "UPDATE tap.lodgers SET _sdc_extracted_at = now(), _sdc_batched_at = now(), _sdc_table_version = 8",
        "UPDATE tap.lodgers SET _sdc_deleted_at = '2026-04-01 10:00:00', _sdc_table_version = 7 WHERE id = 2",
    )
    assert stored(warehouse, "singer") == 1
    assert there(warehouse) == {("1", "a")}


def test_a_target_that_says_since_when_closes_the_member_then(warehouse: Database) -> None:
    """Its record says when it was changed, which was before it was deleted."""
    execute(
        warehouse, SINGER, "UPDATE tap.lodgers SET _sdc_extracted_at = '2026-03-01', _sdc_deleted_at = NULL"
    )
    assert stored(warehouse, "extracted") == 2
    execute(warehouse, "UPDATE tap.lodgers SET _sdc_deleted_at = '2026-04-01 10:00:00' WHERE id = 2")
    assert stored(warehouse, "extracted") == 1
    assert [it[2:] for it in versions(warehouse) if it[0] == "2"] == [
        (datetime(2026, 3, 1, tzinfo=UTC), datetime(2026, 4, 1, 10, tzinfo=UTC), True)
    ]


DLT = """
    CREATE SCHEMA crm;
    CREATE TABLE crm._dlt_loads (
        load_id varchar, schema_name varchar, status bigint, inserted_at timestamptz, h varchar
    );
    CREATE TABLE crm.lodgers (
        id bigint, name varchar, room varchar, _dlt_load_id varchar NOT NULL, _dlt_id varchar NOT NULL
    );
    CREATE TABLE crm.lodgers__pets (
        name varchar, age bigint, _dlt_parent_id varchar, _dlt_list_idx bigint, _dlt_id varchar
    );
    CREATE TABLE crm.lodgers__keys (
        value varchar, _dlt_parent_id varchar, _dlt_list_idx bigint, _dlt_id varchar
    );
"""


def dlt(no: int, room: str, load: int) -> str:
    return f"INSERT INTO crm.lodgers VALUES ({no}, 'L{no}', '{room}', '{load}.5', 'r{no}')"


def whole(load: int, status: int = 0) -> str:
    return f"INSERT INTO crm._dlt_loads VALUES ('{load}.5', 'crm', {status}, now(), 'h')"


def test_of_dlt_only_loads_that_are_whole_are_read(warehouse: Database) -> None:
    execute(warehouse, DLT, dlt(1, "a", 100), dlt(2, "b", 100), whole(100))
    assert stored(warehouse, "dlt") == 2

    execute(warehouse, "DELETE FROM crm.lodgers WHERE id = 1", dlt(1, "aa", 101), dlt(3, "c", 101))
    assert stored(warehouse, "dlt") == 0  # the load has not ended
    execute(warehouse, dlt(4, "d", 102), whole(102, status=1))
    assert stored(warehouse, "dlt") == 0  # nor has this one

    execute(warehouse, whole(101))
    assert stored(warehouse, "dlt") == 2  # though they were written before the mark
    execute(warehouse, "UPDATE crm._dlt_loads SET status = 0")
    assert stored(warehouse, "dlt") == 1
    assert stored(warehouse, "dlt") == 0
    assert there(warehouse) == {("1", "aa"), ("2", "b"), ("3", "c"), ("4", "d")}


def test_who_is_missing_from_dlts_table_is_gone_and_who_is_written_anew_is_not(warehouse: Database) -> None:
    execute(warehouse, DLT, *(dlt(no, "a", 100) for no in range(1, 5)), whole(100))
    sweep = {"deletes": Deletes.by_ids(House.dlt_ids)}
    stored(warehouse, "dlt", **sweep)

    execute(warehouse, "DELETE FROM crm.lodgers WHERE id IN (1, 2)", dlt(1, "aa", 101))
    stored(warehouse, "dlt", **sweep)

    assert there(warehouse) == {("1", "a"), ("3", "a"), ("4", "a")}


def test_what_dlt_has_taken_apart_is_put_together(warehouse: Database) -> None:
    execute(
        warehouse,
        DLT,
        dlt(1, "a", 100),
        dlt(2, "b", 100),
        whole(100),
        "INSERT INTO crm.lodgers__pets VALUES ('Rex', 3, 'r1', 1, 'x'), ('Tom', NULL, 'r1', 0, 'y')",
        "INSERT INTO crm.lodgers__keys VALUES ('k1', 'r2', 0, 'z')",
    )
    with house(warehouse) as source:
        (page,) = House.with_pets.read(source, None)
    assert [json.loads(it) for it in page.records] == [
        {"id": 1, "room": "a", "pets": [{"name": "Tom", "age": None}, {"name": "Rex", "age": 3}], "keys": []},
        {"id": 2, "room": "b", "pets": [], "keys": ["k1"]},
    ]


def test_dlts_history_becomes_that_of_the_dimension(warehouse: Database) -> None:
    execute(
        warehouse,
        DLT,
        "ALTER TABLE crm.lodgers ADD _dlt_valid_from timestamptz DEFAULT '2026-03-01Z', ADD _dlt_valid_to"
        " timestamptz",
        *(dlt(no, "a", 100) for no in (1, 2)),
        whole(100),
    )
    assert stored(warehouse, "scd2") == 2
    execute(
        warehouse,
        "UPDATE crm.lodgers SET _dlt_valid_to = '2026-03-05Z'",
        "INSERT INTO crm.lodgers VALUES (1, 'L1', 'b', '101.5', 'r3', '2026-03-05Z', NULL)",
        whole(101),
    )
    assert stored(warehouse, "scd2") == 2
    assert stored(warehouse, "scd2") == 0
    assert [(who, room, since.day, gone) for who, room, since, _, gone in versions(warehouse)] == [
        ("1", "a", 1, False),
        ("1", "b", 5, False),
        ("2", "a", 1, True),
    ]
