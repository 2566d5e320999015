"""A power station whose facts do not say what they are; each line says by which rule."""

from datetime import date, datetime
from decimal import Decimal
from typing import Any

from pydantic import AwareDatetime
from sqlalchemy import Numeric, SelectBase, String, func, select
from sqlalchemy.orm import Mapped

from strandline import (
    AccumulatingSnapshot,
    Aggregate,
    DimDate,
    Dimension,
    Fact,
    Mapper,
    Pages,
    PeriodicSnapshot,
    Pipeline,
    Record,
    attribute,
    degenerate,
    event_time,
    field,
    grain,
    measure,
    milestone,
    period,
    references,
    stream,
)
from strandline.source import Source, paged

Megawatt = Numeric(18, 3)


class Reading(Record):
    """Whatever a power station notes."""

    id: str
    at: AwareDatetime
    anything: Any


class Station(Source):
    """A power station."""

    @stream(Reading, key="id", effective_at="at")
    def readings(self) -> Pages:
        """None."""
        return paged([])


class DimTurbine(Dimension):
    """A turbine."""

    maker: Mapped[str] = attribute(String(40))


class FactOutput(Fact):  # fault: grain-statement
    """What came out."""

    output_id: Mapped[str] = grain(String(20))
    measured_at: Mapped[datetime] = event_time()
    measured_date_key: Mapped[int] = references(DimDate, on="measured_at")
    turbine_key: Mapped[int] = references(DimTurbine)
    output_mwh: Mapped[Decimal] = measure(Megawatt)
    fuel_rate: Mapped[Decimal] = measure(Megawatt)  # fault: rate-additive
    fuel_stock: Mapped[Decimal] = measure(Megawatt)  # fault: balance-additive
    steam_temperature: Mapped[Decimal] = measure(Megawatt, additive=False)  # fault: non-additive-comment
    own_use_mwh: Mapped[Decimal | None] = measure(Megawatt)  # fault: nullable-measure
    spare_turbine_key: Mapped[int | None] = references(DimTurbine)  # fault: nullable-key
    operator_key: Mapped[str] = degenerate(String(20))  # fault: key-without-reference
    operator_phone: Mapped[str] = degenerate(String(20))  # fault: personal-fact


class FactAlarm(Fact):  # fault: fact-without-reference
    """One row an alarm."""

    alarm_id: Mapped[str] = grain(String(20))
    rang_at: Mapped[datetime] = event_time()


class FactPart(Fact):  # fault: fact-without-time
    """One row a part that was built in."""

    part_id: Mapped[str] = grain(String(20))
    turbine_key: Mapped[int] = references(DimTurbine)


class FactVisit(Fact):  # fault: fact-without-calendar
    """One row a visit."""

    visit_id: Mapped[str] = grain(String(20))
    visited_at: Mapped[datetime] = event_time()
    turbine_key: Mapped[int] = references(DimTurbine)


class FactShift(Fact):  # fault: centipede-fact
    """One row a shift; six keys are enough here."""

    shift_id: Mapped[str] = grain(String(20))
    began_at: Mapped[datetime] = event_time()
    began_date_key: Mapped[int] = references(DimDate, on="began_at")
    first_turbine_key: Mapped[int] = references(DimTurbine)
    second_turbine_key: Mapped[int] = references(DimTurbine)
    third_turbine_key: Mapped[int] = references(DimTurbine)
    fourth_turbine_key: Mapped[int] = references(DimTurbine)
    fifth_turbine_key: Mapped[int] = references(DimTurbine)
    sixth_turbine_key: Mapped[int] = references(DimTurbine)


class FactInspection(Fact):  # fault: junk-dimension
    """One row an inspection; two flags are enough here."""

    inspection_id: Mapped[str] = grain(String(20))
    inspected_at: Mapped[datetime] = event_time()
    inspected_date_key: Mapped[int] = references(DimDate, on="inspected_at")
    turbine_key: Mapped[int] = references(DimTurbine)
    is_planned: Mapped[bool] = degenerate()
    is_complete: Mapped[bool] = degenerate()
    has_findings: Mapped[bool] = degenerate()


class FactRepair(AccumulatingSnapshot):  # fault: single-milestone
    """One row a repair."""

    repair_id: Mapped[str] = grain(String(20))
    ordered_at: Mapped[datetime | None] = milestone()
    turbine_key: Mapped[int] = references(DimTurbine)


class FactRefit(AccumulatingSnapshot):  # fault: milestone-order
    """One row a refit."""

    refit_id: Mapped[str] = grain(String(20))
    stopped_at: Mapped[datetime | None] = milestone()
    started_at: Mapped[datetime | None] = milestone()
    turbine_key: Mapped[int] = references(DimTurbine)


