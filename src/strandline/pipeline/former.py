"""Former keys: what the source still sends of whom has another natural key here.

Records of their own stay away. Of records that name them the key is known by its hash, and becomes the one
that the same record has been given before, or a new one: whose record it was nobody can tell any more.
"""

from __future__ import annotations

import json
from collections.abc import Collection, Iterable, Iterator, Sequence
from functools import cached_property
from typing import Any

from sqlalchemy import Connection, Table, select

from strandline.pipeline.effacement import Effacer, Entry
from strandline.pipeline.mention import Mention
from strandline.pipeline.pseudonym import Refused, given_before, rename, tokens
from strandline.pipeline.target import Target
from strandline.source import leaf
from strandline.source.stream import Stream
from strandline.warehouse import pseudonym, raw
from strandline.warehouse.mention import OWN, Named
from strandline.warehouse.pseudonym import Former


class FormerKeys:
    """The former keys that may stand in records of one stream."""

    def __init__(self, stream: Stream, targets: Sequence[Target]) -> None:
        self.stream = stream
        self.targets = targets
        self._log: Table = raw.raw_table(
            stream.qualified_name, cursor=stream.cursor_type, tie_break=stream.tie_break_type
        )
        self._own: list[Former] = []
        self._others: list[Former] = []
        self.met = set[str]()
        """Those that were found in this run."""
        self._latest: dict[str, bytes] = {}
        """What records have become that came before in this run, by natural key."""

    def __bool__(self) -> bool:
        return bool(self._own or self._others)

    @cached_property
    def effacer(self) -> Effacer:
        """What takes the stream's records apart."""
        return Effacer(self.stream, self.targets)

    def prepare(self, connection: Connection) -> None:
        """Find out whose they are."""
        found = pseudonym.formers(connection, self.stream.qualified_name)
        self._own = [it for it in found if it.dimension == OWN]
        self._others = [it for it in found if it.dimension != OWN]

    def own(self, source_ids: Iterable[str | None]) -> dict[str, str]:
        """Which of these keys of the stream's own records are former ones, and the hash of each."""
        found = {
            key: it.key_hash
            for key in (source_ids if self._own else ())
            if key is not None
            for it in self._own
            if it.was(key)
        }
        self.met |= found.keys()
        return found

    def suspects(self, entries: Sequence[raw.Entry], rejected: Collection[int]) -> set[int]:
        """Which of these new entries have to be looked at."""
        if not self._others:
            return set()
        mentions = self._mentions
        known = {it.path for it in mentions}
        if any(it.places - known for it in self._others) or any(it.path is None for it in mentions):
            return {entry[0] for entry in entries}
        found = {entry[0] for entry in entries if entry[0] in rejected}
        seen: dict[str, bool] = {}
        for target in self.targets:
            its = (it for it in mentions if it.target == target.sync.target)
            columns = [(self.effacer.place(target, it), it) for it in its]
            for row in target.rows if columns else ():
                for place, it in columns:
                    if any(self._is_former(key, seen) for key in _keys(row[place], it)):
                        found.add(row[0])
        return found

    def rename(self, connection: Connection, entry: Entry) -> tuple[Entry, list[Named]]:
        """The record without former keys, and who is named in it by others now."""
        named: list[Named] = []
        for key in sorted(self._named_in(entry)) if self._others else ():
            them = [
                Named(it.dimension, it.source_system, key, None, it.paths, it.places)
                for it in self._others
                if it.was(key)
            ]
            self.met.add(key)
            payload, token = self._renamed(connection, entry, them)
            entry = entry._replace(payload=payload)
            named += [Named(it.dimension, it.source_system, token, None, it.paths, it.places) for it in them]
        if named and entry.source_id is not None:
            self._latest[entry.source_id] = entry.payload
        return entry, named

    @property
    def _mentions(self) -> list[Mention]:
        return self.effacer.mentions_of(self._others)

    def _is_former(self, key: str, seen: dict[str, bool]) -> bool:
        if key not in seen:
            seen[key] = any(it.was(key) for it in self._others)
        return seen[key]

    def _named_in(self, entry: Entry) -> set[str]:
        """The former keys that the record has."""
        keys, leaves = set[str](), self.effacer.leaves(entry.payload)
        spellings = {it.keys for it in self._mentions} | {self.stream.source.natural_keys}
        places = {it.path for it in self._mentions}.union(*(it.places for it in self._others))
        for it in leaves:
            if it.path in places:
                value = leaf.value_of(entry.payload, it)
                keys |= {key for one in spellings if (key := one.read(value)) is not None}
        for target in self.targets:
            columns = [it for it in self._mentions if it.target == target.sync.target]
            for row in self.effacer.rows(target, entry) if columns else ():
                keys |= {key for it in columns for key in _keys(row[self.effacer.place(target, it)], it)}
        return {key for key in keys if self._is_former(key, {})}

    def _renamed(self, connection: Connection, entry: Entry, named: Sequence[Named]) -> tuple[bytes, str]:
        leaves = self.effacer.leaves(entry.payload)
        places = {place for it in named for place in self.effacer.mentions_it(entry, leaves, it)}
        before = self._before(connection, entry)
        given = None if before is None else given_before(self.effacer, before, places)
        refused: Refused | None = None
        for token in ([given] if given else []) + list(tokens(named[0].source_id)):
            try:
                payload = rename(self.effacer, entry, named, token)
            except Refused as error:
                refused = error
                continue
            return payload or entry.payload, token
        assert refused is not None
        raise refused

    def _before(self, connection: Connection, entry: Entry) -> bytes | None:
        """What the record was when it came last."""
        if entry.source_id is None or entry.source_id in self._latest:
            return self._latest.get(entry.source_id or "")
        log = self._log.c
        latest = select(log.payload).where(log.source_id == entry.source_id).order_by(log.raw_id.desc())
        found = connection.scalar(latest.limit(1))
        return None if found is None else bytes(found)


def _keys(value: Any, it: Mention) -> Iterator[str]:
    """The natural keys in a column of a row."""
    if isinstance(value, str):
        yield from json.loads(value) if it.is_group else [value]
