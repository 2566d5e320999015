"""The report of a measurement: everything that was measured is in it, and its plots are drawings."""

from pathlib import Path
from typing import Any
from xml.etree import ElementTree

import pytest
from benchmarks.report import Bar, svg, table, write

TIMINGS = [
    {"contestant": who, "rows": 1_000, "seconds": seconds}
    for who, seconds in (("handwritten", 2.0), ("strandline", 1.5), ("handwritten", 2.5), ("strandline", 1.0))
]
MEASURED: dict[str, Any] = {
    "machine": {
        "processor": "one",
        "cores": 2,
        "memory_gb": 8,
        "system": "Linux",
        "python": "3.11",
        "libraries": {"psycopg": "3.3"},
        "postgresql": {"server_version": "18"},
    },
    "load_average": (0.0, 0.1, 0.2),
    "facts": {
        "timings": TIMINGS,
        "targets": [{"name": "beside SQL", "wanted": "at most 1.0", "found": 0.58, "holds": True}],
    },
}


def test_a_report_tells_every_suite_with_its_targets(tmp_path: Path) -> None:
    said = write(MEASURED, tmp_path / "some.json").read_text()

    assert "## facts" in said
    assert "| strandline, 1,000 | 1.250 | 1.000 to 1.500 | 2 |" in said
    assert "| beside SQL | at most 1.0 | 0.58 | holds |" in said
    assert "(some-facts.svg)" in said


def test_a_plot_is_a_drawing_with_a_bar_for_each(tmp_path: Path) -> None:
    write(MEASURED, tmp_path / "some.json")
    drawing = ElementTree.fromstring((tmp_path / "some-facts.svg").read_text())

    assert len(drawing.findall("{http://www.w3.org/2000/svg}rect")) == 2


def test_bars_are_as_long_as_their_medians() -> None:
    bars = [Bar("a & b", [1.0, 3.0], is_ours=True), Bar("c", [1.0], is_ours=False)]
    drawing = ElementTree.fromstring(svg(bars, title="<lengths>"))
    widths = [float(it.attrib["width"]) for it in drawing.findall("{http://www.w3.org/2000/svg}rect")]

    assert widths[0] == pytest.approx(2 * widths[1], abs=0.2)
    assert "| a & b | 2.000 | 1.000 to 3.000 | 2 |" in table(bars)
