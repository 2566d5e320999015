"""Slowly changing dimensions, drawn: what each type does, one example each; `property` proves the rest."""

from datetime import UTC, datetime, timedelta
from typing import Any

from pydantic import AwareDatetime
from sqlalchemy import Select, String, select
from sqlalchemy.orm import Mapped
from tests.memory import Given, pages

from strandline.model import Dimension, Mapper, attribute, field
from strandline.pipeline import Pipeline, RunReport, run
from strandline.source import Pages, Record, Source, stream
from strandline.testing import assert_drawn
from strandline.warehouse.database import Database


class Pupil(Record):
    """A pupil."""

    id: str
    at: AwareDatetime
    born_in: str | None = None
    surname: str | None = None
    school: str | None = None


class Register(Source):
    """Pupils."""

    def __init__(self, *pupils: Given) -> None:
        super().__init__()
        self.records = pupils

    @stream(Pupil, key="id", effective_at="at", deleted="gone")
    def pupils(self) -> Pages:
        """What it was given."""
        return pages(self.records)


class DimPupil(Dimension):
    """A pupil: where they were born is kept, the name overwritten, the school has a history."""

    born_in: Mapped[str | None] = attribute(String(20), scd=0)
    surname: Mapped[str | None] = attribute(String(20), scd=1)
    school: Mapped[str | None] = attribute(String(20), scd=2)


class RegisterPupil(Mapper[Pupil, DimPupil]):
    """Pupils."""

    born_in = field("born_in")
    surname = field("surname")
    school = field("school")


register = Pipeline("register")
register.sync(Register.pupils, RegisterPupil)

FIRST = {"born_in": "Oslo", "surname": "Berg", "school": "North"}


def pupil(number: int, **said: Any) -> dict[str, Any]:
    """What the register says of one pupil on that day of January."""
    return {
        "id": "P1",
        "at": (datetime(2026, 1, 1, tzinfo=UTC) + timedelta(days=number - 1)).isoformat(),
        **said,
    }


def load(database: Database, *records: dict[str, Any]) -> RunReport:
    """One run."""
    report = run(register, database, sources={"register": Register(*records)})
    assert report.status == "done", report.streams
    return report


def _history() -> Select[Any]:
    return select(DimPupil.table()).where(DimPupil.key_column() > 0).order_by(DimPupil.version)


def check(database: Database, drawing: str) -> None:
    """The history is the one drawn."""
    with database.connect() as connection:
        assert_drawn(connection, _history(), drawing, ordered=True)


def test_each_type_of_column_does_to_a_change_what_kimball_says(warehouse: Database) -> None:
    """0 keeps the first value, 1 overwrites every version, 2 opens a new one."""
    load(warehouse, pupil(1, **FIRST))
    load(warehouse, pupil(5, born_in="Rome", surname="Dahl", school="South"))
    check(
        warehouse,
        """
        | pupil_durable_key | version | valid_from | valid_to   | is_current | born_in | surname | school |
        | 1                 | 1       | 2026-01-01 | 2026-01-05 | false      | Oslo    | Dahl    | North  |
        | 1                 | 2       | 2026-01-05 | ∅          | true       | Oslo    | Dahl    | South  |
        """,
    )


def test_a_change_of_what_is_not_tracked_opens_no_version(warehouse: Database) -> None:
    load(warehouse, pupil(1, **FIRST))
    report = load(warehouse, pupil(5, **{**FIRST, "surname": "Dahl"}))

    assert (report.targets[0].counts["versions"], report.targets[0].counts["overwritten"]) == (0, 1)
    check(
        warehouse,
        """
        | version | valid_from | valid_to | surname |
        | 1       | 2026-01-01 | ∅        | Dahl    |
        """,
    )


def test_several_changes_in_one_batch_become_several_versions_and_equal_neighbours_one(
    warehouse: Database,
) -> None:
    changes = [
        pupil(9, school="South"),
        pupil(3, school="North"),
        pupil(7, school="West"),
        pupil(5, school="West"),
    ]
    load(warehouse, pupil(1, school="North"), *changes)
    check(
        warehouse,
        """
        | version | valid_from | valid_to   | school |
        | 1       | 2026-01-01 | 2026-01-05 | North  |
        | 2       | 2026-01-05 | 2026-01-09 | West   |
        | 3       | 2026-01-09 | ∅          | South  |
        """,
    )


def test_a_deletion_closes_and_a_return_opens_with_the_gap_between(warehouse: Database) -> None:
    load(warehouse, pupil(1, school="North"))
    load(warehouse, pupil(5, gone=True))
    check(
        warehouse,
        """
        | version | valid_from | valid_to   | is_current | is_deleted |
        | 1       | 2026-01-01 | 2026-01-05 | false      | true       |
        """,
    )
    load(warehouse, pupil(9, school="North"))
    check(
        warehouse,
        """
        | version | valid_from | valid_to   | is_current | is_deleted |
        | 1       | 2026-01-01 | 2026-01-05 | false      | false      |
        | 2       | 2026-01-09 | ∅          | true       | false      |
        """,
    )


def test_nothing_equals_nothing_and_the_empty_text_is_something(warehouse: Database) -> None:
    load(warehouse, pupil(1), pupil(2), pupil(3, school=""), pupil(4))
    check(
        warehouse,
        """
        | version | valid_from | school |
        | 1       | 2026-01-01 | ∅      |
        | 2       | 2026-01-03 | ''     |
        | 3       | 2026-01-04 | ∅      |
        """,
    )


def test_who_wrote_a_row_and_when_is_told(warehouse: Database) -> None:
    """A row that is closed is written by the run that closes it."""
    first = load(warehouse, pupil(1, school="North"))
    second = load(warehouse, pupil(5, school="South"))
    with warehouse.connect() as connection:
        rows = connection.execute(_history()).mappings().all()

    assert [row["run_id"] for row in rows] == [second.run_id, second.run_id]
    assert first.run_id < second.run_id
    assert rows[0]["created_at"] < rows[0]["updated_at"] == rows[1]["created_at"]
    assert rows[0]["synced_at"] < rows[1]["synced_at"]
    assert {row["source_system"] for row in rows} == {"register"}
