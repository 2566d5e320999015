"""Replay: a dimension rebuilt out of its raw log, beside the load that filled both.

The load reads its pages out of memory, so that it has no download either. Then comes a replay by the mapper
that loaded, which finds every member right and writes none; and one by a mapper that spells a type 1 and a
type 2 column otherwise, which has every row to change. Each round begins with an empty database.
"""

from __future__ import annotations

import time
from collections.abc import Sequence
from types import new_class
from typing import Any, Final

from sqlalchemy import text

from benchmarks.case import database
from benchmarks.erp import Erp, bodies, checked, load
from benchmarks.pipeline import Customer, DimCustomer, ErpCustomer
from benchmarks.timing import Outcome, Timing, at_most, note, ratio
from strandline import Mapper, Pipeline, field
from strandline.pipeline.replay import replay
from strandline.warehouse.database import Database

LIMIT: Final = 1.0
LOAD: Final = "load"
SAME: Final = "replay, same mapper"
OTHER: Final = "replay, other mapper"

WRITTEN: Final = """
    SELECT count(*), count(*) FILTER (WHERE segment = upper(segment)), max(xmin::text::bigint)
    FROM warehouse.dim_customer WHERE customer_key > 0
"""


def _spell_otherwise(body: dict[str, Any]) -> None:
    body |= {name: vars(ErpCustomer)[name] for name in ErpCustomer.mapped}
    body["customer_name"] = field("company_name", using=str.upper)
    body["segment"] = field("segment", using=str.upper, default="UNASSIGNED")


LoudCustomer: Final = new_class("LoudCustomer", (Mapper[Customer, DimCustomer],), exec_body=_spell_otherwise)
"""The ERP's customers, of whom two columns are spelled otherwise."""

plain = Pipeline("customers")
plain.sync(Erp.customers, ErpCustomer)
loud = Pipeline("customers")
loud.sync(Erp.customers, LoudCustomer)


def measure(server: str, *, records: int, rounds: int) -> Outcome:
    """Time the three, one after the other in each round."""
    pages = bodies(records)
    timings: list[Timing] = []
    for _ in range(rounds):
        with database(server, "replay") as made:
            timings += _round(made, pages, records)
    targets = [
        at_most(f"{it}, beside the load", LIMIT, ratio(timings, (it, records), (LOAD, records)))
        for it in (SAME, OTHER)
    ]
    return Outcome("replay", "records", timings, targets)


def _round(made: Database, pages: Sequence[bytes], records: int) -> list[Timing]:
    began = time.perf_counter()
    load(plain, made, pages)
    done, before = [note(Timing(LOAD, records, time.perf_counter() - began))], _written(made)
    done.append(_replayed(SAME, plain, made, records))
    if _written(made) != before:
        raise RuntimeError(f"a replay without changes has written: {before} became {_written(made)}")
    done.append(_replayed(OTHER, loud, made, records))
    if _written(made)[:2] != (records, records):
        raise RuntimeError(f"{records} customers were to be changed: {before} became {_written(made)}")
    return done


def _replayed(name: str, pipeline: Pipeline, made: Database, records: int) -> Timing:
    began = time.perf_counter()
    checked(replay(pipeline, made))
    return note(Timing(name, records, time.perf_counter() - began))


def _written(made: Database) -> tuple[int, ...]:
    with made.connect() as connection:
        return tuple(connection.execute(text(WRITTEN)).one())
