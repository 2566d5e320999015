"""Erasure that forgets the natural key too: facts and bridges point where they did, at nobody known."""

import json
from datetime import UTC, datetime
from decimal import Decimal
from typing import Annotated, Any

import pytest
from pydantic import AwareDatetime
from sqlalchemy import String, func, select, text
from sqlalchemy.orm import Mapped
from tests.integration.test_erasure import dump
from tests.memory import pages

from strandline.errors import DeclarationError, UnknownKey
from strandline.model import (
    Bridge,
    Dimension,
    Fact,
    Hierarchy,
    Mapper,
    Money,
    attribute,
    degenerate,
    event_time,
    field,
    grain,
    measure,
    references,
)
from strandline.pipeline import Certificate, Pipeline, RunReport, erase, run, unique
from strandline.pipeline.replay import replay
from strandline.source import Page, Pages, Personal, Record, Source, stream
from strandline.testing.written import row_versions
from strandline.warehouse import pseudonym
from strandline.warehouse.database import Database

KEY = "rosa.alder@example.com"


class Student(Record):
    """A student, found by an address."""

    mail: str
    at: AwareDatetime
    name: Annotated[str, Personal()]
    town: str | None = None
    mentor: str | None = None


class Lesson(Record):
    """A lesson, of somebody and with others."""

    id: str
    at: AwareDatetime
    student: str
    guests: list[str] | None = None
    price: Decimal
    note: str | None = None


class Chair(Record):
    """A number that a student has."""

    id: int
    at: AwareDatetime
    student: str


class School(Source):
    """Whatever it is given."""

    name = "school_of_pseudonyms"

    def __init__(self, students: list[Any], lessons: list[Any]) -> None:
        super().__init__()
        self.student_records, self.lesson_records = students, lessons

    @stream(Student, key="mail", effective_at="at")
    def students(self) -> Pages:
        """Those."""
        records, now = [json.dumps(it).encode() for it in self.student_records], datetime.now(UTC)
        asked = f"GET /students/{KEY.replace('@', '%40')}?x=1"
        yield Page(records, number=1, request=asked, status=200, fetched_at=now, size=1)

    @stream(Lesson, key="id", effective_at="at")
    def lessons(self) -> Pages:
        """Those."""
        return pages(self.lesson_records)


class DimStudent(Dimension):
    """A student."""

    student_name: Mapped[str] = attribute(String(60), pii=True)
    town: Mapped[str | None] = attribute(String(60), scd=2)
    mentor: Mapped[str | None] = attribute(String(60))


class HierarchyMentor(Hierarchy, of=DimStudent, parent="mentor"):
    """Who looks after whom."""


class BridgeGuest(Bridge, to=DimStudent):
    """Who came along."""


class FactLesson(Fact):
    """One row a lesson."""

    lesson_id: Mapped[str] = grain(String(40))
    given_at: Mapped[datetime] = event_time()
    student_key: Mapped[int] = references(DimStudent)
    guest_group_key: Mapped[int] = references(BridgeGuest)
    student: Mapped[str] = degenerate(String(60))
    price: Mapped[Decimal] = measure(Money)


class SchoolStudent(Mapper[Student, DimStudent]):
    """Students."""

    student_name = field("name")
    town = field("town")
    mentor = field("mentor")


class SchoolLesson(Mapper[Lesson, FactLesson]):
    """Lessons."""

    lesson_id = field("id")
    given_at = field("at")
    student_key = field("student")
    guest_group_key = field("guests")
    student = field("student")
    price = field("price")


school = Pipeline("school")
school.sync(School.students, SchoolStudent)
school.sync(School.lessons, SchoolLesson)
school.expect(DimStudent, unique("town"), severity="warn")


def student(mail: str, day: int, **said: Any) -> dict[str, Any]:
    """A student's record."""
    return {"mail": mail, "at": f"2026-01-{day:02}T00:00:00Z", "name": "Rosa Alder", "town": "Oslo"} | said


def lesson(number: int, mail: str, day: int, *guests: str, **said: Any) -> dict[str, Any]:
    """A lesson's."""
    made = {"id": str(number), "at": f"2026-01-{day:02}T00:00:00Z", "student": mail, "guests": guests or None}
    return {**made, "price": str(number), **said}


STUDENTS = [student(KEY, 1), student(KEY, 3, town="Moss"), student("b", 1, name="B", mentor=KEY)]
LESSONS = [
    lesson(1, KEY, 2),
    lesson(2, KEY, 4, "b", KEY, "c", copy={"of": f"<{KEY}>"}),
    lesson(3, "b", 4, KEY, "zz", "yy"),
    lesson(4, "b", 4, "c"),
    lesson(5, KEY, 5, price="much"),
]


