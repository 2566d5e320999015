"""Load: strandline and the hand-written script in turns, then what a run with nothing new costs.

Every trial is a process of its own on a new database of one embedded PostgreSQL, after a CHECKPOINT; both
contestants read the same bytes from the same server. Machines have moods, so figures are medians and only
ratios mean anything.
"""

from __future__ import annotations

import subprocess
import sys
import tempfile
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from sqlalchemy import make_url

from benchmarks import trial
from benchmarks.trial import Ground, Trial
from strandline.warehouse import embedded

CONTESTANTS = ("handwritten", "strandline")

IDLE = 3
"""So many runs with nothing new in each round: the first waits for a disk that has a load to write yet."""


@dataclass(frozen=True)
class Loads:
    """What the trials cost, those of a run with nothing new apart, with a bare script beside it."""

    trials: Sequence[Trial]
    no_op: Sequence[Trial]


def measure(*, sizes: tuple[int, int], rounds: int) -> Loads:
    """Load a small and a large set in turns, and then nothing new."""
    with ground(list(sizes)) as made:
        return Loads(*_measure(made, sizes=sizes, rounds=rounds))


def _measure(ground: Ground, *, sizes: tuple[int, int], rounds: int) -> tuple[list[Trial], list[Trial]]:
    turn(ground, sizes[0])  # compiles every import, and is not counted
    trials: list[Trial] = []
    no_op: list[Trial] = []
    for _ in range(rounds):
        for records in sizes:
            trials += map(_tell, turn(ground, records))
        ground.settle()
        idle = ("bare", "strandline") * IDLE
        no_op += [_tell(trial.measure(it, ground, records=sizes[1], new=False)) for it in idle]
    ground.drop()
    return trials, no_op


def turn(ground: Ground, records: int) -> list[Trial]:
    """One trial of each contestant; the last one's database stays."""
    done, sums = [], set()
    for contestant in CONTESTANTS:
        ground.renew()
        done.append(trial.measure(contestant, ground, records=records))
        sums.add(trial.check(contestant, ground, records=records))
    if len(sums) > 1:
        raise RuntimeError(f"the contestants loaded different amounts: {sums}")
    return done


def _tell(done: Trial) -> Trial:
    said = (
        f"{done.contestant:12}{done.records or 'nothing new':>12}{done.seconds:8.2f} s{done.peak_mb:7.0f} MB"
    )
    print(said, file=sys.stderr, flush=True)
    return done


@contextmanager
def ground(sizes: list[int]) -> Iterator[Ground]:
    """A server of PostgreSQL, and one of the API with so many customers each."""
    with tempfile.TemporaryDirectory(prefix="strandline-bench-") as folder, served(sizes) as api:
        server = embedded.start(Path(folder, "warehouse"))
        address = make_url(server.url).set(drivername="postgresql")
        try:
            yield Ground(
                server=address.render_as_string(hide_password=False),
                database=address.set(database="bench").render_as_string(hide_password=False),
                api=api,
                bytecode=Path(folder, "bytecode"),
            )
        finally:
            server.stop()


@contextmanager
def served(totals: list[int], *, latency: float = 0.0) -> Iterator[str]:
    """The API with so many customers each, in a process of its own: its address."""
    arguments = [sys.executable, "-m", "benchmarks.server", *map(str, totals), f"--latency={latency}"]
    with subprocess.Popen(
        arguments, stdin=subprocess.PIPE, stdout=subprocess.PIPE, cwd=trial.PROJECT, text=True
    ) as process:
        assert process.stdout is not None
        yield process.stdout.readline().strip()
        process.communicate()
