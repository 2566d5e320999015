"""What the layers' schemas are called where a revision runs: `schemas.warehouse`, `schemas.raw` and so on."""

from __future__ import annotations

from strandline.model.base import SCHEMAS
from strandline.warehouse.migration.work import current


def __getattr__(name: str) -> str:
    if name not in SCHEMAS:
        raise AttributeError(f"there is no layer {name!r}: {', '.join(SCHEMAS)}")
    actual: str = getattr(current().schemas, name)
    return actual
