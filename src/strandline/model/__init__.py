"""What a user declares: dimensions, facts, mappers and column types; no I/O."""

from strandline import late

# At once: a module of the same name would stand in the way of each.
from strandline.model.field import field as field
from strandline.model.mapper import combination as combination
from strandline.model.milestone import milestone as milestone
from strandline.model.period import period as period

HOMES = {
    "AccumulatingSnapshot": "model.milestone",
    "Aggregate": "model.aggregate",
    "Audited": "model.base",
    "Base": "model.base",
    "BooleanStringType": "model.type",
    "Bridge": "model.bridge",
    "Calendar": "model.calendar",
    "CalendarRollup": "model.rollup",
    "CustomFields": "model.custom",
    "DimAudit": "model.audit",
    "DimDate": "model.calendar",
    "DimTime": "model.time_of_day",
    "Dimension": "model.dimension",
    "Exact": "model.type",
    "Fact": "model.fact",
    "Hierarchy": "model.hierarchy",
    "JunkDimension": "model.combination",
    "Mapper": "model.mapper",
    "MiniDimension": "model.mini",
    "Money": "model.type",
    "Months": "model.fiscal",
    "NormalizedEmail": "model.type",
    "Period": "model.fiscal",
    "PeriodicSnapshot": "model.period",
    "Periods": "model.fiscal",
    "ReferenceType": "model.type",
    "ShrunkenDimension": "model.shrunken",
    "Span": "model.calendar",
    "TimeOfDay": "model.time_of_day",
    "UtcDateTime": "model.type",
    "Weeks": "model.fiscal",
    "allocate": "model.field",
    "as_of": "model.query",
    "attribute": "model.column",
    "bands": "model.mini",
    "current": "model.query",
    "degenerate": "model.column",
    "event_time": "model.column",
    "grain": "model.column",
    "lag": "model.milestone",
    "line": "model.field",
    "line_number": "model.field",
    "measure": "model.column",
    "modified_since": "model.query",
    "references": "model.column",
    "star": "model.join",
    "version_at": "model.query",
}

__all__ = sorted([*HOMES, "combination", "field", "milestone", "period"])  # noqa: PLE0605

__getattr__ = late.finder(__name__, HOMES)


def __dir__() -> list[str]:
    return __all__
