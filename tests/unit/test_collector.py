"""While records pass the garbage collector is told when to look, and is left as it was found."""

import gc
from collections.abc import Iterator

import pytest

from strandline.pipeline.collector import collecting_by_hand


@pytest.fixture
def thawed() -> Iterator[None]:
    """As in a user's own program; the tests' process has its modules frozen."""
    gc.unfreeze()
    yield
    gc.freeze()


def state() -> tuple[bool, bool]:
    return gc.isenabled(), gc.get_freeze_count() > 0


def test_what_was_there_is_not_walked_through_and_what_comes_is_not_looked_for(thawed: None) -> None:
    with collecting_by_hand():
        assert state() == (False, True)
        with collecting_by_hand():
            assert state() == (False, True)
        assert state() == (False, True)

    assert state() == (True, False)


def test_an_error_leaves_it_as_it_was(thawed: None) -> None:
    with pytest.raises(ZeroDivisionError), collecting_by_hand():
        raise ZeroDivisionError

    assert state() == (True, False)


def test_what_somebody_else_has_done_is_theirs_to_undo(thawed: None) -> None:
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
