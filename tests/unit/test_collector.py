"""While records pass the garbage collector is told when to look, and is left as it was found."""

import gc

import pytest

from strandline.pipeline.collector import collecting_by_hand


def state() -> tuple[bool, bool]:
    return gc.isenabled(), gc.get_freeze_count() > 0


def test_what_was_there_is_not_walked_through_and_what_comes_is_not_looked_for() -> None:
    with collecting_by_hand():
        assert state() == (False, True)
        with collecting_by_hand():
            assert state() == (False, True)
        assert state() == (False, True)

    assert state() == (True, False)


def test_an_error_leaves_it_as_it_was() -> None:
    with pytest.raises(ZeroDivisionError), collecting_by_hand():
        raise ZeroDivisionError

    assert state() == (True, False)


def test_what_somebody_else_has_done_is_theirs_to_undo() -> None:
    gc.freeze()
    with collecting_by_hand():
        assert state() == (True, True)
    gc.unfreeze()
    gc.disable()
    try:
        with collecting_by_hand():
            assert state() == (False, False)
        assert state() == (False, False)
    finally:
        gc.enable()
