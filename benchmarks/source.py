"""Source: a load from a server that takes its time for every page, beside the same load out of memory.

Both read the same pages of 1,000 records, into a warehouse of their own. The server is a process of its own
on the same machine and begins each answer late. No page is asked for before the last one is there, so
what the source side adds to a load is what is left of that when pages are fetched ahead.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence
from datetime import datetime
from typing import Final

from benchmarks.case import database
from benchmarks.erp import bodies, checked, from_memory
from benchmarks.load import served
from benchmarks.pipeline import Customer, Erp, ErpCustomer, ErpSettings
from benchmarks.timing import Outcome, Timing, at_most, note, ratio
from strandline import Cursor, Pages, Pipeline, Precision, run, stream
from strandline.source.stream import Source
from strandline.warehouse.database import Database

LIMIT: Final = 1.15
LATENCY: Final = 0.01
"""Seconds a page."""


class Memory(Source):
    """The ERP, with its pages as bytes in memory."""

    name = "erp"

    def __init__(self, pages: Sequence[bytes]) -> None:
        super().__init__()
        self.pages = pages

    @stream(Customer, key="id", cursor=Cursor("last_modified", precision=Precision.SECOND))
    def customers(self, since: datetime | None) -> Pages:
        """All customers."""
        return from_memory(self.pages)


in_memory = Pipeline("customers")
in_memory.sync(Memory.customers, ErpCustomer)
far_away = Pipeline("customers")
far_away.sync(Erp.customers, ErpCustomer)


def measure(server: str, *, records: int, rounds: int) -> Outcome:
    """Time both, in turns; one round is not counted."""
    pages = bodies(records)
    timings: list[Timing] = []
    with served([records], latency=LATENCY) as address:
        settings = ErpSettings(base_url=f"{address}/{records}")
        for round_ in range(rounds + 1):
            done = [
                _timed(server, "memory", in_memory, lambda: Memory(pages), records=records),
                _timed(server, "server", far_away, lambda: Erp(settings=settings), records=records),
            ]
            timings += done if round_ else []
    found = ratio(timings, ("server", records), ("memory", records))
    name = f"{records:,} records from a server with {LATENCY * 1000:.0f} ms a page, beside memory"
    return Outcome("source", "records", timings, [at_most(name, LIMIT, found)])


def _timed(
    server: str, name: str, pipeline: Pipeline, source: Callable[[], Source], *, records: int
) -> Timing:
    with database(server, "source") as made:
        began = time.perf_counter()
        stored = _load(pipeline, made, source)
        seconds = time.perf_counter() - began
    if stored != records:
        raise RuntimeError(f"{stored} records were stored of {records}")
    return note(Timing(name, records, seconds))


def _load(pipeline: Pipeline, made: Database, source: Callable[[], Source]) -> int:
    with source() as opened:
        return checked(run(pipeline, made, sources={"erp": opened})).streams[0].stored
