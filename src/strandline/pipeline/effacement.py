"""Effacement: what is personal taken out of records that go on being what they are.

A record that mentions somebody who was erased keeps all that its facts are made of. Of its payload only those
values are replaced that its contract marks as personal, or in which a value of the erased records was found:
by null or, where contract or mapper take none, by the first of a few words that they take. Every other byte
stays. A personal value belongs to the mention that stands nearest to it, or to each of several as near, and
in the stream of a dimension first of all to the member itself.

The same record gives the same bytes whenever it comes, so what the source sends again counts as unchanged.
"""

from __future__ import annotations

import json
from collections.abc import Iterable, Iterator, Sequence
from datetime import datetime
from typing import Any, Final, NamedTuple

from msgspec import Struct

from strandline.errors import DeclarationError, RecordRejected
from strandline.model.conversion import FAILURES
from strandline.model.dimension import Dimension
from strandline.natural_key import NaturalKeys
from strandline.pipeline import mention
from strandline.pipeline.mention import Mention
from strandline.pipeline.target import Target
from strandline.source import leaf
from strandline.source.leaf import Leaf, Place
from strandline.source.stream import Stream
from strandline.warehouse import raw
from strandline.warehouse.mention import OWN, WHOLE, Named
from strandline.warehouse.pseudonym import Former
from strandline.warehouse.staging import OWN_COLUMNS

NOTHING: Final = b"null"

INSTEAD: Final = (
    *(NOTHING, b'"[erased]"', b'""', b"0", b"false", b'"erased@example.com"'),
    *(b'"1970-01-01T00:00:00Z"', b'"1970-01-01"', b'"0"'),
)
"""What stands for a personal value: the first that contract and mapper take."""


class Entry(NamedTuple):
    """A record, new or out of the raw log, as it is taken in again."""

    raw_id: int
    source_id: str | None
    payload: bytes
    operation: str
    effective_at: datetime | None
    fetched_at: datetime


def entry_of(entry: raw.Entry) -> Entry:
    """What is taken in again of an entry that is about to be stored."""
    raw_id, source_id, payload, _, operation, _, effective_at, _, _, fetched_at = entry[:10]
    return Entry(raw_id, source_id, payload, operation, effective_at, fetched_at)


class Effaced(Struct, frozen=True):
    """What a record has become, and what it had said there."""

    payload: bytes
    operation: str
    values: tuple[str, ...]


