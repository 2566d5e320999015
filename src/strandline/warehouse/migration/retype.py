"""A column that becomes of another type while its table is in use."""

from __future__ import annotations

from strandline.warehouse.migration import catalog
from strandline.warehouse.migration.work import Place, Work, quote
from strandline.warehouse.spelling import narrows


def change(work: Work, at: Place, column: str, becomes: str, *, using: str | None) -> None:
    """Change it."""
    there = catalog.columns(work, at).get(column)
    if there is not None and there.type == becomes:
        return
    if there is not None and narrows(there.type, becomes):
        work.destroy(f"narrows {at}.{column} from {there.type} to {becomes}")
    value = using or f"{quote(column)}::{becomes}"
    work.short(f"ALTER TABLE {at.sql} ALTER COLUMN {quote(column)} TYPE {becomes} USING {value}", on=at)
