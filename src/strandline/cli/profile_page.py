"""The page that `strandline profile --html` writes: one file, with plots as SVG, which loads nothing."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from datetime import UTC, datetime
from html import escape
from pathlib import Path
from typing import Any, Final

from pydantic import TypeAdapter

from strandline.errors import StrandlineError
from strandline.source.personal import may_be_shown
from strandline.source.profile import form
from strandline.source.profile.finding import Finding
from strandline.source.profile.profile import Profile, describe, is_leaf
from strandline.source.profile.tree import Node

STYLE: Final = """
body { font: 14px/1.5 system-ui, sans-serif; margin: 2rem auto; max-width: 72rem; padding: 0 1rem }
body, svg text { color: #1b2733; fill: #1b2733 }
h1 { font-size: 1.5rem } h2 { font-size: 1.1rem; margin-top: 2rem }
table { border-collapse: collapse; width: 100% }
th, td { text-align: left; padding: .3rem .6rem; vertical-align: top }
tr { border-bottom: 1px solid #dde3e8 } td.n { text-align: right; font-variant-numeric: tabular-nums }
code { font: 13px ui-monospace, monospace } small { color: #5b6b78 }
.sure { color: #0b6b3a } .likely { color: #6b5a0b } .unsure { color: #9a3412 }
svg rect { fill: #3b7ea1 } svg rect.rest { fill: #e4eaee } svg text { font: 10px system-ui, sans-serif }
"""
WIDE: Final = 220
BINS: Final = 20
MOST_BARS: Final = 5
_moment: Final = TypeAdapter(datetime)


def write(found: Profile, file: Path) -> None:
    """Write the page. Raises StrandlineError where it cannot be written."""
    try:
        file.write_text(page(found), encoding="utf-8")
    except OSError as error:
        raise StrandlineError(f"{file}: cannot be written: {error.strerror or error}") from error


def page(found: Profile) -> str:
    """The whole page."""
    title = escape(f"Profile of {found.where}")
    many = f"{len(found.records):,} record{'' if len(found.records) == 1 else 's'}"
    rows = "".join(_field(path, node) for path, node in found.root.flat())
    return (
        f'<!doctype html>\n<html lang="en"><head><meta charset="utf-8"><title>{title}</title>'
        f"<style>{STYLE}</style></head><body>\n<h1>{title}</h1>\n"
        f"<p>{escape(found.format)}, {many}{', the first ones' if found.is_cut else ''}</p>\n"
        f"<h2>What follows from it</h2>\n<table>{_findings(found)}</table>\n"
        "<h2>Fields</h2>\n<table><tr><th>field</th><th>type</th><th>filled</th><th>distinct</th>"
        f"<th>values</th></tr>\n{rows}</table>\n</body></html>\n"
    )


def _findings(found: Profile) -> str:
    told: list[tuple[str, Sequence[Finding]]] = [
        ("records", [found.place.finding] if found.place else []),
        ("paginator", [found.paging.finding] if found.paging else []),
        ("key", found.keys[:MOST_BARS]),
        ("cursor", found.cursors[:MOST_BARS]),
        ("personal", found.personal),
    ]
    return "".join(
        f"<tr><td>{what}</td><td><code>{escape(it.what)}</code></td>"
        f'<td class="{it.sure}">{it.sure}</td><td>{escape(it.why)}</td></tr>\n'
        for what, findings in told
        for it in findings
    )


def _field(path: str, node: Node) -> str:
    told = describe(path, node)
    mark = " <small>perhaps personal</small>" if node.is_personal else ""
    distinct = "" if told["distinct"] is None else f"{told['distinct']:,}"
    return (
        f"<tr><td><code>{escape(path)}</code>{mark}</td><td>{escape(told['type'])}</td>"
        f'<td>{_share(node.fill_rate)}</td><td class="n">{distinct}</td><td>{_plot(node)}</td></tr>\n'
    )


def _share(rate: float) -> str:
    filled = round(80 * rate)
    return (
        f'<svg width="130" height="14" role="img" aria-label="{rate:.1%} filled">'
        f'<rect class="rest" width="80" height="12"/><rect width="{filled}" height="12"/>'
        f'<text x="86" y="10">{rate:.1%}</text></svg>'
    )


def _plot(node: Node) -> str:
    """A histogram of numbers and times, bars of what is frequent; nothing of a person."""
    if node.is_personal or not is_leaf(node):
        return ""
    numbers = _numbers(node)
    if len(numbers) > 1:
        return _histogram(numbers, is_time=node.form is not None and node.form in form.TIMES)
    counted = Counter({value: count for (_, value), count in node.values.items() if _is_shown(value)})
    if not counted or len(node.values) == node.filled > MOST_BARS:
        return ""
    return _bars(counted.most_common(MOST_BARS), node.filled)


def _is_shown(value: Any) -> bool:
    return isinstance(value, bool) or may_be_shown(value)


def _numbers(node: Node) -> Counter[float]:
    if set(node.told) <= {"integer", "number"}:
        return Counter({float(value): count for (_, value), count in node.values.items()})
    if node.form in form.TIMES:
        return Counter({_seconds(value): count for (_, value), count in node.values.items() if value})
    return Counter()


def _seconds(text: str) -> float:
    moment = _moment.validate_python(text)
    return (moment if moment.tzinfo else moment.replace(tzinfo=UTC)).timestamp()


def _histogram(numbers: Counter[float], *, is_time: bool) -> str:
    least, most = min(numbers), max(numbers)
    bins = [0] * BINS
    for value, count in numbers.items():
        bins[min(BINS - 1, int((value - least) / (most - least) * BINS))] += count
    wide, high = WIDE / BINS, max(bins)
    drawn = "".join(
        f'<rect x="{at * wide:.1f}" y="{30 - 30 * count / high:.1f}" width="{wide - 1:.1f}"'
        f' height="{30 * count / high:.1f}"><title>{count:,}</title></rect>'
        for at, count in enumerate(bins)
    )
    first, last = (_shown(it, is_time=is_time) for it in (least, most))
    return (
        f'<svg width="{WIDE}" height="44" role="img" aria-label="from {first} to {last}">{drawn}'
        f'<text x="0" y="42">{first}</text><text x="{WIDE}" y="42" text-anchor="end">{last}</text></svg>'
    )


def _shown(value: float, *, is_time: bool) -> str:
    return f"{datetime.fromtimestamp(value, UTC):%Y-%m-%d}" if is_time else f"{value:,.6g}"


def _bars(counted: Sequence[tuple[Any, int]], whole: int) -> str:
    drawn = "".join(
        f'<rect class="rest" y="{at * 16}" width="80" height="12"/>'
        f'<rect y="{at * 16}" width="{80 * count / whole:.1f}" height="12"/>'
        f'<text x="86" y="{at * 16 + 10}">{escape(str(value))} ({count:,})</text>'
        for at, (value, count) in enumerate(counted)
    )
    return f'<svg width="{WIDE + 120}" height="{16 * len(counted)}" role="img">{drawn}</svg>'
