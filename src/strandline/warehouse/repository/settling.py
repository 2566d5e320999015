"""Rows that have no history: what is to be inserted of those that were told, and what is to be changed."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from sqlalchemy import Column

from strandline.errors import RowExists, UnknownKey
from strandline.model.base import Base
from strandline.model.fact import Fact
from strandline.model.factory import columns_of, refusal
from strandline.natural_key import encode
from strandline.warehouse.repository.answer import resolve
from strandline.warehouse.repository.change import Kind
from strandline.warehouse.repository.protocol import Store

Key = tuple[Any, ...]


@dataclass(frozen=True)
class Told:
    """What is to become of a row."""

    kind: Kind
    values: Mapping[str, Any]


@dataclass
class Settled:
    """What is to be written: whole rows that are new, and of others the key and what differs."""

    new: dict[Key, dict[str, Any]] = field(default_factory=dict)
    changed: dict[Key, dict[str, Any]] = field(default_factory=dict)


def settle(store: Store, model: type[Base], told: Sequence[Told]) -> Settled:
    """Compare what was told with the rows that are there. Raises RowExists, UnknownKey or ValuesRefused."""
    names = key_names(model)
    keys = [tuple(it.values.get(name) for name in names) for it in told]
    known = store.there(model, {key for key in keys if None not in key})
    settled = Settled()
    for number, (it, key) in enumerate(zip(told, keys, strict=True)):
        if None in key:  # the database gives it one
            settled.new[(None, number)] = {**it.values}
        else:
            _put(model, it, key, known=known, settled=settled)
    if issubclass(model, Fact):
        _resolve(store, model, settled, known)
    for row in settled.new.values():
        _refuse_gaps(model, row)
    settled.changed = dict(_differing(model, settled.changed, known))
    return settled


def key_names(model: type[Base]) -> list[str]:
    """The attributes of the primary key."""
    return [name for name, column in columns_of(model).items() if column.primary_key]


def _put(model: type[Base], it: Told, key: Key, *, known: Mapping[Key, Any], settled: Settled) -> None:
    where = f"{model.__name__} {', '.join(map(str, key))}"
    is_there = key in known or key in settled.new
    if it.kind == "add" and is_there:
        raise RowExists(f"{where}: there is such a row already", hint="upsert() changes it.")
    if it.kind == "delete" and not is_there:
        raise UnknownKey(f"{where}: there is no such row", hint="Correct the key.")
    rows = settled.changed if key in known else settled.new
    rows.setdefault(key, {}).update(it.values)


def _resolve(store: Store, fact: type[Fact], settled: Settled, known: Mapping[Key, Any]) -> None:
    """Give the rows of a fact the keys that they ought to have, and a natural key."""
    names = list(columns_of(fact))
    new = {key: {**dict.fromkeys(names), **row} for key, row in settled.new.items()}
    changed = {
        key: {**{name: getattr(known[key], name) for name in names}, **row}
        for key, row in settled.changed.items()
    }
    resolve(store, fact, [*new.values(), *changed.values()])
    for row in new.values():
        grain = [row[column.name] for column in fact.grain()]
        row["source_id"] = row["source_id"] or encode(grain[0] if len(grain) == 1 else grain)
    settled.new = {key: _without_audit(fact, row) for key, row in new.items()}
    settled.changed = changed


def _without_audit(fact: type[Fact], row: Mapping[str, Any]) -> dict[str, Any]:
    """The row without what is filled when it is written."""
    ours = {*fact.__audit_columns__} - {"source_system", "source_id"}
    return {name: value for name, value in row.items() if name not in ours}


def _refuse_gaps(model: type[Base], row: Mapping[str, Any]) -> None:
    filled = set(getattr(model, "__audit_columns__", ())) - {"source_system", "source_id"}
    needed = (name for name, column in columns_of(model).items() if _is_needed(column) and name not in filled)
    missing = [name for name in needed if row.get(name) is None]
    if missing:
        raise refusal(model, wrong=dict.fromkeys(missing, "it must be filled"))


def _is_needed(column: Column[Any]) -> bool:
    has_default = column.default is not None or column.server_default is not None
    return not (column.nullable or has_default or column is column.table.autoincrement_column)


def _differing(
    model: type[Base], rows: Mapping[Key, Mapping[str, Any]], known: Mapping[Key, Any]
) -> Iterator[tuple[Key, dict[str, Any]]]:
    """Of each row its key and what is different, where something is."""
    names = key_names(model)
    for key, row in rows.items():
        differing = {name: value for name, value in row.items() if getattr(known[key], name) != value}
        if differing:
            yield key, {**dict(zip(names, key, strict=True)), **differing}
