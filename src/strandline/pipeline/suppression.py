"""What the source still sends of whom was erased: it goes neither into the raw log nor onto the stage.

Records that facts are made of go there without what is personal, as do those of other streams that mention
them.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence, Set
from datetime import datetime
from typing import Any

from sqlalchemy import Connection
from xxhash import xxh3_128_digest

from strandline.pipeline.chunk import Chunk
from strandline.pipeline.effacement import Effacer, Entry, entry_of
from strandline.pipeline.former import FormerKeys
from strandline.pipeline.intake import Intake
from strandline.pipeline.target import Target
from strandline.source.cursor import CursorValue
from strandline.source.stream import Stream
from strandline.warehouse import erasure, mention, pseudonym, quote, raw
from strandline.warehouse.mention import WHOLE, Named


class Suppression:
    """What is to be kept out of one stream's chunks, which `intake` gives away."""

    def __init__(self, stream: Stream, targets: Sequence[Target], intake: Intake) -> None:
        self.stream = stream
        self.targets = targets
        self._intake = intake
        self._erased: dict[str, datetime | None] = {}
        """Whose records stay away, and up to when."""
        self._named: list[Named] = []
        """Of whom records are stored without what is personal."""
        self._left = set[str]()
        """Those of them of whose records facts are made."""
        self._effaced = set[int]()
        self._former = FormerKeys(stream, targets)
        self._highest: str | None = None
        """The highest cursor value of what was not left out, where it is a text."""

    def prepare(self, connection: Connection) -> None:
        """Find out who was erased."""
        self._erased = erasure.keys_kept_away(connection, self.stream.qualified_name)
        self._named = mention.named(connection, self.stream.qualified_name)
        self._left = {it.source_id for it in self._named if it.dimension == WHOLE}
        self._former.prepare(connection)

    @property
    def is_needed(self) -> bool:
        """Whether anybody was erased."""
        return bool(self._erased or self._named or self._former)

    def apply(self, connection: Connection, chunk: Chunk) -> int:
        """Leave out of the chunk, and of what is to be staged with it, what is not to be stored; how many
        records.
        """
        if not self.is_needed:
            return 0
        found: dict[str, int] = {}
        former = self._former.own(it[1] for it in chunk.entries)
        erased = {**self._erased, **dict.fromkeys(former)}
        sent = {it[1] for it in chunk.entries if _is_away(it, erased)} if erased else set()
        if sent:
            erasure.note_sent_again(connection, self.stream.qualified_name, sent)
            pseudonym.note_sent_again(connection, self.stream.qualified_name, former.values())
            found = leave_out(chunk, self.targets, erased=erased, but=self._left)
        if self._named or self._former:
            self._effaced = self._efface(connection, chunk)
        for it in chunk.requests if self._former.met else ():
            it["request"] = quote.without(it["request"], self._former.met)
        if self.stream.cursor_type is str:
            values = [it[5] for it in chunk.entries if it[5] is not None]
            self._highest = max([*values, *([self._highest] if self._highest else [])], default=None)
        return sum(found.values())

    def highest(self, seen: CursorValue | None) -> CursorValue | None:
        """Up to where a stream has been read in which this was `seen`: a mark that is a text must not be one
        of those who stay away.
        """
        return self._highest if self.is_needed and self.stream.cursor_type is str else seen

    def _efface(self, connection: Connection, chunk: Chunk) -> set[int]:
        """Take out of what the chunk says of others what is personal and whom it names by former keys, and
        out of what is to be staged with it; which entries these are. They are taken in again.
        """
        rejected = {it.raw_id for it in chunk.rejects}
        suspects = self._effacer.may_mention(self._named, chunk.entries, rejected)
        suspects |= self._former.suspects(chunk.entries, rejected)
        again = dict[int, Entry]()
        for place, entry in enumerate(chunk.entries):
            if entry[0] in suspects:
                now = _efface(connection, entry_of(entry), self._named, self._effacer, self._former)
                if now is not None:
                    chunk.unpacked[place] = _rewritten(entry, now)
                    again[entry[0]] = now
        for target in self.targets:
            target.rows = [row for row in target.rows if row[0] not in again]
        chunk.rejects = [it for it in chunk.rejects if it.raw_id not in again]
        for it in again.values():
            self._intake.take_again(it, self.targets)
        chunk.rejects += self._intake.empty().rejects
        return set(again)

    def note(self, connection: Connection, kept: set[int] | None) -> None:
        """Note which entries are not as they were sent, of those that were kept; None: all."""
        new, self._effaced = self._effaced if kept is None else self._effaced & kept, set()
        mention.note_effaced(connection, self.stream.qualified_name, new)

    @property
    def _effacer(self) -> Effacer:
        return self._former.effacer


