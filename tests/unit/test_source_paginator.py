"""Each paginator asks for the right next page, and ends by its own rule."""

from collections.abc import Mapping
from typing import Any

import pytest

from strandline.errors import PaginationLoop, UnexpectedResponse
from strandline.source import (
    LinkHeader,
    LinkInBody,
    LinkInHeader,
    Offset,
    PageNumber,
    SinglePage,
    TokenInBody,
    TokenInHeader,
)
from strandline.source.guard import Guard, Seen
from strandline.source.page import Path
from strandline.source.request import Answer, Paginator, Request

FIRST = Request("GET", "/orders", {"since": "2026"})
URL = "https://api.example/v1/orders?since=2026"


def answer(count: int = 2, headers: Mapping[str, str] | None = None, **found: Any) -> Answer:
    there: dict[Path, Any] = {path: value for path, value in found.items()}  # noqa: C416  # widens the key
    return Answer("shop.orders", URL, headers or {}, count, there)


def walk(paginator: Paginator, *answers: Answer) -> list[Request]:
    """The requests that the paginator makes when these are the answers; the walk must end with the last
    of them.
    """
    steps = paginator.walk(FIRST)
    requests = [next(steps), *(steps.send(received) for received in answers[:-1])]
    with pytest.raises(StopIteration):
        steps.send(answers[-1])
    return requests


def params(requests: list[Request], name: str) -> list[str | None]:
    return [request.params.get(name) for request in requests]


def test_a_single_page_is_asked_for_once() -> None:
    assert walk(SinglePage(), answer()) == [FIRST]


def test_page_numbers_end_at_an_empty_page() -> None:
    """Not at a short one: the source may cap the page's size."""
    requests = walk(PageNumber(size=5), answer(5), answer(3), answer(0))

    assert params(requests, "page") == ["1", "2", "3"]
    assert params(requests, "page_size") == ["5"] * 3
    assert params(requests, "since") == ["2026"] * 3


def test_page_numbers_end_at_a_short_page_where_that_is_declared() -> None:
    paginator = PageNumber(size=5, short_page_ends=True, param="p", size_param="n", start=0)

    assert params(walk(paginator, answer(5), answer(4)), "p") == ["0", "1"]


@pytest.mark.parametrize("total", [2, "2"], ids=repr)
def test_page_numbers_end_at_the_total_number_of_pages(total: Any) -> None:
    requests = walk(PageNumber(total_pages="total"), answer(total=total), answer(total=total))

    assert params(requests, "page") == ["1", "2"]


def test_page_numbers_end_when_there_is_no_more() -> None:
    """Also after an empty page in the middle, which filters on the server can make."""
    requests = walk(PageNumber(has_more="more"), answer(0, more=True), answer(more=False))

    assert params(requests, "page") == ["1", "2"]


def test_offsets_grow_by_what_came() -> None:
    requests = walk(Offset(limit=1000), answer(100), answer(40), answer(0))

    assert params(requests, "offset") == ["0", "100", "140"]
    assert params(requests, "limit") == ["1000"] * 3


@pytest.mark.parametrize(
    "paginator", [Offset(total="n"), Offset(has_more="more"), Offset(limit=2, short_page_ends=True)], ids=repr
)
def test_offsets_end_by_total_or_has_more_or_a_short_page(paginator: Paginator) -> None:
    requests = walk(paginator, answer(2, n=3, more=True), answer(1, n=3, more=False))

    assert params(requests, "offset") == ["0", "2"]


@pytest.mark.parametrize(
    "end", [{}, {"next_token": None}, {"next_token": ""}, {"next_token": False}], ids=repr
)
def test_tokens_in_the_body_are_sent_back_until_there_is_none(end: dict[str, Any]) -> None:
    requests = walk(TokenInBody(), answer(next_token="a b"), answer(0, next_token=7), answer(**end))

    assert params(requests, "page_token") == [None, "a b", "7"]
    assert params(requests, "since") == ["2026"] * 3


