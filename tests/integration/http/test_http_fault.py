"""An HttpSource gets over what passes, and gives up on what lasts with an error that says what to do."""

import threading
import time
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from email.utils import format_datetime
from typing import Any

import pytest

from strandline.errors import (
    DeclarationError,
    PaginationLoop,
    RateLimited,
    SourceError,
    SourceUnavailable,
    UnexpectedResponse,
)
from strandline.source import (
    PageNumber,
    Rate,
    Retry,
    TokenInBody,
)
from strandline.testing.server import (
    Fault,
    Hang,
    Html,
    Latency,
    ReceivedRequest,
    Reset,
    Response,
    ScriptedApi,
    Status,
    Truncated,
)


@pytest.mark.parametrize(
    "fault",
    [
        Status(429),
        Status(429, retry_after=0),
        Status(500),
        Status(502),
        Status(503, retry_after=format_datetime(datetime(2020, 1, 1, tzinfo=UTC), usegmt=True)),
        Status(408),
        Truncated(),
        Truncated(content_length=False),
        Truncated(share=0),
        Reset(),
    ],
    ids=str,
)
def test_a_passing_fault_loses_nothing_and_repeats_nothing(
    api: ScriptedApi,
    open_crm: Callable[..., Any],
    fault: Fault,
    customers: Callable[[int], list[dict[str, str]]],
) -> None:
    api.serve("/customers", customers(250))
    api.fail("/customers", fault, request=(2, 3))

    assert open_crm(paginator=PageNumber()).read_ids() == [f"C-{number}" for number in range(250)]
    assert [request.query["page"] for request in api.requests] == ["1", "2", "2", "2", "3", "4"]


def test_a_source_that_hangs_is_given_up_on_and_asked_again(
    api: ScriptedApi, open_crm: Callable[..., Any], customers: Callable[[int], list[dict[str, str]]]
) -> None:
    api.serve("/customers", customers(1))
    api.fail("/customers", Hang(), request=1)

    assert open_crm(timeout=0.3).read_ids() == ["C-0"]


def test_a_slow_source_is_waited_for(
    api: ScriptedApi, open_crm: Callable[..., Any], customers: Callable[[int], list[dict[str, str]]]
) -> None:
    api.serve("/customers", customers(1))
    api.fail("/customers", Latency(0.05))

    assert open_crm().read_ids() == ["C-0"]


@pytest.mark.parametrize(
    ("fault", "error", "said"),
    [
        (Status(429), RateLimited, "last answer: 429 Too Many Requests"),
        (Status(503), SourceUnavailable, "last answer: 503 Service Unavailable"),
        (Hang(), SourceUnavailable, "last answer: no answer within 0.1 s"),
        (Reset(), SourceUnavailable, "last answer: connection broken"),
        (Truncated(), SourceUnavailable, "last answer: answer cut short"),
        (Truncated(content_length=False), SourceUnavailable, "last answer: 200, but the body is cut short"),
    ],
    ids=str,
)
def test_a_lasting_fault_says_what_was_tried_how_often_and_the_last_answer(
    api: ScriptedApi,
    open_crm: Callable[..., Any],
    fault: Fault,
    error: type[SourceError],
    said: str,
    customers: Callable[[int], list[dict[str, str]]],
) -> None:
    api.serve("/customers", customers(5))
    api.fail("/customers", fault)
    patience = Retry(
        attempts=3, wait_initial=timedelta(milliseconds=1), retry_after_cap=timedelta(milliseconds=1)
    )

    with pytest.raises(error) as caught:
        open_crm(timeout=0.1 if isinstance(fault, Hang) else 5, retry=patience).read()

    assert f"crm.customers: GET {api.url}/customers: gave up after 3 attempts over " in caught.value.message
    assert said in caught.value.message
    assert caught.value.hint
    assert len(api.requests) == 3


def test_an_unreachable_host_says_so(open_crm: Callable[..., Any], api: ScriptedApi) -> None:
    crm = open_crm()
    api.close()

    with pytest.raises(SourceUnavailable, match=r"cannot connect to 127.0.0.1:\d+: .*refused"):
        crm.read()


