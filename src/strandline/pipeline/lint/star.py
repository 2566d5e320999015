"""Everything that a project declares, as rules see it: models, mappers, streams, and what fills what."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, field
from functools import cached_property
from typing import Any

from pydantic import BaseModel

from strandline.model.aggregate import Aggregate
from strandline.model.base import Base, models_below
from strandline.model.bridge import Bridge
from strandline.model.dimension import Dimension
from strandline.model.fact import Fact
from strandline.model.hierarchy import Hierarchy
from strandline.model.mapper import Mapper
from strandline.model.mini import History, MiniDimension
from strandline.model.prepared import Prepared
from strandline.model.shrunken import ShrunkenDimension
from strandline.pipeline.definition import Pipeline, Sync
from strandline.settings.check import Choice
from strandline.source.stream import Stream

OURS = "strandline."


@dataclass(frozen=True)
class Star:
    """What pipelines fill, and what else is declared beside them."""

    pipelines: Sequence[Pipeline]
    choice: Choice = field(default_factory=Choice)

    @cached_property
    def models(self) -> list[type[Any]]:
        """The models that users have declared, filled or not, in one order."""
        there = (it for it in models_below(Base) if _is_users(it) and not issubclass(it, History))
        return sorted(there, key=lambda it: (it.__module__, it.__qualname__))

    @cached_property
    def facts(self) -> list[type[Fact]]:
        """Those of them that are facts."""
        return [it for it in self.models if issubclass(it, Fact)]

    @cached_property
    def dimensions(self) -> list[type[Dimension]]:
        """Those of them that are dimensions with members from a source."""
        return [it for it in self.models if issubclass(it, Dimension)]

    @cached_property
    def aggregates(self) -> list[type[Aggregate]]:
        """Those of them that are aggregates."""
        return [it for it in self.models if issubclass(it, Aggregate)]

    @cached_property
    def syncs(self) -> list[Sync]:
        """The syncs of all pipelines."""
        return [sync for pipeline in self.pipelines for sync in pipeline.syncs]

    @cached_property
    def mappers(self) -> list[type[Mapper[Any, Any]]]:
        """The mappers that users have declared, used or not."""
        there = (it for it in _below(Mapper) if _is_users(it) and "mapped" in it.__dict__)
        return sorted(there, key=lambda it: (it.__module__, it.__qualname__))

    @cached_property
    def used(self) -> list[type[Mapper[Any, Any]]]:
        """The mappers of the syncs, and those that they use for combinations."""
        found = dict.fromkeys(sync.mapper for sync in self.syncs)
        for mapper in list(found):
            found |= {it.combined: None for it in mapper.mapped.values() if it.combined is not None}
        return list(found)

    @cached_property
    def filled(self) -> set[type[Any]]:
        """The models that a run fills, whoever they belong to."""
        return {model for pipeline in self.pipelines for model in pipeline.models if _is_filled(model, self)}

    @cached_property
    def streams(self) -> list[Stream]:
        """The streams of the sources that pipelines read."""
        sources = dict.fromkeys(source for pipeline in self.pipelines for source in pipeline.sources)
        return [stream for source in sources for stream in source.streams().values()]

    @cached_property
    def read(self) -> set[str]:
        """The streams that a run reads, by name: of syncs, of deletions, and parents."""
        readings = [reading for pipeline in self.pipelines for reading in pipeline.readings]
        found = {it.qualified_name for reading in readings for it in reading.streams}
        return found | {
            it.stream.qualified_name
            for reading in readings
            for it in reading.deletes
            if it.stream is not None
        }

    def mappers_of(self, model: type[Any]) -> list[type[Mapper[Any, Any]]]:
        """The used mappers that fill the model."""
        return [it for it in self.used if it.model is model]

    def owners_of(self, pipelines: Iterable[Pipeline]) -> set[type[Any]]:
        """Every class that belongs to these pipelines: models, mappers, contracts and sources."""
        found: set[type[Any]] = set()
        for pipeline in pipelines:
            found |= {*pipeline.models, *pipeline.sources}
            for sync in pipeline.syncs:
                found |= {sync.mapper, *contracts_of(sync.stream.contract)}
                found |= {it.combined for it in sync.mapper.mapped.values() if it.combined is not None}
        return found


def contracts_of(contract: type[BaseModel]) -> Iterator[type[BaseModel]]:
    """The contract, and the classes of users that it inherits from."""
    return (it for it in contract.__mro__ if issubclass(it, BaseModel) and _is_users(it))


def _is_users(cls: type[Any]) -> bool:
    return not f"{cls.__module__}.".startswith((OURS, "pydantic."))


def _below(base: type[Any]) -> Iterator[type[Any]]:
    for cls in base.__subclasses__():
        yield cls
        yield from _below(cls)


def _is_filled(model: type[Any], star: Star) -> bool:
    """Whether something brings rows: a sync, the run itself, or what is filled from another table."""
    if issubclass(model, Prepared | Aggregate | ShrunkenDimension | Hierarchy | Bridge | History):
        return True
    if issubclass(model, MiniDimension):
        return any(sync.mapper.model is model for sync in star.syncs)
    return any(it.model is model for it in star.used)
