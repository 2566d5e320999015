"""A ward with patients of every kind of attribute, their treatments, and what is summed up of these.

Everything that a patient's record says ends up somewhere else: in a history, a combination, a group, an
inferred member, an aggregate, the quarantine, an error, a request.
"""

from datetime import UTC, datetime
from decimal import Decimal
from typing import Annotated, Any
from urllib.parse import quote

from pydantic import AwareDatetime
from sqlalchemy import SelectBase, String, func, select
from sqlalchemy.orm import Mapped
from tests.memory import pages

from strandline.model import (
    Aggregate,
    Bridge,
    CustomFields,
    Dimension,
    Fact,
    Mapper,
    MiniDimension,
    Money,
    ShrunkenDimension,
    attribute,
    degenerate,
    event_time,
    field,
    grain,
    measure,
    references,
)
from strandline.pipeline import Pipeline
from strandline.source import Page, Pages, Personal, Record, Source, stream


class Patient(Record):
    """A patient."""

    id: str
    at: AwareDatetime
    name: str
    email: str | None = None
    phone: str | None = None
    street: str | None = None
    town: str | None = None
    age: int | None = None
    doctor: str | None = None
    allergies: list[str] | None = None


class Relative(Record):
    """Somebody to call."""

    phone: Annotated[str | None, Personal()] = None
    kin: str | None = None


class Treatment(Record):
    """A treatment."""

    id: str
    at: AwareDatetime
    patient: str
    cost: Decimal
    contact: Annotated[str | None, Personal()] = None
    remark: Annotated[str, Personal()] = "none"
    relatives: list[Relative] | None = None


class Ward(Source):
    """Patients, with an address in the request, and treatments."""

    name = "ward"

    def __init__(self, patients: list[bytes] | None = None, treatments: list[Any] | None = None) -> None:
        super().__init__()
        self.patient_records = patients or []
        self.treatment_records = treatments or []
        self.asked = "GET /patients"

    @stream(Patient, key="id", effective_at="at", deleted="gone")
    def patients(self) -> Pages:
        """What it was given."""
        records, now = self.patient_records, datetime.now(UTC)
        yield Page(records, number=1, request=self.asked, status=200, fetched_at=now, size=1)

    @stream(Treatment, key="id", effective_at="at")
    def treatments(self) -> Pages:
        """What it was given."""
        return pages(self.treatment_records)

    def ask_for(self, email: str) -> None:
        """Have the address in the URL."""
        self.asked = f"GET /patients?email={quote(email)}"


class DimDoctor(Dimension):
    """A doctor, of whom only patients tell."""

    doctor_name: Mapped[str | None] = attribute(String(40))


class DimAllergen(Dimension):
    """What somebody is allergic to."""

    allergen_name: Mapped[str | None] = attribute(String(40))


class BridgeAllergy(Bridge, to=DimAllergen):
    """What patients are allergic to."""


class DimPatient(Dimension, CustomFields):
    """A patient; a column of every type, and what nobody has declared."""

    first_email: Mapped[str | None] = attribute(String(60), scd=0, pii=True)
    patient_name: Mapped[str] = attribute(String(60), pii=True)
    street: Mapped[str] = attribute(String(60), scd=2)
    phone: Mapped[str | None] = attribute(String(60), scd=3, pii=True)
    email: Mapped[str | None] = attribute(String(60), scd=6, pii=True)
    age: Mapped[int] = attribute(scd=2)
    doctor_id: Mapped[str | None] = attribute(String(60), outrigger=DimDoctor)
    allergies: Mapped[str | None] = attribute(String(200), bridge=BridgeAllergy)


class DimPatientProfile(MiniDimension, of=DimPatient, outrigger=True):
    """What changes often."""

    town: Mapped[str | None] = attribute(String(60))


class DimStreet(ShrunkenDimension, of=DimPatient, attributes=("street",)):
    """The streets in which patients live."""


class FactTreatment(Fact, CustomFields):
    """One row a treatment."""

    treatment_id: Mapped[str] = grain(String(40))
    treated_at: Mapped[datetime] = event_time()
    patient_key: Mapped[int] = references(DimPatient)
    profile_key: Mapped[int] = references(DimPatientProfile)
    remark: Mapped[str] = degenerate(String(80))
    contact: Mapped[str | None] = degenerate(String(80))
    cost: Mapped[Decimal] = measure(Money)


class AggStreet(Aggregate):
    """Costs by street."""

    street: Mapped[str] = grain(String(60))
    cost: Mapped[Decimal | None] = measure(Money)

    @classmethod
    def query(cls) -> SelectBase:
        """As it was at the time."""
        return (
            select(DimPatient.street, func.sum(FactTreatment.cost).label("cost"))
            .join(DimPatient, DimPatient.key == FactTreatment.patient_key)
            .group_by(DimPatient.street)
        )


class WardPatient(Mapper[Patient, DimPatient]):
    """The ward's patients."""

    first_email = field("email")
    patient_name = field("name")
    street = field("street")
    phone = field("phone")
    email = field("email")
    age = field("age")
    doctor_id = field("doctor")
    allergies = field("allergies")


class WardProfile(Mapper[Patient, DimPatientProfile]):
    """Their profiles."""

    town = field("town")


class WardTreatment(Mapper[Treatment, FactTreatment]):
    """The ward's treatments."""

    treatment_id = field("id")
    treated_at = field("at")
    patient_key = field("patient")
    profile_key = field("patient")
    remark = field("remark")
    contact = field("contact")
    cost = field("cost")


ward = Pipeline("ward")
ward.sync(Ward.patients, WardPatient)
ward.sync(Ward.patients, WardProfile)
ward.sync(Ward.treatments, WardTreatment)
