"""A page size that is a range: less where that was too much, and more again, and no record lost over it."""

import json
from collections.abc import Callable
from typing import Any

import pytest

from strandline.errors import DeclarationError, SourceUnavailable, UnexpectedResponse
from strandline.source import Adaptive, Connection, InBody, Keyset, Offset, Settled
from strandline.testing.server import Hang, ReceivedRequest, Response, ScriptedApi, Status


def serve(api: ScriptedApi, count: int, *, most: int, refusal: int = 413) -> None:
    """Whoever asks for more than `most` is refused, 413 unless told."""

    def answer(request: ReceivedRequest) -> Response:
        limit = int(request.query["limit"])
        if limit > most:
            return Response(b"too much", status=refusal)
        start = int(request.query.get("offset", int(request.query.get("since", -1)) + 1))
        found = [{"id": number} for number in range(start, min(start + limit, count))]
        return Response(json.dumps({"data": found}).encode())

    api.respond("/customers", answer)


def limits(api: ScriptedApi) -> list[int]:
    return [int(request.query["limit"]) for request in api.requests]


@pytest.mark.parametrize("refusal", [413, 504])
@pytest.mark.parametrize(
    "paginator",
    [
        Offset(limit=Adaptive(10, 80)),
        Keyset(cursor="id", key="id", param="since", key_param="after", limit=Adaptive(10, 80)),
        Settled(Offset(limit=Adaptive(10, 80)), key="id"),
    ],
    ids=["offset", "keyset", "settled"],
)
def test_too_much_is_asked_for_in_smaller_pages(
    api: ScriptedApi, open_crm: Callable[..., Any], paginator: Any, refusal: int
) -> None:
    serve(api, 100, most=30, refusal=refusal)

    assert open_crm(paginator=paginator).read_ids() == list(range(100))
    assert limits(api)[:4] == [80, 40, 20, 20]


def test_no_answer_in_time_is_too_much(api: ScriptedApi, open_crm: Callable[..., Any]) -> None:
    serve(api, 10, most=100)
    api.fail("/customers", Hang(), request=1)

    assert open_crm(paginator=Offset(limit=Adaptive(10, 20)), timeout=0.2).read_ids() == list(range(10))
    assert limits(api)[:2] == [20, 10]


def test_an_answer_of_many_bytes_is_kept_and_the_next_is_smaller(
    api: ScriptedApi, open_crm: Callable[..., Any]
) -> None:
    serve(api, 60, most=100)

    paginator = Offset(limit=Adaptive(10, 40, most_bytes=300))
    assert open_crm(paginator=paginator).read_ids() == list(range(60))
    assert limits(api)[:2] == [40, 20]


def test_after_some_good_pages_more_is_asked_for_again(
    api: ScriptedApi, open_crm: Callable[..., Any]
) -> None:
    serve(api, 400, most=100)
    api.fail("/customers", Status(413), request=[1, 2, 3])

    assert open_crm(paginator=Offset(limit=Adaptive(5, 80))).read_ids() == list(range(400))
    # 20 was too much not long ago.
    assert limits(api)[:9] == [80, 40, 20, 10, 10, 10, 10, 10, 19]


def test_at_the_lowest_size_an_answer_is_what_it_is(api: ScriptedApi, open_crm: Callable[..., Any]) -> None:
    serve(api, 100, most=5)
    crm = open_crm(paginator=Offset(limit=Adaptive(10, 80)))

    with pytest.raises(UnexpectedResponse, match="413"):
        crm.read()
    serve(api, 100, most=5, refusal=504)
    with pytest.raises(SourceUnavailable, match="504"):
        crm.read()


def test_a_query_in_graphql_may_cost_too_much(api: ScriptedApi, open_crm: Callable[..., Any]) -> None:
    def answer(request: ReceivedRequest) -> Response:
        asked = json.loads(request.body)["variables"]
        start, size = int(asked.get("after", 0)), asked["count"]
        nodes = [{"id": number} for number in range(start, min(start + size, 9))]
        page_info = {"hasNextPage": start + size < 9, "endCursor": str(start + size)}
        body = {"data": {"nodes": nodes, "pageInfo": page_info}}
        return Response(json.dumps(body).encode(), status=413 if size > 4 else 200)

    api.respond("/graphql", answer)
    paginator = Connection("data.pageInfo", size=Adaptive(1, 8), size_param=InBody("variables.count"))

    pages = open_crm().graphql("{ x }", records="data.nodes", paginator=paginator)
    assert [json.loads(it)["id"] for page in pages for it in page.records] == list(range(9))


def test_a_range_that_is_none_is_refused() -> None:
    for lowest, highest in ((0, 10), (20, 10)):
        with pytest.raises(DeclarationError, match="no range"):
            Adaptive(lowest, highest)
    with pytest.raises(DeclarationError, match="overlap"):
        Offset(limit=Adaptive(10, 20), overlap=5)
