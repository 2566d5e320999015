"""Retraction: what the records of a stream say of somebody else who is erased, taken out of them.

The records stay, and so do the rows that are made of them; what those had of the person is made anew from
what the records say now. Where undeclared fields of a record held a value of the erased ones, that place is
noted, without the value, and is emptied in whatever the source sends of the person later.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Sequence

from msgspec.structs import replace
from sqlalchemy import Connection

from strandline.model.fact import Fact
from strandline.pipeline import mention, quotation
from strandline.pipeline.definition import Reading
from strandline.pipeline.effacement import Effacer, Entry
from strandline.pipeline.load import Load
from strandline.pipeline.target import Target
from strandline.source import leaf
from strandline.source.leaf import Leaf
from strandline.warehouse import mention as noting
from strandline.warehouse import raw
from strandline.warehouse.erasure import Meant
from strandline.warehouse.mention import OWN, WHOLE, Named


class Retraction:
    """One stream whose records may mention the person."""

    def __init__(self, reading: Reading, targets: Sequence[Target], dimensions: Sequence[str], meant: Meant):
        self.reading = reading
        self.targets = targets
        self.meant = meant
        self.stream = reading.stream.qualified_name
        self.loads: list[tuple[Load, Target]] = []
        """How to build its targets anew."""
        self.keys: list[str] = []
        """The natural keys of the records that were changed."""
        self.raw_ids = set[int]()
        self.requests: list[tuple[int, int]] = []
        """Run and page of them."""
        self.words: list[str] = []
        """What they had said."""
        source = meant.stream.partition(".")[0]
        self.effacer = Effacer(reading.stream, targets)
        wanted = {it.dimension for it in self.effacer.mentions if it.source == source}
        self.named = [
            Named(name, source, meant.source_id, meant.until, places=self.effacer.places_of(name, source))
            for name in dimensions
            if name in wanted
        ]
        has_facts = any(issubclass(it.model, Fact) for it in reading.syncs)
        self._is_own = self.stream == meant.stream and (meant.only_pii or has_facts)
        if self._is_own:
            self.named.append(self._of_own(source))

    def _of_own(self, source: str) -> Named:
        meant = self.meant
        if meant.only_pii:
            return Named(OWN, source, meant.source_id, meant.until)
        places, paths = self.effacer.places_of(WHOLE, source), mention.personal_paths(self.reading.syncs)
        return Named(WHOLE, source, meant.source_id, meant.until, frozenset(paths), places)

    def follow(self, source_id: str) -> None:
        """The person has another natural key from now on."""
        self.meant = replace(self.meant, source_id=source_id)
        self.named = [replace(it, source_id=source_id) for it in self.named]

    def note(self, entry: Entry, *, is_own: bool) -> None:
        """Note that the entry was changed."""
        self.keys += [] if entry.source_id is None or is_own else [entry.source_id]
        self.raw_ids.add(entry.raw_id)
        self.requests.append(self._requests[entry])

    def rewrite(self, connection: Connection, values: Sequence[str]) -> int:
        """Take it out of the raw log, beside these values of the person; how many entries were changed."""
        found = list(self.mentioning(connection))
        if values:
            words = "|".join(map(re.escape, values))
            any_of_them = re.compile(rf"(?<!\w)(?:{words})(?!\w)", re.IGNORECASE)
            paths = frozenset(path for it in found for path in self._holding(it, any_of_them))
            self.named = [replace(it, paths=it.paths | paths) for it in self.named]
        noted = {(it.dimension, it.source_id): it for it in noting.named(connection, self.stream)}
        known = [noted.get((it.dimension, it.source_id), it).paths for it in self.named]
        self.named = [replace(it, paths=it.paths | more) for it, more in zip(self.named, known, strict=True)]
        entries, said = dict[int, tuple[bytes, str]](), list[str]()
        keys = dict.fromkeys(self.keys)
        for it, request in self._requests.items():
            effaced = self.effacer.efface(it, self.named, is_strict=True)
            if effaced is not None:
                entries[it.raw_id] = effaced.payload, effaced.operation
                said += effaced.values
                self.requests += [] if it.raw_id in self.raw_ids else [request]
                keys |= {} if it.source_id is None else {it.source_id: None}
        noting.rewrite(connection, self.reading.raw, self.stream, entries)
        noting.note(connection, self.stream, self.named)
        self.keys, self.raw_ids = list(keys), {*self.raw_ids, *entries}
        self.words = quotation.words_of(said)
        return len(self.raw_ids)

    def mentioning(self, connection: Connection) -> Iterator[Entry]:
        """The entries that mention the person."""
        self._requests: dict[Entry, tuple[int, int]] = {}
        key, of_stream = self.meant.source_id, self.stream == self.meant.stream
        wanted = noting.candidates(
            connection,
            self.reading.raw,
            self._needle(),
            until=self.meant.until,
            but=key if of_stream and not self._is_own else None,
            own=key if self._is_own else None,
        )
        with connection.execute(wanted, execution_options={"yield_per": raw.BATCH}) as rows:
            for row in rows:
                raw_id, source_id, payload, operation, effective_at, fetched_at, run_id, request = row
                it = Entry(raw_id, source_id, bytes(payload), operation, effective_at, fetched_at)
                leaves = self.effacer.leaves(it.payload)
                if any(self.effacer.mentions_it(it, leaves, one) for one in self.named):
                    self._requests[it] = (run_id, request)
                    yield it

    def _needle(self) -> str | None:
        """What every payload holds that mentions the person; None where nobody can tell."""
        dimensions = {it.dimension for it in self.named}
        mentions = [it for it in self.effacer.mentions if it.dimension in dimensions]
        is_sure = all(it.is_plain and it.keys.are_exact for it in mentions)
        return self.meant.source_id if is_sure else None

    def _holding(self, it: Entry, values: re.Pattern[str]) -> Iterator[tuple[str, ...]]:
        """Where, in what the contract does not name, one of these values is."""
        for one in self.effacer.leaves(it.payload):
            if not one.is_named and values.search(str(leaf.value_of(it.payload, one))):
                yield one.path


def personal_values(effacer: Effacer, payloads: Iterable[bytes]) -> list[str]:
    """The personal values of these records that are long enough to be looked for, the longest first."""

    def texts(payload: bytes, leaves: Iterable[Leaf]) -> Iterator[str]:
        for it in leaves:
            value = leaf.value_of(payload, it)
            if effacer.is_personal(it) and value is not None and not isinstance(value, bool):
                yield str(value)

    found = {text for payload in payloads for text in texts(payload, effacer.leaves(payload))}
    return sorted((it for it in found if len(it) >= quotation.SHORTEST), key=len, reverse=True)
