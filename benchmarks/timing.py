"""What the merge benchmarks measure: one timed merge, a suite's outcome, medians and ratios."""

from __future__ import annotations

import sys
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, field
from statistics import median

from rich.box import SIMPLE
from rich.console import Console
from rich.table import Table

from benchmarks.result import Target, tell


@dataclass(frozen=True)
class Timing:
    """One transaction: who, how much of it there was, and how long it took."""

    contestant: str
    rows: int
    seconds: float


@dataclass(frozen=True)
class Outcome:
    """What a suite has measured, and what it was meant to be."""

    suite: str
    rows: str
    """What the rows are."""
    timings: Sequence[Timing]
    targets: Sequence[Target]
    not_run: Mapping[str, str] = field(default_factory=dict)
    """Who could not take part, and why."""

    def as_json(self) -> dict[str, object]:
        """Everything, for the file that is kept."""
        return {
            "rows": self.rows,
            "targets": [asdict(it) | {"found": round(it.found, 3)} for it in self.targets],
            "medians": [asdict(it) for it in medians(self.timings)],
            "timings": [asdict(it) for it in self.timings],
            "not_run": dict(self.not_run),
        }


def note(timing: Timing) -> Timing:
    """Show how it goes on."""
    print(f"{timing.contestant:24}{timing.rows:>12,}{timing.seconds:9.3f} s", file=sys.stderr, flush=True)
    return timing


def medians(timings: Sequence[Timing]) -> list[Timing]:
    """One timing a contestant and size."""
    groups: dict[tuple[str, int], list[float]] = {}
    for it in timings:
        groups.setdefault((it.contestant, it.rows), []).append(it.seconds)
    return [Timing(*group, seconds=round(median(found), 4)) for group, found in groups.items()]


def ratio(timings: Sequence[Timing], one: tuple[str, int], other: tuple[str, int]) -> float:
    """How many times as long as the other the one takes: the median over the rounds.

    Round by round, because the two of a round are neighbours in time and see the same machine.
    """
    ours, theirs = (
        [it.seconds for it in timings if (it.contestant, it.rows) == which] for which in (one, other)
    )
    return median(our / their for our, their in zip(ours, theirs, strict=True))


def at_most(name: str, limit: float, found: float) -> Target:
    """A ratio that must not be larger."""
    return Target(name, f"at most {limit}", found, found <= limit)


def at_least(name: str, limit: float, found: float) -> Target:
    """A ratio that must not be smaller."""
    return Target(name, f"at least {limit}", found, found >= limit)


def show(outcome: Outcome) -> None:
    """Print the medians, and what they were meant to be."""
    figures = Table(title=outcome.suite, title_justify="left", box=SIMPLE)
    figures.add_column("contestant", no_wrap=True)
    for heading in (outcome.rows, "seconds"):
        figures.add_column(heading, justify="right", no_wrap=True)
    for it in medians(outcome.timings):
        figures.add_row(it.contestant, f"{it.rows:,}", f"{it.seconds:.3f}")
    console = Console()
    console.print(figures)
    for who, why in outcome.not_run.items():
        console.print(f"{who} was not run: {why}", markup=False)
    for target in outcome.targets:
        tell(console, target)
