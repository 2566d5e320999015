"""What a user declares: dimensions, facts, mappers and column types; no I/O."""

from strandline.model.aggregate import Aggregate
from strandline.model.audit import DimAudit
from strandline.model.base import Base
from strandline.model.bridge import Bridge
from strandline.model.calendar import Calendar, DimDate, Span
from strandline.model.column import attribute, degenerate, event_time, grain, measure, references
from strandline.model.combination import JunkDimension
from strandline.model.custom import CustomFields
from strandline.model.dimension import Dimension
from strandline.model.fact import Fact
from strandline.model.field import allocate, field, line, line_number
from strandline.model.fiscal import Months, Period, Periods, Weeks
from strandline.model.hierarchy import Hierarchy
from strandline.model.mapper import Mapper, combination
from strandline.model.milestone import AccumulatingSnapshot, lag, milestone
from strandline.model.mini import MiniDimension, bands
from strandline.model.period import PeriodicSnapshot, period
from strandline.model.rollup import CalendarRollup
from strandline.model.shrunken import ShrunkenDimension
from strandline.model.time_of_day import DimTime, TimeOfDay
from strandline.model.type import (
    BooleanStringType,
    Exact,
    Money,
    NormalizedEmail,
    ReferenceType,
    UtcDateTime,
)

__all__ = [
    "AccumulatingSnapshot",
    "Aggregate",
    "Base",
    "BooleanStringType",
    "Bridge",
    "Calendar",
    "CalendarRollup",
    "CustomFields",
    "DimAudit",
    "DimDate",
    "DimTime",
    "Dimension",
    "Exact",
    "Fact",
    "Hierarchy",
    "JunkDimension",
    "Mapper",
    "MiniDimension",
    "Money",
    "Months",
    "NormalizedEmail",
    "Period",
    "PeriodicSnapshot",
    "Periods",
    "ReferenceType",
    "ShrunkenDimension",
    "Span",
    "TimeOfDay",
    "UtcDateTime",
    "Weeks",
    "allocate",
    "attribute",
    "bands",
    "combination",
    "degenerate",
    "event_time",
    "field",
    "grain",
    "lag",
    "line",
    "line_number",
    "measure",
    "milestone",
    "period",
    "references",
]