class Effacer:
    """Takes what is personal out of the records of one stream."""

    def __init__(self, stream: Stream, targets: Sequence[Target]) -> None:
        syncs = [it.sync for it in targets]
        self.stream = stream
        self.targets = targets
        self.mentions = mention.mentions(syncs, stream)
        self.outline = leaf.outline(stream.contract)
        self.kept_paths = mention.kept_paths(stream, syncs)
        self.key_paths = {(it,) for it in stream.key}
        self._has_members = any(issubclass(it.model, Dimension) for it in syncs)
        self._personal = mention.personal_paths(syncs)
        self._read = stream.compile_reader()

    def leaves(self, payload: bytes) -> list[Leaf]:
        """All values of the payload."""
        return leaf.leaves(payload, self.outline)

    def places_of(self, dimension: str, source: str) -> frozenset[tuple[str, ...]]:
        """Where the records name members of a dimension, as they are."""
        if dimension == WHOLE:
            return frozenset({*mention.fact_paths(it.sync for it in self.targets), *self.kept_paths})
        theirs = (it for it in self.mentions if (it.dimension, it.source) == (dimension, source))
        return frozenset(it.path for it in theirs if it.path and it.is_plain)

    def is_readable(self, payload: bytes) -> bool:
        """Whether it is a record with a natural key, or the deletion of one."""
        try:
            gone = self.stream.tombstone(payload) if self.stream.deleted is not None else None
            source_id = self._read(payload)[1] if gone is None else gone.natural_key
        except RecordRejected:
            return False
        return source_id is not None

    def is_personal(self, it: Leaf) -> bool:
        """Whether the value is personal, as contract or model have it."""
        return it.is_personal or it.path in self._personal

    def may_mention(self, named: Sequence[Named], entries: Iterable[Any], rejected: set[int]) -> set[int]:
        """Which of these new entries (raw_id, source_id, …) have to be looked at."""
        known = {it.path for it in self.mentions_of(named)}
        is_strange = any(it.places - known for it in named if not it.is_own)
        if is_strange or any(it.is_group or it.path is None for it in self.mentions_of(named)):
            return {it[0] for it in entries}
        keys, own = {it.source_id for it in named}, {it.source_id for it in named if it.is_own}
        found = {entry[0] for entry in entries if entry[0] in rejected or entry[1] in own}
        for target in self.targets:
            places = [self.place(target, it) for it in self.mentions if it.target == target.sync.target]
            found |= {row[0] for row in target.rows for place in places if row[place] in keys}
        return found

    def efface(self, entry: Entry, named: Sequence[Named], *, is_strict: bool = False) -> Effaced | None:
        """What the record becomes, for it mentions some of these; None where nothing changes.

        With `is_strict` raises DeclarationError where no record would be left.
        """
        leaves, before = self.leaves(entry.payload), entry.operation
        if any(it.dimension == WHOLE and self.mentions_it(entry, leaves, it) for it in named):
            is_record = entry.operation in (raw.UPSERT, raw.RETURN)
            entry = entry._replace(operation=raw.FACTS if is_record else entry.operation)
        chosen = {it for one in named for it in self._meant(entry, leaves, one)}
        kept = self.kept_paths.union(*(it.places for it in named if it.dimension != WHOLE))
        chosen = {it for it in chosen if it.path not in kept}
        payload = self._replace(entry, chosen, is_strict=is_strict) if chosen else entry.payload
        if (payload, entry.operation) == (entry.payload, before):
            return None
        values = (leaf.value_of(entry.payload, it) for it in chosen)
        return Effaced(payload, entry.operation, tuple(str(it) for it in values if it is not None))

    def mentions_it(self, entry: Entry, leaves: Sequence[Leaf], it: Named) -> list[Place]:
        """Where the record mentions them: () where only a method knows."""
        if it.until is not None and entry.effective_at is not None and entry.effective_at > it.until:
            return []
        if it.is_own:
            return [()] if entry.source_id == it.source_id else []
        mentions = self.mentions_of([it])
        unknown = it.places - {one.path for one in mentions}  # to mappers of this pipeline
        spell, found = self.stream.source.natural_keys, list[Place]()
        for place in leaves:
            if place.path in unknown and _is_key(entry.payload, place, spell, it.source_id):
                found.append(place.place)
        for one in mentions:
            at = [place for place in leaves if place.path == one.path]
            plain = [place for place in at if _is_key(entry.payload, place, one.keys, it.source_id)]
            if one.is_plain:
                found += [place.place for place in plain]
            elif self._names(entry, one, it.source_id):
                found += [place.place for place in at] or [()]
        return found

    def mentions_of(self, named: Iterable[Named | Former]) -> list[Mention]:
        """Where these may be named, as the mappers know it."""
        wanted = {(it.dimension, it.source_system) for it in named}
        return [it for it in self.mentions if (it.dimension, it.source) in wanted]

    def _meant(self, entry: Entry, leaves: Sequence[Leaf], named: Named) -> Iterator[Leaf]:
        """The values that are personal of the one who is named."""
        places = self.mentions_it(entry, leaves, named)
        if not places:
            return
        if named.dimension == OWN:
            yield from (it for it in leaves if self.is_personal(it) or it.path in named.paths)
            return
        if named.dimension == WHOLE:
            yield from (it for it in leaves if self._is_left_out(it, named))
            return
        paths = {it.path for it in self.mentions_of([named])} | named.places
        others = [it.place for it in leaves if it.path in paths]
        for it in leaves:
            if it.path in named.paths or (it.is_personal and self._is_theirs(it, places, others)):
                yield it

    def _is_left_out(self, it: Leaf, named: Named) -> bool:
        """Whether nothing of a fact is made of it, or it is personal."""
        is_read = any(it.path[:steps] in named.places for steps in range(1, len(it.path) + 1))
        is_read = is_read or (it.is_named and () in named.places)
        return self.is_personal(it) or it.path in named.paths or not is_read

    def _is_theirs(self, it: Leaf, places: Sequence[Place], others: Sequence[Place]) -> bool:
        mine = max(_common(it.place, place) for place in places)
        nearest = max((_common(it.place, place) for place in others), default=0)
        return mine >= nearest and (mine > 0 or not self._has_members)

    def _names(self, entry: Entry, one: Mention, source_id: str) -> bool:
        """Whether the row that the record gives names the key."""
        for target in self.targets:
            if target.sync.target == one.target:
                place = self.place(target, one)
                rows = self.rows(target, entry)
                return any(_names(row[place], source_id, one) for row in rows)
        return False

    def place(self, target: Target, one: Mention) -> int:
        """Where in a row of the target it is named."""
        names = [column.name for column in target.conversion.columns]
        return len(OWN_COLUMNS) + names.index(one.column)

    def rows(self, target: Target, entry: Entry) -> Sequence[Any]:
        """What the record gives a target; nothing where it is refused."""
        try:
            record, source_id, _ = self._read(entry.payload)
            moment = entry.effective_at or entry.fetched_at
            row = target.conversion.convert(record, 0, source_id or "", moment, entry.fetched_at)
        except (RecordRejected, *FAILURES):
            return ()
        return row if target.conversion.has_lines else (row,)

    def accepting(self, entry: Entry, payload: bytes) -> set[str]:
        """Who takes this payload: the contract, under no name, and targets."""
        try:
            record, source_id, _ = self._read(payload)
        except RecordRejected:
            return set()
        found, moment = {""}, entry.effective_at or entry.fetched_at
        for target in self.targets:
            if entry.operation == raw.FACTS and not target.is_fact:
                continue
            try:
                target.conversion.convert(record, 0, source_id or "", moment, entry.fetched_at)
            except FAILURES:
                continue
            found.add(target.sync.target)
        return found

    def _replace(self, entry: Entry, chosen: set[Leaf], *, is_strict: bool) -> bytes:
        payload = entry.payload
        chosen = {it for it in chosen if payload[it.start : it.end] != NOTHING}
        nothing = dict.fromkeys(chosen, NOTHING)
        before = set() if entry.operation == raw.DELETE else self.accepting(entry, payload)
        if not before or before <= self.accepting(entry, leaf.replace(payload, nothing)):
            return leaf.replace(payload, nothing)
        decided: dict[Leaf, bytes] = {}
        for path in sorted({it.path for it in chosen}):
            there = [it for it in chosen if it.path == path]
            for word in INSTEAD:
                tried = {**decided, **dict.fromkeys(there, word)}
                if before <= self.accepting(entry, leaf.replace(payload, tried)):
                    decided = tried
                    break
            else:
                if entry.operation == raw.FACTS and not any(map(self.is_personal, there)):
                    continue  # nobody takes it without, and it is not said to be personal
                if is_strict:
                    raise DeclarationError(
                        f"erase: {self.stream.qualified_name}: nothing that {self.stream.contract.__name__}"
                        f" takes can stand for {'.'.join(path)}",
                        hint="Let the field be optional: `… | None = None`.",
                    )
                return leaf.replace(payload, nothing)
        return leaf.replace(payload, decided)


def _is_key(payload: bytes, place: Leaf, keys: NaturalKeys, source_id: str) -> bool:
    return keys.read(leaf.value_of(payload, place)) == source_id


def _names(value: Any, source_id: str, one: Mention) -> bool:
    if one.is_group and isinstance(value, str):
        return source_id in json.loads(value)
    return bool(value == source_id)


def _common(one: Place, other: Place) -> int:
    """How many steps the objects have in common in which two values stand."""
    steps = 0
    for a, b in zip(one[:-1], other[:-1], strict=False):
        if a != b:
            break
        steps += 1
    return steps
