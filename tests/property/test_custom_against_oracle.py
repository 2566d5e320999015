"""Custom fields are what a plain loop over all records of a member says, in whatever order they come.

Fields appear, vanish, come back and change their type; members are deleted and return, records are corrected
and late. All versions of a member show the same.
"""

import itertools
import json
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from hypothesis import example, given
from hypothesis import strategies as st
from pydantic import AwareDatetime, Field
from sqlalchemy import String, select
from sqlalchemy.orm import Mapped
from tests.effort import cases
from tests.memory import pages

from strandline.model import CustomFields, Dimension, Fact, Mapper, attribute, field, grain
from strandline.pipeline import Pipeline, run
from strandline.pipeline.replay import replay
from strandline.source import Pages, Record, Source, stream
from strandline.testing.written import row_versions
from strandline.warehouse.database import Database

START = datetime(2026, 1, 1, tzinfo=UTC)


class Part(Record):
    """A part; the rest is custom."""

    id: str
    at: AwareDatetime
    word: str | None = Field(default=None, alias="theWord")


class Kit(Source):
    """Parts."""

    name = "kit"

    def __init__(self) -> None:
        super().__init__()
        self.records: list[bytes] = []

    @stream(Part, key="id", effective_at="at", deleted="gone")
    def parts(self) -> Pages:
        """What it was given."""
        return pages(self.records)


class DimSpare(Dimension, CustomFields):
    """A part; the word keeps its history."""

    word: Mapped[str | None] = attribute(String(10), scd=2)


class FactPart(Fact, CustomFields):
    """One row a part."""

    part_id: Mapped[str] = grain(String(40))


class KitPart(Mapper[Part, DimSpare]):
    """Parts."""

    word = field("word")


class KitPartRow(Mapper[Part, FactPart]):
    """Parts, as rows."""

    part_id = field("id")


kit = Pipeline("kit")
kit.sync(Kit.parts, KitPart)
kit.sync(Kit.parts, KitPartRow)

VALUES: list[Any] = [None, True, "x", "ü😀", 1, "0.1", {"a": [1, None]}, []]
fields = st.dictionaries(st.sampled_from(["f", "g", "über", "word"]), st.sampled_from(VALUES), max_size=3)


@dataclass(frozen=True)
class Sent:
    """A record: whose, when, and what it carries besides."""

    name: str
    minutes: int
    word: str | None
    fields: dict[str, Any]
    is_deleted: bool = False

    def payload(self, prefix: str) -> bytes:
        """As the kit sends it."""
        at = (START + timedelta(minutes=self.minutes)).isoformat()
        said = {"id": prefix + self.name, "at": at}
        if self.is_deleted:
            return json.dumps({**said, "gone": True}).encode()
        # The name of the attribute is one of the contract too, beside its alias.
        own = {name: value for name, value in self.fields.items() if name != "word"}
        return json.dumps({**said, "theWord": self.word, **own}).encode()


sent = st.builds(
    Sent,
    st.sampled_from(["a", "b"]),
    st.integers(0, 6),
    st.sampled_from([None, "x", "y"]),
    fields,
    st.sampled_from([False, False, False, True]),
)
loads = st.lists(st.lists(sent, min_size=1, max_size=6), min_size=1, max_size=4)


def _at(minutes: int) -> str:
    return (START + timedelta(minutes=minutes)).isoformat(timespec="microseconds")


def naive(heard: list[Sent], name: str) -> dict[str, Any] | None:
    """The fields of a member: a plain loop over what stands at each instant."""
    standing = {it.minutes: it for it in heard if it.name == name}
    said = [it for _, it in sorted(standing.items()) if not it.is_deleted]
    found: dict[str, Any] = {}
    for it in said:
        own = {key: value for key, value in it.fields.items() if key != "word"}
        for key, value in own.items():
            first = found.get(key, {}).get("first_seen", _at(it.minutes))
            found[key] = {"value": value, "first_seen": first, "last_seen": _at(it.minutes)}
        for key, known in found.items():
            known["deprecated"] = key not in own
    return found or None


