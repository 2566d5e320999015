"""What an API says of a walk as a whole: how many records there are, and how far it was read."""

import json
from collections.abc import Iterator
from typing import Any

import pytest
from sqlalchemy import String, select
from sqlalchemy.orm import Mapped

from strandline.model import Dimension, Mapper, attribute, field
from strandline.pipeline import Deletes, Pipeline, RunReport, run
from strandline.source import Header, HttpSource, LinkInBody, Pages, Record, SourceSettings, stream
from strandline.source.page import Path
from strandline.testing.server import ReceivedRequest, Response, ScriptedApi
from strandline.warehouse import mark
from strandline.warehouse.database import Database


class Buoy(Record):
    """A buoy."""

    id: str
    name: str = "buoy"


class ChartSettings(SourceSettings):
    """Where it is."""

    base_url: str


class Chart(HttpSource):
    """Buoys, in two walks."""

    settings: ChartSettings
    total: Path | Header = "count"

    @stream(Buoy, key="id")
    def buoys(self) -> Pages:
        """Those of the north, then those of the south."""
        for path in ("/north", "/south"):
            yield from self.pages(path, records="data", paginator=LinkInBody("next"), total=self.total)

    @stream(Buoy, key="id")
    def changes(self, since: str | None) -> Pages:
        """Those that have changed since the link was given."""
        return self.pages(since or "/delta", records="data", paginator=LinkInBody("next"), state="deltaLink")


class DimChartBuoy(Dimension):
    """A buoy."""

    name: Mapped[str] = attribute(String(20))


class BuoyMapper(Mapper[Buoy, DimChartBuoy]):
    """A buoy."""

    name = field("name")


chart = Pipeline("chart")
chart.sync(Chart.buoys, BuoyMapper, deletes=Deletes.by_absence())
delta = Pipeline("delta")
delta.sync(Chart.changes, BuoyMapper)


@pytest.fixture
def api() -> Iterator[ScriptedApi]:
    with ScriptedApi() as api:
        yield api


def serve(api: ScriptedApi, path: str, *pages: list[str], said: Any, header: str | None = None) -> None:
    """These keys on pages that link to each other, and what is said of how many they are."""

    def answer(request: ReceivedRequest) -> Response:
        number = int(request.query.get("page", "0"))
        body: dict[str, Any] = {"data": [{"id": key} for key in pages[number]], "count": said}
        if number + 1 < len(pages):
            body["next"] = f"{path}?page={number + 1}"
        headers = {} if header is None else {"X-Total": header}
        return Response(json.dumps(body).encode(), headers=headers)

    api.respond(path, answer)


def read(api: ScriptedApi, warehouse: Database, *, total: Path | Header = "count") -> RunReport:
    source = Chart(settings=ChartSettings(base_url=api.url))
    source.total = total
    with source:
        return run(chart, warehouse, sources={"chart": source})


def test_as_many_as_the_source_says_are_a_proof(api: ScriptedApi, warehouse: Database) -> None:
    serve(api, "/north", ["a", "b"], ["c"], said=3)
    serve(api, "/south", ["d"], said=1)
    read(api, warehouse)
    serve(api, "/north", ["a", "b"], said="2")
    report = read(api, warehouse)

    assert (report.status, report.sweeps[0].status, report.sweeps[0].deleted) == ("done", "done", 1)


def test_fewer_than_the_source_says_close_nobody(api: ScriptedApi, warehouse: Database) -> None:
    serve(api, "/north", ["a", "b"], ["c"], said=3)
    serve(api, "/south", ["d"], said=1)
    read(api, warehouse)
    serve(api, "/north", ["a"], ["b"], said=3)
    report = read(api, warehouse)

    (swept,) = report.sweeps
    assert (report.exit_code, swept.status, swept.absent, swept.deleted) == (3, "unproven", 1, 0)
    assert swept.detail == f"chart.buoys: GET {api.url}/north: of 3 records, as the source says, 2 came"


def test_one_that_came_twice_tells_that_another_did_not(api: ScriptedApi, warehouse: Database) -> None:
    serve(api, "/north", ["a", "b"], ["c"], said=3)
    serve(api, "/south", ["d"], said=1)
    read(api, warehouse)
    serve(api, "/north", ["a", "b"], ["b"], said=3)
    (swept,) = read(api, warehouse).sweeps

    assert (swept.status, swept.deleted) == ("unproven", 0)
    assert swept.detail == "4 records came with 3 keys: some came twice, and others not at all"


def test_a_header_may_say_it(api: ScriptedApi, warehouse: Database) -> None:
    serve(api, "/north", ["a", "b"], said=None, header="2")
    serve(api, "/south", ["d"], said=None, header="1")
    read(api, warehouse, total=Header("X-Total"))
    serve(api, "/north", ["a"], said=None, header="2")
    (swept,) = read(api, warehouse, total=Header("X-Total")).sweeps
    assert swept.status == "unproven"


def test_a_total_that_is_no_number_fails_the_stream(api: ScriptedApi, warehouse: Database) -> None:
    serve(api, "/north", ["a", "b"], said="many")
    report = read(api, warehouse)
    assert report.streams[0].kind == "UnexpectedResponse"
    assert "how many records there are should stand at 'count', where 'many' is" in str(
        report.streams[0].error
    )


def test_a_delta_link_is_the_next_runs_since(api: ScriptedApi, warehouse: Database) -> None:
    pages: dict[str, dict[str, Any]] = {
        "0": {"data": [{"id": "a"}], "next": "/delta?page=1"},
        "1": {"data": [{"id": "b"}], "deltaLink": f"{api.url}/delta?page=2"},
        "2": {"data": [{"id": "c"}], "deltaLink": f"{api.url}/delta?page=3"},
    }
    api.respond(
        "/delta", lambda request: Response(json.dumps(pages[request.query.get("page", "0")]).encode())
    )
    for _ in range(2):
        with Chart(settings=ChartSettings(base_url=api.url)) as source:
            assert run(delta, warehouse, sources={"chart": source}).status == "done"

    assert [it.query.get("page") for it in api.requests_to("/delta")] == [None, "1", "2"]
    with warehouse.begin() as connection:
        assert mark.read_up_to(connection, "chart.changes") == f"state:{api.url}/delta?page=3"
        table = DimChartBuoy.table()
        known = connection.scalars(select(table.c.source_id).where(table.c.source_system == "chart"))
        assert set(known) == {"a", "b", "c"}
