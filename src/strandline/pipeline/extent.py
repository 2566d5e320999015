"""Extent: which stream an erasure means, and what else is to be gone through for it."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import Any

from sqlalchemy import Connection, Table, inspect

from strandline.errors import DeclarationError
from strandline.model.column import Attribute, role
from strandline.model.custom import Custom
from strandline.model.dimension import Dimension
from strandline.model.path import nearest
from strandline.pipeline import mention
from strandline.pipeline.definition import Pipeline, Reading, Sync
from strandline.warehouse import erasure, touched
from strandline.warehouse.database import Database
from strandline.warehouse.erasure import Meant
from strandline.warehouse.leftover import Leftovers


def choose(pipelines: Iterable[Pipeline], source: str) -> str:
    """The stream that is meant: `source.stream`, or the only one of a source that brings personal data.
    Raises DeclarationError where it is not clear.
    """
    streams = {it.stream.qualified_name: it.stream for pipeline in pipelines for it in pipeline.syncs}
    if source in streams:
        return source
    personal = [it for it in _personal(pipelines) if streams[it].source_name == source]
    if len(personal) == 1:
        return personal[0]
    names = sorted(personal or streams)
    raise DeclarationError(
        f"erase: {source!r} is not one stream",
        hint=f"Name it: {', '.join(names)}." if personal else nearest(source, names),
    )


def _personal(pipelines: Iterable[Pipeline]) -> list[str]:
    """The streams that fill dimensions with attributes that point at a person, or with whatever comes."""
    syncs = [it for pipeline in pipelines for it in pipeline.syncs if issubclass(it.model, Dimension)]
    return list(dict.fromkeys(it.stream.qualified_name for it in syncs if _has_pii(it.model)))


def _has_pii(model: type[Any]) -> bool:
    meanings = [role(column) for column in model.table().c]
    return any(isinstance(it, Custom) or (isinstance(it, Attribute) and it.pii) for it in meanings)


def gather(pipelines: Sequence[Pipeline], stream: str) -> Pipeline:
    """All that the stream fills in any of the pipelines, and what other streams fill that names members of
    that, as one.
    """
    reading = [it for it in pipelines if any(sync.stream.qualified_name == stream for sync in it.syncs)]
    if not reading:
        streams = [sync.stream.qualified_name for it in pipelines for sync in it.syncs]
        raise DeclarationError(f"erase: no pipeline reads {stream!r}", hint=nearest(stream, streams))
    gathered = Pipeline(reading[0].name)
    syncs = [sync for it in reading for sync in it.syncs if sync.stream.qualified_name == stream]
    syncs = list({it.target: it for it in syncs}.values())
    gathered.syncs += [*syncs, *_referring(pipelines, syncs)]
    return gathered


def _referring(pipelines: Iterable[Pipeline], syncs: Sequence[Sync]) -> list[Sync]:
    """What other streams fill that name members of what these fill."""
    stream, dimensions = syncs[0].stream, {it.model.__name__ for it in syncs}
    every = [it for pipeline in pipelines for it in pipeline.syncs]
    naming = {
        it.stream.qualified_name
        for it in every
        if it.stream.qualified_name != stream.qualified_name
        for one in mention.mentions([it], it.stream)
        if one.source == stream.source_name and one.dimension in dimensions
    }
    found = {(it.stream.qualified_name, it.target): it for it in every}
    return [it for (name, _), it in found.items() if name in naming]


def note_member(
    connection: Connection,
    left: Leftovers,
    meant: Meant,
    /,
    *,
    readings: Iterable[Reading],
    of: Iterable[type[Dimension]],
) -> None:
    """Let the member go as well where it is known by its key only, as one of whom a record has withdrawn
    another at its own instant, and no record that is left says that it is there.
    """
    theirs = [it for it in readings if it.stream.source_name == meant.source_name]
    for dimension in () if meant.only_pii else of:
        logs = [it.raw for it in theirs if dimension in (sync.model for sync in it.syncs)]
        if not any(erasure.is_said_to_be_there(connection, it, meant.source_id) for it in logs):
            left.note_member(
                connection, dimension, source_system=meant.source_name, source_id=meant.source_id
            )


def passed_through(
    database: Database, connection: Connection, *, stages: Sequence[Table], models: Iterable[touched.Model]
) -> list[str]:
    """Where records went on their way to these models: the stages, and the aggregates of their rows."""
    groups = dict.fromkeys(group for it in models for group in touched.touched_by(it))
    tables = [*stages, *(it.table() for it in groups)]
    with connection.begin():
        there = inspect(connection)
        kept = [it for it in tables if there.has_table(it.name, schema=database.schema_of(it))]
    return [database.qualified(it) for it in kept]
