"""The index on natural keys of a raw log: left out while a first read looks nobody up, and there whenever
somebody does, whatever becomes of the read.
"""

from collections.abc import Callable, Iterator
from datetime import UTC, datetime
from typing import Any

import pytest
from sqlalchemy import String, text
from sqlalchemy.orm import Mapped

from strandline.errors import SourceUnavailable
from strandline.model import Dimension, Mapper, attribute, field
from strandline.pipeline import Pipeline, RunReport, run
from strandline.pipeline.figures import Figures
from strandline.pipeline.load import Load
from strandline.pipeline.report import Silence
from strandline.source import Page, Pages, Record, Source, stream
from strandline.warehouse.database import Database

THERE = text("SELECT to_regclass('raw.ix_hive_bees_source_id_raw_id') IS NOT NULL")


class Bee(Record):
    """A bee that has flown out."""

    id: str


class Hive(Source):
    """Pages of two bees each."""

    def __init__(self, *pages: str, fails: bool = False) -> None:
        self.sent = pages
        self.fails = fails

    @stream(Bee, key="id")
    def bees(self) -> Pages:
        """All of them, or all until it fails."""
        for number, ids in enumerate(self.sent, 1):
            records = [b'{"id": "%s"}' % it.encode() for it in ids]
            yield Page(records, number, "memory", status=200, fetched_at=datetime.now(UTC), size=20)
        if self.fails:
            raise SourceUnavailable("the hive is closed")


class DimBee(Dimension):
    """A bee."""

    label: Mapped[str] = attribute(String(20), scd=2)


class HiveBee(Mapper[Bee, DimBee]):
    """Bees."""

    label = field("id")


hive = Pipeline("hive")
hive.sync(Hive.bees, HiveBee)


@pytest.fixture(autouse=True)
def small_chunks() -> Iterator[None]:
    """A chunk a page."""
    before, Load.chunk_records = Load.chunk_records, 2
    yield
    Load.chunk_records = before


class Watch(Silence):
    """Does something after each chunk."""

    def __init__(self, after: Callable[[], Any]) -> None:
        self.after = after

    def reading(self, stream: str, figures: Figures) -> None:
        """A chunk is stored."""
        self.after()


def is_there(database: Database) -> bool:
    with database.connect() as connection:
        return bool(connection.scalar(THERE))


def load(database: Database, *pages: str, fails: bool = False, after: Callable[[], Any] = bool) -> RunReport:
    """Read the pages; `after` each chunk something is done."""
    return run(hive, database, sources={"hive": Hive(*pages, fails=fails)}, progress=Watch(after))


def members(database: Database) -> int:
    with database.connect() as connection:
        return connection.scalar(text("SELECT count(*) FROM warehouse.dim_bee WHERE is_current")) or 0


@pytest.mark.parametrize(
    ("pages", "seen"),
    [
        (("ab", "cd", "ef"), [False, False, False, True]),
        (("ab", "da", "ef"), [False, True, True, True]),
        (("ab",), [False, True]),
    ],
)
def test_it_is_left_out_until_a_key_does_not_lie_behind_all_others(
    warehouse: Database, pages: tuple[str, ...], seen: list[bool]
) -> None:
    """The last chunk, which is empty here, is stored when the index is there."""
    found: list[bool] = []
    report = load(warehouse, *pages, after=lambda: found.append(is_there(warehouse)))

    assert report.status == "done"
    assert found[: len(seen)] == seen
    assert members(warehouse) == len(set("".join(pages))) + 2


def test_a_read_that_fails_leaves_it_there(warehouse: Database) -> None:
    assert load(warehouse, "ab", "cd", fails=True).status == "failed"
    assert is_there(warehouse)


def test_the_run_after_one_that_was_killed_builds_it(warehouse: Database) -> None:
    """And finds by it whose records are there already."""

    def die() -> None:
        raise MemoryError

    with pytest.raises(MemoryError):
        load(warehouse, "ab", "cd", after=die)
    assert not is_there(warehouse)

    report = load(warehouse, "ab", "cd", "ac")
    assert (report.streams[0].stored, report.streams[0].unchanged) == (2, 4)
    assert is_there(warehouse)
    assert members(warehouse) == 4 + 2


def test_it_stays_while_somebody_reads_the_log(warehouse: Database) -> None:
    load(warehouse)
    with warehouse.connect() as connection:
        connection.execute(text("SELECT FROM raw.hive_bees")).all()  # holds a lock until the end of the block
        assert load(warehouse, "ab", "cd").status == "done"
        assert connection.scalar(THERE)
    assert members(warehouse) == 4 + 2


def test_a_second_read_leaves_it_there(warehouse: Database) -> None:
    load(warehouse, "ab")
    load(warehouse, "cd", "ef", after=lambda: is_there(warehouse) or pytest.fail("it was left out"))
