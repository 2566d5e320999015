"""While pages are fetched ahead threads take turns more often, and as before when that is over."""

import sys
from collections.abc import Iterator

import pytest

from strandline.pipeline.turns import TURN, short_turns


@pytest.fixture(autouse=True)
def interval() -> Iterator[float]:
    """Python's own."""
    before = sys.getswitchinterval()
    sys.setswitchinterval(0.005)
    yield sys.getswitchinterval()
    sys.setswitchinterval(before)


def test_turns_are_short_and_then_as_they_were(interval: float) -> None:
    with short_turns():
        assert sys.getswitchinterval() == pytest.approx(TURN)
        with short_turns():
            assert sys.getswitchinterval() == pytest.approx(TURN)
        assert sys.getswitchinterval() == pytest.approx(TURN)

    assert sys.getswitchinterval() == interval


def test_an_error_leaves_them_as_they_were(interval: float) -> None:
    with pytest.raises(ZeroDivisionError), short_turns():
        raise ZeroDivisionError

    assert sys.getswitchinterval() == interval


def test_shorter_ones_are_somebody_elses_to_undo() -> None:
    sys.setswitchinterval(0.0005)
    with short_turns():
        assert sys.getswitchinterval() == pytest.approx(0.0005)

    assert sys.getswitchinterval() == pytest.approx(0.0005)
