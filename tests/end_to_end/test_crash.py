"""kill -9 at random points of a run, each followed by a re-run, which leaves what an undisturbed run leaves.

Half of the kills hit a first load, half a day of changes. Audit columns and surrogate numbers aside,
everything is compared: members, versions, facts and whom they point at, the raw log, rejects and marks.
"""

import random
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
from sqlalchemy import URL, create_engine, text
from tests.effort import TIMES
from tests.end_to_end import crash

from strandline.testing import ScriptedApi, postgres
from strandline.warehouse.database import Database

KILLS = 15 * TIMES
SEED = 20260701
START = datetime(2026, 1, 1, tzinfo=UTC)
TOWNS = ("Bergen", "Oslo", "Ålesund", "Tromsø")

STATE = {
    "buyers": """
        SELECT source_id, version, valid_from, valid_to, is_current, is_deleted, is_inferred,
               buyer_name, town, first_town,
               buyer_durable_key = min(buyer_key) OVER (PARTITION BY source_id) AS is_durable
        FROM warehouse.dim_buyer ORDER BY source_id, version""",
    "wares": "SELECT source_id, version, valid_from, is_inferred FROM warehouse.dim_ware ORDER BY 1, 2",
    "sales": """
        SELECT sale_id, sold_at, buyer.source_id AS buyer, buyer.version, ware.source_id AS of_ware,
               buyer_missing, sale_date_key, pieces, amount, ware
        FROM warehouse.fact_sale
        JOIN warehouse.dim_buyer AS buyer USING (buyer_key) JOIN warehouse.dim_ware AS ware USING (ware_key)
        ORDER BY sale_id""",
    "raw buyers": "SELECT source_id, payload, operation FROM raw.stall_buyers ORDER BY raw_id",
    "raw sales": "SELECT source_id, payload, operation FROM raw.stall_sales ORDER BY raw_id",
    "rejects": "SELECT stream, target, source_id, field, rule, reason FROM strandline.reject ORDER BY 1, 3",
    "read marks": "SELECT stream, mark FROM strandline.read_mark ORDER BY stream",
    "applied marks": """
        SELECT stream, target, raw_id = CASE stream
            WHEN 'stall.buyers' THEN (SELECT max(raw_id) FROM raw.stall_buyers)
            ELSE (SELECT max(raw_id) FROM raw.stall_sales) END AS is_all
        FROM strandline.applied_mark ORDER BY stream""",
}

Row = dict[str, Any]


def _first_day(dice: random.Random) -> tuple[list[Row], list[Row]]:
    buyers = [
        {
            "id": f"B{number}",
            "name": f"Buyer {number}" if number % 50 else None,
            "town": dice.choice(TOWNS),
            "updated": (START + timedelta(minutes=dice.randrange(1000))).isoformat(),
        }
        for number in range(1, 161)
    ]
    sales = [_sale(f"S{number}", number, dice) for number in range(1, 241)]
    return buyers, sales


def _sale(key: str, minute: int, dice: random.Random) -> Row:
    return {
        "id": key,
        "buyer": dice.choice([None, *(f"B{number}" for number in range(1, 200))]),
        "ware": f"W{dice.randrange(30)}",
        "sold": (START + timedelta(minutes=dice.randrange(2000))).isoformat(),
        "updated": (START + timedelta(minutes=minute)).isoformat(),
        "pieces": dice.randrange(1, 9) if minute % 60 else "many",
        "amount": f"{dice.randrange(10_000) / 100:.2f}",
    }


def _second_day(dice: random.Random, buyers: list[Row], sales: list[Row]) -> tuple[list[Row], list[Row]]:
    """Moves, deletions, new buyers (also those that sales wait for), restated and new and deleted sales."""
    moved = []
    for buyer in dice.sample(buyers, 60):
        at = (START + timedelta(minutes=1000 + dice.randrange(1000))).isoformat()
        gone = dice.random() < 0.2
        moved.append(
            {"id": buyer["id"], "updated": at, "gone": True}
            if gone
            else {**buyer, "town": dice.choice(TOWNS), "updated": at, "name": buyer["name"] or "Mended"}
        )
    new = [
        {
            "id": f"B{number}",
            "name": f"Buyer {number}",
            "town": "Oslo",
            "updated": (START + timedelta(minutes=1000 + number)).isoformat(),
        }
        for number in range(161, 200)
    ]
    changed: list[Row] = []
    for minute in range(241, 400):
        old = dice.choice(sales)["id"] if dice.random() < 0.5 else f"S{minute}"
        sale = _sale(old, minute, dice)
        changed.append({"id": old, "updated": sale["updated"], "gone": True} if dice.random() < 0.1 else sale)
    changed_ids = {row["id"] for row in moved}
    standing = [buyer for buyer in buyers if buyer["id"] not in changed_ids]
    return [*standing, *moved, *new], changed


@contextmanager
def _api() -> Iterator[ScriptedApi]:
    dice = random.Random(SEED)
    buyers, sales = _first_day(dice)
    later_buyers, later_sales = _second_day(dice, buyers, sales)
    with ScriptedApi() as api:
        for day, of_buyers, of_sales in (("1", buyers, sales), ("2", later_buyers, [*sales, *later_sales])):
            api.serve(f"/{day}/buyers", of_buyers, page_size=crash.PAGE, since_field="updated")
            api.serve(
                f"/{day}/sales", of_sales, page_size=crash.PAGE, style="link_header", since_field="updated"
            )
        yield api


