"""A project of a user: gauges from a file, whose source filters by the time of change."""

from datetime import UTC, datetime
from pathlib import Path

from pydantic import AwareDatetime
from sqlalchemy.orm import Mapped

from strandline import Cursor, Dimension, Mapper, Pages, Pipeline, Record, attribute, field, stream
from strandline.source import Page, Source


class Gauge(Record):
    """A gauge."""

    id: int
    height: int
    at: AwareDatetime


class Harbour(Source):
    """The harbour."""

    @stream(Gauge, key="id", cursor=Cursor("at"))
    def gauges(self, since: datetime | None) -> Pages:
        """Those that have changed since; says which filter it got."""
        Path("asked.txt").write_text(str(since))
        lines = Path("gauges.jsonl").read_bytes().splitlines()
        yield Page(lines, 1, "GET gauges", status=200, fetched_at=datetime.now(UTC), size=1)

    @stream(Gauge, key="id")
    def buoys(self) -> Pages:
        """Nothing."""
        yield Page([], 1, "GET buoys", status=200, fetched_at=datetime.now(UTC), size=1)


class DimGauge(Dimension):
    """A gauge."""

    height: Mapped[int] = attribute()


class DimBuoy(Dimension):
    """A buoy."""

    height: Mapped[int] = attribute()


class HarbourGauge(Mapper[Gauge, DimGauge]):
    """Gauges."""

    height = field("height")


class HarbourBuoy(Mapper[Gauge, DimBuoy]):
    """Buoys."""

    height = field("height")


gauges = Pipeline("gauges")
gauges.sync(Harbour.gauges, HarbourGauge)
gauges.sync(Harbour.buoys, HarbourBuoy)
