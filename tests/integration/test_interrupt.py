"""Ctrl-C at any moment of a read, within a statement too: the run is stopped, and the next goes on."""

import os
import random
import signal
import threading
from collections.abc import Iterator
from typing import Any, ClassVar

import pytest
from pydantic import AwareDatetime
from sqlalchemy import text
from sqlalchemy.orm import Mapped
from tests.effort import TIMES
from tests.memory import pages

from strandline.model import Dimension, Mapper, attribute, field
from strandline.pipeline import Pipeline, run
from strandline.pipeline.ending import INTERRUPTED
from strandline.pipeline.load import Load
from strandline.source import Cursor, Pages, Record, Source, stream
from strandline.warehouse.database import Database

SEED = 20261129
PAGES = 60


class Rung(Record):
    """A bell that was rung."""

    id: str
    at: AwareDatetime


class Belfry(Source):
    """Bells, in the order in which they ring; before one of the pages comes Ctrl-C, a moment later."""

    interrupts: ClassVar[dict[int, float]] = {}

    @stream(Rung, key="id", cursor=Cursor("at", ordered=True))
    def bells(self, since: Any) -> Pages:
        """Those that rang since then."""
        for number in range(PAGES):
            if number in self.interrupts:
                delay = self.interrupts.pop(number)
                threading.Timer(delay, os.kill, (os.getpid(), signal.SIGINT)).start()
            at = f"2026-03-01T00:{number:02}:00Z"
            yield from pages([{"id": f"{number}-{it}", "at": at} for it in range(5)])


class DimBell(Dimension):
    """A bell."""

    rang: Mapped[str] = attribute()


class BelfryBell(Mapper[Rung, DimBell]):
    """Bells."""

    rang = field("id")


@pytest.fixture
def _small_chunks() -> Iterator[None]:
    """One page each, so that most of the time is the database's."""
    Load.chunk_records, before = 5, Load.chunk_records
    yield
    Load.chunk_records = before


@pytest.fixture
def _interruptible() -> Iterator[None]:
    before = signal.signal(signal.SIGINT, signal.default_int_handler)  # a shell's background ignores it
    yield
    signal.signal(signal.SIGINT, before)


@pytest.mark.usefixtures("_small_chunks", "_interruptible")
def test_ctrl_c_stops_a_read_wherever_it_is_and_the_next_run_goes_on(warehouse: Database) -> None:
    bells, dice = Pipeline("bells"), random.Random(SEED)
    bells.sync(Belfry.bells, BelfryBell)
    times = 15 * TIMES
    for _ in range(times):
        Belfry.interrupts[dice.randrange(5, 20)] = dice.uniform(0, 0.02)
        with pytest.raises(KeyboardInterrupt):
            run(bells, warehouse)
    with warehouse.begin() as connection:
        ended = connection.execute(text("SELECT status, error FROM strandline.run"))
        assert list(map(tuple, ended)) == [("stopped", INTERRUPTED)] * times

    assert run(bells, warehouse).status == "done"
    with warehouse.begin() as connection:
        stored = connection.execute(text("SELECT count(*), count(DISTINCT source_id) FROM raw.belfry_bells"))
        assert tuple(stored.one()) == (5 * PAGES, 5 * PAGES)
        assert (
            connection.scalar(text("SELECT count(*) FROM warehouse.dim_bell WHERE bell_key > 0")) == 5 * PAGES
        )
