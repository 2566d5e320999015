"""Several pieces fetched at once: so many and no more, given in their order, and stopped together."""

import threading
from collections.abc import Callable, Iterator
from contextlib import closing
from functools import partial

import pytest
from hypothesis import given
from hypothesis import strategies as st

from strandline.source.ahead import AHEAD, Ahead
from strandline.source.prefetch import Stopped, pause

PATIENCE = 20
Pieces = Iterator[tuple[int, Callable[[], Iterator[int]]]]


def readers() -> list[threading.Thread]:
    """Those that do not end, though they are given time to."""
    found = [thread for thread in threading.enumerate() if thread.name == "strandline-reader"]
    for thread in found:
        thread.join(timeout=5)
    return [thread for thread in found if thread.is_alive()]


def ahead(pieces: Pieces, *, width: int) -> Ahead[int, int]:
    return Ahead(pieces, width=width, size=lambda item: item)


class Small(Ahead[int, int]):
    """Little may wait."""

    most_held = 10


@given(st.lists(st.lists(st.integers(0, 30), max_size=5), max_size=20), st.integers(2, 6), st.booleans())
def test_pieces_come_whole_and_in_their_order(sent: list[list[int]], width: int, is_small: bool) -> None:
    kind = Small if is_small else Ahead[int, int]
    pieces = ((number, partial(iter, items)) for number, items in enumerate(sent))
    with closing(kind(pieces, width=width, size=lambda item: item)) as made:
        assert [(number, list(items)) for number, items in made] == list(enumerate(sent))
    assert readers() == []


def test_so_many_are_fetched_at_once_and_no_more() -> None:
    together, lock = threading.Barrier(3), threading.Lock()
    now: list[int] = []
    most: list[int] = []

    def fetch(number: int) -> Iterator[int]:
        with lock:
            now.append(number)
            most.append(len(now))
        together.wait(PATIENCE)
        with lock:
            now.remove(number)
        yield number

    with closing(ahead(((it, partial(fetch, it)) for it in range(12)), width=3)) as made:
        assert [list(items) for _, items in made] == [[it] for it in range(12)]
    assert max(most) == 3


def test_pieces_are_begun_only_so_far_ahead() -> None:
    asked: list[int] = []

    def pieces() -> Pieces:
        for number in range(10**6):
            asked.append(number)
            yield number, partial(iter, [1])

    with closing(ahead(pieces(), width=2)) as made:
        for number, items in made:
            assert list(items) == [1]
            if number == 3:
                break
    assert len(asked) == 2 * AHEAD + 3


def test_what_waits_is_bounded_and_the_piece_whose_turn_it_is_goes_on() -> None:
    fetched = [0, 0]
    full = threading.Event()

    def fetch(number: int) -> Iterator[int]:
        for count in range(100):
            fetched[number] += 1
            if number == 1 and count == 3:
                full.set()
            yield 3
            if number == 0 and count == 0:
                assert full.wait(PATIENCE)  # 9 bytes wait, and 3 more would be too much

    with closing(Small(((it, partial(fetch, it)) for it in range(2)), width=2, size=int)) as made:
        pieces = iter(made)
        _, first = next(pieces)
        assert sum(first) == 3 * 100
        assert fetched == [100, 4]
        _, second = next(pieces)
        assert sum(second) == 3 * 100


def test_an_error_waits_for_the_pieces_before_it_and_what_is_behind_it_is_not_fetched() -> None:
    failed = threading.Event()
    begun: list[int] = []

    def fetch(number: int) -> Iterator[int]:
        begun.append(number)
        if number == 0:
            assert failed.wait(PATIENCE)
        yield number
        if number == 1:
            failed.set()
            raise LookupError("gone")

    made = ahead(((it, partial(fetch, it)) for it in range(100)), width=2)
    given = (item for _, items in made for item in items)
    assert [next(given), next(given)] == [0, 1]
    with pytest.raises(LookupError, match="gone"):
        next(given)
    made.close()
    assert len(begun) <= 3
    assert readers() == []


def test_closing_wakes_who_pauses_and_who_waits_for_room() -> None:
    ended: list[str] = []
    begun = threading.Barrier(3)

    def paused() -> Iterator[int]:
        begun.wait(PATIENCE)
        try:
            pause(3600)
            yield 1
        except Stopped:
            ended.append("paused")
            raise

    def full() -> Iterator[int]:
        begun.wait(PATIENCE)
        try:
            yield from [9] * 100
        finally:
            ended.append("full")

    made = Small([(1, paused), (2, full)], width=2, size=int)
    _, items = next(iter(made))
    begun.wait(PATIENCE)
    made.close()
    assert readers() == []
    assert sorted(ended) == ["full", "paused"]
    items.close()
