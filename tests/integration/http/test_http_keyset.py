"""A Keyset asks for what lies behind the last record, loses nobody at an edge, and never asks for ever."""

import json
from collections.abc import Callable
from typing import Any

import pytest

from strandline.errors import DeclarationError, PaginationLoop, UnexpectedResponse
from strandline.source import InBody, Keyset
from strandline.testing.server import ReceivedRequest, Response, ScriptedApi

Pair = tuple[int, str]


def serve(
    api: ScriptedApi,
    records: list[Pair],
    *,
    cap: int = 100,
    asked: Callable[[Any], Any] = lambda it: it,
    path: str = "/customers",
) -> None:
    """By `since` alone from there on; with `after` too what lies behind the pair."""

    def answer(request: ReceivedRequest) -> Response:
        query = asked(json.loads(request.body) if request.body else request.query)
        since, after = int(query.get("since", -1)), query.get("after")
        found = [it for it in records if (it > (since, after) if after is not None else it[0] >= since)]
        page = found[: min(int(query.get("limit", cap)), cap)]
        body = {"data": [{"at": at, "id": key} for at, key in page], "more": len(page) < len(found)}
        return Response(json.dumps(body).encode())

    api.respond(path, answer)


def read(crm: Any) -> list[Pair]:
    return [(it["at"], it["id"]) for page in crm.read() for it in map(json.loads, page.records)]


def pairs(*instants: int) -> list[Pair]:
    return [(at, f"C-{number}") for number, at in enumerate(instants)]


BY_PAIR = Keyset(cursor="at", key="id", param="since", key_param="after", limit=2)
BY_CURSOR = Keyset(cursor="at", param="since", limit=3)


@pytest.mark.parametrize(
    "records",
    [pairs(), pairs(1), pairs(1, 2), pairs(1, 2, 2, 2, 2, 3), pairs(1, 1, 1, 1, 1)],
    ids=["none", "one", "two", "an edge", "one instant"],
)
def test_records_of_one_instant_are_read_over_the_edges_of_pages(
    api: ScriptedApi, open_crm: Callable[..., Any], records: list[Pair]
) -> None:
    serve(api, records)

    assert read(open_crm(paginator=BY_PAIR)) == records


@pytest.mark.parametrize(
    "records",
    [pairs(), pairs(1), pairs(1, 1), pairs(1, 2, 2, 3, 3, 4), pairs(1, 2, 3, 4, 5, 6, 7)],
    ids=["none", "one", "two", "edges", "seven"],
)
def test_a_cursor_alone_reads_each_record_once(
    api: ScriptedApi, open_crm: Callable[..., Any], records: list[Pair]
) -> None:
    serve(api, records)

    assert read(open_crm(paginator=BY_CURSOR)) == records


@pytest.mark.parametrize("cap", [3, 100])
def test_an_instant_that_fills_a_page_is_an_error(
    api: ScriptedApi, open_crm: Callable[..., Any], cap: int
) -> None:
    serve(api, pairs(1, 2, 3, 4, 5, 6, 6, 6, 6, 6), cap=cap)
    limit = 4 if cap == 100 else 100

    with pytest.raises(PaginationLoop, match="behind 6 comes a page full of it"):
        read(open_crm(paginator=Keyset(cursor="at", param="since", limit=limit)))


def test_the_last_page_may_say_that_it_is_the_last(api: ScriptedApi, open_crm: Callable[..., Any]) -> None:
    serve(api, pairs(1, 2, 3))
    paginator = Keyset(cursor="at", key="id", param="since", key_param="after", limit=2, has_more="more")

    assert read(open_crm(paginator=paginator)) == pairs(1, 2, 3)
    assert len(api.requests) == 2


@pytest.mark.parametrize("paginator", [BY_PAIR, BY_CURSOR], ids=["pair", "cursor"])
def test_a_filter_that_is_ignored_is_an_error(
    api: ScriptedApi, open_crm: Callable[..., Any], paginator: Keyset
) -> None:
    serve(api, pairs(1, 2), asked=lambda _: {})

    with pytest.raises(PaginationLoop):
        read(open_crm(paginator=paginator))


def test_a_record_without_a_cursor_cannot_be_gone_on_from(
    api: ScriptedApi, open_crm: Callable[..., Any]
) -> None:
    api.respond("/customers", b'{"data": [{"id": "C-1", "at": null}]}')

    with pytest.raises(UnexpectedResponse, match=r"no text or number at 'at'.*C-1"):
        read(open_crm(paginator=BY_PAIR))


def test_a_keyset_goes_into_a_body_too(api: ScriptedApi, open_crm: Callable[..., Any]) -> None:
    serve(api, pairs(1, 1, 2), asked=lambda sent: sent["q"], path="/search")
    paginator = Keyset(
        cursor="at",
        key="id",
        param=InBody("q.since"),
        key_param=InBody("q.after"),
        limit=2,
        limit_param=InBody("q.limit"),
    )
    crm = open_crm(search={"body": {"q": {}}, "records": "data", "paginator": paginator})

    found = [json.loads(it)["id"] for page in crm.searched.read(crm) for it in page.records]
    assert found == ["C-0", "C-1", "C-2"]


def test_a_keyset_that_cannot_work_is_refused() -> None:
    with pytest.raises(DeclarationError, match="go together"):
        Keyset(cursor="at", key="id", param="since")
    with pytest.raises(DeclarationError, match="full page"):
        Keyset(cursor="at", param="since")
