"""Pseudonyms: another natural key in the place of one that is to be forgotten, in every table that has it.

Which key it was is not kept. So that what the source still sends of it is known, there is a hash of it, by a
salt that all of them share, beside nothing that tells of the other key.
"""

from __future__ import annotations

import hashlib
import json
import secrets
from collections.abc import Iterable, Mapping, Sequence
from typing import Any

from msgspec import Struct
from sqlalchemy import Column, Connection, Table, Text, delete, func, insert, or_, select, update

from strandline.model import bridge as spelling
from strandline.model.bridge import MEMBERS, Bridge
from strandline.model.dimension import Dimension
from strandline.model.fact import Fact
from strandline.warehouse import quote, state
from strandline.warehouse.mention import OWN, erased_mention

pseudonymised = Table(
    "pseudonymised",
    state.OWN_TABLES,
    Column("stream", Text, primary_key=True),
    Column("dimension", Text, primary_key=True, comment="The model of the member; empty: records of its own"),
    Column("source_system", Text, primary_key=True),
    Column("key_hash", Text, primary_key=True, comment="SHA-256 of the salt and the key that it had"),
    Column("salt", Text, nullable=False),
    Column("paths", state.JSON_VALUE, nullable=False, comment="As in erased_mention"),
    Column("places", state.JSON_VALUE, nullable=False, comment="As in erased_mention"),
    Column("sent_again_at", state.MOMENT, comment="When the source last sent what is to stay away"),
    comment="Who has another natural key here than at the source: hashes of those",
)


class Former(Struct, frozen=True):
    """A key that somebody had, of which only the hash is known."""

    dimension: str
    source_system: str
    key_hash: str
    salt: str
    paths: frozenset[tuple[str, ...]] = frozenset()
    places: frozenset[tuple[str, ...]] = frozenset()

    def was(self, source_id: str) -> bool:
        """Whether it was this one."""
        return hash_of(source_id, self.salt) == self.key_hash


def hash_of(source_id: str, salt: str) -> str:
    """What is known of a key that is forgotten."""
    return hashlib.sha256(f"{salt}{source_id}".encode()).hexdigest()


def formers(connection: Connection, stream: str) -> list[Former]:
    """Whose former keys may stand in records of this stream."""
    noted = pseudonymised.c
    columns = (noted.dimension, noted.source_system, noted.key_hash, noted.salt, noted.paths, noted.places)
    found = connection.execute(select(*columns).where(noted.stream == stream).order_by(*columns[:3]))
    return [Former(*row[:4], *(frozenset(map(tuple, it)) for it in row[4:])) for row in found]


def note(connection: Connection, rows: Iterable[Mapping[str, Any]], *, source_id: str) -> None:
    """Note the former key for these: stream, dimension, source_system, paths and places of each."""
    salt = connection.scalar(select(pseudonymised.c.salt).limit(1)) or secrets.token_hex(16)
    known = {"key_hash": hash_of(source_id, salt), "salt": salt}
    connection.execute(insert(pseudonymised), [{**row, **known} for row in rows])


def note_sent_again(connection: Connection, stream: str, hashes: Iterable[str]) -> None:
    """Note that the source still sends records of them."""
    noted = pseudonymised.c
    mine = (noted.stream == stream, noted.dimension == OWN, noted.key_hash.in_(list(hashes)))
    connection.execute(update(pseudonymised).where(*mine).values(sent_again_at=func.now()))


def withhold(connection: Connection, streams: Sequence[str], it: Renaming) -> dict[str, int]:
    """Withhold the former key wherever the ledger quotes it, as a word, for any of these streams; how many
    rows, by table.
    """
    found = quote.withhold(connection, streams, [it.before])
    found["strandline.expectation"] += _rename_samples(connection, streams, it)
    return found


def _rename_samples(connection: Connection, streams: Sequence[str], it: Renaming) -> int:
    """In the first keys that have broken an expectation."""
    changed, table = 0, state.expectation
    keys = list(table.primary_key)
    found = connection.execute(select(*keys, table.c.samples).where(table.c.stream.in_(streams))).all()
    sample = {"source": it.source_system, "key": it.before}
    for *values, samples in found:
        if sample in samples:
            now = [{**one, "key": it.now} if one == sample else one for one in samples]
            mine = [column == value for column, value in zip(keys, values, strict=True)]
            changed += connection.execute(update(table).where(*mine).values(samples=now)).rowcount
    return changed


