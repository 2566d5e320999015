"""Records dealt out to a pipeline by hand, past its sources: in any order, and as many at once as is wanted.

    hand = Hand(sales, {"crm.customers": [{"id": "C-1", …}], "shop.orders": [b"…"]})
    hand.give([0, 4, 2])                    # the pipeline's next run reads these, and nothing else
    run(hand.pipeline, warehouse, sources=hand.sources)

The pipeline is the user's own but for where its pages come from: contracts, mappers, keys and models are what
they are. Who is absent is not looked for, nothing is expected, and any number of records may be rejects, for
what comes is a part of all.
"""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping, Sequence
from contextlib import closing
from copy import copy
from dataclasses import dataclass, replace
from datetime import UTC, datetime, timedelta
from functools import cached_property
from typing import Any, Final

from strandline.errors import DeclarationError, RecordRejected
from strandline.model.path import nearest
from strandline.pipeline import deletion
from strandline.pipeline.definition import Pipeline
from strandline.pipeline.threshold import Rejects
from strandline.source.division import Partitions
from strandline.source.page import Page, Pages
from strandline.source.parent import Parents
from strandline.source.stream import Source, Stream
from strandline.source.tombstone import Described

Given = Mapping[str, Any] | bytes
"""A record as a source sends it: its exact bytes, or what is written as JSON."""

Records = Mapping[Any, Sequence[Given]]
"""Records by stream, or by its name: `Crm.customers` or "crm.customers"."""

STEP: Final = timedelta(milliseconds=1)
ANY_NUMBER: Final = Rejects(count=None, share=1.0)


@dataclass(frozen=True)
class Card:
    """A record that is dealt, and when it is read, in whichever run that is."""

    stream: Stream
    given: Given
    payload: bytes
    read_at: datetime

    @cached_property
    def known(self) -> Described | None:
        """Whose it is, and when it took effect if it says so; None: it is a reject."""
        stream = self.stream
        try:
            gone = stream.tombstone(self.payload)
            if gone is not None and gone.natural_key is not None:
                return gone
            record = stream.parse(self.payload)
            moment = getattr(record, stream.effective_at) if stream.effective_at else None
            key = stream.natural_key(record)
        except RecordRejected:
            return None
        return Described(key, stream.cursor_value(record), moment, stream.tie_break_value(record))

    @property
    def is_dated(self) -> bool:
        """Whether it makes no difference when it is read."""
        return self.known is None or self.known.effective_at is not None


class Nobody(Source):
    """A source that is never asked."""

    def __init__(self) -> None:
        """It needs no settings."""


class Hand:
    """All cards, and those that the next run is to read."""

    def __init__(self, pipeline: Pipeline, records: Records) -> None:
        self._given: dict[str, list[Card]] = {}
        streams = streams_of(pipeline)
        self.cards = _cards(pipeline, streams, records)
        self.pipeline = self._past_sources(pipeline)
        self.sources: dict[str, Source] = {it.name: Nobody() for it in pipeline.sources}

    @property
    def began(self) -> datetime:
        """From when on records are read."""
        return min((it.read_at for it in self.cards), default=datetime.max.replace(tzinfo=UTC))

    def give(self, numbers: Sequence[int]) -> None:
        """Let the next run read these cards, in this order."""
        self._given = {}
        for number in numbers:
            card = self.cards[number]
            self._given.setdefault(card.stream.qualified_name, []).append(card)

    def _past_sources(self, pipeline: Pipeline) -> Pipeline:
        """The pipeline, with other pages in its streams."""
        other = copy(pipeline)
        other.syncs = [replace(it, stream=self._stream(it.stream)) for it in pipeline.syncs]
        other.expectations = []
        other._rejects = {it.stream.qualified_name: ANY_NUMBER for it in pipeline.syncs}
        other._deletes = {
            name: tuple(
                replace(it, stream=self._stream(it.stream))
                for it in ways
                if it.means == deletion.TOMBSTONES and it.stream is not None
            )
            for name, ways in pipeline._deletes.items()
        }
        return other

    def _stream(self, stream: Stream) -> Stream:
        """The same stream, whose pages are dealt: in one walk, and in no order that is promised."""
        name = stream.qualified_name

        def pages(_: Source) -> Pages:
            return _pages(self._given.get(name, ()))

        other = copy(stream)
        other._function, other._bounds, other.per = pages, 0, None
        other.cursor = stream.cursor and replace(stream.cursor, ordered=False)
        return other


def streams_of(pipeline: Pipeline) -> dict[str, Stream]:
    """The streams whose records become rows, or end them, by name."""
    return {it.qualified_name: it for reading in pipeline.readings for it in reading.streams}


def recorded(pipeline: Pipeline, sources: Mapping[str, Source]) -> dict[str, list[bytes]]:
    """What the sources send when they are asked for everything, by stream."""
    found: dict[str, list[bytes]] = {}
    for name, stream in streams_of(pipeline).items():
        source = sources[stream.source_name]
        told: Sequence[object] = ()
        if isinstance(stream.per, Partitions):
            told = stream.per.of(source, where=name)
        elif isinstance(stream.per, Parents):
            parent = stream.per.of(stream.source)
            told = list(stream.per.told(list(_parsed(parent, found[parent.qualified_name]))))
        with closing(stream.read(source, None, None, told=told)) as pages:
            found[name] = [payload for page in pages for payload in page.records]
    return found


def _parsed(stream: Stream, payloads: Sequence[bytes]) -> Iterator[Any]:
    for payload in payloads:
        try:
            yield stream.parse(payload)
        except RecordRejected:
            continue


def _cards(pipeline: Pipeline, streams: Mapping[str, Stream], records: Records) -> list[Card]:
    """The records, each with a moment of its own at which it is read: now, and in their order."""
    first, cards = datetime.now(UTC), list[Card]()
    for key, given in records.items():
        name = key.qualified_name if isinstance(key, Stream) else str(key)
        if name not in streams:
            raise DeclarationError(
                f"{pipeline.name}: it reads no stream {name!r}", hint=nearest(name, streams)
            )
        cards += [Card(streams[name], it, _payload(it), first) for it in given]
    first -= STEP * len(cards)
    return [replace(it, read_at=first + STEP * number) for number, it in enumerate(cards)]


def _payload(record: Given) -> bytes:
    return record if isinstance(record, bytes) else json.dumps(record, ensure_ascii=False).encode()


def _pages(cards: Sequence[Card]) -> Pages:
    """One page, or where it makes a difference when a record is read, one for each."""
    at_once = [cards] if all(it.is_dated for it in cards) else [[it] for it in cards]
    for number, some in enumerate(at_once if cards else [], 1):
        payloads = [it.payload for it in some]
        size, moment = sum(map(len, payloads)), some[-1].read_at
        yield Page(payloads, number, "dealt", status=200, fetched_at=moment, size=size)
