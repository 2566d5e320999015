"""Whose turn it is: spaced by the rate, held by the source, over threads, processes and a kill -9."""

import fcntl
import os
import signal
import stat
import struct
import subprocess
import sys
import threading
import time
from datetime import timedelta
from pathlib import Path

import pytest

from strandline.errors import DeclarationError
from strandline.source.quota import Quota
from strandline.source.throttle import Held, Rate, Throttle
from strandline.source.turn import LEFT_FOR, Board, file_for

RATE = Rate(50)
"""One in 20 ms."""

PROGRAM = """
import sys, time
from pathlib import Path
from strandline.source.throttle import Rate, Throttle
from strandline.source.turn import Board

throttle = Throttle(Rate(50), board=Board(Path(sys.argv[1])))
for _ in range(int(sys.argv[2])):
    throttle.wait()
    print(time.monotonic(), flush=True)
"""


def waited(throttle: Throttle) -> float:
    began = time.monotonic()
    throttle.wait()
    return time.monotonic() - began


def test_after_a_burst_requests_are_spaced() -> None:
    throttle = Throttle(Rate(2, burst=3))
    assert sum(waited(throttle) for _ in range(3)) < 0.4
    assert waited(throttle) > 0.05


@pytest.mark.parametrize("burst", [0, -1])
def test_a_burst_of_none_is_refused(burst: int) -> None:
    with pytest.raises(DeclarationError, match="1 or more at once"):
        Rate(1, burst=burst)


def test_threads_and_processes_share_a_rate(tmp_path: Path) -> None:
    file = tmp_path / "rates" / "crm"
    others = [
        subprocess.Popen([sys.executable, "-c", PROGRAM, str(file), "8"], stdout=subprocess.PIPE, text=True)
        for _ in range(2)
    ]
    moments = [float(it) for other in others for it in other.communicate()[0].split()]
    throttle, mine = Throttle(RATE, board=Board(file)), list[float]()

    def ask() -> None:
        throttle.wait()
        mine.append(time.monotonic())

    threads = [threading.Thread(target=ask) for _ in range(4)]
    for it in threads:
        it.start()
    for it in threads:
        it.join()
    ordered = sorted([*moments, *mine])
    assert len(ordered) == 20
    # They are 20 ms apart; who wakes up late makes one gap longer and the next one shorter.
    assert ordered[-1] - ordered[0] > 19 * 0.02 - 0.015


def test_who_is_killed_leaves_a_board_that_others_use(tmp_path: Path) -> None:
    file = tmp_path / "crm"
    other = subprocess.Popen(
        [sys.executable, "-c", PROGRAM, str(file), "100000"], stdout=subprocess.PIPE, text=True
    )
    assert other.stdout
    other.stdout.readline()
    other.send_signal(signal.SIGKILL)
    other.communicate()
    assert waited(Throttle(RATE, board=Board(file))) < 1


@pytest.mark.parametrize(
    "noted", [b"", b"torn", struct.pack("<dddd", time.monotonic() + 1e6, 2e9, 2e9, 2e9)], ids=range(3)
)
def test_what_cannot_be_read_or_is_of_another_start_of_the_machine_holds_nobody(
    tmp_path: Path, noted: bytes
) -> None:
    (tmp_path / "crm").write_bytes(noted)
    assert waited(Throttle(RATE, board=Board(tmp_path / "crm"))) < 1
    assert waited(Throttle(None, board=Board(tmp_path / "crm"))) < 1


def test_where_nothing_can_be_written_a_run_keeps_its_turns_by_itself(tmp_path: Path) -> None:
    (tmp_path / "rates").write_text("a file, not a folder")
    throttle = Throttle(RATE, board=Board(tmp_path / "rates" / "crm"))
    throttle.wait()
    assert waited(throttle) + waited(throttle) > 0.01


def test_a_pause_holds_everybody_and_too_long_a_one_is_told(tmp_path: Path) -> None:
    mine, other = (
        Throttle(None, board=Board(tmp_path / "crm"), patience=timedelta(seconds=5)) for _ in range(2)
    )
    mine.hold(0.05)
    assert waited(other) > 0.03
    mine.hold(60)
    with pytest.raises(Held, match="60 s"):
        other.wait()


def test_a_pause_is_asked_for_anew_after_an_hour(tmp_path: Path) -> None:
    now = time.monotonic()
    (tmp_path / "crm").write_bytes(struct.pack("<dddd", now, 0, now + 1e9, now - 3601))
    assert waited(Throttle(None, board=Board(tmp_path / "crm"))) < 1


@pytest.mark.parametrize(
    ("quota", "seconds"),
    [
        (Quota(50, 1000, 100), 0),
        (Quota(10, 0.5, 100), 0.05),
        (Quota(4, 0.2), 0.05),
        (Quota(6, 120), 0),
        (Quota(0, 0.05, 100), 0.05),
        (Quota(1, 3600, 100), 0),
    ],
    ids=range(6),
)
def test_the_last_of_a_quota_is_spread_unless_that_takes_too_long(quota: Quota, seconds: float) -> None:
    throttle = Throttle(None)
    throttle.heed(quota)
    assert seconds - 0.04 < waited(throttle) < seconds + 2


def test_a_file_tells_sources_and_credentials_apart_and_shows_none(tmp_path: Path) -> None:
    files = {
        file_for("crm", told_apart_by=told)
        for told in (
            ["https://a", "canary"],
            ["https://b", "canary"],
            ["https://a", "other"],
            ["https://ac", "anary"],
        )
    }
    assert len(files) == 4
    assert not any("canary" in str(it) for it in files)
    with Board(tmp_path / "rates" / "crm").changing() as turns:
        turns.free_at = 1.0
    assert stat.S_IMODE((tmp_path / "rates").stat().st_mode) == 0o700
    assert stat.S_IMODE((tmp_path / "rates" / "crm").stat().st_mode) == 0o600
    assert os.path.getsize(tmp_path / "rates" / "crm") == 32


def test_files_of_sources_that_are_read_no_more_are_deleted(tmp_path: Path) -> None:
    """A month after the last request; what is in use, fresh or somebody else's stays."""
    for name in ("gone", "fresh", "crm", "held", "notes"):
        (tmp_path / name).write_bytes(b"\0" * (33 if name == "notes" else 32))
        age = time.time() - LEFT_FOR - (-60 if name == "fresh" else 60)
        os.utime(tmp_path / name, (age, age))
    with (tmp_path / "held").open() as held:
        fcntl.flock(held, fcntl.LOCK_EX)
        with Board(tmp_path / "crm").changing() as turns:
            turns.free_at = 1.0

    assert {it.name for it in tmp_path.iterdir()} == {"fresh", "crm", "held", "notes"}
    assert Board(tmp_path / "crm").read().free_at == 1.0


def test_who_waits_for_a_file_that_is_deleted_takes_the_one_that_comes_after(tmp_path: Path) -> None:
    file = tmp_path / "crm"
    file.write_bytes(b"")
    with file.open() as held:
        fcntl.flock(held, fcntl.LOCK_EX)
        waiting = threading.Thread(target=note, args=(file,))
        waiting.start()
        time.sleep(0.1)
        file.unlink()
    waiting.join()

    assert Board(file).read().free_at == 7.0


def note(file: Path) -> None:
    with Board(file).changing() as turns:
        turns.free_at = 7.0
