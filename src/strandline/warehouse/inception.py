"""The rows that a table has from its creation, before any source has said a word."""

from __future__ import annotations

from collections.abc import Sequence

from sqlalchemy import Connection, func, insert, true

from strandline.model.aggregate import Aggregate
from strandline.model.base import Base
from strandline.model.bridge import Bridge
from strandline.model.column import NOT_APPLICABLE_KEY
from strandline.model.combination import Combination, special_combinations
from strandline.model.dimension import Dimension, special_members
from strandline.model.hierarchy import Hierarchy
from strandline.model.shrunken import ShrunkenDimension
from strandline.warehouse import aggregate, bridge, hierarchy, shrunken


def fill(connection: Connection, new: Sequence[type[Base]]) -> None:
    """Fill the tables of these models, which are new: with what each has from its creation, and those that
    follow from dimensions with what those hold already.
    """
    for model in new:
        if issubclass(model, Dimension):
            _add_special_members(connection, model)
        elif issubclass(model, Combination):
            _add_special_combinations(connection, model)
        elif issubclass(model, Bridge):
            bridge.add_special_groups(connection, model)
        elif issubclass(model, Aggregate):
            aggregate.forget(connection, model)
    for model in new:
        if issubclass(model, ShrunkenDimension):
            shrunken.refresh(connection, model, touched=true(), run_id=0)
        elif issubclass(model, Hierarchy):
            hierarchy.fill(connection, model)


def _add_special_members(connection: Connection, model: type[Dimension]) -> None:
    stamps = {"created_at": func.now(), "updated_at": func.now(), "synced_at": func.now(), "run_id": 0}
    stamps["audit_key"] = NOT_APPLICABLE_KEY
    for row in special_members(model):
        connection.execute(insert(model.table()).values(**row, **stamps))


def _add_special_combinations(connection: Connection, model: type[Combination]) -> None:
    for row in special_combinations(model):
        connection.execute(insert(model.table()).values(**row, created_at=func.now(), run_id=0))
