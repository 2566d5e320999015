"""Reports that a source makes on request: ordered, waited for, fetched, ordered anew when they are gone."""

import json
from collections.abc import Callable, Iterator, Sequence
from datetime import timedelta
from typing import Any

import pytest

from strandline.errors import DeclarationError, MethodRefused, ReportFailed, UnexpectedResponse
from strandline.source import (
    Csv,
    Download,
    HttpSource,
    Offset,
    Pages,
    Ready,
    Record,
    Retry,
    SourceSettings,
    Submit,
    stream,
)
from strandline.testing.server import ReceivedRequest, Response, ScriptedApi

QUICK = timedelta(milliseconds=5)
READY = Ready(
    "/reports/{id}",
    status="job.status",
    done=["DONE"],
    failed=["FAILED"],
    expired=["EXPIRED"],
    message="job.error",
    wait=QUICK,
)
ROWS = Download("/reports/{id}/rows", records="rows")


class Order(Record):
    """An order."""

    id: str


class ShopSettings(SourceSettings):
    """Where the shop is."""

    base_url: str


class Shop(HttpSource):
    """A shop that makes reports; a test says how."""

    settings: ShopSettings
    retry = Retry(attempts=1)
    submit = Submit("/reports", body={"kind": "orders"})
    ready: Ready = READY
    download: Download = ROWS

    @stream(Order, key="id", methods=("GET", "POST"))
    def orders(self) -> Pages:
        """By a report."""
        return self.report(submit=self.submit, ready=self.ready, download=self.download)

    @stream(Order, key="id")
    def undeclared(self) -> Pages:
        """The same, by a stream that does not say that it posts."""
        return self.report(submit=self.submit, ready=self.ready, download=self.download)

    def ids(self) -> list[str]:
        """What comes."""
        return [json.loads(it)["id"] for page in self.orders.read(self) for it in page.records]


@pytest.fixture
def shop(api: ScriptedApi) -> Iterator[Callable[..., Shop]]:
    """A function that makes a shop; its reports are ordered as jobs J/1, J/2 and so on."""
    jobs = iter(range(1, 100))
    api.respond("/reports", lambda _: Response(json.dumps({"id": f"J/{next(jobs)}"}).encode(), status=202))
    opened: list[Shop] = []

    def make(**attributes: Any) -> Shop:
        opened.append(type("Shop", (Shop,), attributes)(settings=ShopSettings(base_url=api.url)))
        return opened[-1]

    yield make
    for it in opened:
        it.close()


def job(api: ScriptedApi, number: int, statuses: Sequence[object]) -> None:
    """Let this job say these statuses, one after the other, and the last of them again."""

    def answer(request: ReceivedRequest) -> Response:
        said = statuses[min(request.number, len(statuses)) - 1]
        return said if isinstance(said, Response) else Response(json.dumps({"job": said}).encode())

    api.respond(f"/reports/J%2F{number}", answer)


def rows(api: ScriptedApi, number: int, *ids: str) -> None:
    """Let this job have these rows."""
    api.respond(f"/reports/J%2F{number}/rows", json.dumps({"rows": [{"id": it} for it in ids]}).encode())


def asked(api: ScriptedApi) -> list[str]:
    return [f"{it.method} {it.path.replace('%2F', '/')}" for it in api.requests]


RUNNING, DONE = {"status": "RUNNING"}, {"status": "DONE"}


def test_a_report_is_ordered_waited_for_and_fetched(api: ScriptedApi, shop: Callable[..., Shop]) -> None:
    job(api, 1, [RUNNING, RUNNING, DONE])
    rows(api, 1, "1", "2")

    assert shop().ids() == ["1", "2"]
    assert asked(api) == ["POST /reports", *["GET /reports/J/1"] * 3, "GET /reports/J/1/rows"]
    assert json.loads(api.requests[0].body) == {"kind": "orders"}


def test_each_wait_is_longer_and_the_source_may_say_how_long(
    api: ScriptedApi, shop: Callable[..., Shop]
) -> None:
    later = Response(json.dumps({"job": RUNNING}).encode(), headers={"Retry-After": "1"})
    job(api, 1, [RUNNING, later, DONE])
    rows(api, 1)
    slow = Ready("/reports/{id}", status="job.status", done=["DONE"], wait=timedelta(seconds=0.2))

    assert shop(ready=slow).ids() == []
    first, second, third = (it.at for it in api.requests[1:4])
    assert second - first > 0.15
    assert third - second > 0.9


