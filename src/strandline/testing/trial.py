"""A warehouse that is loaded with the same records in one order after the other, and what comes of each.

An order that makes a difference is made smaller, as long as it still does: fewer records, then fewer runs.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from copy import copy
from itertools import count
from typing import Final

from strandline.pipeline.definition import Pipeline
from strandline.pipeline.report import RunReport
from strandline.pipeline.running import run
from strandline.source.stream import Source
from strandline.testing import pure
from strandline.testing.deal import ANY_NUMBER, Given, Hand, Records
from strandline.testing.difference import differences, listed
from strandline.testing.emptying import empty
from strandline.testing.shuffle import Order, at_once, only, smallest
from strandline.testing.star import Star, star_of
from strandline.warehouse.database import Database

Serve = Callable[[Mapping[str, Sequence[Given]]], object]
"""Lets an API have these records, by stream, and no others."""

Loading = Callable[[Order], Star]
"""What the warehouse says after the records have come in this order."""

PATIENCE: Final = 60
"""So many smaller orders are tried."""

SHOWN: Final = 300

ONLY_IN_ONE: Final = ("a row of the one, and none of the other", "a row of the other, and none of the one")
IN_BOTH: Final = "is {} in the one, and {} in the other"


class Trial:
    """Loads a warehouse with records in one order after the other."""

    def __init__(
        self,
        pipeline: Pipeline,
        warehouse: Database,
        records: Records,
        *,
        serve: Serve | None,
        sources: Mapping[str, Source] | None,
    ) -> None:
        self.hand = Hand(pipeline, records)
        self._pipeline = copy(pipeline)
        self._pipeline.expectations = []
        self._pipeline._rejects = {it.stream.qualified_name: ANY_NUMBER for it in pipeline.syncs}
        self._warehouse = warehouse
        self._serve = serve
        self._sources = sources
        self._is_loaded = False
        self._found: dict[Order, Star] = {}

    def check_mappers(self) -> None:
        """Fail where a contract or mapper makes something else of one record another time."""
        found = pure.impurities(self._pipeline, [(it.stream, it.payload) for it in self.hand.cards])
        if found:
            raise AssertionError(
                f"{self._pipeline.name}: a record makes another row another time\n{listed(found)}"
            )

    def dealt(self, order: Order) -> Star:
        """What the warehouse says when records have come straight to contract and mapper."""

        def deal(numbers: Sequence[int]) -> RunReport:
            self.hand.give(numbers)
            return _run(self.hand.pipeline, self._warehouse, self.hand.sources)

        return self._load(order, deal)

    def served(self, order: Order) -> Star:
        """What it says when they have become visible in the API, and the sources were read after each run."""
        visible: dict[str, list[Given]] = {it.stream.qualified_name: [] for it in self.hand.cards}

        def read(numbers: Sequence[int]) -> RunReport:
            assert self._serve is not None
            for it in numbers:
                card = self.hand.cards[it]
                visible[card.stream.qualified_name].append(card.given)
            self._serve(visible)
            return _run(self._pipeline, self._warehouse, self._sources)

        return self._load(order, read)

    def _load(self, order: Order, load: Callable[[Sequence[int]], RunReport]) -> Star:
        if self._is_loaded:
            empty(self._pipeline, self._warehouse)
        self._is_loaded = True
        reports = [load(numbers) for numbers in order]
        if any(it.rejected for report in reports[-1:] for it in report.streams):
            load(())  # what they wait for may have come last
        return star_of(self._pipeline, self._warehouse, read_since=self.hand.began if self._serve else None)

    def compare(self, loading: Loading, orders: Iterable[Order], *, words: str) -> None:
        """Fail with the first of the orders that makes a difference, made smaller."""
        expected = self._expected(at_once(len(self.hand.cards)))
        for number, order in enumerate(orders, 1):
            if loading(order) != expected:
                raise AssertionError(self._told(loading, self._shrunk(loading, order), words.format(number)))

    def _shrunk(self, loading: Loading, order: Order) -> Order:
        """The order with fewer records and runs that makes a difference too, as far as patience goes."""
        tries = count(1)
        return smallest(order, lambda it: next(tries) <= PATIENCE and self._expected(it) != loading(it))

    def _expected(self, order: Order) -> Star:
        """What the same records make at once, past the sources; they are loaded for it once."""
        plain = self._plain(order)
        if plain not in self._found:
            self._found[plain] = self.dealt(plain)
        return self._found[plain]

    def _plain(self, order: Order) -> Order:
        """The same records at once, as they were given."""
        return only(at_once(len(self.hand.cards)), [it for some in order for it in some])

    def _told(self, loading: Loading, order: Order, words: str) -> str:
        plain, cards = self._plain(order), self.hand.cards
        found = differences(self._expected(order), loading(order), only=ONLY_IN_ONE, both=IN_BOTH)
        records = [
            f"  #{it} {cards[it].stream.qualified_name} {_shown(cards[it].payload)}" for it in sum(plain, ())
        ]
        return "\n".join(
            [
                f"{self._pipeline.name}: it makes a difference how records arrive ({words})",
                *records,
                f"  the one:   {_words(plain)}, past the source",
                f"  the other: {_words(order)}{', through the source' if loading == self.served else ''}",
                listed(found),
            ]
        )


def _run(pipeline: Pipeline, warehouse: Database, sources: Mapping[str, Source] | None) -> RunReport:
    report = run(pipeline, warehouse, sources=sources, workers=0, width=1)
    refuse_failure(report)
    return report


def refuse_failure(report: RunReport) -> None:
    """Fail where a run has."""
    wrong = [f"{it.stream}: {it.error}" for it in report.streams if it.status == "failed"]
    if wrong:
        raise AssertionError(f"{report.pipeline}: a {report.kind} has failed\n{listed(wrong)}")


def _words(order: Order) -> str:
    runs = [", ".join(f"#{it}" for it in some) for some in order]
    return "one run of " + runs[0] if len(runs) == 1 else f"{len(runs)} runs of {' | '.join(runs)}"


def _shown(payload: bytes) -> str:
    text = payload.decode(errors="backslashreplace")
    return text if len(text) <= SHOWN else f"{text[: SHOWN - 1]}…"
