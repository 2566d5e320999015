"""An order that makes a difference is told as small as it can be, and with few tries."""

import pytest

from strandline.testing.shuffle import Order, smallest


def run_of(number: int, order: Order) -> int:
    """Which run reads it; -1: none."""
    return next((at for at, run in enumerate(order) if number in run), -1)


@pytest.mark.parametrize("first", range(13))
def test_of_many_records_those_are_left_that_it_takes_in_the_runs_that_it_takes(first: int) -> None:
    tried: list[Order] = []

    def differs(order: Order) -> bool:
        tried.append(order)
        return -1 < run_of(first, order) < run_of(13, order)

    assert smallest(tuple((it,) for it in range(14)), differs) == ((first,), (13,))
    assert len(tried) <= 20


def test_where_every_record_is_needed_all_are_left() -> None:
    order = ((2, 0), (1,))

    assert smallest(order, lambda it: len(it) == 2 and sum(map(len, it)) == 3) == order


def test_runs_that_need_not_be_two_are_one() -> None:
    assert smallest(((0,), (1,), (2,)), lambda it: run_of(0, it) >= 0 and run_of(2, it) >= 0) == ((0, 2),)
