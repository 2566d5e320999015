"""The scripted API does what it says, at a pace that benchmarks can stand on."""

import http.client
import json
import socket
import threading
from collections.abc import Iterator
from typing import Any

import httpx
import pytest

from strandline.testing.dataset import Style
from strandline.testing.server import Hang, Latency, Reset, Response, ScriptedApi, Status, Truncated


@pytest.fixture
def api() -> Iterator[ScriptedApi]:
    """An API without any path."""
    with ScriptedApi() as api:
        yield api


def get(api: ScriptedApi, target: str) -> httpx.Response:
    return httpx.get(f"{api.url}{target}", timeout=5)


def test_what_came_in_is_recorded(api: ScriptedApi) -> None:
    api.respond("/echo", lambda request: Response(request.body))

    answer = httpx.post(f"{api.url}/echo?a=1&b=", content=b"hello", headers={"X-Tried": "yes"})

    request = api.requests_to("/echo")[0]
    assert answer.content == b"hello"
    assert (request.number, request.method, request.path) == (1, "POST", "/echo")
    assert request.query == {"a": "1", "b": ""}
    assert request.headers["x-tried"] == "yes"


def test_records_may_be_bytes_that_are_no_json(api: ScriptedApi) -> None:
    api.serve("/odd", [b'{"id": "\xff"}', {"id": 1}], records_at=None)

    assert get(api, "/odd").content == b'[{"id": "\xff"},{"id":1}]'


@pytest.mark.parametrize("since", ["2026-01-02", "2026-01-02T00:00:00Z", "2026-01-02T01:00:00+01:00"])
def test_since_is_inclusive_and_a_date_means_its_first_moment(api: ScriptedApi, since: Any) -> None:
    moments = ["2026-01-01T23:59:59Z", "2026-01-02T00:00:00Z", "2026-01-03T00:00:00+00:00"]
    api.serve("/x", [{"at": moment} for moment in moments], since_field="at")

    answer = httpx.get(f"{api.url}/x", params={"since": since}).json()

    assert [record["at"] for record in answer["data"]] == moments[1:]


def test_a_path_that_is_not_served_is_not_found(api: ScriptedApi) -> None:
    assert get(api, "/nothing").status_code == 404


def test_serving_again_replaces_the_records(api: ScriptedApi) -> None:
    api.serve("/x", [{"id": 1}])
    api.serve("/x", [{"id": 2}, {"id": 3}])

    assert get(api, "/x").json()["total"] == 2


def test_faults_meet_the_requests_that_they_name(api: ScriptedApi) -> None:
    api.serve("/x", [])
    api.fail("/x", Status(503, retry_after=7), request=2)
    answers = [get(api, "/x") for _ in range(3)]

    assert [answer.status_code for answer in answers] == [200, 503, 200]
    assert answers[1].headers["retry-after"] == "7"


def test_a_fault_for_all_requests_lasts_until_recovery(api: ScriptedApi) -> None:
    api.serve("/x", [])
    api.fail("/x", Status(500))

    assert [get(api, "/x").status_code for _ in range(2)] == [500, 500]
    api.recover("/x")
    assert get(api, "/x").status_code == 200


def test_a_truncated_body_ends_before_its_length(api: ScriptedApi) -> None:
    api.serve("/x", [{"id": 1}])
    api.fail("/x", Truncated())
    connection = http.client.HTTPConnection(*api.address)
    connection.request("GET", "/x")

    with pytest.raises(http.client.IncompleteRead):
        connection.getresponse().read()
    connection.close()


def test_a_reset_is_a_reset(api: ScriptedApi) -> None:
    api.fail("/x", Reset())

    with socket.create_connection(api.address) as connection:
        connection.sendall(b"GET /x HTTP/1.1\r\nHost: x\r\n\r\n")
        with pytest.raises(ConnectionResetError):
            connection.recv(1)


def test_closing_ends_requests_that_hang() -> None:
    failed = threading.Event()

    def ask(api: ScriptedApi) -> None:
        try:
            get(api, "/x")
        except httpx.TransportError:
            failed.set()

    with ScriptedApi() as api:
        api.fail("/x", Hang())
        asking = threading.Thread(target=ask, args=(api,))
        asking.start()
        while not api.requests:
            threading.Event().wait(0.001)

    asking.join(5)
    assert failed.is_set()


def test_a_late_answer_is_the_usual_one(api: ScriptedApi) -> None:
    api.serve("/x", [{"id": 1}])
    api.fail("/x", Latency(0.01))

    assert get(api, "/x").json()["data"] == [{"id": 1}]


def test_a_head_request_has_no_body(api: ScriptedApi) -> None:
    api.serve("/x", [{"id": 1}])

    answer = httpx.head(f"{api.url}/x")

    assert answer.content == b""
    assert int(answer.headers["content-length"]) > 0


def test_every_page_style_says_how_it_goes_on(api: ScriptedApi) -> None:
    def answer(style: Style) -> httpx.Response:
        api.serve("/x", [{"id": number} for number in range(3)], page_size=2, style=style)
        return get(api, "/x?q=1")

    assert json.loads(answer("page").content) == {
        "data": [{"id": 0}, {"id": 1}], "page": 1, "total_pages": 2, "total": 3, "has_more": True
    }  # fmt: skip
    assert answer("offset").json()["offset"] == 0
    assert answer("token").json()["next_token"] == "t2"
    assert answer("link_body").json()["next"] == f"{api.url}/x?q=1&page_token=t2"
    assert answer("link_header").headers["link"].endswith(f'<{api.url}/x?q=1&page_token=t2>; rel="next"')
    assert answer("token_header").headers["next-page-token"] == "t2"
    assert answer("url_header").headers["next-page"] == f"{api.url}/x?q=1&page_token=t2"
