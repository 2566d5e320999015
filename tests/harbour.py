"""A project of a user: gauges from a file, whose source filters by the time of change."""

import json
import os
import signal
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


def _is_between(line: bytes, since: datetime | None, until: datetime | None) -> bool:
    at = datetime.fromisoformat(json.loads(line)["at"])
    return (since is None or since <= at) and (until is None or at <= until)


class Harbour(Source):
    """The harbour."""

    @stream(Gauge, key="id", cursor=Cursor("at"))
    def gauges(self, since: datetime | None, until: datetime | None) -> Pages:
        """Those that have changed between; says which filter it got, and is killed where a file says so."""
        Path("asked.txt").write_text(str(since))
        with Path("windows.txt").open("a") as windows:
            windows.write(f"{since:%d %H} to {until:%d %H}\n" if since and until else "\n")
        lines = [it for it in Path("gauges.jsonl").read_bytes().splitlines() if _is_between(it, since, until)]
        yield Page(lines, 1, "GET gauges", status=200, fetched_at=datetime.now(UTC), size=1)
        if until and Path("killed.txt").exists() and f"{until:%d}" == Path("killed.txt").read_text():
            os.kill(os.getpid(), signal.SIGKILL)

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