def load(warehouse: Database, students: list[Any], lessons: list[Any]) -> RunReport:
    """Let the school send these."""
    return run(school, warehouse, sources={School.name: School(students, lessons)})


def forgotten(warehouse: Database, **arguments: Any) -> Certificate:
    """Erase the student with the address."""
    stream = School.students.qualified_name
    return erase([school], warehouse, stream, KEY, reason="a request", pseudonymise=True, **arguments)


def links(warehouse: Database) -> list[Any]:
    """Whom facts and groups point at, by keys of the warehouse."""
    facts = (
        "SELECT lesson_id, student_key, guest_group_key, price, student_durable_key"
        " FROM warehouse.fact_lesson JOIN warehouse.dim_student USING (student_key) ORDER BY 1"
    )
    members = (
        "SELECT guest_group_key, student_durable_key, sum(weight) OVER (PARTITION BY guest_group_key)"
        " FROM warehouse.bridge_guest ORDER BY 1, 2"
    )
    with warehouse.connect() as connection:
        return [connection.execute(text(it)).all() for it in (facts, members)]


def keys(warehouse: Database) -> dict[int, str]:
    """The natural key of each student, by durable key."""
    d = DimStudent.table().c
    with warehouse.connect() as connection:
        rows = connection.execute(select(d.student_durable_key, d.source_id).where(d.student_durable_key > 0))
        return {row[0]: row[1] for row in rows}


TABLES = [FactLesson.table(), DimStudent.table(), BridgeGuest.table(), BridgeGuest.groups]


@pytest.mark.parametrize("only_pii", [False, True])
def test_the_key_is_forgotten_and_everything_points_where_it_did(warehouse: Database, only_pii: bool) -> None:
    """In raw logs, rows, groups, quarantine, requests; a replay gives the same, and so does the source."""
    load(warehouse, STUDENTS, LESSONS)
    before, who = links(warehouse), keys(warehouse)
    member = next(number for number, key in who.items() if key == KEY)
    dry = forgotten(warehouse, only_pii=only_pii, is_dry=True)
    assert keys(warehouse) == who
    certificate = forgotten(warehouse, only_pii=only_pii)

    after = keys(warehouse)
    token = after.pop(member)
    assert "rosa" not in dump(warehouse).lower()
    assert (token in dump(warehouse), pseudonym_is(token)) == (True, True)
    assert after == {number: key for number, key in who.items() if number != member}
    assert [it[2:] for it in links(warehouse)[0]] == [it[2:] for it in before[0]]
    assert links(warehouse)[1] == before[1]
    assert certificate.pseudonymised
    assert (dry.counts, dry.kept) == (certificate.counts, certificate.kept)
    assert token not in json.dumps(certificate.as_dict(), default=str)
    with pytest.raises(UnknownKey):
        forgotten(warehouse)

    written = row_versions(warehouse, *TABLES)
    assert replay(school, warehouse).status == "done"
    assert row_versions(warehouse, *TABLES) == written
    report = load(warehouse, STUDENTS, LESSONS)
    assert [it.stored for it in report.streams] == [0, 0]
    assert row_versions(warehouse, *TABLES) == written


def pseudonym_is(token: str) -> bool:
    """Whether it has the form of the key, and nothing of it."""
    return token.endswith("@example.com") and token.startswith("erased-")


def test_what_comes_later_names_nobody_who_is_known(warehouse: Database) -> None:
    """A new lesson is that of a student of its own, also when it comes again; their records stay away."""
    load(warehouse, STUDENTS, LESSONS)
    forgotten(warehouse)
    new = [lesson(6, KEY, 6, KEY, "b"), lesson(7, KEY, 6)]
    report = load(warehouse, [*STUDENTS, student(KEY, 9)], [*LESSONS, *new])
    known = keys(warehouse)
    again = load(warehouse, STUDENTS, [*LESSONS, *reversed(new)])

    assert "rosa" not in dump(warehouse).lower()
    assert [it.stored for it in report.streams] == [0, 2]
    assert [it.stored for it in again.streams] == [0, 0]
    assert keys(warehouse) == known
    assert sum(map(pseudonym_is, known.values())) == 3
    assert replay(school, warehouse).status == "done"
    assert keys(warehouse) == known
    fact = FactLesson.table().c
    with warehouse.connect() as connection:
        assert connection.scalar(select(func.sum(fact.price))) == Decimal(23)
        noted = connection.execute(select(pseudonym.pseudonymised)).all()
    assert {it.stream for it in noted if it.sent_again_at} == {School.students.qualified_name}


def test_what_cannot_have_another_key_is_told(warehouse: Database) -> None:
    load(warehouse, STUDENTS, LESSONS)
    with pytest.raises(DeclarationError, match="another natural key than before"):
        forgotten(warehouse, until=datetime(2026, 1, 2, tzinfo=UTC))