class FactOverhaul(AccumulatingSnapshot):
    """One row an overhaul."""

    overhaul_id: Mapped[str] = grain(String(20))
    halted_at: Mapped[datetime] = milestone()
    resumed_at: Mapped[datetime] = milestone(after="halted_at")  # fault: milestone-required
    turbine_key: Mapped[int] = references(DimTurbine)


class FactStore(PeriodicSnapshot, every="month"):
    """One row a turbine and month."""

    turbine_id: Mapped[str] = grain(String(20))
    month: Mapped[date] = period()
    turbine_key: Mapped[int] = references(DimTurbine)
    fuel_reserve: Mapped[Decimal] = measure(Megawatt, additive="semi")
    wear_index: Mapped[Decimal] = measure(Megawatt, additive=False, comment="The latest one counts")
    worked_hours: Mapped[Decimal] = measure(Megawatt)


class AggStore(Aggregate):
    """The store by maker."""

    maker: Mapped[str] = grain(String(40))
    fuel_reserve: Mapped[Decimal] = measure(Megawatt)  # fault: sum-over-time
    most_worked_hours: Mapped[Decimal] = measure(Megawatt)  # fault: aggregate-additivity

    @classmethod
    def query(cls) -> SelectBase:
        """By maker."""
        return (
            select(
                DimTurbine.maker.label("maker"),
                func.sum(FactStore.fuel_reserve).label("fuel_reserve"),
                func.max(FactStore.worked_hours).label("most_worked_hours"),
            )
            .join(DimTurbine, DimTurbine.key == FactStore.turbine_key)
            .group_by(DimTurbine.maker)
        )


ANYTHING = field("anything", default=None)


class StationTurbine(Mapper[Reading, DimTurbine]):
    """Turbines."""

    maker = ANYTHING


class StationOutput(Mapper[Reading, FactOutput]):
    """Outputs."""

    output_id = field("id")
    measured_at = field("at")
    turbine_key = ANYTHING
    output_mwh = ANYTHING
    fuel_rate = ANYTHING
    fuel_stock = ANYTHING
    steam_temperature = ANYTHING
    own_use_mwh = ANYTHING
    spare_turbine_key = ANYTHING
    operator_key = ANYTHING
    operator_phone = ANYTHING


class StationAlarm(Mapper[Reading, FactAlarm]):
    """Alarms."""

    alarm_id = field("id")
    rang_at = field("at")


class StationPart(Mapper[Reading, FactPart]):
    """Parts."""

    part_id = field("id")
    turbine_key = ANYTHING


class StationVisit(Mapper[Reading, FactVisit]):
    """Visits."""

    visit_id = field("id")
    visited_at = field("at")
    turbine_key = ANYTHING


class StationShift(Mapper[Reading, FactShift]):
    """Shifts."""

    shift_id = field("id")
    began_at = field("at")
    first_turbine_key = ANYTHING
    second_turbine_key = ANYTHING
    third_turbine_key = ANYTHING
    fourth_turbine_key = ANYTHING
    fifth_turbine_key = ANYTHING
    sixth_turbine_key = ANYTHING


class StationInspection(Mapper[Reading, FactInspection]):
    """Inspections."""

    inspection_id = field("id")
    inspected_at = field("at")
    turbine_key = ANYTHING
    is_planned = ANYTHING
    is_complete = ANYTHING
    has_findings = ANYTHING


class StationRepair(Mapper[Reading, FactRepair]):
    """Repairs."""

    repair_id = field("id")
    ordered_at = ANYTHING
    turbine_key = ANYTHING


class StationRefit(Mapper[Reading, FactRefit]):
    """Refits."""

    refit_id = field("id")
    stopped_at = ANYTHING
    started_at = ANYTHING
    turbine_key = ANYTHING


class StationOverhaul(Mapper[Reading, FactOverhaul]):
    """Overhauls."""

    overhaul_id = field("id")
    halted_at = ANYTHING
    resumed_at = ANYTHING
    turbine_key = ANYTHING


class StationStore(Mapper[Reading, FactStore]):
    """The store."""

    turbine_id = field("id")
    turbine_key = field("id")
    fuel_reserve = ANYTHING
    wear_index = ANYTHING
    worked_hours = ANYTHING


station = Pipeline("station")
for each in (StationTurbine, StationOutput, StationAlarm, StationPart, StationVisit, StationShift):
    station.sync(Station.readings, each)
for other in (StationInspection, StationRepair, StationRefit, StationOverhaul, StationStore):
    station.sync(Station.readings, other)
