"""The field register is what a plain loop over the records that were new says, however they were batched."""

import itertools
import json
from collections.abc import Iterator
from typing import Any, Literal

import pytest
from hypothesis import example, given
from hypothesis import strategies as st
from sqlalchemy import String, delete, select
from sqlalchemy.orm import Mapped
from tests.effort import cases
from tests.memory import pages

from strandline.model import Dimension, Mapper, attribute, field
from strandline.pipeline import Pipeline, Rejects, RunReport, run
from strandline.source import Pages, Record, Source, stream
from strandline.warehouse import state
from strandline.warehouse.database import Database


class Ring(Record):
    """What a thing may have around it."""

    metal: str | None = None


class Gem(Record):
    """A gem; the rest is not in its contract."""

    id: str
    cut: str | None = None
    ring: Ring | None = None


class Box(Source):
    """Gems."""

    def __init__(self) -> None:
        super().__init__()
        self.records: list[dict[str, Any]] = []

    @stream(Gem, key="id", deleted="gone")
    def gems(self) -> Pages:
        """What it was given, two a page."""
        return pages(*(self.records[at : at + 2] for at in range(0, len(self.records), 2)))


class FirstGem(Record):
    """A gem, as it was read at first: only ovals."""

    id: str
    cut: Literal["oval"] | None = None
    ring: Ring | None = None


class FirstBox(Box):
    """Gems, by a contract that refuses some."""

    name = "box"

    @stream(FirstGem, key="id", deleted="gone")
    def gems(self) -> Pages:
        """What it was given, two a page."""
        return pages(*(self.records[at : at + 2] for at in range(0, len(self.records), 2)))


class DimGem(Dimension):
    """A gem."""

    cut: Mapped[str | None] = attribute(String(10))


class BoxGem(Mapper[Gem, DimGem]):
    """Gems."""

    cut = field("cut")


class FirstBoxGem(Mapper[FirstGem, DimGem]):
    """Gems."""

    cut = field("cut")


box = Pipeline("box")
box.sync(Box.gems, BoxGem)

refusing = Pipeline("box")
refusing.sync(FirstBox.gems, FirstBoxGem, rejects=Rejects(count=1000, share=None))

failing = Pipeline("box")
failing.sync(FirstBox.gems, FirstBoxGem, rejects=Rejects(count=0))
"""Merges nothing where something was refused: it is taken up again by the next one."""

KINDS = {str: "text", int: "integer", bool: "boolean", dict: "object", list: "list", type(None): "null"}
DECLARED = ["cut", "id", "ring", "ring.metal"]

VALUES: list[Any] = [None, True, "red", "blue", "green", "black", 1, [], {"a": 1}]
values = st.sampled_from(VALUES)
rings = st.fixed_dictionaries({}, optional={"metal": st.sampled_from([None, "gold"]), "size": values})
gems = st.fixed_dictionaries(
    {"id": st.sampled_from("abc")},
    optional={
        "cut": st.sampled_from([None, "oval", "step"]),
        "ring": st.none() | rings,
        "hue": values,
        "gone": st.booleans(),
        "owner": st.just("Kari"),
    },
)
runs = st.lists(st.lists(gems, min_size=1, max_size=5), min_size=1, max_size=3)


def naive(sent: list[list[dict[str, Any]]]) -> dict[str, dict[str, Any]]:
    """The register: a plain loop over what differs from the latest record of its key."""
    latest: dict[str, Any] = {}
    parsed = 0
    found: dict[str, dict[str, Any]] = {it: {"filled": 0, "types": set(), "seen": set()} for it in DECLARED}
    for number, records in enumerate(sent):
        for record in records:
            if latest.get(record["id"]) == json.dumps(record):
                continue
            latest[record["id"]] = json.dumps(record)
            if record.get("gone"):
                continue
            parsed += 1
            flat = {name: value for name, value in record.items() if name != "gone"}
            flat |= {f"ring.{name}": value for name, value in (record.get("ring") or {}).items()}
            for path, value in flat.items():
                known = found.setdefault(path, {"filled": 0, "types": set(), "seen": set()})
                known["filled"] += value is not None
                known["types"].add(KINDS[type(value)])
                known["seen"].add(number)
    if not parsed:
        return {}
    return {
        path: {
            "is_declared": path in DECLARED,
            "records": parsed,
            "filled": known["filled"],
            "types": sorted(known["types"]),
            "first": min(known["seen"], default=None),
            "last": max(known["seen"], default=None),
        }
        for path, known in found.items()
    }


@pytest.fixture(scope="module")
def prefixes(both: Database) -> Iterator[str]:
    """Of a case's keys; the tables are there."""
    assert run(box, both, sources={"box": Box()}).status == "done"
    return (f"{number}:" for number in itertools.count())


def register_is(database: Database, expected: dict[str, dict[str, Any]], numbers: dict[int, int]) -> None:
    """The register says this, with the numbers of the runs that are meant."""
    with database.begin() as connection:
        rows = [it for it in connection.execute(select(state.field)) if it.path]

    assert expected == {
        it.path: {
            "is_declared": it.is_declared,
            "records": it.records,
            "filled": it.filled,
            "types": it.types,
            "first": numbers.get(it.first_run_id),
            "last": numbers.get(it.last_run_id),
        }
        for it in rows
    }
    shown = {it.path: it.examples for it in rows if it.examples}
    assert set(shown) <= {"cut", "ring.metal", "hue", "ring.size"}
    assert all(len(it) == len({*it}) <= 3 for it in shown.values())


def load(database: Database, pipeline: Pipeline, prefix: str, records: list[dict[str, Any]]) -> RunReport:
    source = FirstBox() if pipeline is not box else Box()
    source.records = [{**it, "id": prefix + it["id"]} for it in records]
    return run(pipeline, database, sources={"box": source})


@given(runs)
@cases(4)
def test_the_register_is_what_a_plain_loop_says(
    both: Database, prefixes: Iterator[str], sent: list[list[dict[str, Any]]]
) -> None:
    with both.begin() as connection:
        connection.execute(delete(state.field))
    prefix = next(prefixes)
    numbers = {load(both, box, prefix, it).run_id: number for number, it in enumerate(sent)}

    register_is(both, naive(sent), numbers)


STEP = {"id": "a", "cut": "step", "hue": "red", "ring": {"size": 1}}


@given(runs, st.lists(st.sampled_from([refusing, failing, box]), min_size=3, max_size=3))
@example([[STEP, {"id": "b"}]], [refusing])
@example([[STEP, {"id": "b", "hue": None}], [{"id": "b", "cut": "step"}]], [failing, refusing])
@cases(3)
def test_what_is_released_enters_the_register_as_if_it_had_been_accepted_at_first(
    both: Database, prefixes: Iterator[str], sent: list[list[dict[str, Any]]], pipelines: list[Pipeline]
) -> None:
    """Whether it was refused and released, or refused, not merged, and taken up again; and once more it
    changes nothing.
    """
    with both.begin() as connection:
        connection.execute(delete(state.field))
    prefix, numbers = next(prefixes), dict[int, int]()
    for number, (records, pipeline) in enumerate(zip(sent, pipelines, strict=False)):
        numbers[load(both, pipeline, prefix, records).run_id] = number
    for pipeline in (failing, box, box):
        load(both, pipeline, prefix, [])

    register_is(both, naive(sent), numbers)
