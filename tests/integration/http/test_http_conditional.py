"""IfChanged sends back what the API said of its last answer, and a 304 is no record and no new mark."""

import json
from collections.abc import Callable, Mapping
from typing import Any

import pytest

from strandline.errors import UnexpectedResponse
from strandline.source import IfChanged, Page
from strandline.testing.server import ReceivedRequest, Response, ScriptedApi

OLD = "Mon, 02 Mar 2026 08:00:00 GMT"


def serve(api: ScriptedApi, headers: Mapping[str, str]) -> None:
    def answer(request: ReceivedRequest) -> Response:
        asked = request.headers
        is_known = "ETag" in headers and asked.get("if-none-match") == headers["ETag"]
        is_old = "Last-Modified" in headers and asked.get("if-modified-since") == headers["Last-Modified"]
        if is_known or is_old:
            return Response(status=304, headers=headers)
        return Response(b'{"data": [1, 2]}', headers=headers)

    api.respond("/list", answer)


def read(crm: Any, since: str | None, **options: Any) -> Page:
    (page,) = crm.pages("/list", records="data", paginator=IfChanged(since), **options)
    assert isinstance(page, Page)
    return page


@pytest.mark.parametrize(
    "headers", [{"ETag": 'W/"a"'}, {"Last-Modified": OLD}, {"ETag": '"a"', "Last-Modified": OLD}], ids=str
)
def test_what_has_not_changed_brings_nothing(
    api: ScriptedApi, open_crm: Callable[..., Any], headers: dict[str, str]
) -> None:
    serve(api, headers)
    crm = open_crm()

    first = read(crm, None)
    second = read(crm, first.state)
    assert (first.status, first.records) == (200, [b"1", b"2"])
    assert (second.status, second.records, second.state) == (304, [], None)

    serve(api, {"ETag": '"b"'})
    third = read(crm, first.state)
    assert (third.status, len(third.records)) == (200, 2)
    assert third.state is not None
    assert third.state != first.state


def test_another_question_is_asked_without_conditions(api: ScriptedApi, open_crm: Callable[..., Any]) -> None:
    """Some APIs have one ETag for all that they know."""
    serve(api, {"ETag": '"a"'})
    crm = open_crm()

    state = read(crm, None).state
    assert read(crm, state, params={"fields": "all"}).status == 200
    assert read(crm, "another source's words").status == 200
    assert read(crm, '["or", "JSON"]').status == 200
    assert read(crm, state).status == 304


def test_without_a_validator_there_is_no_state(api: ScriptedApi, open_crm: Callable[..., Any]) -> None:
    serve(api, {})

    assert read(open_crm(), None).state is None


def test_a_time_of_this_very_second_is_not_believed(api: ScriptedApi, open_crm: Callable[..., Any]) -> None:
    serve(api, {"Last-Modified": "Fri, 31 Dec 2100 08:00:00 GMT"})

    assert read(open_crm(), None).state is None


def test_a_304_that_nobody_asked_for_is_an_error(api: ScriptedApi, open_crm: Callable[..., Any]) -> None:
    api.respond("/list", Response(status=304))

    with pytest.raises(UnexpectedResponse, match="304"):
        read(open_crm(), None)


def test_the_state_of_a_large_answer_goes_with_its_last_page(
    api: ScriptedApi, open_crm: Callable[..., Any]
) -> None:
    body = json.dumps({"data": list(range(50_001))}).encode()
    api.respond("/list", Response(body, headers={"ETag": '"a"'}))

    pages = open_crm().pages("/list", records="data", paginator=IfChanged(None))
    assert [page.state is not None for page in pages] == [False, True]
