"""The keys of facts that application code writes: of the version that was valid when it happened.

Whatever version of the member an application names, the fact gets the one that a load would have found.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from strandline.errors import UnknownKey
from strandline.model.column import (
    NOT_APPLICABLE_KEY,
    UNKNOWN_KEY,
    Reference,
    durable_column,
    missing_column,
)
from strandline.model.fact import Fact
from strandline.model.factory import refusal
from strandline.model.prepared import Prepared
from strandline.warehouse.repository.protocol import Store
from strandline.warehouse.repository.timeline import answering


def resolve(store: Store, fact: type[Fact], rows: Sequence[dict[str, Any]]) -> None:
    """Give these rows of a fact, which have all of its columns, the keys that they ought to have."""
    for name, declared in fact.date_references().items():
        _find_days(fact, name, declared, rows)
    for name in (*fact.combinations(), *fact.bridges()):
        for row in rows:
            row[name] = NOT_APPLICABLE_KEY if row[name] is None else row[name]
    for name, reference in fact.references().items():
        _find_versions(store, fact, name, reference, rows)


def _find_days(fact: type[Fact], name: str, reference: Reference, rows: Sequence[dict[str, Any]]) -> None:
    assert reference.on is not None
    assert issubclass(reference.dimension, Prepared)
    find = reference.dimension.finder(zone=reference.zone)
    for row in rows:
        try:
            row[name] = find(row[reference.on])
        except ValueError as error:
            raise refusal(fact, wrong={reference.on: str(error)}) from error


def _find_versions(
    store: Store, fact: type[Fact], name: str, reference: Reference, rows: Sequence[dict[str, Any]]
) -> None:
    for row in rows:
        row[name] = NOT_APPLICABLE_KEY if row[name] is None else row[name]
    if reference.gives is not None:  # the key of a combination, which has no versions
        return
    keys = {row[name] for row in rows}
    histories = _histories(reference, store.versions(reference.dimension, keys))
    unknown = sorted(keys - histories.keys())
    if unknown:
        raise UnknownKey(
            f"{fact.__name__}.{name}: {reference.dimension.__name__} has no version of the key {unknown[0]}",
            hint=f"work.repository({reference.dimension.__name__}).current(<natural key>).key is one.",
        )
    moment = fact.as_of(name)
    for row in rows:
        versions = histories[row[name]]
        version = answering(versions, None if moment is None else row[moment.name], reference.gap)
        point(row, name, reference, version, versions)


def _histories(reference: Reference, versions: Sequence[Any]) -> Mapping[int, list[dict[str, Any]]]:
    """The versions of each member, the first one first, by the key of every one of them."""
    key = reference.dimension.key_column().name
    members: dict[tuple[str, str], list[dict[str, Any]]] = {}
    for version in sorted(versions, key=lambda it: it.valid_from):
        members.setdefault((version.source_system, version.source_id), []).append(vars(version))
    return {version[key]: history for history in members.values() for version in history}


def point(
    row: dict[str, Any],
    name: str,
    reference: Reference,
    version: Mapping[str, Any] | None,
    versions: Sequence[Mapping[str, Any]],
) -> None:
    """Let a row of a fact point at this version of a member, or, where none answers, wait for it."""
    dimension = reference.dimension
    row[name] = UNKNOWN_KEY if version is None else version[dimension.key_column().name]
    if reference.durable:
        durable = dimension.durable_key_column().name
        row[durable_column(name)] = UNKNOWN_KEY if version is None else version[durable]
    if reference.remembers:
        whom = f"{versions[0]['source_system']}:{versions[0]['source_id']}"
        row[missing_column(name)] = whom if version is None else None
