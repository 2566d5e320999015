"""What application code says of members, made whole: the attributes that it leaves out stay what they are.

A load has a raw log, by which it finds the place of a change that comes late. An application has none: its
changes are taken in the order in which it makes them, each after what is known of the member. So a moment
that is told must lie behind the member's last change, and one that is not told is now, or an instant behind
that change where another clock is ahead of ours.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from typing import Any, Final, Literal

from strandline.errors import LateChange, RowExists, UnknownKey
from strandline.model.custom import CUSTOM_FIELDS
from strandline.model.dimension import Dimension
from strandline.model.factory import refusal
from strandline.warehouse.repository.protocol import Staged

INSTANT: Final = timedelta(microseconds=1)

Kind = Literal["add", "upsert", "delete"]


@dataclass(frozen=True)
class Change:
    """What is to become of a member."""

    kind: Kind
    source_id: str
    made_at: datetime
    effective_at: datetime | None = None
    """When it takes effect, where that is told."""
    synced_at: datetime | None = None
    values: Mapping[str, Any] = field(default_factory=dict)


@dataclass
class Known:
    """What is known of a member: the values of its last version, and since when."""

    values: dict[str, Any]
    since: datetime | None
    is_there: bool
    """It is neither unknown, nor known by its key only, nor deleted."""
    was_there: bool


def complete(
    dimension: type[Dimension], latest: Mapping[str, Dimension], changes: Iterable[Change]
) -> list[Staged]:
    """What a merge is to be told, in order; of a change that says nothing new nothing. Raises RowExists,
    UnknownKey, LateChange or ValuesRefused.
    """
    members = {source_id: _known(dimension, row) for source_id, row in latest.items()}
    staged = []
    for change in changes:
        known = members.setdefault(change.source_id, Known({}, None, is_there=False, was_there=False))
        _check(dimension, change, known)
        told = _told(dimension, change, known)
        if told is not None:
            staged.append(told)
            _follow(dimension, known, told)
    return staged


def ascending(staged: Iterable[Staged]) -> Iterator[list[Staged]]:
    """The same in order, in parts in which the moments of each member ascend: a merge takes them by these,
    but behind a change that opened no version an earlier moment may follow.
    """
    part: list[Staged] = []
    last: dict[str, datetime] = {}
    for it in staged:
        if it.source_id in last and it.effective_at <= last[it.source_id]:
            yield part
            part, last = [], {}
        part.append(it)
        last[it.source_id] = it.effective_at
    if part:
        yield part


def _known(dimension: type[Dimension], row: Any) -> Known:
    if row.is_inferred:
        return Known({}, None, is_there=False, was_there=False)
    values = {name: getattr(row, name) for name in names_of(dimension)}
    since = row.valid_to if row.is_deleted else row.valid_from
    return Known(values, since, is_there=not row.is_deleted, was_there=True)


def names_of(dimension: type[Dimension]) -> Iterator[str]:
    """What is said of a member: its attributes, and its custom fields where it has any."""
    yield from (column.name for column in dimension.attributes())
    if CUSTOM_FIELDS in dimension.table().c:
        yield CUSTOM_FIELDS


def _check(dimension: type[Dimension], change: Change, known: Known) -> None:
    where = f"{dimension.__name__} {change.source_id!r}"
    if change.kind == "add" and known.was_there:
        state = "is there already" if known.is_there else "was there before, and is deleted"
        raise RowExists(f"{where}: the member {state}", hint="upsert() changes it, or brings it back.")
    if change.kind == "delete" and not known.was_there:
        raise UnknownKey(f"{where}: there is no such member", hint="Correct the natural key.")
    if change.effective_at is not None and known.since is not None and change.effective_at <= known.since:
        raise LateChange(
            f"{where}: a change at {change.effective_at.isoformat()} does not lie behind the last one,"
            f" which was at {known.since.astimezone(UTC).isoformat()}",
            hint="Tell a later moment, or none, which is now. Only a load finds the place of a late change.",
        )


def _told(dimension: type[Dimension], change: Change, known: Known) -> Staged | None:
    at = change.effective_at
    if at is None:
        at = change.made_at if known.since is None else max(change.made_at, known.since + INSTANT)
    synced_at = change.synced_at or change.made_at
    if change.kind == "delete":
        return Staged(change.source_id, at, synced_at, is_deleted=True) if known.is_there else None
    values = _whole(dimension, change, known, at)
    if known.is_there and values == known.values:
        return None
    return Staged(change.source_id, at, synced_at, values=values)


def _whole(dimension: type[Dimension], change: Change, known: Known, at: datetime) -> dict[str, Any]:
    values: dict[str, Any] = {name: known.values.get(name) for name in names_of(dimension)}
    first = {column.name for column in dimension.attributes(0)} if known.was_there else set()
    for name, value in change.values.items():
        if name not in first:
            values[name] = _carried(known.values.get(name), value, at) if name == CUSTOM_FIELDS else value
    missing = [column.name for column in dimension.required() if values[column.name] is None]
    if missing:
        wrong = dict.fromkeys(missing, f"it must be filled, and {change.source_id!r} is new")
        raise refusal(dimension, wrong=wrong)
    return values


def _carried(held: Mapping[str, Any] | None, said: Mapping[str, Any] | None, at: datetime) -> Any:
    """The custom fields of a member of whom these are said now: as with a record of a load, what is not said
    any more is deprecated.
    """
    moment = at.astimezone(UTC).isoformat(timespec="microseconds")
    held, said = held or {}, said or {}
    fields: dict[str, Any] = {
        name: {**it, "deprecated": True} for name, it in held.items() if name not in said
    }
    for name, it in said.items():
        value = it["value"] if is_seen(it) else it
        first = held[name]["first_seen"] if name in held else moment
        last = held[name]["last_seen"] if name in held and held[name]["value"] == value else moment
        fields[name] = {"value": value, "first_seen": first, "last_seen": last, "deprecated": False}
    return fields or None


def is_seen(field: Any) -> bool:
    """Whether it is a custom field as the warehouse keeps it, and not its value alone."""
    return isinstance(field, dict) and {"value", "first_seen", "last_seen", "deprecated"} <= field.keys()


def _follow(dimension: type[Dimension], known: Known, told: Staged) -> None:
    """Know what has been told."""
    if told.is_deleted:
        known.is_there, known.since = False, told.effective_at
        return
    versioned = [column.name for column in dimension.attributes(2)]
    opens = not known.is_there or any(known.values[name] != told.values[name] for name in versioned)
    known.since = told.effective_at if opens else known.since
    known.values = told.values
    known.is_there = known.was_there = True