class Bed:
    """One database for all cases: each has natural keys of its own."""

    def __init__(self, database: Database) -> None:
        self.database = database
        self.kit = Kit()
        self._cases = itertools.count(1)

    def begin(self) -> str:
        """The prefix of a case's keys."""
        return f"{next(self._cases)}:"

    def load(self, prefix: str, batch: list[Sent]) -> None:
        """Let the kit send the batch."""
        self.kit.records = [it.payload(prefix) for it in batch]
        report = run(kit, self.database, sources={"kit": self.kit})
        assert report.status == "done", [it.error for it in report.streams]

    def found(self, prefix: str) -> dict[str, Any]:
        """The fields of each member, which all its versions share."""
        table, shown = DimSpare.table(), dict[str, Any]()
        with self.database.connect() as connection:
            for it in connection.execute(select(table).where(table.c.source_id.startswith(prefix))):
                assert (
                    shown.setdefault(it.source_id.removeprefix(prefix), it.custom_fields) == it.custom_fields
                )
        return shown

    def rows(self, prefix: str) -> dict[str, Any]:
        """The names of the fields of each row of the fact."""
        table = FactPart.table()
        with self.database.connect() as connection:
            found = connection.execute(select(table).where(table.c.part_id.startswith(prefix))).all()
        return {it.part_id.removeprefix(prefix): sorted(it.custom_fields or ()) for it in found}

    def written(self) -> list[Any]:
        """What changes with every write."""
        return row_versions(self.database, DimSpare.table(), FactPart.table())


@pytest.fixture(scope="module")
def bed(both: Database) -> Bed:
    return Bed(both)


@given(loads)
@cases(3)
@example([[Sent("a", 1, "x", {"f": 1})], [Sent("a", 2, "y", {"g": 2})], [Sent("a", 0, "x", {"g": 0})]])
@example([[Sent("a", 1, "x", {"f": 1})], [Sent("a", 2, None, {}, is_deleted=True)], [Sent("a", 3, "x", {})]])
@example([[Sent("a", 1, "x", {})], [Sent("a", 2, "y", {})]])
@example([[Sent("a", 1, "x", {"f": 1}), Sent("a", 1, "x", {"g": 1})], [Sent("a", 1, "x", {})]])
@example(
    [
        [
            Sent("a", 0, None, {"f": None}, is_deleted=True),
            Sent("b", 0, None, {"f": None}),
            Sent("b", 0, None, {"f": None, "g": None, "über": None}),
        ],
        [Sent("a", 0, None, {}), Sent("b", 0, None, {"f": None, "g": None}), Sent("b", 0, None, {"f": None})],
        [Sent("a", 0, None, {"f": None, "über": None, "word": None}), Sent("a", 0, "y", {}, is_deleted=True)],
        [Sent("a", 4, "x", {"g": 1, "f": {"a": [1, None]}})],
    ]
)
def test_a_members_fields_are_those_of_all_its_records(bed: Bed, batches: list[list[Sent]]) -> None:
    """After each batch; and a replay writes nothing."""
    prefix, heard = bed.begin(), list[Sent]()
    for batch in batches:
        bed.load(prefix, batch)
        heard += batch
        names = {it.name for it in heard if not it.is_deleted}
        assert bed.found(prefix) == {name: naive(heard, name) for name in names}
        last = {name: _last(heard, name) for name in names}
        standing = {name: it for name, it in last.items() if it is not None}
        own = {name: sorted(set(it.fields) - {"word"}) for name, it in standing.items()}
        assert bed.rows(prefix) == own
    written = bed.written()
    assert replay(kit, bed.database).status == "done"
    assert bed.written() == written


def _last(heard: list[Sent], name: str) -> Sent | None:
    standing = {it.minutes: it for it in heard if it.name == name}
    latest = standing[max(standing)]
    return None if latest.is_deleted else latest
