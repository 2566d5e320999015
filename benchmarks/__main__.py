"""`make bench`: the suites that are named, or loads and growth; prints medians and says which targets hold.

Machines have moods, so contestants take turns, figures are medians and only ratios mean anything.
"""

from __future__ import annotations

import argparse
import os
import sys
from collections.abc import Callable
from typing import Final

from benchmarks import case, custom, growth, load, machine, order, replay, result, snapshot, timing, unchanged
from benchmarks.result import Target

SUITES: Final = ("load", "growth", "snapshot", "facts", "unchanged", "replay", "custom")
DEFAULT: Final = ("load", "growth")


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
    if options.keep:
        print(f"kept in {result.keep(options.keep, content)}")
    return 0 if all(target.holds for target in targets) else 1


def _merges(server: str, options: argparse.Namespace) -> dict[str, Callable[[], timing.Outcome]]:
    """The suites that time a merge, of those that were asked for."""
    rounds = options.rounds
    every: dict[str, Callable[[], timing.Outcome]] = {
        "growth": lambda: growth.measure(
            server,
            sizes=(options.versions, 10 * options.versions),
            changes=options.versions // 20,
            rounds=rounds,
        ),
        "snapshot": lambda: snapshot.measure(server, members=options.members, rounds=rounds),
        "facts": lambda: order.measure(
            server, facts=options.facts, versions=options.facts * 6 // 25, rounds=rounds
        ),
        "unchanged": lambda: unchanged.measure(server, records=options.records, rounds=rounds),
        "custom": lambda: custom.measure(server, records=options.records, rounds=rounds),
        "replay": lambda: replay.measure(server, records=options.records, rounds=rounds),
    }
    return {name: measure for name, measure in every.items() if name in options.suites}


def _options() -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="python -m benchmarks", description=__doc__)
    parser.add_argument("suites", nargs="*", metavar="SUITE", default=list(DEFAULT), help=", ".join(SUITES))
    parser.add_argument("--large", type=int, default=200_000, help="load: customers of the large load")
    parser.add_argument("--small", type=int, default=20_000, help="load: customers of the small load")
    parser.add_argument("--versions", type=int, default=200_000, help="growth: of the small dimension")
    parser.add_argument("--members", type=int, default=1_000_000, help="snapshot: members of the dimension")
    parser.add_argument("--facts", type=int, default=5_000_000, help="facts: how many")
    parser.add_argument("--records", type=int, default=100_000, help="unchanged, replay, custom: records")
    parser.add_argument("--rounds", type=int, default=3, help="trials of each")
    parser.add_argument("--keep", metavar="NAME", help="write benchmarks/results/NAME.json")
    options = parser.parse_args()
    unknown = sorted(set(options.suites) - set(SUITES))
    if unknown:
        parser.error(f"no suite of the name {', '.join(unknown)}; there are {', '.join(SUITES)}")
    return options


if __name__ == "__main__":
    sys.exit(main())