def test_a_report_may_come_in_pages_or_files_of_another_format(
    api: ScriptedApi, shop: Callable[..., Shop]
) -> None:
    job(api, 1, [{**DONE, "files": [f"{api.url}/files/a.csv", "/files/b.csv"]}])
    job(api, 2, [DONE])
    api.respond("/files/a.csv", b"id,name\n1,a\n")
    api.respond("/files/b.csv", b"id,name\n2,b\n")
    api.serve("/reports/J%2F2/rows", [{"id": f"{number}"} for number in range(5)], style="offset")

    assert shop(download=Download(files="job.files", format=Csv())).ids() == ["1", "2"]
    paged = Download("/reports/{id}/rows", records="data", paginator=Offset(limit=2))
    assert shop(download=paged).ids() == ["0", "1", "2", "3", "4"]


def test_a_report_may_be_known_by_its_location_and_ready_by_its_status(
    api: ScriptedApi, shop: Callable[..., Shop]
) -> None:
    api.respond("/reports", Response(status=202, headers={"Location": f"{api.url}/queue/7"}))
    answers = iter([Response(status=202), Response(b'{"result": "/results/7"}')])
    api.respond("/queue/7", lambda _: next(answers))
    api.respond("/results/7", b'[{"id": "7"}]')

    assert shop(ready=Ready("{Location}", wait=QUICK), download=Download("{result}")).ids() == ["7"]


def test_what_was_thrown_away_is_ordered_anew(api: ScriptedApi, shop: Callable[..., Shop]) -> None:
    job(api, 1, [RUNNING, {"status": "EXPIRED"}])
    job(api, 2, [DONE])
    api.respond("/reports/J%2F2/rows", Response(b'{"error": "gone"}', status=410))
    job(api, 3, [DONE])
    rows(api, 3, "1")

    assert shop().ids() == ["1"]
    assert asked(api).count("POST /reports") == 3


def test_what_is_thrown_away_each_time_is_given_up_on(api: ScriptedApi, shop: Callable[..., Shop]) -> None:
    for number in (1, 2):  # whose jobs nobody knows
        job(api, number, [Response(b'{"error": "no such job"}', status=404)])
    hasty = Submit("/reports", body={}, times=2)

    with pytest.raises(ReportFailed, match="was ordered 2 times, and was gone each time"):
        shop(submit=hasty).ids()


def test_a_report_that_fails_says_why(api: ScriptedApi, shop: Callable[..., Shop]) -> None:
    job(api, 1, [RUNNING, {"status": "FAILED", "error": "too many rows"}])

    with pytest.raises(ReportFailed, match="has not made the report: FAILED, too many rows") as caught:
        shop().ids()
    assert f"shop.orders: GET {api.url}/reports/J/1: " in caught.value.message


def test_a_report_that_takes_too_long_is_not_waited_for(api: ScriptedApi, shop: Callable[..., Shop]) -> None:
    job(api, 1, [RUNNING])
    hasty = Ready("/reports/{id}", status="job.status", done=["DONE"], wait=QUICK, deadline=QUICK * 10)

    with pytest.raises(ReportFailed, match="not ready after 0 s; the source says 'RUNNING'"):
        shop(ready=hasty).ids()


@pytest.mark.parametrize(
    ("statuses", "ready", "download", "said"),
    [
        ([{}], READY, ROWS, "nothing says whether the report is ready"),
        ([DONE], READY, Download("{job.url}"), "no answer about the report has a 'job.url'"),
        ([DONE], Ready("/reports/{number}"), ROWS, "no answer about the report has a 'number'"),
        ([DONE], READY, Download(files="job.files"), "should be a list of links at 'job.files'"),
    ],
    ids=range(4),
)
def test_an_answer_that_lacks_what_is_needed_is_unexpected(
    api: ScriptedApi,
    shop: Callable[..., Shop],
    statuses: Sequence[object],
    ready: Ready,
    download: Download,
    said: str,
) -> None:
    job(api, 1, statuses)
    with pytest.raises(UnexpectedResponse, match=said):
        shop(ready=ready, download=download).ids()


def test_to_order_is_a_method_that_the_stream_declares(api: ScriptedApi, shop: Callable[..., Shop]) -> None:
    source = shop()
    with pytest.raises(MethodRefused, match="POST is not among GET, HEAD"):
        list(source.undeclared.read(source))
    assert api.requests == []


def test_what_cannot_work_is_refused_when_declared() -> None:
    with pytest.raises(DeclarationError, match="status and done go together"):
        Ready("/reports/{id}", status="status")
    with pytest.raises(DeclarationError, match="give path or files"):
        Download()
    with pytest.raises(DeclarationError, match="give path or files"):
        Download("/rows", files="files")
