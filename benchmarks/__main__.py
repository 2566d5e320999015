"""`make bench`: the suites that are named, or most; prints medians, says which targets hold, writes a report.

Machines have moods, so contestants take turns, figures are medians and only ratios mean anything.
"""

from __future__ import annotations

import argparse
import os
import sys
from collections.abc import Callable
from typing import Final

from benchmarks import (
    case,
    custom,
    growth,
    load,
    machine,
    order,
    replay,
    report,
    result,
    snapshot,
    source,
    timing,
    unchanged,
    volume,
)
from benchmarks.peers import facts as peers_facts
from benchmarks.peers import load as peers_load
from benchmarks.peers import snapshot as peers_snapshot
from benchmarks.result import Target

DEFAULT: Final = ("load", "growth", "snapshot", "increment", "facts", "unchanged", "replay", "source")
PEERS: Final = ("peers-load", "peers-snapshot", "peers-facts")
SUITES: Final = (*DEFAULT, "custom", "volume", *PEERS)

SIZES: Final = {
    "small": 20_000,
    "large": 200_000,
    "versions": 100_000,
    "times": 10,
    "members": 200_000,
    "facts": 500_000,
    "records": 100_000,
    "megabytes": 400,
}
"""For some minutes."""

FULL_SIZES: Final = {
    "small": 100_000,
    "large": 1_000_000,
    "versions": 100_000,
    "times": 100,
    "members": 1_000_000,
    "facts": 5_000_000,
    "records": 1_000_000,
    "megabytes": 2_048,
}
"""For an hour or more."""


def main() -> int:
    """Measure, show, keep; 1 if a target is missed."""
    options = _options()
    content: dict[str, object] = {"load_average": os.getloadavg()}
    targets: list[Target] = []
    if "load" in options.suites:
        loads = load.measure(sizes=(options.small, options.large), rounds=options.rounds)
        result.show(loads.trials, loads.no_op)
        targets += result.targets(loads.trials, loads.no_op)
        content |= result.as_json(loads.trials, loads.no_op)
    with case.server() as server:
        for name, measure in _merges(server, options).items():
            outcome = measure()
            timing.show(outcome)
            targets += outcome.targets
            content[name] = outcome.as_json()
        content = {"machine": machine.describe(case.address(server)), **content}
    kept = result.keep(options.keep, content)
    print(f"kept in {kept}, and told in {report.write(content, kept)}")
    return 0 if all(target.holds for target in targets) else 1


def _merges(server: str, options: argparse.Namespace) -> dict[str, Callable[[], timing.Outcome]]:
    """The suites that time a merge, of those that were asked for."""
    members, records, rounds = options.members, options.records, options.rounds
    every: dict[str, Callable[[], timing.Outcome]] = {
        "growth": lambda: growth.measure(
            server,
            sizes=(options.versions, options.times * options.versions),
            changes=options.versions // 10,
            rounds=rounds,
        ),
        "snapshot": lambda: snapshot.measure(server, snapshot.snapshot(members), rounds=rounds),
        "increment": lambda: snapshot.measure(server, snapshot.increment(members), rounds=rounds),
        "facts": lambda: order.measure(
            server, facts=options.facts, versions=options.facts * 6 // 25, rounds=rounds
        ),
        "unchanged": lambda: unchanged.measure(server, records=records, rounds=rounds),
        "custom": lambda: custom.measure(server, records=records, rounds=rounds),
        "replay": lambda: replay.measure(server, records=records, rounds=rounds),
        "source": lambda: source.measure(server, records=records, rounds=rounds),
        "volume": lambda: volume.measure(server, megabytes=options.megabytes),
        "peers-load": lambda: peers_load.measure(records=records, rounds=rounds),
        "peers-snapshot": lambda: peers_snapshot.measure(server, members=members, rounds=rounds),
        "peers-facts": lambda: peers_facts.measure(
            server, facts=min(options.facts, peers_facts.MOST), rounds=rounds
        ),
    }
    return {name: measure for name, measure in every.items() if name in options.suites}


def _options() -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="python -m benchmarks", description=__doc__)
    parser.add_argument("suites", nargs="*", metavar="SUITE", default=list(DEFAULT), help=", ".join(SUITES))
    parser.add_argument("--full", action="store_true", help="the sizes that figures are told of")
    for name, what in (
        ("small", "load: customers of the small load"),
        ("large", "load: customers of the large load"),
        ("versions", "growth: of the small dimension"),
        ("times", "growth: how much larger the large dimension is"),
        ("members", "snapshot, increment, peers-snapshot: members"),
        ("facts", "facts, peers-facts: how many"),
        ("records", "unchanged, replay, source, custom, peers-load: records"),
        ("megabytes", "volume: of each file"),
    ):
        said = f"{what}; {SIZES[name]:,}, or {FULL_SIZES[name]:,}"
        parser.add_argument(f"--{name}", type=int, metavar="N", help=said)
    parser.add_argument("--rounds", type=int, default=3, help="trials of each")
    parser.add_argument("--keep", metavar="NAME", default="latest", help="write benchmarks/results/NAME.*")
    options = parser.parse_args()
    for name, size in (FULL_SIZES if options.full else SIZES).items():
        if getattr(options, name) is None:
            setattr(options, name, size)
    unknown = sorted(set(options.suites) - set(SUITES))
    if unknown:
        parser.error(f"no suite of the name {', '.join(unknown)}; there are {', '.join(SUITES)}")
    return options


if __name__ == "__main__":
    sys.exit(main())
