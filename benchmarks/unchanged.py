"""Unchanged: a snapshot comes again and nothing in it is new; a run beside parsing and hashing the pages.

The pages are bytes in memory. Both cut them into records; the one validates each by its contract and hashes
it, which is the least that has to be done to know a record, and the other is a whole run: locks, ledger, raw
log, marks. The first run, which loads them, is not timed.
"""

from __future__ import annotations

import time
from collections.abc import Sequence
from typing import Final

from sqlalchemy import text
from xxhash import xxh3_128_digest

from benchmarks.case import database
from benchmarks.erp import Erp, bodies, load
from benchmarks.pipeline import ErpCustomer
from benchmarks.timing import Outcome, Timing, at_most, note, ratio
from strandline import Pipeline
from strandline.source.page import split
from strandline.warehouse.database import Database

LIMIT: Final = 1.2

WRITTEN: Final = """
    SELECT (SELECT count(*) FROM raw.erp_customers), count(*), max(xmin::text::bigint)
    FROM warehouse.dim_customer
"""


snapshot = Pipeline("snapshot")
snapshot.sync(Erp.customers, ErpCustomer)


def measure(server: str, *, records: int, rounds: int) -> Outcome:
    """Time both, in turns."""
    pages = bodies(records)
    timings = []
    with database(server, "unchanged") as made:
        load(snapshot, made, pages)
        before = _written(made)
        for round_ in range(rounds + 1):
            done = [_parse_and_hash(pages, records), _again(made, pages, records)]
            timings += done if round_ else []
        if _written(made) != before:
            raise RuntimeError(f"a run without news has written: {before} became {_written(made)}")
    found = ratio(timings, ("strandline", records), ("parse and hash", records))
    name = f"{records:,} records, none of them new, beside parsing and hashing them"
    return Outcome("unchanged", "records", timings, [at_most(name, LIMIT, found)])


def _again(made: Database, pages: Sequence[bytes], records: int) -> Timing:
    began = time.perf_counter()
    stored = load(snapshot, made, pages)
    seconds = time.perf_counter() - began
    if stored:
        raise RuntimeError(f"{stored} records were taken for new")
    return note(Timing("strandline", records, seconds))


def _parse_and_hash(pages: Sequence[bytes], records: int) -> Timing:
    parse, began, seen = Erp.customers.parse, time.perf_counter(), 0
    for body in pages:
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
