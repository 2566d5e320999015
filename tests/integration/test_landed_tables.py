"""Tables that Airbyte and Fivetran land, as each documents them, become dimensions."""

import re
from datetime import UTC, datetime
from pathlib import Path

import pytest
from pydantic import SecretStr
from tests.lodgers import House, LandedSettings, execute, house, stored, there, versions

from strandline.errors import DeclarationError, UnexpectedResponse
from strandline.pipeline import Deletes
from strandline.warehouse.database import Database

AIRBYTE = """
    CREATE SCHEMA air;
    CREATE TABLE air.lodgers (
        _airbyte_raw_id varchar NOT NULL, _airbyte_extracted_at timestamptz NOT NULL,
        _airbyte_meta jsonb NOT NULL, _airbyte_generation_id bigint,
        id bigint, name varchar, room varchar,
        _ab_cdc_lsn numeric, _ab_cdc_updated_at varchar, _ab_cdc_deleted_at varchar
    )
"""


def air(no: int, room: str, *, day: int, deleted: str = "NULL") -> str:
    at = f"'2026-03-{day:02}T00:00:00Z'"
    own = f"gen_random_uuid(), {at}, '{{}}', 1"
    return f"INSERT INTO air.lodgers VALUES ({own}, {no}, 'L{no}', '{room}', {day}, {at}, {deleted})"


def test_airbyte_with_a_log_of_changes_feeds_a_dimension(warehouse: Database) -> None:
    execute(warehouse, AIRBYTE, air(1, "a", day=1), air(2, "b", day=1), air(3, "c", day=1))
    assert stored(warehouse, "airbyte") == 3

    execute(
        warehouse,
        "UPDATE air.lodgers SET _airbyte_raw_id = 'r', _airbyte_extracted_at = now() WHERE id = 1",
        "UPDATE air.lodgers SET room = 'bb' WHERE id = 2",
        "UPDATE air.lodgers SET _ab_cdc_deleted_at = '2026-03-04T05:06:07.891Z' WHERE id = 3",
    )
    assert stored(warehouse, "airbyte") == 2  # of the first only what is Airbyte's has changed
    assert stored(warehouse, "airbyte") == 0

    assert there(warehouse) == {("1", "a"), ("2", "bb")}
    assert versions(warehouse)[-1][-1] is True


def test_of_airbytes_own_columns_a_record_has_what_the_contract_names(warehouse: Database) -> None:
    execute(warehouse, AIRBYTE, air(1, "a", day=1))
    with house(warehouse) as source:
        (page,) = House.airbyte.read(source, None)
        assert page.records == [b'{"id":1,"name":"L1","room":"a","_ab_cdc_deleted_at":null}']


def test_airbytes_appended_rows_are_versions(warehouse: Database) -> None:
    execute(
        warehouse,
        AIRBYTE,
        "ALTER TABLE air.lodgers DROP COLUMN _ab_cdc_deleted_at",
        *(air(1, room, day=day).replace(", NULL)", ")") for room, day in (("c", 3), ("a", 1), ("b", 2))),
    )
    assert stored(warehouse, "appended") == 3
    assert [(it[1], it[2].day) for it in versions(warehouse)] == [("a", 1), ("b", 2), ("c", 3)]


def test_who_is_missing_from_airbytes_table_is_gone(warehouse: Database) -> None:
    execute(
        warehouse,
        AIRBYTE,
        *(air(no, "a", day=1) for no in range(1, 10)),
        air(10, "z", day=1, deleted="'2026-03-02T00:00:00Z'"),
    )
    sweep = {"deletes": Deletes.by_ids(House.airbyte_ids)}
    stored(warehouse, "airbyte", **sweep)
    assert len(there(warehouse)) == 9

    execute(
        warehouse,  # a full refresh: another table takes its place
        """
        CREATE TABLE air.swapped AS SELECT * FROM air.lodgers WHERE id <> 4;
        UPDATE air.swapped SET _airbyte_raw_id = 'new', _airbyte_extracted_at = now();
        DROP TABLE air.lodgers;
        ALTER TABLE air.swapped RENAME TO lodgers
        """,
    )
    assert stored(warehouse, "airbyte", **sweep) == 1  # the deletion, and no record
    assert {it[0] for it in there(warehouse)} == {str(it) for it in (1, 2, 3, 5, 6, 7, 8, 9)}


FIVETRAN = """
    CREATE SCHEMA five;
    CREATE TABLE five.lodgers (
        id int PRIMARY KEY, name text, room text, _fivetran_synced timestamptz, _fivetran_deleted boolean
    );
    INSERT INTO five.lodgers VALUES
        (1, 'L1', 'a', '2026-03-01Z', false), (2, 'L2', 'b', '2026-03-01Z', false)
"""