class Renaming(Struct, frozen=True):
    """Whose key becomes which other."""

    stream: str
    source_system: str
    before: str
    now: str

    def of_log(self, connection: Connection, log: Table) -> None:
        """In the raw log, and wherever its entries are noted by the key."""
        _put(connection, log.c.source_id, self, log.c.source_id.is_not(None))
        if isinstance(log.c.cursor_value.type, Text):
            _put(connection, log.c.cursor_value, self, log.c.source_id == self.now)
        for noted in (state.reject, state.pruned_key):
            _put(connection, noted.c.source_id, self, noted.c.stream == self.stream)
        kept_away = state.erased_key.c
        mine = (kept_away.stream == self.stream, kept_away.source_id == self.before)
        connection.execute(delete(state.erased_key).where(*mine))

    def of_mentions(self, connection: Connection, dimensions: Sequence[str]) -> None:
        """Where it is noted of whom records say nothing personal."""
        noted = erased_mention.c
        is_own = noted.stream == self.stream
        _put(
            connection,
            noted.source_id,
            self,
            noted.source_system == self.source_system,
            or_(noted.dimension.in_(dimensions), is_own),
        )

    def of_members(self, connection: Connection, dimension: type[Dimension]) -> int:
        """In the versions of the member; how many."""
        table = dimension.table().c
        return _put(connection, table.source_id, self, table.source_system == self.source_system)

    def of_attribute(self, connection: Connection, table: Table, names: Iterable[str], *, source: str) -> int:
        """In columns that name the member, of rows of a source; how many."""
        is_theirs = table.c.source_system == source
        return sum(_put(connection, table.c[name], self, is_theirs) for name in names)

    def of_waiting(self, connection: Connection, fact: type[Fact], column: str) -> int:
        """In a fact that waits for the member; how many rows."""
        waiting = fact.table().c[column]
        before, now = (f"{self.source_system}:{it}" for it in (self.before, self.now))
        return connection.execute(
            update(fact.table()).where(waiting == before).values({column: now})
        ).rowcount

    def of_groups(self, connection: Connection, bridge: type[Bridge]) -> int:
        """In the groups of which the member is one, which keep their keys; how many."""
        groups, key = bridge.groups, bridge.groups.c[bridge.group_key()]
        named = self._texts(connection, groups.c[MEMBERS], groups.c.source_system == self.source_system)
        for before, now in named.items():
            mine = (groups.c.source_system == self.source_system, groups.c[MEMBERS] == before)
            numbers = list(connection.scalars(select(key).where(*mine)))
            connection.execute(update(groups).where(key.in_(numbers)).values({MEMBERS: now}))
            self._weigh(connection, bridge, numbers, before=before, now=now)
        return len(named)

    def of_group_texts(
        self, connection: Connection, table: Table, names: Iterable[str], *, source: str
    ) -> int:
        """In columns with the text of a group, of rows of a source; how many."""
        changed = 0
        for name in names:
            is_theirs = table.c.source_system == source
            for before, now in self._texts(connection, table.c[name], is_theirs).items():
                mine = update(table).where(is_theirs, table.c[name] == before)
                changed += connection.execute(mine.values({name: now})).rowcount
        return changed

    def _texts(self, connection: Connection, column: Column[Any], *where: Any) -> dict[str, str]:
        """The texts of groups with the member, and what they become."""
        quoted = json.dumps(self.before, ensure_ascii=False)
        found = select(column).distinct().where(column.contains(quoted, autoescape=True), *where)
        renamed = {it: spelling.rename(it, self.before, self.now) for it in connection.scalars(found)}
        return {before: now for before, now in renamed.items() if before != now}

    def _weigh(
        self, connection: Connection, bridge: type[Bridge], groups: Sequence[int], *, before: str, now: str
    ) -> None:
        """Of equal weights the first by name has what is left over: it may be another one now."""
        was, table, d = spelling.parse(before), bridge.table(), bridge.dimension.table().c
        for source_id, weight in spelling.parse(now).items():
            if was.get(self.before if source_id == self.now else source_id) == weight:
                continue
            member = select(bridge.dimension.durable_key_column()).where(
                d.source_system == self.source_system, d.source_id == source_id
            )
            theirs = (table.c[bridge.group_key()].in_(groups), table.c[bridge.member_key()].in_(member))
            connection.execute(update(table).where(*theirs).values(weight=weight))


def _put(connection: Connection, column: Column[Any], it: Renaming, *where: Any) -> int:
    changed = update(column.table).where(column == it.before, *where)
    rows: int = connection.execute(changed.values({column.name: it.now})).rowcount
    return rows
