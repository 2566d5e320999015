"""Reading ahead keeps the order, brings errors over, and ends when nobody wants more."""

import signal
import threading
import time
from collections.abc import Iterator

import pytest

from strandline.source.prefetch import Stopped, pause, prefetch


def readers() -> list[threading.Thread]:
    """Those that do not end, though they are given time to."""
    found = [thread for thread in threading.enumerate() if thread.name == "strandline-reader"]
    for thread in found:
        thread.join(timeout=5)
    return [thread for thread in found if thread.is_alive()]


def test_everything_comes_in_order() -> None:
    assert list(prefetch(lambda: iter(range(100)))) == list(range(100))
    assert readers() == []


def test_the_next_item_is_made_while_the_last_is_still_in_use() -> None:
    made = [threading.Event() for _ in range(3)]

    def produce() -> Iterator[int]:
        for number, event in enumerate(made):
            event.set()
            yield number

    items = prefetch(produce)
    assert next(items) == 0
    assert made[1].wait(5)
    items.close()


def test_no_more_than_one_finished_item_waits() -> None:
    made: list[int] = []
    third = threading.Event()

    def produce() -> Iterator[int]:
        for number in range(100):
            made.append(number)
            if number == 2:
                third.set()
            yield number

    items = prefetch(produce)
    next(items)
    assert third.wait(5)
    items.close()

    assert made == [0, 1, 2]


def test_items_wait_until_they_weigh_enough() -> None:
    made: list[int] = []
    last = threading.Event()

    def produce() -> Iterator[int]:
        for number in (1, 4, 4, 9, 1, 1):
            made.append(number)
            if number == 9:
                last.set()
            yield number

    items = prefetch(produce, most=8, weigh=lambda number: number)
    assert next(items) == 1
    assert last.wait(5)
    items.close()

    assert made == [1, 4, 4, 9]  # two that weigh enough, and the one that waits for room
    assert readers() == []
    assert list(prefetch(produce, most=8, weigh=lambda number: number)) == [1, 4, 4, 9, 1, 1]


def test_an_error_comes_after_the_items_before_it() -> None:
    def produce() -> Iterator[int]:
        yield 1
        raise LookupError("gone")

    items = prefetch(produce)

    assert next(items) == 1
    with pytest.raises(LookupError, match="gone"):
        next(items)


def test_closing_wakes_a_reader_that_pauses() -> None:
    ended = threading.Event()

    def produce() -> Iterator[int]:
        yield 1
        try:
            pause(3600)
        except Stopped:
            ended.set()
            raise

    items = prefetch(produce)
    next(items)
    items.close()

    assert ended.wait(5)
    assert readers() == []


def test_closing_ends_what_is_read() -> None:
    """The producer's own clean-up runs, in its thread."""
    cleaned = threading.Event()

    def produce() -> Iterator[int]:
        try:
            yield from range(100)
        finally:
            cleaned.set()

    items = prefetch(produce)
    next(items)
    items.close()

    assert cleaned.wait(5)


def test_a_signal_that_another_thread_gets_ends_the_wait() -> None:
    """The system may hand a signal to any thread, or to the main one just before it begins to wait."""
    ended, made = threading.Event(), threading.Event()

    class Interrupted(Exception):
        pass

    def interrupt(_signum: int, _frame: object) -> None:
        raise Interrupted

    def produce() -> Iterator[int]:
        time.sleep(0.3)  # by now the main thread waits
        signal.pthread_kill(threading.get_ident(), signal.SIGUSR1)
        ended.wait(5)
        made.set()
        yield 1

    before = signal.signal(signal.SIGUSR1, interrupt)
    try:
        with pytest.raises(Interrupted):
            next(prefetch(produce))
        assert not made.is_set()
    finally:
        signal.signal(signal.SIGUSR1, before)
        ended.set()