@pytest.mark.parametrize(
    ("answer", "said"),
    [
        (Html().body, "no JSON object or array; application/json, 55 bytes: '<!doctype html>"),
        (b'{"items": [], "count": 0}', "no array at 'data'; the body's keys are items, count"),
        (b'{"data": null}', "no array at 'data' but 'null'"),
        (b"", "the body is empty"),
        (Response(b'{"error": "no such filter"}', status=422), "422 Unprocessable"),
        (
            Response(b"gone", status=404, content_type="text/plain"),
            "404 Not Found; text/plain, 4 bytes: 'gone'",
        ),
        (Response(b"", status=304), "304 Not Modified"),
    ],
    ids=range(7),
)
def test_an_answer_that_is_not_what_the_stream_says_is_shown_and_not_tried_again(
    api: ScriptedApi, open_crm: Callable[..., Any], answer: Any, said: str
) -> None:
    api.respond("/customers", answer)

    with pytest.raises(UnexpectedResponse) as caught:
        open_crm().read()

    assert caught.value.message.startswith(f"crm.customers: GET {api.url}/customers: ")
    assert said in caught.value.message
    assert len(api.requests) == 1


def test_no_content_is_an_empty_page(api: ScriptedApi, open_crm: Callable[..., Any]) -> None:
    api.respond("/customers", Response(status=204))

    assert [page.records for page in open_crm().read()] == [[]]


def test_a_retry_is_told_once_per_attempt(
    api: ScriptedApi,
    open_crm: Callable[..., Any],
    capfd: pytest.CaptureFixture[str],
    customers: Callable[[int], list[dict[str, str]]],
) -> None:
    api.serve("/customers", customers(1))
    api.fail("/customers", Status(503), request=1)

    open_crm().read()

    told = "".join(capfd.readouterr())
    assert told.count("retrying") == 1
    assert "503 Service Unavailable" in told


def test_a_source_that_ignores_the_page_parameter_is_a_loop(
    api: ScriptedApi, open_crm: Callable[..., Any], customers: Callable[[int], list[dict[str, str]]]
) -> None:
    api.serve("/customers", customers(5))

    with pytest.raises(PaginationLoop, match=r"page 2 \(token '2'\) has the same 5 records as page 1"):
        open_crm(paginator=PageNumber(param="p")).read()


def test_a_source_that_repeats_a_token_is_a_loop(api: ScriptedApi, open_crm: Callable[..., Any]) -> None:
    def answer(request: ReceivedRequest) -> Response:
        return Response(b'{"data": [%d], "next_token": "t%d"}' % (request.number, request.number % 3))

    api.respond("/customers", answer)

    with pytest.raises(
        PaginationLoop, match=r"page 5 \(token 't1'\) is asked for with a request that was made before"
    ):
        open_crm(paginator=TokenInBody()).read()


def test_a_rate_limit_holds_over_all_streams_of_a_source(
    api: ScriptedApi, open_crm: Callable[..., Any], customers: Callable[[int], list[dict[str, str]]]
) -> None:
    """Never early, however the machine is loaded: the fifth request has waited for four spacings."""
    api.serve("/customers", customers(4), page_size=1)
    api.serve("/search", customers(1))
    crm = open_crm(rate=Rate(50), paginator=PageNumber(total_pages="total_pages"))

    before = time.monotonic()

    crm.read()
    list(crm.found.read(crm))

    assert len(api.requests) == 5
    assert api.requests[-1].at >= before + 4 * 0.02


def test_closing_the_pages_stops_a_reader_that_waits_for_its_retry(
    api: ScriptedApi, open_crm: Callable[..., Any], customers: Callable[[int], list[dict[str, str]]]
) -> None:
    api.serve("/customers", customers(200))
    api.fail("/customers", Status(503, retry_after=60), request=2)
    crm = open_crm(paginator=PageNumber(), retry=Retry())
    pages = crm.customers.read(crm)
    next(pages)

    pages.close()

    assert [thread.name for thread in threading.enumerate() if thread.name == "strandline-reader"] == []


@pytest.mark.parametrize("base_url", ["ftp://x", "/path", "http://", "http://[::", ""])
def test_a_base_url_that_is_none_is_a_wrong_declaration(open_crm: Callable[..., Any], base_url: str) -> None:
    with pytest.raises(DeclarationError, match="base_url"):
        open_crm(base_url=base_url).read()
