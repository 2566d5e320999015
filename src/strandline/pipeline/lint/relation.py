"""Rules on what belongs together: dimensions and facts, models and what fills them, streams and who reads
them.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from typing import Any, Final

from strandline.model.bridge import Bridge
from strandline.model.column import Reference, role
from strandline.model.combination import Combination, JunkDimension
from strandline.model.dimension import Dimension
from strandline.model.fact import Fact
from strandline.model.mapper import mappable
from strandline.model.mini import History, MiniDimension, outriggers_of
from strandline.model.shrunken import ShrunkenDimension
from strandline.pipeline.lint.rule import Found, Rules
from strandline.pipeline.lint.star import Star

RULES: Final = Rules()


def _known(dimension: type[Any]) -> type[Any]:
    """The dimension as its user knows it: the mini-dimension instead of its history."""
    return dimension.mini if issubclass(dimension, History) else dimension


def _references(fact: type[Fact]) -> dict[str, type[Any]]:
    """The dimensions, combinations and bridges that a fact refers to, by column."""
    meanings = {column.name: role(column) for column in fact.table().c}
    return {name: _known(it.dimension) for name, it in meanings.items() if isinstance(it, Reference)}


def _reached(seeds: Iterable[type[Any]]) -> set[type[Any]]:
    """These, and what they lead to: outriggers, and the dimensions of bridges and mini-dimensions."""
    found: set[type[Any]] = set()
    waiting = list(seeds)
    while waiting:
        it = waiting.pop()
        if it in found:
            continue
        found.add(it)
        if issubclass(it, Bridge):
            waiting.append(it.dimension)
        elif issubclass(it, MiniDimension):
            waiting.append(it.base)
        elif issubclass(it, Dimension):
            waiting += [*it.outriggers(), *it.bridges(), *outriggers_of(it)]
    return found


@RULES.star("warning")
def orphan_dimension(star: Star) -> Iterator[Found]:
    """A dimension by which nothing is counted costs a merge in each run, and answers no question.

    Refer to it from a fact, as an outrigger of another dimension or by a bridge; or leave it out.
    """
    if not star.facts:
        return
    reached = _reached(it for fact in star.facts for it in _references(fact).values())
    for model in star.models:
        is_counted_by = issubclass(model, Dimension | JunkDimension | MiniDimension)
        if is_counted_by and model in star.filled and model not in reached:
            yield Found(model, None, "no fact refers to it")


@RULES.star("warning")
def unfilled_model(star: Star) -> Iterator[Found]:
    """A table that nothing fills is empty for ever, or filled by something that nobody sees here.

    Sync a stream into it, or leave it out.
    """
    named = {it for fact in star.facts if fact in star.filled for it in _references(fact).values()}
    for model in star.models:
        if not issubclass(model, Dimension | Fact | Combination) or issubclass(model, ShrunkenDimension):
            continue
        if model not in star.filled and model not in named:
            yield Found(model, None, "no pipeline fills it")


@RULES.star("warning")
def unfilled_dimension(star: Star) -> Iterator[Found]:
    """A key that leads to a dimension of which no record ever comes leads to inferred members, of whom
    nothing is known but the key.

    Sync a stream into the dimension.
    """
    for fact in (it for it in star.facts if it in star.filled):
        for name, dimension in _references(fact).items():
            is_users = issubclass(dimension, Dimension | Combination) and dimension in star.models
            if is_users and dimension not in star.filled:
                yield Found(fact, name, f"{name} leads to {dimension.__name__}, which no pipeline fills")


@RULES.star("warning")
def unmapped_column(star: Star) -> Iterator[Found]:
    """A column that no mapper fills is empty in each row, and people look for what should be in it.

    Map it, or leave it out.
    """
    for model in star.models:
        mappers = star.mappers_of(model)
        if not mappers or not issubclass(model, Dimension | Fact | Combination):
            continue
        for name in mappable(model):
            if not any(name in it.mapped for it in mappers):
                yield Found(model, name, f"no mapper fills {name}")


@RULES.star("warning")
def unused_mapper(star: Star) -> Iterator[Found]:
    """A mapper that no pipeline uses is read, mended and tested for nothing.

    Sync a stream through it, or leave it out.
    """
    for mapper in star.mappers:
        if mapper not in star.used and mapper.model in star.filled:
            yield Found(mapper, None, f"no pipeline uses this mapper of {mapper.model.__name__}")


@RULES.star("info")
def unused_stream(star: Star) -> Iterator[Found]:
    """A stream that no pipeline reads is out of date when somebody needs it.

    Sync it, or leave it out.
    """
    for stream in star.streams:
        if stream.qualified_name not in star.read:
            yield Found(stream.source, stream.method_name, f"no pipeline reads {stream.qualified_name}")


@RULES.star("info")
def undated_history(star: Star) -> Iterator[Found]:
    """Without a time of its own a change is dated when it was read, so versions say when somebody looked.

    Name the field: @stream(…, effective_at="changed_at").
    """
    for sync in star.syncs:
        model = sync.mapper.model
        if issubclass(model, Dimension) and model.attributes(2) and sync.stream.effective_at is None:
            stream = sync.stream
            what = f"{stream.qualified_name} fills the history of {model.__name__}, and does not date it"
            yield Found(stream.source, stream.method_name, what)
