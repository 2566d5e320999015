"""Pieces of a backfill that are fetched at once from a real server: so many, and stored in their order."""

import json
import os
import signal
import threading
import time
from collections.abc import Callable, Iterator
from datetime import UTC, datetime, timedelta
from typing import Any, ClassVar

import pytest
from pydantic import AwareDatetime
from sqlalchemy import select, text
from sqlalchemy.orm import Mapped

from strandline.errors import DeclarationError
from strandline.model import Dimension, Mapper, attribute, field
from strandline.pipeline import Pipeline, RunReport
from strandline.pipeline.backfill import backfill
from strandline.source import Cursor, HttpSource, PageNumber, Pages, Rate, Record, stream
from strandline.testing import ReceivedRequest, Response, ScriptedApi
from strandline.warehouse import state
from strandline.warehouse.database import Database

START = datetime(2026, 3, 1, tzinfo=UTC)
DAY = timedelta(days=1)
DAYS = 12
PATIENCE = 20
SPACING = 0.01


class Wave(Record):
    """How high the sea was."""

    id: str
    height: int
    at: AwareDatetime


class Buoys(HttpSource):
    """What buoys measure."""

    base_url: ClassVar[str] = ""

    @stream(Wave, key="id", cursor=Cursor("at"))
    def waves(self, since: datetime, until: datetime) -> Pages:
        """Waves, so many on a page."""
        asked = {"since": since, "until": until}
        paginator = PageNumber(size=2, size_param="page_size")
        return self.pages("/waves", params=asked, paginator=paginator, records="data")


class SlowBuoys(Buoys):
    """The same, which may be asked only so often."""

    name = "buoys"
    rate = Rate(1 / SPACING)


class DimWave(Dimension):
    """A wave."""

    height: Mapped[int] = attribute()


class BuoyWave(Mapper[Wave, DimWave]):
    """Waves."""

    height = field("height")


WAVES = [
    {"id": f"{day}-{it}", "height": it, "at": (START + day * DAY + it * timedelta(hours=5)).isoformat()}
    for day in range(DAYS)
    for it in range(1, 4)
]
Happening = Callable[[ReceivedRequest], None]


class Sea:
    """The server: what happens when it is asked, and how many requests it has had at once."""

    def __init__(self, api: ScriptedApi) -> None:
        self.url = api.url
        self.happens: Happening = lambda request: None
        self.asked: list[datetime] = []
        """The beginnings of pieces."""
        self.times: list[float] = []
        self.most = 0
        self._now = 0
        self._lock = threading.Lock()
        api.respond("/waves", self._answer)

    def _answer(self, request: ReceivedRequest) -> Response:
        since, until = (datetime.fromisoformat(request.query[it]) for it in ("since", "until"))
        with self._lock:
            self._now += 1
            self.most = max(self.most, self._now)
            self.times.append(request.at)
            self.asked += [since] if request.query["page"] == "1" else []
        try:
            self.happens(request)
            found = [it for it in WAVES if since <= datetime.fromisoformat(str(it["at"])) <= until]
            first = 2 * (int(request.query["page"]) - 1)
            return Response(json.dumps({"data": found[first : first + 2]}).encode())
        except LookupError:
            return Response(b"{}", status=404)
        finally:
            with self._lock:
                self._now -= 1

    def fill(self, warehouse: Database, source: type[Buoys] = Buoys, **options: Any) -> RunReport:
        """Fill in what it has."""
        self.asked.clear()
        waves = Pipeline("waves", width=3)
        waves.sync(Buoys.waves, BuoyWave)
        with type("Here", (source,), {"base_url": self.url, "name": "buoys"})() as opened:
            return backfill(
                [waves],
                warehouse,
                "buoys.waves",
                **{"since": START, "until": START + DAYS * DAY, "step": DAY, **options},
                sources={"buoys": opened},
            )


@pytest.fixture
def sea() -> Iterator[Sea]:
    with ScriptedApi() as api:
        yield Sea(api)


def heights(warehouse: Database) -> list[str]:
    dim = DimWave.table().c
    with warehouse.begin() as connection:
        return list(connection.scalars(select(dim.source_id).where(dim.wave_key > 0).order_by(dim.wave_key)))


def reached(warehouse: Database) -> list[str]:
    with warehouse.begin() as connection:
        return list(connection.scalars(select(state.backfill.c.reached)))


def stored(warehouse: Database) -> list[str]:
    with warehouse.begin() as connection:
        return list(connection.scalars(text("SELECT source_id FROM raw.buoys_waves ORDER BY raw_id")))


