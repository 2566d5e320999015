"""Unchanged: a snapshot comes again and nothing in it is new; a run beside parsing and hashing the pages.

The pages are bytes in memory, so that no network is measured. Both cut them into records; the one validates
each by its contract and hashes it, which is the least that has to be done to know a record, and the other is
a whole run: locks, ledger, raw log, marks. The first run, which loads them, is not timed.
"""

from __future__ import annotations

import time
from collections.abc import Sequence
from datetime import UTC, datetime
from typing import Final

from sqlalchemy import text
from xxhash import xxh3_128_digest

from benchmarks import customer
from benchmarks.case import database
from benchmarks.pipeline import Customer, ErpCustomer
from benchmarks.timing import Outcome, Timing, at_most, note, ratio
from strandline import Pages, Pipeline, run, stream
from strandline.source import Page, Source
from strandline.source.page import split
from strandline.warehouse.database import Database

LIMIT: Final = 1.2
PAGE: Final = 1_000

WRITTEN: Final = """
    SELECT (SELECT count(*) FROM raw.erp_customers), count(*), max(xmin::text::bigint)
    FROM warehouse.dim_customer
"""


class Erp(Source):
    """The ERP, which sends all its customers each time."""

    def __init__(self, bodies: Sequence[bytes]) -> None:
        super().__init__()
        self.bodies = bodies

    @stream(Customer, key="id", effective_at="last_modified")
    def customers(self) -> Pages:
        """A page for each body."""
        for number, body in enumerate(self.bodies, 1):
            records = split(body, "items").records
            yield Page(records, number, "memory", status=200, fetched_at=datetime.now(UTC), size=len(body))


snapshot = Pipeline("snapshot")
snapshot.sync(Erp.customers, ErpCustomer)


def measure(server: str, *, records: int, rounds: int) -> Outcome:
    """Time both, in turns."""
    bodies = [
        customer.page(first, min(first + PAGE, records), total=records) for first in range(0, records, PAGE)
    ]
    timings = []
    with database(server, "unchanged") as made:
        _run(made, bodies)
        before = _written(made)
        for round_ in range(rounds + 1):
            done = [_parse_and_hash(bodies, records), _again(made, bodies, records)]
            timings += done if round_ else []
        if _written(made) != before:
            raise RuntimeError(f"a run without news has written: {before} became {_written(made)}")
    found = ratio(timings, ("strandline", records), ("parse and hash", records))
    name = f"{records:,} records, none of them new, beside parsing and hashing them"
    return Outcome("unchanged", "records", timings, [at_most(name, LIMIT, found)])


def _run(made: Database, bodies: Sequence[bytes]) -> int:
    report = run(snapshot, made, sources={"erp": Erp(bodies)})
    if report.exit_code:
        raise RuntimeError(f"the run failed: {report.as_dict()}")
    return report.streams[0].stored


def _again(made: Database, bodies: Sequence[bytes], records: int) -> Timing:
    began = time.perf_counter()
    stored = _run(made, bodies)
    seconds = time.perf_counter() - began
    if stored:
        raise RuntimeError(f"{stored} records were taken for new")
    return note(Timing("strandline", records, seconds))


def _parse_and_hash(bodies: Sequence[bytes], records: int) -> Timing:
    parse, began, seen = Erp.customers.parse, time.perf_counter(), 0
    for body in bodies:
        for payload in split(body, "items").records:
            parse(payload)
            xxh3_128_digest(payload)
            seen += 1
    seconds = time.perf_counter() - began
    if seen != records:
        raise RuntimeError(f"{seen} records were cut out of {records}")
    return note(Timing("parse and hash", records, seconds))


def _written(made: Database) -> object:
    with made.connect() as connection:
        return tuple(connection.execute(text(WRITTEN)).one())
