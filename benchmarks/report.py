"""The report of a measurement: Markdown with a plot for each suite, beside the JSON that they are made of."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from html import escape
from pathlib import Path
from statistics import median
from typing import Any, Final

OTHERS: Final = (
    *("handwritten", "bare", "parse and hash"),
    *("dlt", "dbt", "meltano", "pygrametl", "SQLMesh"),
)
"""How the contestants that are not strandline begin."""

WIDTH: Final = 720
LABEL: Final = 260
BAR: Final = 18
GAP: Final = 10

STYLE: Final = """
  text { font: 13px system-ui, sans-serif; fill: #1f2328 }
  .bar { fill: #8fa3b8 } .ours { fill: #1f78b4 } .spread { stroke: #1f2328; stroke-width: 1.5 }
  @media (prefers-color-scheme: dark) {
    text { fill: #e6edf3 } .bar { fill: #5d7083 } .ours { fill: #58a6ff } .spread { stroke: #e6edf3 }
  }
"""


@dataclass(frozen=True)
class Bar:
    """One contestant at one size: its seconds, a figure a round."""

    label: str
    seconds: Sequence[float]
    is_ours: bool

    @property
    def middle(self) -> float:
        """The median."""
        return median(self.seconds)


def write(content: Mapping[str, Any], path: Path) -> Path:
    """Write the report of what `path`.json holds beside it; the report's path."""
    parts = [_head(path.stem, content)]
    for name, suite in _suites(content).items():
        bars = _bars(suite["timings"])
        plot = path.with_name(f"{path.stem}-{name}.svg")
        plot.write_text(svg(bars, title=name))
        parts.append(f"## {name}\n\n![{name}: seconds, median and spread]({plot.name})\n\n{table(bars)}")
        parts.append(_targets(suite["targets"]))
        parts += [f"{who} was not run: {why}." for who, why in suite.get("not_run", {}).items()]
    report = path.with_suffix(".md")
    report.write_text("\n\n".join(parts) + "\n")
    return report


def svg(bars: Sequence[Bar], *, title: str) -> str:
    """Horizontal bars of medians, each with a line from the fastest round to the slowest."""
    longest = max(max(it.seconds) for it in bars)
    height = len(bars) * (BAR + GAP) + GAP
    drawn = [_drawn(bar, place, longest) for place, bar in enumerate(bars)]
    return (
        f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {WIDTH} {height}" role="img"'
        f' aria-label="{escape(title)}">\n<style>{STYLE}</style>\n' + "\n".join(drawn) + "\n</svg>\n"
    )


def _drawn(bar: Bar, place: int, longest: float) -> str:
    top = GAP + place * (BAR + GAP)
    middle, base = top + BAR / 2, top + BAR - 5
    unit = (WIDTH - LABEL - 80) / longest
    low, high = (LABEL + it * unit for it in (min(bar.seconds), max(bar.seconds)))
    return (
        f'<text x="{LABEL - 8}" y="{base}" text-anchor="end">{escape(bar.label)}</text>'
        f'<rect class="{"ours" if bar.is_ours else "bar"}" x="{LABEL}" y="{top}"'
        f' width="{bar.middle * unit:.1f}" height="{BAR}"/>'
        f'<line class="spread" x1="{low:.1f}" x2="{high:.1f}" y1="{middle}" y2="{middle}"/>'
        f'<text x="{high + 8:.1f}" y="{base}">{bar.middle:.2f} s</text>'
    )


def table(bars: Iterable[Bar]) -> str:
    """The same in figures."""
    rows = [
        f"| {it.label} | {it.middle:.3f} | {min(it.seconds):.3f} to {max(it.seconds):.3f}"
        f" | {len(it.seconds)} |"
        for it in bars
    ]
    return "\n".join(("| | seconds | spread | rounds |", "|---|---:|---:|---:|", *rows))


def _head(name: str, content: Mapping[str, Any]) -> str:
    machine = content["machine"]
    libraries = ", ".join(f"{library} {version}" for library, version in machine["libraries"].items())
    settings = ", ".join(f"{setting} {value}" for setting, value in machine["postgresql"].items())
    load = ", ".join(f"{it:.1f}" for it in content["load_average"])
    return (
        f"# Measured: {name}\n\n{machine['processor']}, {machine['cores']} cores, {machine['memory_gb']} GB;"
        f" {machine['system']}; Python {machine['python']}; load before: {load}.\n\n"
        f"PostgreSQL: {settings}.\n\n{libraries}.\n\n"
        "Seconds mean nothing elsewhere; ratios are medians of the rounds' own. What each contestant does and"
        " does not do is told in [the README](../README.md)."
    )


def _suites(content: Mapping[str, Any]) -> dict[str, Mapping[str, Any]]:
    """Every suite, with the load as one of them."""
    found: dict[str, Mapping[str, Any]] = {
        name: it for name, it in content.items() if isinstance(it, dict) and "timings" in it
    }
    if "trials" in content:
        idle = [it | {"records": "nothing new"} for it in content["nothing_new"]]
        load = [it | {"rows": it["records"]} for it in [*content["trials"], *idle]]
        found = {"load": {"timings": load, "targets": content["targets"]}} | found
    return found


def _bars(timings: Sequence[Mapping[str, Any]]) -> list[Bar]:
    groups: dict[tuple[str, Any], list[float]] = {}
    for it in timings:
        groups.setdefault((it["contestant"], it["rows"]), []).append(it["seconds"])
    return [
        Bar(
            f"{who}, {size if isinstance(size, str) else format(size, ',')}",
            seconds,
            not who.startswith(OTHERS),
        )
        for (who, size), seconds in groups.items()
    ]


def _label(who: str, size: int | str) -> str:
    return f"{who}, {size if isinstance(size, str) else format(size, ',')}"


def _targets(targets: Iterable[Mapping[str, Any]]) -> str:
    rows = [
        f"| {it['name']} | {it['wanted']} | {it['found']:.2f} | {'holds' if it['holds'] else 'misses'} |"
        for it in targets
    ]
    return "\n".join(("| target | wanted | found | |", "|---|---|---:|---|", *rows))
