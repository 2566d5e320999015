"""`make bench`: strandline and the hand-written script in turns, then what a run with nothing new costs.

Every trial is a process of its own on a new database of one embedded PostgreSQL, after a CHECKPOINT; both contestants
read the same bytes from the same server. Machines have moods, so figures are medians and only ratios mean anything.
"""

from __future__ import annotations

import argparse
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from sqlalchemy import make_url

from benchmarks import machine, result, trial
from benchmarks.trial import Trial
from strandline.warehouse import embedded

DATABASE = "bench"
CONTESTANTS = ("strandline", "handwritten")


def main() -> int:
    """Measure, show, keep; 1 if a target is missed."""
    options = _options()
    with _warehouse() as server, _api([options.small, options.large]) as api:
        address = make_url(server).set(drivername="postgresql", database=DATABASE)
        database = address.render_as_string(hide_password=False)
        trials, no_op = _measure(options, server=server, api=api, database=database)
        described = machine.describe(server)
    result.show(trials, no_op)
    if options.keep:
        print(f"kept in {result.keep(options.keep, machine=described, trials=trials, no_op=no_op)}")
    return 0 if all(target.holds for target in result.targets(trials, no_op)) else 1


def _options() -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="python -m benchmarks", description=__doc__)
    parser.add_argument("--large", type=int, default=200_000, help="customers of the large load")
    parser.add_argument("--small", type=int, default=20_000, help="customers of the small load")
    parser.add_argument("--rounds", type=int, default=3, help="trials of each")
    parser.add_argument("--keep", metavar="NAME", help="write benchmarks/results/NAME.json")
    return parser.parse_args()


def _measure(
    options: argparse.Namespace, *, server: str, api: str, database: str
) -> tuple[list[Trial], list[Trial]]:
    trials: list[Trial] = []
    no_op: list[Trial] = []
    for _ in range(options.rounds):
        for records in (options.small, options.large):
            sums = set()
            # strandline comes last, so that its warehouse is there for the runs with nothing new.
            for contestant in reversed(CONTESTANTS):
                trial.renew(server, DATABASE)
                url = f"{api}/{records}"
                trials.append(_tell(trial.measure(contestant, records=records, url=url, database=database)))
                sums.add(trial.check(contestant, records=records, database=database))
            if len(sums) > 1:
                raise RuntimeError(f"the contestants loaded different amounts: {sums}")
        no_op.append(_tell(trial.measure("strandline", records=0, url=url, database=database)))
    trial.drop(server, DATABASE)
    return trials, no_op


def _tell(done: Trial) -> Trial:
    said = f"{done.contestant:12}{done.records or 'nothing new':>12}{done.seconds:8.2f} s{done.peak_mb:7.0f} MB"
    print(said, file=sys.stderr, flush=True)
    return done


@contextmanager
def _warehouse() -> Iterator[str]:
    with tempfile.TemporaryDirectory(prefix="strandline-bench-") as folder:
        server = embedded.start(Path(folder))
        try:
            yield make_url(server.url).set(drivername="postgresql").render_as_string(hide_password=False)
        finally:
            server.stop()


@contextmanager
def _api(totals: list[int]) -> Iterator[str]:
    arguments = [sys.executable, "-m", "benchmarks.server", *map(str, totals)]
    with subprocess.Popen(
        arguments, stdin=subprocess.PIPE, stdout=subprocess.PIPE, cwd=trial.PROJECT, text=True
    ) as process:
        assert process.stdout is not None
        yield process.stdout.readline().strip()
        process.communicate()


if __name__ == "__main__":
    sys.exit(main())
