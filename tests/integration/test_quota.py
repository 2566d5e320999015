"""A source that has had enough: what was read is kept and merged, and the report says when to come back."""

import time
from collections.abc import Iterator
from datetime import UTC, datetime
from pathlib import Path

import pytest
from sqlalchemy import text
from tests.garden import Garden, GardenSettings, count, load, plant

from strandline.pipeline.load import Load
from strandline.source import Rate
from strandline.testing import Response, ScriptedApi, Status
from strandline.warehouse.database import Database

HOUR = {"X-RateLimit-Limit": "5000", "X-RateLimit-Remaining": "0", "X-RateLimit-Reset": "3600"}


@pytest.fixture
def api(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[ScriptedApi]:
    """An API, and a home where what it has said is noted."""
    monkeypatch.setenv("STRANDLINE_HOME", str(tmp_path))
    with ScriptedApi() as api:
        yield api


@pytest.fixture(autouse=True)
def small_chunks() -> Iterator[None]:
    """A chunk a page, so that tests need few records."""
    before, Load.chunk_records = Load.chunk_records, 5
    yield
    Load.chunk_records = before


def mark(database: Database) -> str | None:
    with database.connect() as connection:
        found: str | None = connection.scalar(text("SELECT mark FROM strandline.read_mark"))
    return found


def let_time_pass(home: Path) -> None:
    """Forget what the source has said."""
    for file in (home / "rates").iterdir():
        file.unlink()


@pytest.mark.parametrize(("name", "moved"), [("ordered", True), ("unordered", False)])
def test_a_used_up_quota_leaves_a_stream_partial_and_what_was_read_merged(
    warehouse: Database, api: ScriptedApi, tmp_path: Path, name: str, moved: bool
) -> None:
    api.serve(f"/{name}", [plant(number) for number in range(1, 26)], page_size=5, since_field="changed")
    api.fail(f"/{name}", Status(429, retry_after=3600), request=3)
    report = load(warehouse, api, name)

    (stream,) = report.streams
    assert (report.status, report.exit_code) == ("partial", 3)
    assert (stream.status, stream.kind, stream.pages) == ("partial", "QuotaExhausted", 2)
    assert stream.retry_at
    assert abs((stream.retry_at - datetime.now(UTC)).total_seconds() - 3600) < 60
    assert f"{stream.retry_at:%Y-%m-%d %H:%M:%S} UTC" in str(stream.error)
    assert count(warehouse, f"raw.garden_{name}") == count(warehouse, "warehouse.dim_plant") == 10
    assert (mark(warehouse) is not None) == moved

    # Whoever asks before is told the same by us, and the source hears nothing.
    again = load(warehouse, api, name)
    assert (again.status, again.streams[0].kind) == ("failed", "QuotaExhausted")
    assert len(api.requests) == 3

    let_time_pass(tmp_path)
    last = load(warehouse, api, name)
    assert (last.status, last.streams[0].stored) == ("done", 15)
    assert count(warehouse, "warehouse.dim_plant") == 25


def test_the_last_answer_of_a_quota_is_the_last_that_is_asked_for(
    warehouse: Database, api: ScriptedApi, tmp_path: Path
) -> None:
    dataset = api.serve("/unordered", [plant(number) for number in range(1, 11)], page_size=5)
    first = dataset.page({"page": "1"}, url=f"{api.url}/unordered")
    api.fail("/unordered", Response(first.body, headers={**first.headers, **HOUR}), request=1)
    report = load(warehouse, api)

    assert (report.exit_code, report.streams[0].kind, len(api.requests)) == (3, "QuotaExhausted", 1)
    assert count(warehouse, "warehouse.dim_plant") == 5
    let_time_pass(tmp_path)
    assert load(warehouse, api).status == "done"
    assert count(warehouse, "warehouse.dim_plant") == 10


@pytest.mark.parametrize(
    "headers",
    [
        {"Backoff": "1"},
        {"RateLimit": '"default";r=0;t=1'},
        {"X-RateLimit-Remaining": "0", "X-RateLimit-Reset": "1"},
    ],
    ids=str,
)
def test_a_source_that_asks_for_a_pause_gets_it_before_it_refuses(
    warehouse: Database, api: ScriptedApi, headers: dict[str, str]
) -> None:
    dataset = api.serve("/unordered", [plant(number) for number in range(1, 11)], page_size=5)
    first = dataset.page({"page": "1"}, url=f"{api.url}/unordered")
    api.fail("/unordered", Response(first.body, headers={**first.headers, **headers}), request=1)

    assert load(warehouse, api).status == "done"
    one, two, *_ = api.requests
    assert two.at - one.at > 0.9


def test_two_sources_of_one_api_share_its_rate(api: ScriptedApi) -> None:
    api.serve("/unordered", [plant(number) for number in range(1, 6)])
    hasty = type("Garden", (Garden,), {"rate": Rate(5)})
    began = time.monotonic()
    for _ in range(3):
        with hasty(settings=GardenSettings(base_url=api.url)) as source:
            assert len(list(Garden.unordered.read(source, None))) == 2
    assert time.monotonic() - began > 0.35