def test_fivetrans_soft_deletes_close_members(warehouse: Database) -> None:
    execute(warehouse, FIVETRAN)
    assert stored(warehouse, "fivetran") == 2

    execute(
        warehouse,
        "UPDATE five.lodgers SET _fivetran_synced = '2026-03-02Z'",
        "UPDATE five.lodgers SET _fivetran_deleted = true WHERE id = 2",
    )
    assert stored(warehouse, "fivetran") == 1
    assert there(warehouse) == {("1", "a")}

    execute(warehouse, "UPDATE five.lodgers SET _fivetran_deleted = false, room = 'c' WHERE id = 2")
    assert stored(warehouse, "fivetran") == 1
    assert there(warehouse) == {("1", "a"), ("2", "c")}


HISTORY = """
    CREATE SCHEMA five;
    CREATE TABLE five.lodgers (
        id int, name text, room text, _fivetran_start timestamptz, _fivetran_end timestamptz,
        _fivetran_active boolean, _fivetran_synced timestamptz, PRIMARY KEY (id, _fivetran_start)
    )
"""


def begun(no: int, room: str, day: int) -> str:
    return (
        f"INSERT INTO five.lodgers VALUES ({no}, 'L{no}', '{room}', '2026-03-{day:02}Z',"
        " '9999-12-31 23:59:59.999Z', true, now())"
    )


def ended(no: int, day: int) -> str:
    return (
        f"UPDATE five.lodgers SET _fivetran_active = false, _fivetran_end = '2026-03-{day:02}Z'::timestamptz"
        f" - interval '1 ms' WHERE id = {no} AND _fivetran_active"
    )


def test_fivetrans_history_becomes_that_of_the_dimension(warehouse: Database) -> None:
    """One that changes, one that goes, and one that goes and comes back, in one read and in several."""
    execute(
        warehouse,
        HISTORY,
        begun(1, "a", 1),
        ended(1, 3),
        begun(1, "b", 3),
        begun(2, "c", 1),
        begun(3, "d", 1),
    )
    assert stored(warehouse, "history") == 4
    execute(warehouse, ended(2, 4), ended(3, 5), begun(3, "e", 9))
    stored(warehouse, "history")
    execute(warehouse, ended(1, 11), begun(1, "f", 11))
    stored(warehouse, "history")
    assert stored(warehouse, "history") == 0
    assert [(who, room, since.day, gone) for who, room, since, _, gone in versions(warehouse)] == [
        ("1", "a", 1, False),
        ("1", "b", 3, False),
        ("1", "f", 11, False),
        ("2", "c", 1, True),
        ("3", "d", 1, False),
        ("3", "e", 9, False),
    ]
    assert [until for who, _, _, until, _ in versions(warehouse) if who in "23"] == [
        datetime(2026, 3, 3, 23, 59, 59, 999_000, tzinfo=UTC),
        datetime(2026, 3, 4, 23, 59, 59, 999_000, tzinfo=UTC),
        None,
    ]


@pytest.mark.parametrize(
    ("name", "made", "error", "said"),
    [
        ("by_nobody", AIRBYTE, DeclarationError, "by='mule' is no tool whose tables are known"),
        (
            "airbyte",
            "CREATE SCHEMA air; CREATE TABLE air.lodgers (id int)",
            UnexpectedResponse,
            "_airbyte_raw_id",
        ),
        (
            "airbyte",
            f"{AIRBYTE}; ALTER TABLE air.lodgers DROP _ab_cdc_deleted_at",
            UnexpectedResponse,
            "no column '_ab_cdc_deleted_at'",
        ),
        ("appended", AIRBYTE, UnexpectedResponse, "_ab_cdc_deleted_at' which of its records are gone"),
        ("fivetran", HISTORY, UnexpectedResponse, "a row for each version"),
        (
            "airbyte_ids",
            f"{AIRBYTE}; ALTER TABLE air.lodgers RENAME id TO no",
            UnexpectedResponse,
            "no column 'id'",
        ),
        ("dlt", "CREATE SCHEMA crm", UnexpectedResponse, "there is no table"),
    ],
)
def test_what_does_not_fit_is_told(
    warehouse: Database, name: str, made: str, error: type[Exception], said: str
) -> None:
    execute(warehouse, made)
    with house(warehouse) as source, pytest.raises(error, match=re.escape(said)):
        list(House.streams()[name].read(source, None))


def test_another_database_than_postgresql_is_read_by_a_cursor(tmp_path: Path) -> None:
    url = SecretStr(f"sqlite:///{tmp_path / 'landed.db'}")
    with (
        House(settings=LandedSettings(url=url)) as source,
        pytest.raises(DeclarationError, match="not from sqlite"),
    ):
        list(House.dlt.read(source, None))