class Runner:
    """The process that forks runs."""

    def __init__(self, api_url: str) -> None:
        command = [sys.executable, str(Path(crash.__file__)), api_url]
        self._process = subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)
        assert self._answer() == "imported"

    def run(self, day: str, url: URL, *, kill_after: float | None = None) -> int:
        """Make a run, of so many seconds at most; its exit code."""
        assert self._process.stdin is not None
        seconds = "undisturbed" if kill_after is None else str(kill_after)
        self._process.stdin.write(f"{day} {url.render_as_string(hide_password=False)} {seconds}\n")
        self._process.stdin.flush()
        return int(self._answer())

    def close(self) -> None:
        """Nothing more to run."""
        self._process.communicate()
        assert self._process.returncode == 0

    def _answer(self) -> str:
        assert self._process.stdout is not None
        return self._process.stdout.readline().strip()


@dataclass
class Scene:
    """A day that is run: from which state, to which, and how long that takes."""

    day: str
    template: str
    expected: dict[str, list[Any]] = field(default_factory=dict)
    begins: float = 0.0
    """After how many seconds the run is in the ledger …"""
    seconds: float = 0.0
    """… and after how many it is over."""


def _state(database: Database) -> dict[str, list[Any]]:
    with database.connect() as connection:
        return {name: list(map(tuple, connection.execute(text(query)))) for name, query in STATE.items()}


def _wait_until_alone(server: URL, database: str) -> None:
    """The killed client's session ends when PostgreSQL notices; until then it holds its locks."""
    count = text("SELECT count(*) FROM pg_stat_activity WHERE datname = :name")
    engine = create_engine(server)
    try:
        for _ in range(1000):
            with engine.connect() as connection:
                if connection.scalar(count, {"name": database}) == 0:
                    return
            time.sleep(0.01)
        raise AssertionError(f"somebody is still connected to {database}")
    finally:
        engine.dispose()


def _undisturbed(runner: Runner, server: URL, scene: Scene) -> None:
    with postgres.copy(server, scene.template) as url:
        began = time.monotonic()
        assert runner.run(scene.day, url) == 3  # some rejects
        scene.seconds = time.monotonic() - began
        database = Database(url)
        scene.expected = _state(database)
        with database.connect() as connection:
            lasted = "SELECT finished_at - started_at FROM strandline.run ORDER BY run_id DESC LIMIT 1"
            scene.begins = 0.8 * (scene.seconds - connection.scalar(text(lasted)).total_seconds())
        database.close()


def _kill_and_run_again(
    runner: Runner, server: URL, api_url: str, *, scene: Scene, after: float
) -> str | None:
    """Kill a run after so many seconds, run again, compare; what the ledger says, or None if it was over."""
    with postgres.copy(server, scene.template) as url:
        if runner.run(scene.day, url, kill_after=after) != -signal.SIGKILL:
            return None
        assert url.database is not None
        _wait_until_alone(server, url.database)
        database = Database(url)
        try:
            assert crash.run_stall(database, f"{api_url}/{scene.day}").exit_code in (0, 3)
            state = _state(database)
            for name, rows in scene.expected.items():
                assert state[name] == rows, f"{name}, killed after {after:.4f} s of day {scene.day}"
            with database.connect() as connection:
                runs = "SELECT status FROM strandline.run ORDER BY run_id"
                statuses = connection.scalars(text(runs)).all()
        finally:
            database.close()
    return "/".join(statuses)


def test_a_run_that_is_killed_at_any_moment_and_run_again_leaves_what_an_undisturbed_run_leaves(
    postgres_server: URL, warehouse_template: str, request: pytest.FixtureRequest
) -> None:
    """Promises 1 and 2, at random moments: fifteen, and sixty at night."""
    dice = random.Random(SEED)

    def load_first_day(url: URL) -> None:
        database = Database(url)
        crash.run_stall(database, f"{api.url}/1")
        database.close()

    with _api() as api, postgres.template(postgres_server, load_first_day) as loaded:
        runner = Runner(api.url)
        request.addfinalizer(runner.close)
        scenes = [Scene("1", warehouse_template), Scene("2", loaded)]
        for scene in scenes:
            _undisturbed(runner, postgres_server, scene)
        landed: list[str] = []
        for number in range(3 * KILLS):  # a run may be over before its time, or not have begun
            if len(landed) >= KILLS and _crashes(landed) >= KILLS / 2:
                break
            scene = scenes[number % 2]
            after = dice.uniform(scene.begins, scene.seconds)
            status = _kill_and_run_again(runner, postgres_server, api.url, scene=scene, after=after)
            landed += [] if status is None else [status]
    assert len(landed) >= KILLS
    assert _crashes(landed) >= KILLS / 2, landed


def _crashes(landed: list[str]) -> int:
    """The others hit a run that was not yet in the ledger: the creation of the tables, on the first day."""
    return sum("crashed" in status for status in landed)
