"""While records pass the garbage collector is told when to look, and is left as it was found."""

import gc

import pytest

from strandline.pipeline.collector import collect_young, collecting_by_hand


class Cycle:
    """Something that only the collector can let go of."""

    alive = 0

    def __init__(self) -> None:
        self.itself = self
        Cycle.alive += 1

    def __del__(self) -> None:
        Cycle.alive -= 1


def test_nobody_looks_for_what_has_died_until_told_to() -> None:
    with collecting_by_hand():
        assert not gc.isenabled()
        for _ in range(10):
            Cycle()
        with collecting_by_hand():
            assert not gc.isenabled()
        assert not gc.isenabled()
        assert Cycle.alive == 10
        collect_young()
        assert Cycle.alive == 0

    assert gc.isenabled()


def test_an_error_leaves_it_as_it_was() -> None:
    with pytest.raises(ZeroDivisionError), collecting_by_hand():
        raise ZeroDivisionError

    assert gc.isenabled()


def test_what_somebody_else_has_done_is_theirs_to_undo() -> None:
    gc.disable()
    try:
        with collecting_by_hand():
            assert not gc.isenabled()
        assert not gc.isenabled()
    finally:
        gc.enable()
