"""Tables without a run: for tests of applications, and for tables of an application's own."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from typing import Any

from sqlalchemy import Table

from strandline.model.aggregate import Aggregate
from strandline.model.base import Base
from strandline.model.bridge import Bridge
from strandline.model.combination import Combination
from strandline.model.dimension import Dimension
from strandline.model.fact import Fact
from strandline.model.hierarchy import Hierarchy, hierarchies_of
from strandline.model.mini import History, MiniDimension, outriggers_of
from strandline.model.prepared import Prepared
from strandline.model.shrunken import shrunken_of
from strandline.warehouse import schema
from strandline.warehouse.database import Database

OURS = (Aggregate, Bridge, Combination, Dimension, Fact, Hierarchy, Prepared)


def create_tables(database: Database, *models: type[Base]) -> None:
    """Make the tables of these models be there, with those of the dimensions that facts refer to and of what
    belongs to them. A table that is there and differs raises SchemaOutOfDate.
    """
    found = _with_theirs(models)
    ours = sorted((it for it in found if issubclass(it, OURS)), key=lambda it: issubclass(it, Fact))
    own = [it.__table__ for it in found if not issubclass(it, OURS)]
    with database.begin() as connection:
        schema.prepare(database, connection, models=ours, others=[])
        Base.metadata.create_all(connection, tables=[it for it in own if isinstance(it, Table)])


def _with_theirs(models: Iterable[type[Base]]) -> list[Any]:
    found: dict[Any, None] = {}
    waiting: list[Any] = list(models)
    while waiting:
        model = waiting.pop()
        if model not in found:
            found[model] = None
            waiting += _led_to(model)
    return list(found)


def _led_to(model: Any) -> Iterator[Any]:
    """The models that this one cannot be without."""
    if issubclass(model, Fact):
        yield from (it.dimension for it in {**model.references(), **model.date_references()}.values())
        yield from (*model.combinations().values(), *model.bridges().values())
    if issubclass(model, History):
        yield from (model.mini, model.mini.base)
    elif issubclass(model, MiniDimension):
        yield from (model.history, model.base)
    if issubclass(model, Bridge | Hierarchy):
        yield model.dimension
    if issubclass(model, Dimension):
        yield from (*model.outriggers(), *model.bridges())
        yield from (*hierarchies_of(model), *shrunken_of(model), *outriggers_of(model))