def day_of(request: ReceivedRequest) -> int:
    return (datetime.fromisoformat(request.query["since"]) - START) // DAY


ALL = [str(it["id"]) for it in WAVES]


@pytest.mark.parametrize(("width", "at_once"), [(4, 4), (None, 3), (1, 1)])
def test_so_many_pieces_are_asked_for_at_once_and_no_more_and_stored_in_their_order(
    warehouse: Database, sea: Sea, width: int | None, at_once: int
) -> None:
    together = threading.Barrier(at_once)

    def happens(request: ReceivedRequest) -> None:
        together.wait(PATIENCE)

    sea.happens = happens
    assert sea.fill(warehouse, width=width).status == "done"
    assert sea.most == at_once
    assert sorted(sea.asked) == [START + it * DAY for it in range(DAYS)]
    assert stored(warehouse) == ALL
    assert sorted(heights(warehouse)) == sorted(ALL)
    assert reached(warehouse) == []


def test_an_error_of_a_piece_waits_for_those_before_it_and_the_next_backfill_begins_there(
    warehouse: Database, sea: Sea
) -> None:
    failed = threading.Event()

    def happens(request: ReceivedRequest) -> None:
        if day_of(request) == 2:
            failed.set()
            raise LookupError
        assert failed.wait(PATIENCE)

    sea.happens = happens
    report = sea.fill(warehouse, width=3)
    assert report.status == "failed"
    assert report.streams[0].kind == "UnexpectedResponse"
    assert stored(warehouse) == ALL[:6]
    assert reached(warehouse) == [f"datetime:{(START + 2 * DAY).isoformat()}"]
    assert not [it for it in sea.asked if it > START + 4 * DAY]

    sea.happens = lambda request: None
    assert sea.fill(warehouse, width=3).status == "done"
    assert min(sea.asked) == START + 2 * DAY
    assert stored(warehouse) == ALL
    assert reached(warehouse) == []


def test_ctrl_c_leaves_what_is_stored_and_no_thread_and_the_next_backfill_goes_on(
    warehouse: Database, sea: Sea
) -> None:
    sent = threading.Event()

    def happens(request: ReceivedRequest) -> None:
        if day_of(request) == 5 and not sent.is_set():
            wait_until_stored(warehouse, 6)
            os.kill(os.getpid(), signal.SIGINT)
            sent.set()
        if day_of(request) in (2, 3, 4):
            assert sent.wait(PATIENCE)

    sea.happens = happens
    before = signal.signal(signal.SIGINT, signal.default_int_handler)  # a shell's background ignores it
    try:
        with pytest.raises(KeyboardInterrupt):
            sea.fill(warehouse, width=4)
    finally:
        signal.signal(signal.SIGINT, before)
    assert not [it for it in threading.enumerate() if it.name == "strandline-reader"]
    assert stored(warehouse) == ALL[:6]
    with warehouse.begin() as connection:
        assert connection.scalar(text("SELECT status FROM strandline.run")) == "stopped"
        assert connection.scalar(text("SELECT count(*) FROM strandline.read_mark")) == 0

    assert sea.fill(warehouse, width=4).status == "done"
    assert min(sea.asked) == START + 2 * DAY
    assert stored(warehouse) == ALL


def wait_until_stored(warehouse: Database, count: int) -> None:
    """And until nobody else does anything."""
    busy = text(
        "SELECT count(*) FROM pg_stat_activity WHERE datname = current_database() AND state <> 'idle'"
        " AND pid <> pg_backend_pid()"
    )
    while True:
        with warehouse.begin() as connection:
            if len(stored(warehouse)) == count and not connection.scalar(busy):
                return
        time.sleep(0.01)


def test_pieces_share_the_rate_of_their_source(warehouse: Database, sea: Sea) -> None:
    assert sea.fill(warehouse, SlowBuoys, width=6).status == "done"
    took = max(sea.times) - min(sea.times)
    assert (
        took > (len(sea.times) - 2) * SPACING
    )  # a turn apart, whoever asks; the first may be under way late


def test_one_piece_has_no_width(warehouse: Database, sea: Sea) -> None:
    with pytest.raises(DeclarationError, match="4 pieces at once") as refused:
        sea.fill(warehouse, step=None, width=4)
    assert "--chunk" in str(refused.value.hint)
    assert sea.fill(warehouse, step=None).status == "done"  # the pipeline's width is no wish of this backfill
    assert stored(warehouse) == ALL
