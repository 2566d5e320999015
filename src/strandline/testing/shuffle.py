"""Orders in which records may arrive: any, but where what is declared says that the order of the log decides.

It decides between two records of one key that took effect at one instant, and between all of a key that do
not say when they took effect: then the moment of reading is that moment. These keep their order.
"""

from __future__ import annotations

from collections.abc import Callable, Hashable, Iterable, Iterator, Sequence
from itertools import pairwise
from random import Random
from typing import Any, Final

from strandline.model.fact import Fact
from strandline.pipeline.definition import Pipeline
from strandline.testing.deal import Card

Order = tuple[tuple[int, ...], ...]
"""The numbers of the records that each run reads."""

MOST_RUNS: Final = 5
TIED: Final = 0.7


def at_once(count: int) -> Order:
    """All in one run, as they were given."""
    return (tuple(range(count)),)


def orders(cards: Sequence[Card], pins: Iterable[Sequence[int]], dice: Random) -> Iterator[Order]:
    """Order after order, the plainest first."""
    count, held = len(cards), list(pins)
    forwards = list(range(count))
    backwards = _held(forwards[::-1], held)
    yield (tuple(backwards),)
    if count <= 2 * MOST_RUNS:
        yield tuple((it,) for it in backwards)
        yield tuple((it,) for it in forwards)
    while True:
        mixed = _held(dice.sample(forwards, count), held)
        cuts = sorted(dice.sample(range(1, count), min(dice.randrange(MOST_RUNS), count - 1)))
        yield tuple(tuple(mixed[a:b]) for a, b in zip([0, *cuts], [*cuts, count], strict=True))


def appearances(cards: Sequence[Card], dice: Random) -> Iterator[Order]:
    """How records may become visible: those of each stream by their cursor, ties in no run in particular."""
    lines: dict[str, list[int]] = {}
    for number, card in enumerate(cards):
        lines.setdefault(card.stream.qualified_name, []).append(number)
    for line in lines.values():
        line.sort(key=lambda it: _cursor(cards[it]))
    yield (tuple(it for line in lines.values() for it in line),)
    if len(cards) <= 2 * MOST_RUNS:
        yield tuple((it,) for line in lines.values() for it in line)
    while True:
        runs = dice.randint(2, MOST_RUNS)
        cuts = {name: _cuts(line, cards, runs, dice) for name, line in lines.items()}
        order = [
            [it for name, line in lines.items() for it in line[slice(*cuts[name][at])]] for at in range(runs)
        ]
        yield tuple(tuple(it) for it in order if it)


def _cuts(line: Sequence[int], cards: Sequence[Card], runs: int, dice: Random) -> list[tuple[int, int]]:
    """From where to where each run reads; among records of one cursor value rather than elsewhere."""
    places = range(len(line) + 1)
    tied = [it for it in places[1:-1] if _cursor(cards[line[it]]) == _cursor(cards[line[it - 1]])]
    ends = sorted(dice.choice(tied if tied and dice.random() < TIED else places) for _ in range(runs - 1))
    return list(pairwise([0, *ends, len(line)]))


def _cursor(card: Card) -> tuple[Any, ...]:
    known = card.known or card.stream.describe(card.payload)
    return () if card.stream.cursor is None or known.cursor_value is None else (known.cursor_value,)


def only(order: Order, kept: Iterable[int]) -> Order:
    """The same order of fewer records."""
    left = frozenset(kept)
    some = (tuple(it for it in run if it in left) for run in order)
    return tuple(it for it in some if it)


def smallest(order: Order, differs: Callable[[Order], bool]) -> Order:
    """An order of fewer records in fewer runs that differs too, of which nothing more can be left out."""
    found = _joined(_thinned(order, differs), differs)
    return found if found == order else smallest(found, differs)


def _thinned(order: Order, differs: Callable[[Order], bool]) -> Order:
    """Without what it does not need: a half at a time, then a quarter, and at last one record."""
    numbers = sorted(it for run in order for it in run)
    size = len(numbers) // 2
    while size:
        at = 0
        while at < len(numbers):
            fewer = [*numbers[:at], *numbers[at + size :]]
            if fewer and differs(only(order, fewer)):
                order, numbers = only(order, fewer), fewer
            else:
                at += size
        size //= 2
    return order


def _joined(order: Order, differs: Callable[[Order], bool]) -> Order:
    """With runs in one that need not be two."""
    at = 0
    while at < len(order) - 1:
        fewer = (*order[:at], order[at] + order[at + 1], *order[at + 2 :])
        if differs(fewer):
            order = fewer
        else:
            at += 1
    return order


def _held(mixed: list[int], pins: Iterable[Sequence[int]]) -> list[int]:
    """The mixed records, of which those that are pinned are in their order, in the places that they have."""
    place = {number: at for at, number in enumerate(mixed)}
    held = list(mixed)
    for pinned in pins:
        for at, number in zip(sorted(place[it] for it in pinned), pinned, strict=True):
            held[at] = number
    return held


def pinned(pipeline: Pipeline, cards: Sequence[Card]) -> list[list[int]]:
    """The records that have to keep their order, each group in it."""
    whose = {it.qualified_name: reading.stream for reading in pipeline.readings for it in reading.streams}
    mixes = {
        it.stream.qualified_name
        for it in pipeline.syncs
        if issubclass(it.model, Fact) and not it.grain_is_key  # records of several keys may be one row
    }
    keys: list[tuple[Hashable, ...] | None] = []
    for card in cards:
        main = whose[card.stream.qualified_name].qualified_name
        known = card.known
        keys.append(None if known is None else (main, None if main in mixes else known.natural_key))
    undated = {key for key, card in zip(keys, cards, strict=True) if not card.is_dated}
    groups: dict[Hashable, list[int]] = {}
    for number, (key, card) in enumerate(zip(keys, cards, strict=True)):
        if key is not None and card.known is not None:
            at = None if key in undated else (card.known.effective_at, card.known.tie_break)
            groups.setdefault((key, at), []).append(number)
    # Of one run, who is gone is read behind who is there.
    order = {
        number: (card.stream is not whose[card.stream.qualified_name], number)
        for number, card in enumerate(cards)
    }
    return [sorted(it, key=order.__getitem__) for it in groups.values() if len(it) > 1]