@pytest.mark.parametrize("end", [{}, {"next": None}, {"next": ""}], ids=repr)
def test_links_in_the_body_are_followed_until_there_is_none(end: dict[str, Any]) -> None:
    requests = walk(LinkInBody(), answer(next="?after=2"), answer(next="/v2/x"), answer(**end))

    assert [request.url for request in requests[1:]] == [
        "https://api.example/v1/orders?after=2",
        "https://api.example/v2/x",
    ]
    assert params(requests[1:], "since") == [None, None]


def test_links_in_the_header_are_followed_until_there_is_none() -> None:
    there = {"link": '<https://api.example/?p=0>; rel="prev", <https://api.example/?p=2>; rel="next"'}
    requests = walk(LinkHeader(), answer(headers=there), answer(headers={"link": '</?p=1>; rel="prev"'}))

    assert requests[1].url == "https://api.example/?p=2"


def test_tokens_in_a_header_are_sent_back_until_there_is_none() -> None:
    paginator = TokenInHeader("x-next", param="cursor")

    assert params(walk(paginator, answer(headers={"x-next": "t"}), answer()), "cursor") == [None, "t"]


def test_bare_links_in_a_header_are_followed_until_there_is_none() -> None:
    requests = walk(
        LinkInHeader("next-page"), answer(headers={"next-page": "https://api.example/k"}), answer()
    )

    assert requests[1].url == "https://api.example/k"


@pytest.mark.parametrize("paginator", [PageNumber(has_more="more"), Offset(total="more")], ids=repr)
def test_an_end_that_is_declared_but_not_there_is_no_end(paginator: Paginator) -> None:
    """Ending quietly would lose the rest."""
    steps = paginator.walk(FIRST)
    next(steps)

    with pytest.raises(UnexpectedResponse, match=r"shop.orders: the paginator expects 'more'"):
        steps.send(answer())


def test_a_total_that_is_too_low_ends_no_walk_at_a_full_page() -> None:
    paginator = Offset(total="n", limit=2)
    requests = walk(paginator, answer(count=2, n=2), answer(count=2, n=2), answer(count=1, n=2))

    assert [it.params["offset"] for it in requests] == ["0", "2", "4"]


def test_a_total_that_is_not_reached_is_unexpected() -> None:
    steps = Offset(total="n").walk(FIRST)
    next(steps)
    steps.send(answer(count=2, n=5))

    with pytest.raises(UnexpectedResponse, match=r"'n' says that there are 5, and behind 2 comes nothing"):
        steps.send(answer(count=0, n=5))


def test_a_total_that_is_no_number_is_unexpected() -> None:
    steps = Offset(total="n").walk(FIRST)
    next(steps)

    with pytest.raises(UnexpectedResponse, match="expects a number at 'n', not 'many'"):
        steps.send(answer(n="many"))


def test_a_link_that_is_no_url_is_unexpected() -> None:
    steps = LinkInBody().walk(FIRST)
    next(steps)

    with pytest.raises(UnexpectedResponse, match=r"shop.orders: the link to the next page is no URL"):
        steps.send(answer(next="http://[::x"))


def test_the_same_request_twice_is_a_loop() -> None:
    guard = Guard(str)
    guard.check_request(FIRST.adding({"page_token": "a"}, token="a"), where="shop.orders", number=2)

    with pytest.raises(PaginationLoop, match=r"shop.orders: page 9 \(token 'a'\) is asked for"):
        guard.check_request(FIRST.adding({"page_token": "a"}, token="a"), where="shop.orders", number=9)


def test_the_same_records_twice_are_a_loop_wherever_they_come() -> None:
    guard = Guard(str)
    for number, records in enumerate([[b"1", b"2"], [b"3"], [], []], start=1):
        guard.check_page(Seen(records), where="shop.orders", number=number, request=FIRST)

    with pytest.raises(PaginationLoop, match="has the same 2 records as page 1"):
        guard.check_page(Seen([b"1", b"2"]), where="shop.orders", number=5, request=FIRST)