def leave_out(
    chunk: Chunk, targets: Sequence[Target], *, erased: Mapping[str, datetime | None], but: Set[str]
) -> dict[str, int]:
    """Take out of the chunk, and of what is to be staged with it, what is to stay away. `erased` says by
    natural key up to when, or None for whatever comes; `but` of whom only what is refused stays away. How
    many records of each that was.
    """
    refused = {it.raw_id for it in chunk.rejects if not it.target}
    away = (entry for entry in chunk.entries if _is_away(entry, erased))
    out = {entry[0]: entry[1] for entry in away if entry[0] in refused or entry[1] not in but}
    found: dict[str, int] = {}
    if not out:
        return found
    for source_id in out.values():
        found[source_id] = found.get(source_id, 0) + 1
    chunk.entries = [it for it in chunk.entries if it[0] not in out]
    chunk.rejects = [it for it in chunk.rejects if it.raw_id not in out]
    for target in targets:
        target.rows = [row for row in target.rows if row[0] not in out]
    return found


def _is_away(entry: raw.Entry, erased: Mapping[str, Any]) -> bool:
    source_id, effective_at = entry[1], entry[6]
    if source_id is None or source_id not in erased:
        return False
    until = erased[source_id]
    # Of what says no time of its own nobody knows that it is new.
    return until is None or effective_at is None or effective_at <= until


def efface_again(
    connection: Connection, stream: Stream, targets: Sequence[Target], entries: Sequence[raw.Entry]
) -> list[raw.Entry]:
    """These entries, which come back into the raw log, without what is personal of those who were erased
    meanwhile. The caller owns the transaction.
    """
    named = mention.named(connection, stream.qualified_name)
    former = FormerKeys(stream, targets)
    former.prepare(connection)
    if not named and not former:
        return list(entries)
    effacer, found, changed = former.effacer, list[raw.Entry](), list[int]()
    gone = former.own(it[1] for it in entries)
    left = {it.source_id: it.until for it in named if it.dimension == WHOLE}
    for entry in entries:
        if entry[1] in gone or (_is_away(entry, left) and not effacer.is_readable(entry[2])):
            continue
        effaced = _efface(connection, entry_of(entry), named, effacer, former)
        if effaced is not None:
            changed.append(entry[0])
            entry = _rewritten(entry, effaced)
        found.append(entry)
    mention.note_effaced(connection, stream.qualified_name, changed)
    return found


def _efface(
    connection: Connection,
    entry: Entry,
    named: Sequence[Named],
    effacer: Effacer,
    former: FormerKeys,
) -> Entry | None:
    """What the record becomes; None where it stays as it was sent."""
    renamed, others = former.rename(connection, entry)
    effaced = effacer.efface(renamed, [*named, *others])
    if effaced is not None:
        return renamed._replace(payload=effaced.payload, operation=effaced.operation)
    return None if renamed is entry else renamed


def _rewritten(entry: raw.Entry, effaced: Entry) -> raw.Entry:
    digest = xxh3_128_digest(effaced.payload)
    return (*entry[:2], effaced.payload, digest, effaced.operation, *entry[5:])
