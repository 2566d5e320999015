"""strandline: from any API, ERP, file or database into a star schema on PostgreSQL.

What stands in `__all__` is the public API; everything is found here by name and loaded when it is first used,
so that `import strandline` costs nothing.
"""

from strandline import late

HOMES = {
    "AccumulatingSnapshot": "model",
    "Aggregate": "model",
    "ApiKey": "source",
    "Basic": "source",
    "Bearer": "source",
    "BooleanString": "source",
    "BooleanStringType": "model",
    "Bridge": "model",
    "Cursor": "source",
    "Database": "warehouse.database",
    "DimDate": "model",
    "Dimension": "model",
    "Fact": "model",
    "Hierarchy": "model",
    "HttpSource": "source",
    "JunkDimension": "model",
    "Mapper": "model",
    "MiniDimension": "model",
    "Money": "model",
    "NormalizedEmail": "model",
    "Pages": "source",
    "PeriodicSnapshot": "model",
    "Personal": "source",
    "Pipeline": "pipeline",
    "Precision": "source",
    "READ_TIME": "source",
    "Record": "source",
    "Reference": "source",
    "ReferenceType": "model",
    "ShrunkenDimension": "model",
    "SourceSettings": "source",
    "StrandlineError": "errors",
    "Zone": "source",
    "allocate": "model",
    "attribute": "model",
    "bands": "model",
    "combination": "model",
    "degenerate": "model",
    "event_time": "model",
    "field": "model",
    "grain": "model",
    "lag": "model",
    "line": "model",
    "line_number": "model",
    "measure": "model",
    "milestone": "model",
    "period": "model",
    "references": "model",
    "run": "pipeline",
    "stream": "source",
}

__all__ = sorted(HOMES)  # noqa: PLE0605


__getattr__ = late.finder("strandline", HOMES)


def __dir__() -> list[str]:
    return __all__
