"""Steps of a revision that let our own tables know of models and columns by their new names."""

from __future__ import annotations

from typing import Final

from sqlalchemy import Table

from strandline.model.audit import DimAudit
from strandline.warehouse import state
from strandline.warehouse.migration.wanted import own_tables
from strandline.warehouse.migration.work import Place, Work, current, literal, quote

NAMES: Final = ("target", "model", "dimension", "aggregate")
"""The columns of our tables that hold the names of models."""


def rename_model(old: str, new: str) -> None:
    """Let marks, ledger and quarantine go on under the model's new name."""
    work, before, now = current(), literal(old), literal(new)
    with work.step(f"model {old} is called {new}") as is_due:
        if not is_due:
            return
        for table in (*own_tables(), DimAudit.table()):
            for name in (it for it in NAMES if it in table.c):
                _update(work, table, f"SET {quote(name)} = {now} WHERE {quote(name)} = {before}")
        become = f"versions - {before} || jsonb_build_object({now}, versions -> {before})"
        _update(work, state.prune, f"SET versions = {become} WHERE versions ? {before}")


def rename_filled(work: Work, model: str, old: str, new: str) -> None:
    """Let the column's new name be known as filled, so that no run fills it again."""
    named = f"CASE WHEN it = to_jsonb({literal(old)}::text) THEN to_jsonb({literal(new)}::text) ELSE it END"
    become = f"(SELECT jsonb_agg({named}) FROM jsonb_array_elements(columns) AS it)"  # noqa: S608  # as quoted
    theirs = f"target = {literal(model)} AND columns ? {literal(old)}"
    _update(work, state.applied_mark, f"SET columns = {become} WHERE {theirs}")


def _update(work: Work, table: Table, change: str) -> None:
    """A table that is only made by a later revision has nothing to be changed."""
    place = Place(getattr(work.schemas, str(table.schema)), table.name)
    is_there = f"to_regclass({literal(place.sql)}) IS NOT NULL"
    block = f"BEGIN IF {is_there} THEN UPDATE {place.sql} {change}; END IF; END"
    work.slow(f"DO $migration$ {block} $migration$", on=place)
