"""An HttpSource reads GraphQL: connection by connection, and never an answer with errors."""

import json
import time
from collections.abc import Callable
from typing import Any

import pytest

from strandline.errors import DeclarationError, MethodRefused, RateLimited, UnexpectedResponse
from strandline.source import Connection, InBody, SinglePage
from strandline.testing.server import ReceivedRequest, Response, ScriptedApi

QUERY = """query Orders($after: String) { # no mutation here
  orders(first: 2, after: $after, q: "mutation { x }") {
    nodes { id } pageInfo { hasNextPage endCursor }
  }
}"""


def serve_orders(api: ScriptedApi, count: int, *, size: int = 2) -> None:
    def answer(request: ReceivedRequest) -> Response:
        asked = json.loads(request.body)["variables"]
        start = int(asked.get("after") or 0)
        found = [{"id": number} for number in range(start, min(start + size, count))]
        page_info = {"hasNextPage": start + size < count, "endCursor": str(start + size)}
        edges = [{"node": node, "cursor": "x"} for node in found]
        connection = {"nodes": found, "edges": edges, "pageInfo": page_info}
        return Response(json.dumps({"data": {"orders": connection}}).encode())

    api.respond("/graphql", answer)


def read(crm: Any, query: str = QUERY, **options: Any) -> list[Any]:
    options = {"records": "data.orders.nodes", **options}
    return [json.loads(it)["id"] for page in crm.graphql(query, **options) for it in page.records]


@pytest.mark.parametrize("records", ["data.orders.nodes", "data.orders.edges[].node"])
def test_a_connection_is_read_to_its_end(
    api: ScriptedApi, open_crm: Callable[..., Any], records: str
) -> None:
    serve_orders(api, 5)

    assert read(open_crm(), records=records, variables={"q": "x"}) == [0, 1, 2, 3, 4]
    sent = [json.loads(request.body) for request in api.requests]
    assert [it["variables"] for it in sent] == [
        {"q": "x"},
        {"q": "x", "after": "2"},
        {"q": "x", "after": "4"},
    ]
    assert {(request.method, request.path) for request in api.requests} == {("POST", "/graphql")}


def test_a_connection_may_have_other_names(api: ScriptedApi, open_crm: Callable[..., Any]) -> None:
    serve_orders(api, 3)
    paged = Connection(
        "data.orders.pageInfo",
        param=InBody("variables.after"),
        size=2,
        size_param=InBody("variables.page.size"),
    )

    assert read(open_crm(), paginator=paged) == [0, 1, 2]
    assert json.loads(api.requests[1].body)["variables"] == {"page": {"size": 2}, "after": "2"}


def test_errors_are_errors_also_with_data(api: ScriptedApi, open_crm: Callable[..., Any]) -> None:
    answer = {
        "data": {"orders": {"nodes": [{"id": 1}], "pageInfo": {"hasNextPage": False}}},
        "errors": [{"message": "no such field", "path": ["orders", 0, "x"], "extensions": {"code": "bad"}}],
    }
    api.respond("/graphql", json.dumps(answer).encode())

    with pytest.raises(UnexpectedResponse, match=r"no such field \(at orders\.0\.x\) \[BAD\]"):
        read(open_crm())


def test_a_query_that_costs_too_much_now_is_asked_again(
    api: ScriptedApi, open_crm: Callable[..., Any]
) -> None:
    serve_orders(api, 1)
    status = {"currentlyAvailable": 90, "restoreRate": 50}
    error = {
        "message": "Throttled",
        "extensions": {
            "code": "THROTTLED",
            "cost": {"requestedQueryCost": 100, "throttleStatus": status},
        },
    }
    api.fail("/graphql", Response(json.dumps({"errors": [error]}).encode()), request=1)

    begun = time.monotonic()
    assert read(open_crm()) == [0]
    assert time.monotonic() - begun >= 0.2

    api.fail("/graphql", Response(b'{"errors": [{"message": "slow down", "type": "RATE_LIMITED"}]}'))
    with pytest.raises(RateLimited, match="slow down"):
        read(open_crm())


def test_no_mutation_is_sent(api: ScriptedApi, open_crm: Callable[..., Any]) -> None:
    for document in (
        "mutation { delete(id: 1) { id } }",
        "query A { a { pageInfo { hasNextPage } } }\nmutation B { b }",
    ):
        with pytest.raises(MethodRefused, match="has a mutation"):
            read(open_crm(), document, paginator=SinglePage())
    assert api.requests == []


def test_a_query_must_tell_whether_there_is_a_next_page(
    api: ScriptedApi, open_crm: Callable[..., Any]
) -> None:
    crm = open_crm()
    with pytest.raises(DeclarationError, match="nothing tells whether there is a next page"):
        read(crm, "{ orders { nodes { id } } }")

    api.respond("/graphql", b'{"data": {"orders": {"nodes": [], "pageInfo": {"hasNextPage": true}}}}')
    with pytest.raises(UnexpectedResponse, match="no endCursor"):
        read(crm)
    api.respond("/graphql", b'{"data": {"orders": {"nodes": []}}}')
    with pytest.raises(UnexpectedResponse, match=r"'data\.orders\.pageInfo\.hasNextPage'"):
        read(crm)
