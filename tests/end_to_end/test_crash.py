"""kill -9 at points of a run, each followed by a re-run, which leaves what an undisturbed run leaves.

Half of the kills hit a first load, half a day of changes. The kit compares what any pipeline has; STATE is
what else is known of this one, such as the order of its raw logs.
"""

import random
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from datetime import UTC, datetime, timedelta
from typing import Any

from tests.effort import TIMES
from tests.end_to_end import crash

from strandline.testing import ScriptedApi, crash_anywhere
from strandline.warehouse.database import Database

KILLS = 8 * TIMES
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


def _day(api: ScriptedApi, number: int) -> Callable[[], dict[str, str]]:
    return lambda: {"STRANDLINE_STALL__BASE_URL": f"{api.url}/{number}"}


def test_a_run_that_is_killed_at_any_moment_and_run_again_leaves_what_an_undisturbed_run_leaves(
    warehouse: Database,
) -> None:
    """Promises 1 and 2, at random points: fifteen, and sixty at night."""
    with _api() as api:
        killed = crash_anywhere(
            "tests.end_to_end.crash:stall",
            warehouse,
            days=[_day(api, 1), _day(api, 2)],
            kills=KILLS,
            seed=SEED,
            queries=STATE,
            chunk_records=crash.CHUNK,
        )
    assert len(killed) == KILLS
