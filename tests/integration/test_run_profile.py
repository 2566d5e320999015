"""A run that is asked where its time went: every part is told, and together they are the whole."""

import time

import pytest
from tests.memory import pages
from tests.workshop import DimTool, Tool, tool

from strandline.model import Mapper, field
from strandline.pipeline import Pipeline, run
from strandline.pipeline.profile import PARTS
from strandline.source import Pages, Source, stream
from strandline.warehouse.database import Database

NAP = 0.2


class SlowShelf(Source):
    """A source that makes one wait, and whose tools take their time to be mapped."""

    @stream(Tool, key="id")
    def tools(self) -> Pages:
        """Two pages."""
        for page in pages([tool(1), tool(2)], [tool(3)]):
            time.sleep(NAP)
            yield page


class SlowTool(Mapper[Tool, DimTool]):
    """Tools, slowly."""

    weight = field("weight")

    def label(self, record: Tool) -> str:
        """After a nap."""
        time.sleep(NAP)
        return record.label


slow = Pipeline("slow")
slow.sync(SlowShelf.tools, SlowTool)


def test_the_time_of_a_run_is_told_by_part(warehouse: Database) -> None:
    report = run(slow, warehouse, sources={"slow_shelf": SlowShelf()}, profile=True)
    assert report.profile is not None
    told, other = report.profile

    assert told["stream"] == "slow_shelf.tools"
    assert told["mapping"] > 2.5 * NAP
    assert told["contract"] < NAP
    assert 0 < told["copy"] < told["mapping"]
    assert told["merge"] > 0
    assert told["source"] > 0.5 * NAP
    assert other["stream"] is None
    whole = sum(told[part] for part in PARTS) + other["other"]
    assert whole == pytest.approx(report.seconds, abs=0.1)


def test_nobody_is_told_who_does_not_ask(warehouse: Database) -> None:
    assert run(slow, warehouse, sources={"slow_shelf": SlowShelf()}).profile is None
