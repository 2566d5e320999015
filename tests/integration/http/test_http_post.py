"""An HttpSource reads by POST, and puts what a paginator counts where the API looks for it."""

import json
from collections.abc import Callable
from datetime import UTC, datetime
from typing import Any
from urllib.parse import parse_qsl

import pytest

from strandline.errors import DeclarationError
from strandline.source import InBody, LinkInBody, Offset, PageNumber, TokenInBody
from strandline.testing.server import ReceivedRequest, Response, ScriptedApi

AT = datetime(2026, 3, 4, 5, 6, 7, tzinfo=UTC)


def read(crm: Any) -> list[Any]:
    return [json.loads(record) for page in crm.searched.read(crm) for record in page.records]


def serve_numbers(api: ScriptedApi, offset_of: Callable[[ReceivedRequest], int], *, count: int = 5) -> None:
    def answer(request: ReceivedRequest) -> Response:
        begin = offset_of(request)
        body = {"hits": list(range(begin, min(begin + 2, count))), "more": begin + 2 < count}
        return Response(json.dumps({**body, "next": begin + 2 if body["more"] else None}).encode())

    api.respond("/search", answer)


def sent(request: ReceivedRequest) -> Any:
    return json.loads(request.body)


@pytest.mark.parametrize(
    ("paginator", "offset_of"),
    [
        (
            Offset(param=InBody("page.from"), limit=2, limit_param=InBody("page.size"), has_more="more"),
            lambda it: sent(it)["page"]["from"],
        ),
        (
            PageNumber(param=InBody("page.number"), start=0, has_more="more"),
            lambda it: sent(it)["page"]["number"] * 2,
        ),
        (
            Offset(param=InBody("params.1"), limit=2, limit_param=InBody("params.2.0"), has_more="more"),
            lambda it: sent(it)["params"][1],
        ),
        (TokenInBody("next", param=InBody("after")), lambda it: sent(it).get("after", 0)),
        (TokenInBody("next", param="after"), lambda it: int(it.query.get("after", "0"))),
    ],
    ids=["offset", "page", "place", "token", "query"],
)
def test_a_parameter_goes_where_it_is_declared(
    api: ScriptedApi,
    open_crm: Callable[..., Any],
    paginator: Any,
    offset_of: Callable[[ReceivedRequest], int],
) -> None:
    serve_numbers(api, offset_of)
    body = {
        "q": {"changed_since": AT, "any": [None, 1.5]},
        "page": {"sort": "id"},
        "params": ["x", None, [0]],
    }

    assert read(open_crm(search={"body": body, "records": "hits", "paginator": paginator})) == [0, 1, 2, 3, 4]
    for request in api.requests:
        assert sent(request)["q"] == {"changed_since": "2026-03-04T05:06:07Z", "any": [None, 1.5]}
        assert sent(request)["page"]["sort"] == "id"
        assert sent(request)["params"][0] == "x"


def test_a_form_is_sent_as_one(api: ScriptedApi, open_crm: Callable[..., Any]) -> None:
    serve_numbers(api, lambda it: int(dict(parse_qsl(it.body.decode()))["start"]))
    search = {
        "form": {"q": "ä & b", "since": AT, "left_out": None},
        "records": "hits",
        "paginator": Offset(param=InBody("start")),
    }

    assert read(open_crm(search=search)) == [0, 1, 2, 3, 4]
    assert dict(parse_qsl(api.requests[0].body.decode())) == {
        "q": "ä & b",
        "since": "2026-03-04T05:06:07Z",
        "start": "0",
    }
    assert api.requests[0].headers["content-type"] == "application/x-www-form-urlencoded"


def test_a_query_in_sql_is_posted_and_paged_by_the_query_string(
    api: ScriptedApi, open_crm: Callable[..., Any]
) -> None:
    """As in SuiteQL."""
    serve_numbers(api, lambda it: int(it.query["offset"]))
    search = {
        "body": {"q": "SELECT id FROM customer ORDER BY id"},
        "headers": {"Prefer": "transient"},
        "records": "hits",
        "paginator": Offset(limit=2, has_more="more"),
    }

    assert read(open_crm(search=search)) == [0, 1, 2, 3, 4]
    assert {request.headers["prefer"] for request in api.requests} == {"transient"}
    assert [request.query for request in api.requests][1] == {"offset": "2", "limit": "2"}


def test_a_query_in_sql_is_asked_by_get_and_followed_by_links(
    api: ScriptedApi, open_crm: Callable[..., Any]
) -> None:
    """As in SOQL."""
    api.respond("/query", b'{"records": [1], "nextRecordsUrl": "/query/01g-2000"}')
    api.respond("/query/01g-2000", b'{"records": [2], "done": true}')

    pages = open_crm().pages(
        "/query",
        params={"q": "SELECT Id FROM Account"},
        records="records",
        paginator=LinkInBody("nextRecordsUrl"),
    )
    assert [page.records for page in pages] == [[b"1"], [b"2"]]


def test_bytes_go_as_they_are(api: ScriptedApi, open_crm: Callable[..., Any]) -> None:
    api.respond("/search", b'{"hits": []}')
    headers = {"Content-Type": "application/sql"}

    read(open_crm(search={"body": b"SELECT 1", "headers": headers, "records": "hits"}))

    assert api.requests[0].body == b"SELECT 1"
    assert api.requests[0].headers["content-type"] == "application/sql"


@pytest.mark.parametrize(
    "search",
    [
        {"body": [1], "paginator": Offset(param=InBody("offset"))},
        {"body": {"params": [1]}, "paginator": Offset(param=InBody("params.1"))},
        {"body": {"page": 1}, "paginator": Offset(param=InBody("page.offset"))},
        {"form": {}, "paginator": Offset(param=InBody("page.offset"))},
    ],
    ids=str,
)
def test_a_place_that_cannot_be_is_refused(
    api: ScriptedApi, open_crm: Callable[..., Any], search: dict[str, Any]
) -> None:
    with pytest.raises(DeclarationError, match="InBody"):
        read(open_crm(search=search))
    assert api.requests == []


def test_records_are_found_by_a_function_too(api: ScriptedApi, open_crm: Callable[..., Any]) -> None:
    api.respond("/search", b"1|2")
    search = {"records": lambda body: body.split(b"|")}

    assert read(open_crm(search=search)) == [1, 2]


def test_nested_records_are_paged_like_others(api: ScriptedApi, open_crm: Callable[..., Any]) -> None:
    api.respond("/search", b'{"results": [{"id": 1, "orders": [{"n": 1}]}], "next": "t"}')
    api.fail("/search", Response(b'{"results": [{"id": 2, "orders": [{"n": 2}]}]}'), request=2)
    search = {
        "records": "results[].orders[]",
        "carry": {"customer": "results[].id"},
        "paginator": TokenInBody("next"),
    }

    assert read(open_crm(search=search)) == [{"n": 1, "customer": 1}, {"n": 2, "customer": 2}]
