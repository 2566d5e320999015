"""Work side by side: at once where it may be, in order where it must, and stopped as one."""

import threading
import time

import pytest

from strandline.pipeline.lane import side_by_side
from strandline.pipeline.team import Staff
from strandline.source import prefetch


def test_pieces_are_done_at_once_and_given_in_their_order() -> None:
    together = threading.Barrier(3)

    def do(lane: str, piece: int) -> str:
        together.wait(10)
        return f"{piece}{'' if lane in 'abc' else lane}"

    assert side_by_side(range(6), "abc", do) == ["0", "1", "2", "3", "4", "5"]


def test_a_piece_begins_when_those_it_waits_for_are_done() -> None:
    done: list[int] = []
    waits = {3: [0, 1], 4: [3], 1: [0]}

    def do(_: int, piece: int) -> None:
        assert set(waits.get(piece, [])) <= set(done)
        time.sleep(0.01)
        done.append(piece)

    side_by_side(range(6), range(4), do, waits_for=lambda piece: waits.get(piece, []))
    assert sorted(done) == [0, 1, 2, 3, 4, 5]


def test_an_error_stops_the_others_between_two_pages_and_is_raised_when_they_have_ended() -> None:
    going = threading.Event()
    ended: list[int] = []

    def do(_: int, piece: int) -> None:
        if piece == 1:
            going.wait(10)
            raise ValueError("one")
        try:
            for page in prefetch.prefetch(lambda: iter(range(10**9))):
                assert page >= 0
                going.set()
        finally:
            ended.append(piece)

    with pytest.raises(ValueError, match="one"):
        side_by_side(range(5), range(2), do)
    assert ended == [0]


def test_streams_side_by_side_share_the_seats_of_workers() -> None:
    staff = Staff(2, seats=threading.Semaphore(3))
    assert [staff.taken(), staff.taken(), staff.taken()] == [2, 1, 0]
    staff.give_back(1)
    assert staff.taken() == 1
    assert Staff(2).taken() == 2
