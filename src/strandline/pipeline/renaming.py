"""Renaming: the first step of an erasure after which nobody is to know the natural key.

A random key takes its place in the raw logs, in the rows and in whatever else names the member, before
anything is erased; surrogate keys stay, so facts and bridges point where they did. The rest of the erasure
knows the member by its new key only.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from typing import Any

from msgspec.structs import replace
from sqlalchemy import Connection

from strandline.model.base import models_below
from strandline.model.bridge import Bridge
from strandline.model.column import ROLE, Current, Previous, missing_column
from strandline.model.dimension import Dimension
from strandline.model.fact import facts_of
from strandline.pipeline import mention
from strandline.pipeline.definition import Sync
from strandline.pipeline.effacement import Entry
from strandline.pipeline.pseudonym import Refused, rename, tokens
from strandline.pipeline.retraction import Retraction
from strandline.warehouse import erasure, pseudonym, register
from strandline.warehouse import mention as noting
from strandline.warehouse.database import Database
from strandline.warehouse.erasure import Meant
from strandline.warehouse.mention import OWN
from strandline.warehouse.pseudonym import Renaming

Payloads = dict[int, tuple[bytes, str]]
"""What entries become, payload and operation by number."""


def rename_all(
    database: Database,
    connection: Connection,
    meant: Meant,
    *,
    retractions: Sequence[Retraction],
    syncs: Iterable[Sync],
) -> tuple[Meant, dict[str, int]]:
    """Put a random key in the place of the one that is meant; who is meant now, and how many rows were
    changed, by table. Raises DeclarationError where a record cannot be written anew.
    """
    token, plans = _choose(connection, meant, retractions)
    for it, payloads in zip(retractions, plans, strict=True):
        noting.rewrite(connection, it.reading.raw, it.stream, payloads)
    known = Renaming(meant.stream, meant.source_name, meant.source_id, token)
    known.of_log(connection, meant.log)
    syncs = list(syncs)
    models = [it.model for it in syncs if it.stream.qualified_name == meant.stream]
    dimensions = [it for it in models if issubclass(it, Dimension)]
    known.of_mentions(connection, [it.__name__ for it in dimensions])
    changed = _rename_rows(database, connection, known, dimensions, syncs)
    for it in retractions:
        it.follow(token)
    return replace(meant, source_id=token), changed


def _choose(
    connection: Connection, meant: Meant, retractions: Sequence[Retraction]
) -> tuple[str, list[Payloads]]:
    """A key that all records take, and what becomes of them."""
    mentioning = [list(it.mentioning(connection)) for it in retractions]
    refused: Refused | None = None
    for token in tokens(meant.source_id):
        if erasure.is_known(connection, replace(meant, source_id=token)):
            continue
        try:
            pairs = zip(retractions, mentioning, strict=True)
            return token, [dict(_plan(it, entries, token)) for it, entries in pairs]
        except Refused as error:
            refused = error
    assert refused is not None
    raise refused


def _plan(it: Retraction, entries: Iterable[Entry], token: str) -> Iterator[tuple[int, tuple[bytes, str]]]:
    meant = it.meant
    for entry in entries:
        is_own = it.stream == meant.stream and entry.source_id == meant.source_id
        if is_own and not meant.only_pii and not it.effacer.is_readable(entry.payload):
            continue  # nothing of it will stay
        payload = rename(it.effacer, entry, it.named, token)
        if payload is not None:
            it.note(entry, is_own=is_own)
            yield entry.raw_id, (payload, entry.operation)


def _rename_rows(
    database: Database,
    connection: Connection,
    known: Renaming,
    dimensions: Sequence[type[Dimension]],
    syncs: Iterable[Sync],
) -> dict[str, int]:
    changed: dict[str, int] = {}
    for dimension in dimensions:
        _add(changed, dimension, known.of_members(connection, dimension))
        for fact in database.present(connection, facts_of(dimension)):
            for name, reference in fact.references().items():
                if reference.dimension is dimension and reference.remembers:
                    _add(changed, fact, known.of_waiting(connection, fact, missing_column(name)))
    for bridge in database.present(connection, models_below(Bridge)):
        if bridge.dimension in dimensions:
            _add(changed, bridge, known.of_groups(connection, bridge))
    names = {it.__name__ for it in dimensions}
    for sync in syncs:
        if issubclass(sync.model, Dimension):
            _add(changed, sync.model, _rename_attributes(connection, known, sync, names))
    return changed


def _rename_attributes(connection: Connection, known: Renaming, sync: Sync, names: set[str]) -> int:
    """In the columns in which members of another dimension, or of the same, name this one."""
    changed, table = 0, sync.model.table()
    for it in mention.mentions([sync], sync.stream):
        if it.dimension not in names or it.source != known.source_system:
            continue
        beside = [
            column.name
            for column in table.c
            if isinstance(meaning := column.info.get(ROLE), Current | Previous) and meaning.of == it.column
        ]
        write = known.of_group_texts if it.is_group else known.of_attribute
        changed += write(connection, table, [it.column, *beside], source=sync.stream.source_name)
    return changed


def _add(changed: dict[str, int], model: Any, rows: int) -> None:
    name = f"{model.table().schema}.{model.table().name}"
    changed[name] = changed.get(name, 0) + rows


def forget(
    database: Database,
    connection: Connection,
    meant: Meant,
    former: str,
    *,
    retractions: Sequence[Retraction],
) -> tuple[dict[str, int], list[str]]:
    """Leave nothing of the former key in ledger and stages, and a hash of it; how many rows were changed, by
    table, and which tables were dropped.
    """
    streams = list(dict.fromkeys([meant.stream, *(it.stream for it in retractions)]))
    known = Renaming(meant.stream, meant.source_name, former, meant.source_id)
    changed = pseudonym.withhold(connection, streams, known)
    examples = (register.forget_examples(connection, it, [former]) for it in streams)
    changed["strandline.field"] = sum(examples)
    dropped = [name for it in streams for name in erasure.drop_stages(database, connection, it)]
    _note(connection, meant, former, retractions)
    return changed, dropped


def _note(connection: Connection, meant: Meant, source_id: str, retractions: Iterable[Retraction]) -> None:
    source = meant.source_name
    rows: list[Mapping[str, Any]] = [_row(meant.stream, OWN, source)]
    for it in retractions:
        others = (named for named in it.named if not named.is_own)
        rows += [_row(it.stream, named.dimension, source, named.paths, named.places) for named in others]
    pseudonym.note(connection, rows, source_id=source_id)


def _row(stream: str, dimension: str, source: str, *places: Iterable[Any]) -> dict[str, Any]:
    paths, at = (sorted(map(list, it)) for it in places or ((), ()))
    named = {"stream": stream, "dimension": dimension, "source_system": source}
    return {**named, "paths": paths, "places": at}
