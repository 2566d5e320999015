"""`make bench-check`: what a load costs, counted instead of timed, beside what it cost before.

    python -m benchmarks.guard             1 if it costs more
    python -m benchmarks.guard --keep      write down what it costs now

Seconds are the machine's; what is held here is the code's: how many statements a run sends, how many Python
functions it calls for a record, and how much processor time it takes beside the hand-written script, on the
same input in the same minute. The first is exact, the second differs a little between versions of Python, and
the third is a median with room for a machine's moods.
"""

from __future__ import annotations

import argparse
import cProfile
import json
import os
import sys
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from statistics import median
from typing import Final

from sqlalchemy import event

from benchmarks import case, erp, load
from benchmarks.erp import Erp, bodies, checked
from benchmarks.replay import plain
from strandline import run
from strandline.pipeline.load import Load
from strandline.warehouse.database import Database

KEPT: Final = Path(__file__).parent / "guard.json"

RECORDS: Final = 4_000
"""One chunk, so that statements do not depend on it; calls are what the second half of them adds."""
CHANGED: Final = 200
PROCESS_RECORDS: Final = 40_000
ROUNDS: Final = 3


@dataclass(frozen=True)
class Cost:
    """One thing that is counted."""

    name: str
    unit: str
    found: float
    room: float
    """So many times what it was is still no regression."""


def main() -> int:
    """Count, compare, tell; 1 if anything costs more than it did."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks.guard", description=__doc__)
    parser.add_argument("--keep", action="store_true", help=f"write {KEPT.name} anew")
    options = parser.parse_args()
    with case.server() as server:
        costs = [*statements(server), calls(server)]
    costs.append(processor_time())
    if options.keep:
        KEPT.write_text(json.dumps({it.name: it.found for it in costs}, indent=2) + "\n")
        print(f"kept in {KEPT}")
        return 0
    said = compare(costs, json.loads(KEPT.read_text()))
    print("\n".join(said.told))
    if said.worse:
        print(
            "\nWhere it comes from: strandline run … --profile, and python -m benchmarks load."
            "\nIf it is worth it, write down what it costs now: make bench-check ARGS=--keep"
        )
    return 1 if said.worse else 0


@dataclass(frozen=True)
class Comparison:
    """What there is to say, and which costs are worse than they may be."""

    told: Sequence[str]
    worse: Sequence[str]


def compare(costs: Sequence[Cost], kept: Mapping[str, float]) -> Comparison:
    """Each cost beside what it was. Raises RuntimeError for one that was never written down, or no more."""
    if {it.name for it in costs} != set(kept):
        raise RuntimeError(f"{KEPT.name} holds other costs than these: make bench-check ARGS=--keep")
    told, worse = [], []
    for it in costs:
        was = kept[it.name]
        is_worse = it.found > was * it.room
        worse += [it.name] if is_worse else []
        verdict = "WORSE" if is_worse else "fewer: keep it" if it.found * it.room < was else "holds"
        told.append(f"{it.name:44}{it.found:10.6g} {it.unit:22} was {was:.6g}   {verdict}")
    return Comparison(told, worse)


def statements(server: str) -> list[Cost]:
    """How many statements a first load sends, a run with nothing new, one with changes, and a chunk more."""
    pages = bodies(RECORDS)
    found = []
    with case.database(server, "guard") as made:
        for name, given in (("a first load", pages), ("nothing new", pages), ("changes", _changed())):
            sent = _sent(made, given)
            found.append(Cost(f"statements: {name}", "statements", sent, 1.0))
    return [*found, Cost("statements: a chunk more", "statements", _chunk_more(server), 1.0)]


def _chunk_more(server: str) -> int:
    """How many more are sent of three chunks than of two: there is something to do once behind the first."""
    sent = []
    for chunks in (1, 2):
        with case.database(server, "guard") as made:
            sent.append(_sent(made, bodies(RECORDS + chunks * Load.chunk_records)))
    return sent[1] - sent[0]


def _changed() -> list[bytes]:
    """Some of the customers, changed and later than they were."""
    page = json.loads(bodies(CHANGED)[0])
    for it in page["items"]:
        it |= {"segment": "moved", "lastModified": "2026-06-01T00:00:00Z"}
    return [json.dumps(page).encode()]


def _sent(made: Database, pages: Sequence[bytes]) -> int:
    sent = 0

    def count(*_: object) -> None:
        nonlocal sent
        sent += 1

    event.listen(made.engine, "before_cursor_execute", count)
    erp.load(plain, made, pages)
    event.remove(made.engine, "before_cursor_execute", count)
    return sent


def calls(server: str) -> Cost:
    """How many functions are called for a record of a first load, Python's and those in C that it sees."""
    half, whole = (_called(server, bodies(records)) for records in (RECORDS // 2, RECORDS))
    return Cost("calls: a record of a first load", "calls", (whole - half) / (RECORDS / 2), 1.1)


def _called(server: str, pages: Sequence[bytes]) -> int:
    with case.database(server, "guard") as made:
        profile = cProfile.Profile()
        source = Erp(pages)
        profile.enable()
        report = run(plain, made, sources={"erp": source}, workers=0)
        profile.disable()
        checked(report)
    return sum(it.callcount for it in profile.getstats())


def processor_time() -> Cost:
    """How much processor time a load takes beside the hand-written script's, both as whole processes."""
    os.environ["STRANDLINE_WORKERS"] = "0"  # which come when they come
    with load.ground([PROCESS_RECORDS]) as ground:
        load.turn(ground, PROCESS_RECORDS)  # compiles every import, and is not counted
        rounds = [load.turn(ground, PROCESS_RECORDS) for _ in range(ROUNDS)]
    ratios = [ours.cpu_seconds / theirs.cpu_seconds for theirs, ours in rounds]
    return Cost("processor time beside the hand-written load", "times its", round(median(ratios), 3), 1.35)


if __name__ == "__main__":
    sys.exit(main())
