"""Custom fields: members whose records carry some of 200 undeclared fields, other ones in every run.

Ten runs load the same bytes, once into a dimension that keeps custom fields and once into one that does not.
In each run a field in ten is new and another one is gone, a member's values follow from its number and the
run, and every tenth member changes a declared attribute too. Afterwards what is stored of every member is
compared with what a plain loop over all records says.
"""

from __future__ import annotations

import json
import time
from collections.abc import Iterator, Sequence
from datetime import UTC, datetime, timedelta
from typing import Any, Final

from pydantic import AwareDatetime
from sqlalchemy import String, select
from sqlalchemy.orm import Mapped

from benchmarks.case import database
from benchmarks.erp import checked, from_memory
from benchmarks.timing import Outcome, Timing, at_most, note, ratio
from strandline import Dimension, Mapper, Pages, Pipeline, Record, attribute, field, run, stream
from strandline.model import CustomFields
from strandline.source import Source
from strandline.warehouse.database import Database

LIMIT: Final = 1.4
RUNS: Final = 10
FIELDS: Final = 200
CARRIED: Final = 20
"""So many of the fields a record carries."""
PAGE: Final = 1_000
BEGAN: Final = datetime(2026, 1, 1, tzinfo=UTC)


class Item(Record):
    """An item; what else it carries is undeclared."""

    id: str
    at: AwareDatetime
    name: str
    price: str
    colour: str


class Shop(Source):
    """A shop that sends everything each time."""

    def __init__(self, pages: Sequence[bytes]) -> None:
        super().__init__()
        self.bodies = pages

    @stream(Item, key="id", effective_at="at")
    def items(self) -> Pages:
        """A page for each body."""
        return from_memory(self.bodies)


class DimKeepingItem(Dimension, CustomFields):
    """An item with its custom fields."""

    item_name: Mapped[str] = attribute(String(80))
    price: Mapped[str] = attribute(String(20))
    colour: Mapped[str] = attribute(String(20), scd=2)


class DimPlainItem(Dimension):
    """An item without."""

    item_name: Mapped[str] = attribute(String(80))
    price: Mapped[str] = attribute(String(20))
    colour: Mapped[str] = attribute(String(20), scd=2)


class KeepingItem(Mapper[Item, DimKeepingItem]):
    """The shop's items."""

    item_name = field("name")
    price = field("price")
    colour = field("colour")


class PlainItem(Mapper[Item, DimPlainItem]):
    """The shop's items."""

    item_name = field("name")
    price = field("price")
    colour = field("colour")


keeping = Pipeline("keeping")
keeping.sync(Shop.items, KeepingItem)
plain = Pipeline("plain")
plain.sync(Shop.items, PlainItem)


def measure(server: str, *, records: int, rounds: int) -> Outcome:
    """Time both, in turns; all the runs of each are one timing."""
    members = records // RUNS
    timings: list[Timing] = []
    for _ in range(rounds):
        timings += [_loaded(server, "plain", plain, members), _loaded(server, "keeping", keeping, members)]
    size = members * RUNS
    found = ratio(timings, ("keeping", size), ("plain", size))
    name = f"{FIELDS} custom fields in {size:,} records and {RUNS} runs, beside the same without"
    return Outcome("custom", "records", timings, [at_most(name, LIMIT, found)])


def _loaded(server: str, name: str, pipeline: Pipeline, members: int) -> Timing:
    seconds = 0.0
    with database(server, "custom") as made:
        for number in range(RUNS):
            pages = list(_pages(number, members))
            began = time.perf_counter()
            checked(run(pipeline, made, sources={"shop": Shop(pages)}))
            seconds += time.perf_counter() - began
        if pipeline is keeping:
            _compare(made, members)
    return note(Timing(name, members * RUNS, round(seconds, 3)))


def _pages(number: int, members: int) -> Iterator[bytes]:
    for first in range(0, members, PAGE):
        items = [_record(number, member) for member in range(first, min(first + PAGE, members))]
        yield json.dumps({"items": items}, separators=(",", ":")).encode()


def _record(number: int, member: int) -> dict[str, Any]:
    return {
        "id": f"I{member}",
        "at": _moment(number),
        "name": f"Item {member} of the shop by the harbour",
        "price": f"{member % 10_000}.{member % 100:02d}",
        "colour": f"colour {(member + number // 5) % 7 if member % 10 == 0 else member % 7}",
        **_carried(number, member),
    }


def _carried(number: int, member: int) -> dict[str, Any]:
    """Its custom fields in this run: a window that moves by two fields a run."""
    first = member * 7 + 2 * number
    return {
        f"custom_{(first + place) % FIELDS:03d}": f"value {(member + place + number // 4) % 1000}"
        for place in range(CARRIED)
    }


def _moment(number: int) -> str:
    return (BEGAN + timedelta(days=number)).isoformat()


def _expected(member: int) -> dict[str, Any]:
    """What a plain loop makes of a member's records."""
    found: dict[str, Any] = {}
    for number in range(RUNS):
        moment, said = _stored_moment(number), _carried(number, member)
        for name, value in said.items():
            first = found[name]["first_seen"] if name in found else moment
            found[name] = {"value": value, "first_seen": first, "last_seen": moment}
    last = _stored_moment(RUNS - 1)
    return {name: {**it, "deprecated": it["last_seen"] < last} for name, it in found.items()}


def _stored_moment(number: int) -> str:
    return (BEGAN + timedelta(days=number)).isoformat(timespec="microseconds")


def _compare(made: Database, members: int) -> None:
    table = DimKeepingItem.table()
    known = DimKeepingItem.key_column() > 0
    current = select(table.c.source_id, table.c.custom_fields).where(table.c.is_current, known)
    seen = 0
    with made.connect() as connection:
        for source_id, fields in connection.execute(current, execution_options={"yield_per": 10_000}):
            seen += 1
            wanted = _expected(int(source_id[1:]))
            if fields != wanted:
                raise RuntimeError(f"{source_id} has {fields}, and should have {wanted}")
    if seen != members:
        raise RuntimeError(f"{seen} of {members} items are there")
