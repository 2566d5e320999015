"""A school whose columns are not what they are called; each line says by which rule."""

from datetime import date, datetime
from decimal import Decimal
from typing import Any

from pydantic import AwareDatetime
from sqlalchemy import JSON, DateTime, Float, Integer, LargeBinary, Numeric, String
from sqlalchemy.orm import Mapped

from strandline import (
    DimDate,
    Dimension,
    Fact,
    Mapper,
    Money,
    Pages,
    Pipeline,
    Record,
    attribute,
    degenerate,
    event_time,
    field,
    grain,
    measure,
    references,
    stream,
)
from strandline.source import Source, paged


class Person(Record):
    """Whoever a school knows."""

    id: str
    at: AwareDatetime
    anything: Any


class School(Source):
    """A school."""

    @stream(Person, key="id", effective_at="at")
    def people(self) -> Pages:
        """Nobody."""
        return paged([])


class DimTeacher(Dimension):
    """A teacher."""

    subject: Mapped[str] = attribute(String(40))


class DimPupil(Dimension):
    """A pupil, whose columns are called as they should not be."""

    boarding: Mapped[bool] = attribute()  # fault: boolean-prefix
    is_not_paid: Mapped[bool] = attribute()  # fault: negative-boolean
    registered: Mapped[datetime] = attribute()  # fault: moment-suffix
    graduation: Mapped[date] = attribute()  # fault: date-suffix
    pocket: Mapped[Decimal] = attribute(Money)  # fault: money-suffix
    mentor: Mapped[str | None] = attribute(outrigger=DimTeacher)  # fault: outrigger-suffix
    status: Mapped[str] = attribute(String(20))  # fault: generic-name
    former_school: Mapped[str] = attribute(String(40))
    previous_former_school: Mapped[str | None] = attribute(String(40))  # fault: hand-made-history


class DimRoom(Dimension):
    """A room, whose columns do not hold what they promise."""

    is_heated: Mapped[str] = attribute(String(10))  # fault: boolean-type
    opened_at: Mapped[date] = attribute()  # fault: moment-type
    closing_date: Mapped[datetime] = attribute()  # fault: date-type
    painting_date: Mapped[str] = attribute(String(10))  # fault: date-as-text
    rent_amount: Mapped[str] = attribute(String(20))  # fault: number-as-text
    locker_id: Mapped[int] = attribute(Integer)  # fault: id-type
    seen_at: Mapped[datetime] = attribute(DateTime())  # fault: naive-timestamp
    motto: Mapped[str] = attribute()  # fault: text-length
    wing: Mapped[str] = attribute(String(2))  # fault: placeholder-cut
    square_metres: Mapped[Decimal] = attribute(Numeric())  # fault: numeric-precision
    equipment: Mapped[dict[str, Any] | None] = attribute(JSON)  # fault: structured-column
    photo: Mapped[bytes | None] = attribute(LargeBinary)  # fault: binary-column
    has_window: Mapped[bool | None] = attribute()  # fault: nullable-boolean


class FactLesson(Fact):
    """One row a lesson."""

    lesson: Mapped[str] = grain(String(20))  # fault: grain-suffix
    began_at: Mapped[datetime] = event_time()
    day_key: Mapped[int] = references(DimDate, on="began_at")  # fault: calendar-key
    teacher: Mapped[int] = references(DimTeacher)  # fault: key-suffix
    pupil_key: Mapped[int] = references(DimPupil)
    room_key: Mapped[int] = references(DimRoom)
    lesson_duration: Mapped[int] = measure(Integer)  # fault: duration-unit
    tuition_fee: Mapped[float] = measure(Float)  # fault: float-money
    walked_km: Mapped[float] = measure(Float)  # fault: float-measure
    paid_amount: Mapped[int] = measure(Integer)  # fault: amount-type
    pupil_count: Mapped[Decimal] = measure(Numeric(10, 2))  # fault: count-type
    pass_rate: Mapped[int] = measure(Integer, additive=False, comment="By pupils")  # fault: rate-type
    verdict: Mapped[str] = measure(String(10))  # fault: measure-type
    fine_amount: Mapped[Decimal] = degenerate(Money)  # fault: measure-undeclared


ANYTHING = field("anything", default=None)


class SchoolTeacher(Mapper[Person, DimTeacher]):
    """Teachers."""

    subject = ANYTHING


class SchoolPupil(Mapper[Person, DimPupil]):
    """Pupils."""

    boarding = ANYTHING
    is_not_paid = ANYTHING
    registered = ANYTHING
    graduation = ANYTHING
    pocket = ANYTHING
    mentor = ANYTHING
    status = ANYTHING
    former_school = ANYTHING
    previous_former_school = ANYTHING


class SchoolRoom(Mapper[Person, DimRoom]):
    """Rooms."""

    is_heated = ANYTHING
    opened_at = ANYTHING
    closing_date = ANYTHING
    painting_date = ANYTHING
    rent_amount = ANYTHING
    locker_id = ANYTHING
    seen_at = ANYTHING
    motto = ANYTHING
    wing = ANYTHING
    square_metres = ANYTHING
    equipment = ANYTHING
    photo = ANYTHING
    has_window = ANYTHING


class SchoolLesson(Mapper[Person, FactLesson]):
    """Lessons."""

    lesson = field("id")
    began_at = field("at")
    teacher = ANYTHING
    pupil_key = ANYTHING
    room_key = ANYTHING
    lesson_duration = ANYTHING
    tuition_fee = ANYTHING
    walked_km = ANYTHING
    paid_amount = ANYTHING
    pupil_count = ANYTHING
    pass_rate = ANYTHING
    verdict = ANYTHING
    fine_amount = ANYTHING


school = Pipeline("school")
for each in (SchoolTeacher, SchoolPupil, SchoolRoom, SchoolLesson):
    school.sync(School.people, each)
