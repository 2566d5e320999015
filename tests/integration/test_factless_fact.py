"""Factless facts: rows that count by being there, of what happened and of what might have."""

from datetime import date
from typing import Any

from sqlalchemy import Date, String, text
from sqlalchemy.orm import Mapped
from tests.memory import Given, pages

from strandline.model import Dimension, Fact, Mapper, attribute, field, grain, line, references
from strandline.pipeline import Pipeline, RunReport, run
from strandline.source import Pages, Record, Source, stream
from strandline.testing import assert_drawn
from strandline.warehouse.database import Database


class Lesson(Record):
    """Who was there."""

    id: str
    course: str
    pupil: str
    day: date


class Course(Record):
    """Whom a course is offered to."""

    id: str
    pupils: list[str]


class School(Source):
    """Lessons and courses."""

    name = "school"

    def __init__(self, lessons: list[Given], courses: list[Given]) -> None:
        super().__init__()
        self.sent_lessons, self.sent_courses = lessons, courses

    @stream(Lesson, key="id")
    def lessons(self) -> Pages:
        """What it was given."""
        return pages(self.sent_lessons)

    @stream(Course, key="id")
    def courses(self) -> Pages:
        """What it was given."""
        return pages(self.sent_courses)


class DimScholar(Dimension):
    """A pupil."""

    pupil_name: Mapped[str | None] = attribute(String(20))


class FactAttendance(Fact):
    """One row a pupil who was at a course on a day."""

    course: Mapped[str] = grain(String(20))
    day: Mapped[date] = grain(Date)
    pupil: Mapped[str] = grain(String(20))
    scholar_key: Mapped[int] = references(DimScholar)


class FactOffer(Fact):
    """One row a course and pupil who may attend it: nothing but the grain."""

    course: Mapped[str] = grain(String(20))
    pupil: Mapped[str] = grain(String(20))


class SchoolAttendance(Mapper[Lesson, FactAttendance]):
    """Events."""

    course = field("course")
    day = field("day")
    pupil = field("pupil")
    scholar_key = field("pupil")


class SchoolOffer(Mapper[Course, FactOffer], each="pupils"):
    """Coverage."""

    course = field("id")
    pupil = line()


school = Pipeline("school")
school.sync(School.lessons, SchoolAttendance)
school.sync(School.courses, SchoolOffer)

LESSONS: list[Given] = [
    {"id": "1", "course": "art", "pupil": "ada", "day": "2026-01-01"},
    {"id": "2", "course": "art", "pupil": "bob", "day": "2026-01-01"},
    {"id": "3", "course": "art", "pupil": "ada", "day": "2026-01-02"},
]
COURSES: list[Given] = [{"id": "art", "pupils": ["ada", "bob", "cyd"]}, {"id": "zoo", "pupils": ["ada"]}]

NEVER_THERE = text("""
    SELECT course, pupil FROM warehouse.fact_offer
    EXCEPT SELECT course, pupil FROM warehouse.fact_attendance ORDER BY 1, 2
""")


def load(database: Database, lessons: list[Given], courses: list[Given]) -> RunReport:
    """One run."""
    return run(school, database, sources={"school": School(lessons, courses)})


def counts(report: RunReport) -> list[list[Any]]:
    """What each target's rows came to."""
    return [[it.counts[name] for name in ("inserted", "updated", "deleted")] for it in report.targets]


def test_events_are_counted_by_their_rows_and_coverage_tells_what_did_not_happen(warehouse: Database) -> None:
    load(warehouse, LESSONS, COURSES)

    with warehouse.connect() as connection:
        assert_drawn(
            connection,
            text("SELECT pupil, count(*) AS days FROM warehouse.fact_attendance GROUP BY pupil ORDER BY 1"),
            """
            | pupil | days |
            | ada   | 2    |
            | bob   | 1    |
            """,
        )
        assert_drawn(
            connection,
            NEVER_THERE,
            """
            | course | pupil |
            | art    | cyd   |
            | zoo    | ada   |
            """,
        )


def test_a_factless_row_that_comes_again_is_no_change(warehouse: Database) -> None:
    """There is nothing in it that could differ; an offer that is withdrawn goes."""
    assert counts(load(warehouse, LESSONS, COURSES)) == [[3, 0, 0], [4, 0, 0]]
    again = [{**it, "seen": 1} for it in LESSONS if not isinstance(it, bytes)]
    narrower: list[Given] = [{"id": "art", "pupils": ["bob", "cyd"]}, {"id": "zoo", "pupils": []}]

    assert counts(load(warehouse, list(again), narrower)) == [[0, 0, 0], [0, 0, 2]]
