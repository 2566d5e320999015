"""The figures of a benchmark: medians and ratios, as a table for people and as JSON to keep."""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from statistics import median
from typing import Final

from rich.box import SIMPLE
from rich.console import Console
from rich.table import Table

from benchmarks.trial import Trial

FOLDER: Final = Path(__file__).parent / "results"


@dataclass(frozen=True)
class Target:
    """Something that must hold, and what came out."""

    name: str
    wanted: str
    found: float
    holds: bool


def medians(trials: Sequence[Trial]) -> list[Trial]:
    """One trial for each contestant and size: the medians of its figures."""
    groups: dict[tuple[str, int], list[Trial]] = {}
    for trial in trials:
        groups.setdefault((trial.contestant, trial.records), []).append(trial)
    return [
        Trial(
            *group,
            seconds=median(it.seconds for it in members),
            cpu_seconds=median(it.cpu_seconds for it in members),
            peak_mb=median(it.peak_mb for it in members),
        )
        for group, members in sorted(groups.items(), key=lambda item: (item[0][1], item[0][0]))
    ]


def slowness(trials: Sequence[Trial], records: int, *, beside: str = "handwritten") -> float:
    """How many times as long as another contestant strandline takes: the median over the rounds.

    Round by round, because the two trials of a round are neighbours in time and see the same machine.
    """
    ours, theirs = (
        [it.seconds for it in trials if it.contestant == contestant and it.records == records]
        for contestant in ("strandline", beside)
    )
    return median(our / their for our, their in zip(ours, theirs, strict=True))


def targets(trials: Sequence[Trial], no_op: Sequence[Trial]) -> list[Target]:
    """What the project promises of its speed, beside what was measured."""
    peaks = {it.records: it.peak_mb for it in medians(trials) if it.contestant == "strandline"}
    small, large = min(peaks), max(peaks)
    load, growth, idle = (
        slowness(trials, large),
        peaks[large] / peaks[small],
        slowness(no_op, 0, beside="bare"),
    )
    return [
        Target(f"a load of {large:,} records beside the script", "at most 1.0", load, load <= 1.0),
        Target(f"peak MB of {large:,} records", "at most 150", peaks[large], peaks[large] <= 150),
        Target(f"peak of {large:,} records beside {small:,}", "0.85 to 1.15", growth, 0.85 <= growth <= 1.15),
        Target("a run with nothing new beside the bare script", "at most 1.6", idle, idle <= 1.6),
    ]


def show(trials: Sequence[Trial], no_op: Sequence[Trial]) -> None:
    """Print the medians, and what they were meant to be."""
    figures = Table(title="Medians", title_justify="left", box=SIMPLE)
    figures.add_column("contestant", no_wrap=True)
    for heading in ("records", "seconds", "a second", "CPU s", "peak MB", "times"):
        figures.add_column(heading, justify="right", no_wrap=True)
    for it in medians(trials):
        figures.add_row(
            it.contestant,
            f"{it.records:,}",
            f"{it.seconds:.2f}",
            f"{it.records / it.seconds:,.0f}",
            f"{it.cpu_seconds:.2f}",
            f"{it.peak_mb:.0f}",
            f"{slowness(trials, it.records):.2f}" if it.contestant == "strandline" else "1",
        )
    for it in medians(no_op):
        figures.add_row(
            it.contestant,
            "nothing new",
            f"{it.seconds:.2f}",
            "",
            f"{it.cpu_seconds:.2f}",
            f"{it.peak_mb:.0f}",
            f"{slowness(no_op, 0, beside='bare'):.2f}" if it.contestant == "strandline" else "1",
        )
    console = Console()
    console.print(figures)
    for target in targets(trials, no_op):
        tell(console, target)


def tell(console: Console, target: Target) -> None:
    """Print whether it holds."""
    verdict = "[green]holds[/]" if target.holds else "[red]does not hold[/]"
    console.print(f"{target.name}: {target.found:.2f} ({target.wanted}) {verdict}", highlight=False)


def as_json(trials: Sequence[Trial], no_op: Sequence[Trial]) -> dict[str, object]:
    """Everything, for the file that is kept."""
    return {
        "targets": [asdict(it) | {"found": round(it.found, 3)} for it in targets(trials, no_op)],
        "medians": [asdict(it) for it in medians(trials)],
        "trials": [asdict(it) for it in trials],
        "nothing_new": [asdict(it) for it in no_op],
    }


def keep(name: str, content: dict[str, object]) -> Path:
    """Write everything down; the file's path."""
    path = FOLDER / f"{name}.json"
    path.write_text(json.dumps(content, indent=2) + "\n")
    return path
