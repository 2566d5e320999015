"""A backfill of any width stores what one of width 1 stores, in the same order, and merges the same star."""

from collections.abc import Callable
from contextlib import AbstractContextManager
from datetime import UTC, datetime, timedelta
from typing import Any, ClassVar

from hypothesis import given
from hypothesis import strategies as st
from pydantic import AwareDatetime
from sqlalchemy import select
from sqlalchemy.orm import Mapped
from tests.effort import cases
from tests.memory import pages

from strandline.errors import SourceUnavailable
from strandline.model import Dimension, Mapper, attribute, field
from strandline.pipeline import Pipeline
from strandline.pipeline.backfill import backfill
from strandline.pipeline.load import Load
from strandline.source import Cursor, Pages, Precision, Record, Source, stream
from strandline.warehouse import state
from strandline.warehouse.database import Database
from strandline.warehouse.raw import raw_table

START = datetime(2026, 3, 1, tzinfo=UTC)
HOURS = 240


class Gauged(Record):
    """What a gauge shows."""

    id: int
    height: int
    at: AwareDatetime


class Gauges(Source):
    """Gauges, in memory, which can be told only dates; after so many pieces one breaks, if it is to."""

    sent: ClassVar[list[dict[str, Any]]] = []
    broken: ClassVar[set[Any]] = set()

    @stream(Gauged, key="id", cursor=Cursor("at", precision=Precision.DAY))
    def heights(self, since: Any, until: Any) -> Pages:
        """Those of some days, in small pages."""
        found = [it for it in self.sent if since <= datetime.fromisoformat(it["at"]).date() <= until]
        yield from pages(*(found[first : first + 3] for first in range(0, len(found) or 1, 3)))
        if since in self.broken:
            raise SourceUnavailable(f"{since} is out")


class DimGaugeOfWidth(Dimension):
    """A gauge, with the history of what it shows."""

    height: Mapped[int] = attribute(scd=2)


class GaugedHeight(Mapper[Gauged, DimGaugeOfWidth]):
    """Heights."""

    height = field("height")


gauges = Pipeline("gauges", width=5)
gauges.sync(Gauges.heights, GaugedHeight)
LOG = raw_table(Gauges.heights.qualified_name, cursor=datetime)

records = st.lists(st.tuples(st.integers(1, 6), st.integers(0, 3), st.integers(0, HOURS)), max_size=40)


def fill(warehouse: Database, *, width: int | None, hours: int) -> str:
    return backfill(
        [gauges],
        warehouse,
        Gauges.heights.qualified_name,
        since=START,
        until=START + timedelta(hours=HOURS),
        step=timedelta(hours=hours),
        width=width,
    ).status


def stored(warehouse: Database) -> tuple[list[Any], list[Any], list[Any]]:
    """The raw log with its requests, the star, and what is noted of pieces."""
    log, dim, asked = LOG.c, DimGaugeOfWidth.table().c, state.request.c
    with warehouse.begin() as connection:
        entries = connection.execute(select(log.source_id, log.payload, log.request).order_by(log.raw_id))
        sent = connection.execute(select(asked.number, asked.records).order_by(asked.run_id, asked.number))
        versions = connection.execute(
            select(dim.source_id, dim.version, dim.height, dim.valid_from, dim.valid_to)
            .where(dim.gauge_of_width_key > 0)
            .order_by(dim.source_id, dim.version)
        )
        noted = connection.execute(select(state.backfill.c.reached))
        return [*map(tuple, entries), *map(tuple, sent)], [*map(tuple, versions)], [*map(tuple, noted)]


@given(records, st.sampled_from([7, 24, 60]), st.sampled_from([2, 3, 8, None]), st.integers(0, HOURS // 24))
@cases(5)
def test_any_width_stores_the_same_in_the_same_order_and_goes_on_where_it_broke(
    fresh: Callable[[], AbstractContextManager[Database]],
    sent: list[tuple[int, int, int]],
    hours: int,
    width: int | None,
    breaks: int,
) -> None:
    Gauges.sent[:] = [
        {"id": key, "height": height, "at": (START + timedelta(hours=at)).isoformat()}
        for key, height, at in sent
    ]
    Load.chunk_records, before = 5, Load.chunk_records
    found = []
    try:
        for each in (1, width):
            with fresh() as warehouse:
                Gauges.broken.add((START + timedelta(days=breaks)).date())
                statuses = [fill(warehouse, width=each, hours=hours)]
                halfway = stored(warehouse)
                Gauges.broken.clear()
                statuses.append(fill(warehouse, width=each, hours=hours))
                found.append((statuses, halfway, stored(warehouse)))
    finally:
        Load.chunk_records = before
        Gauges.broken.clear()
    assert found[0] == found[1]
    assert found[0][0][1] == "done"
