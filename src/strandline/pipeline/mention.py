"""Mentions: where the records of a stream name the members of dimensions, as its mappers know it."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from typing import Any

from msgspec import Struct
from sqlalchemy import Column

from strandline.model.bridge import Bridge
from strandline.model.column import Attribute, Grain, Reference, role
from strandline.model.dimension import Dimension
from strandline.model.fact import Fact
from strandline.model.mapper import Mapped, is_parent, names_group, names_member
from strandline.natural_key import NaturalKeys
from strandline.pipeline.definition import Sync
from strandline.source.stream import Stream


class Mention(Struct, frozen=True):
    """A column of a target in which a record names a member of a dimension."""

    target: str
    column: str
    dimension: str
    source: str
    """Whose natural key it is."""
    keys: NaturalKeys
    path: tuple[str, ...] | None
    """Where in the record; None: a method tells."""
    is_plain: bool
    """The natural key stands there as it is."""
    is_group: bool
    """There are several of them."""


def mentions(syncs: Iterable[Sync], stream: Stream) -> list[Mention]:
    """All that these syncs of a stream have."""
    found = []
    for sync in syncs:
        for name, mapped in sync.mapper.mapped.items():
            dimension = sync.model if is_parent(mapped.column) else _named_by(mapped.column)
            if dimension is not None and (names_member(mapped.column) or is_parent(mapped.column)):
                found.append(_mention(sync, name, mapped, dimension, stream))
    return found


def _named_by(column: Column[Any]) -> type[Dimension] | None:
    meaning = role(column)
    named: Any = None
    if isinstance(meaning, Reference):
        named = meaning.dimension
    elif isinstance(meaning, Attribute):
        named = meaning.outrigger or meaning.bridge
    if isinstance(named, type) and issubclass(named, Bridge):
        named = named.dimension
    return named if isinstance(named, type) and issubclass(named, Dimension) else None


def _mention(sync: Sync, name: str, mapped: Mapped, dimension: type[Any], stream: Stream) -> Mention:
    declared = mapped.declared
    keys = (
        stream.source.natural_keys if mapped.source is None else (declared and declared.keys) or NaturalKeys()
    )
    return Mention(
        target=sync.target,
        column=name,
        dimension=dimension.__name__,
        source=mapped.source or stream.source_name,
        keys=keys,
        path=_path(sync, mapped),
        is_plain=declared is not None and declared.using is None,
        is_group=names_group(mapped.column),
    )


def _path(sync: Sync, mapped: Mapped) -> tuple[str, ...] | None:
    """Where a column's value stands in the record; None where that is not one place."""
    if mapped.declared is None or mapped.allocation is not None:
        return None
    lines = sync.mapper.lines
    way = [*(lines.steps if lines and mapped.is_line else ()), *mapped.steps]
    return tuple(it.name for it in way)


def personal_paths(syncs: Iterable[Sync]) -> set[tuple[str, ...]]:
    """What these syncs map to attributes that point at a person."""
    return {
        path
        for sync, mapped in _mapped(syncs)
        if isinstance(meaning := role(mapped.column), Attribute) and meaning.pii
        if (path := _path(sync, mapped))
    }


def kept_paths(stream: Stream, syncs: Sequence[Sync]) -> set[tuple[str, ...]]:
    """What a record of the stream is found by, and is put in order by: nothing can be done without it."""
    fields = [*stream.key, stream.effective_at, stream.tie_break, stream.deleted]
    fields += [stream.cursor.field] if stream.cursor else []
    grain = {
        path
        for sync, mapped in _mapped(syncs)
        if issubclass(sync.model, Fact) and isinstance(role(mapped.column), Grain)
        if (path := _path(sync, mapped))
    }
    named = {it.path for it in mentions(syncs, stream) if it.path}
    return {(it,) for it in fields if it} | grain | named


def fact_paths(syncs: Iterable[Sync]) -> set[tuple[str, ...]]:
    """What the facts among these are made of; with (), everything that the contract names, where a method
    may read it.
    """
    facts = (it for it in syncs if issubclass(it.model, Fact))
    return {path for sync in facts for path in _read_paths(sync, sync.mapper.mapped.values(), begin=())}


def _read_paths(
    sync: Sync, columns: Iterable[Mapped], *, begin: tuple[str, ...]
) -> Iterator[tuple[str, ...]]:
    """What these columns are made of, as they stand in a record, or in the part of it that begins there."""
    steps = sync.mapper.lines.steps if sync.mapper.lines else ()
    lines = tuple(it.name for it in steps)
    for mapped in columns:
        inner = (*begin, *lines) if mapped.is_line and not begin else begin
        if mapped.method is not None:
            yield ()
        elif mapped.combined is not None:
            yield from _read_paths(sync, mapped.combined.mapped.values(), begin=inner)
        elif mapped.allocation is not None:
            yield tuple(it.name for it in mapped.steps)
            yield (*lines, *(it.name for it in mapped.weight))
        elif mapped.declared is not None:
            yield (*inner, *(it.name for it in mapped.steps))


def _mapped(syncs: Iterable[Sync]) -> Iterator[tuple[Sync, Mapped]]:
    return ((sync, mapped) for sync in syncs for mapped in sync.mapper.mapped.values())
