"""kill -9 at points while a source is read piece by piece: nothing lost, nothing twice.

Partitions and children, several streams at once, files, the pieces of a backfill, one by one and several at
once; all that is read from the API is read with refresh tokens that are good for one use, exchanged again and
again on the way.
"""

import itertools
import json
import os
from collections.abc import Callable, Iterator
from datetime import datetime, timedelta
from typing import Any

import pytest
from cryptography.fernet import Fernet
from tests.effort import TIMES
from tests.end_to_end import ferry

from strandline.testing import ReceivedRequest, Response, ScriptedApi, Tokens, crash_anywhere
from strandline.warehouse.database import Database

SEED = 20261128
USES = 6
"""After so many lists of cabins the access token is withdrawn."""
GRACE = True
"""The token before is good until its successor was used: without, a kill may spend one that nobody has."""

RAW = "SELECT source_id, payload, operation FROM raw.{} ORDER BY raw_id"
MARKS = "SELECT stream, mark FROM strandline.read_mark WHERE stream <> 'ferries.berths' ORDER BY stream"
IS_ALL = """
    SELECT raw_id = (SELECT max(raw_id) FROM raw.{}) FROM strandline.applied_mark WHERE stream = '{}'"""
VERSIONS = "SELECT source_id, version, valid_from, valid_to, {} FROM warehouse.{} ORDER BY source_id, version"

API_STATE = {
    "hulls": VERSIONS.format("hull_name, is_inferred", "dim_ferry"),
    "berths": VERSIONS.format("beds", "dim_cabin"),
    "passages": """
        SELECT passage_id, left_at, hull.source_id AS ship, hull.version
        FROM warehouse.fact_passage JOIN warehouse.dim_ferry AS hull USING (ferry_key) ORDER BY passage_id""",
    "raw hulls": RAW.format("ferries_hulls"),
    "raw berths": RAW.format("ferries_berths"),
    "raw passages": RAW.format("ferries_passages"),
    "read marks": MARKS,
    "mark of children": """
        SELECT mark = 'int:' || (SELECT max(raw_id) FROM raw.ferries_hulls)
        FROM strandline.read_mark WHERE stream = 'ferries.berths'""",
    "applied to hulls": IS_ALL.format("ferries_hulls", "ferries.hulls"),
    "applied to berths": IS_ALL.format("ferries_berths", "ferries.berths"),
    "applied to passages": IS_ALL.format("ferries_passages", "ferries.passages"),
    "pieces noted": "SELECT stream, since, until FROM strandline.backfill",
}
FILE_STATE = {
    "fares": VERSIONS.format("price", "dim_fare"),
    "raw fares": RAW.format("fares_fares"),
    "read marks": MARKS,
    "applied to fares": IS_ALL.format("fares_fares", "fares.fares"),
}

Row = dict[str, Any]


def _at(minutes: int) -> str:
    return (ferry.START + timedelta(minutes=minutes)).isoformat()


HULLS = {
    company: [{"id": f"{company}-{it}", "name": f"Ship {it}", "at": _at(it)} for it in range(100)]
    for company in ferry.COMPANIES
}
PASSAGES = [
    {"id": f"P{it}", "ship": f"{ferry.COMPANIES[it % 3]}-{it * 7 % 120}", "at": _at(it * 13 % 11_520)}
    for it in range(600)
]


def _berths(ship: str) -> list[Row]:
    number = int(ship.partition("-")[2])
    return [
        {"id": f"{ship}/{it}", "ship": ship, "beds": it + 1, "at": _at(number)} for it in range(number % 3)
    ]


def _page(rows: list[Row], query: Any) -> list[Row]:
    number = int(query["page"])
    return rows[(number - 1) * ferry.PAGE : number * ferry.PAGE]


def _within(rows: list[Row], query: Any) -> list[Row]:
    since, until = (query.get(it) for it in ("since", "until"))
    return [
        row
        for row in rows
        if (since is None or datetime.fromisoformat(row["at"]) >= datetime.fromisoformat(since))
        and (until is None or datetime.fromisoformat(row["at"]) <= datetime.fromisoformat(until))
    ]


def _serve(api: ScriptedApi, number: int) -> None:
    """A copy of the API of its own, with a chain of tokens of its own."""
    tokens = Tokens(client_id="ferry", client_secret="a-secret", refresh_token=ferry.SEED, grace=GRACE)

    def serve(path: str, rows: Callable[[Any], list[Row]]) -> None:
        def answer(request: ReceivedRequest) -> Response:
            if path == "berths" and request.number % USES == 0:
                tokens.expire()
            return Response(json.dumps({"data": rows(request.query)}).encode())

        api.respond(f"/{number}/{path}", tokens.guarded(answer))

    api.respond(f"/{number}/token", tokens)
    serve("hulls", lambda query: _page(_within(HULLS[query["company"]], query), query))
    serve("berths", lambda query: [row for it in query["ships"].split(",") for row in _berths(it)])
    serve("passages", lambda query: _page(_within(PASSAGES, query), query))


@pytest.fixture(scope="module")
def api() -> Iterator[ScriptedApi]:
    with ScriptedApi() as api:
        yield api


@pytest.fixture(scope="module")
def environment(api: ScriptedApi, tmp_path_factory: pytest.TempPathFactory) -> dict[str, str]:
    home, folder = tmp_path_factory.mktemp("home"), tmp_path_factory.mktemp("fares")
    for number in range(15):
        # The same keys in all, and often in one: what is read again is told apart from the latest of its key.
        rows = range(600 if number == 7 else 30)
        lines = [f"F{it % 30},{number * it},{_at(60 * number + it)}\n" for it in rows]
        file = folder / f"{number:02}.csv"
        file.write_text("id,price,at\n" + "".join(lines))
        os.utime(file, (number, number))  # of one just written nobody knows whether it is whole
    return {
        "FERRY_URL": api.url,
        "FERRY_FOLDER": str(folder),
        "STRANDLINE_SECRET_KEY": Fernet.generate_key().decode(),
        "STRANDLINE_HOME": str(home),
    }


@pytest.mark.parametrize("kind", ["run", "width", "backfill", "pieces", "files"])
@pytest.mark.parametrize("kills", [2, pytest.param(25 * TIMES, marks=pytest.mark.nightly)])
def test_a_read_that_is_killed_at_any_moment_and_run_again_leaves_what_an_undisturbed_one_leaves(
    environment: dict[str, str], api: ScriptedApi, warehouse: Database, kind: str, kills: int
) -> None:
    numbers = itertools.count(len(api.requests))

    def which() -> dict[str, str]:
        number = next(numbers)
        _serve(api, number)
        return {"FERRY": f"{kind}/{number}"}

    killed = crash_anywhere(
        "tests.end_to_end.ferry:go",
        warehouse,
        environment=environment,
        days=[which],
        kills=kills,
        seed=SEED,
        queries=FILE_STATE if kind == "files" else API_STATE,
        chunk_records=ferry.CHUNK,
    )
    assert len(killed) == kills
    assert kind == "files" or sum(it.path.endswith("/token") for it in api.requests) > kills
