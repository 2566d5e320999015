"""An HttpSource reads every page and every record once, whatever way its API has of paging."""

import threading
from collections.abc import Callable
from datetime import UTC, date, datetime, timedelta
from decimal import Decimal
from enum import Enum
from typing import Any
from uuid import UUID

import pytest
from pydantic import SecretStr

from strandline.errors import DeclarationError
from strandline.source import (
    Cursor,
    LinkHeader,
    LinkInBody,
    LinkInHeader,
    Offset,
    PageNumber,
    Precision,
    TokenInBody,
    TokenInHeader,
)
from strandline.source.request import Paginator, as_json
from strandline.testing.dataset import Style
from strandline.testing.server import (
    ReceivedRequest,
    Response,
    ScriptedApi,
)

AT = datetime(2026, 3, 4, 5, 6, 7, tzinfo=UTC)


@pytest.mark.parametrize("count", [0, 1, 99, 100, 250])
@pytest.mark.parametrize(
    ("style", "paginator"),
    [
        ("page", PageNumber(size=100)),
        ("page", PageNumber(size=100, short_page_ends=True)),
        ("page", PageNumber(total_pages="total_pages")),
        ("page", PageNumber(has_more="has_more")),
        ("offset", Offset(limit=100)),
        ("offset", Offset(total="total")),
        ("offset", Offset(has_more="has_more")),
        ("token", TokenInBody()),
        ("link_body", LinkInBody()),
        ("link_header", LinkHeader()),
        ("token_header", TokenInHeader("Next-Page-Token")),
        ("url_header", LinkInHeader("Next-Page")),
    ],
    ids=str,
)
def test_every_paginator_reads_every_record_once(
    api: ScriptedApi,
    open_crm: Callable[..., Any],
    style: Style,
    paginator: Paginator,
    count: int,
    customers: Callable[[int], list[dict[str, str]]],
) -> None:
    api.serve("/customers", customers(count), style=style)

    assert open_crm(paginator=paginator).read_ids() == [f"C-{number}" for number in range(count)]


def test_a_page_knows_where_it_came_from(
    api: ScriptedApi, open_crm: Callable[..., Any], customers: Callable[[int], list[dict[str, str]]]
) -> None:
    api.serve("/customers", customers(150))
    before = datetime.now(UTC)

    first, second, _ = open_crm(paginator=PageNumber()).read(AT)

    assert (first.number, first.status, len(first.records)) == (1, 200, 100)
    assert second.request == f"GET {api.url}/customers?since=2026-03-04T05:06:07Z&page=2"
    assert before <= first.fetched_at <= second.fetched_at <= datetime.now(UTC)
    assert first.size > sum(map(len, first.records))


def test_records_keep_their_exact_bytes(api: ScriptedApi, open_crm: Callable[..., Any]) -> None:
    odd = [
        b'{"id": "a",   "n": 1.10}',
        b'{"id": "b", "id": "c"}',
        b'{"id": "\\ud800\\u0000"}',
        b'{"id": "\xff"}',
        b"NaN",
    ]
    api.serve("/customers", odd)

    assert open_crm().read()[0].records == odd


def test_parameters_go_as_text_and_none_is_left_out(api: ScriptedApi, open_crm: Callable[..., Any]) -> None:
    api.serve("/customers", [])
    crm = open_crm()

    list(
        crm.pages(
            "/customers?fixed=1",
            params={"a": None, "b": True, "c": 5, "d": date(2026, 1, 2), "e": "ä&b"},
            records="data",
        )
    )

    assert api.requests[0].query == {"fixed": "1", "b": "true", "c": "5", "d": "2026-01-02", "e": "ä&b"}


class Colour(Enum):
    """As many declare a choice."""

    RED = "red"


def test_a_choice_and_a_number_go_as_what_they_are(api: ScriptedApi, open_crm: Callable[..., Any]) -> None:
    api.respond("/search", b"[]")
    sent: dict[str, Any] = {"a": Colour.RED, "b": Decimal("1.10"), "c": UUID(int=7)}
    crm = open_crm()

    list(crm.pages("/search", params=sent, headers={"X-Colour": Colour.RED, "X-None": None}))
    assert api.requests[0].query == {"a": "red", "b": "1.10", "c": str(UUID(int=7))}
    assert api.requests[0].headers["x-colour"] == "red"
    asked = as_json({"a": Colour.RED, "b": [UUID(int=7), date(2026, 1, 2)], "c": None})
    assert asked == {"a": "red", "b": [str(UUID(int=7)), "2026-01-02"], "c": None}


@pytest.mark.parametrize(
    ("value", "kind", "hint"),
    [
        (["new", "paid"], "list", "status=new&status=paid"),
        (SecretStr("canary"), "SecretStr", "auth to send"),
        (b"new", "bytes", "None"),
    ],
)
def test_what_no_parameter_can_be_is_told(
    open_crm: Callable[..., Any], value: object, kind: str, hint: str
) -> None:
    """A secret would go as asterisks, and a list as Python writes one."""
    crm = open_crm()
    for given in ("params", "form", "headers"):
        with pytest.raises(DeclarationError, match=f"'status' is a {kind}, and a parameter is") as it:
            list(crm.pages("/search", **{given: {"status": value}}))
        assert hint in str(it.value.hint)


@pytest.mark.parametrize("value", [SecretStr("canary"), b"new", Decimal("1.10"), {"new"}])
def test_what_no_body_can_have_is_told_with_its_place(open_crm: Callable[..., Any], value: object) -> None:
    with pytest.raises(DeclarationError, match=r"'body\.where\.0' is a \w+, and a body has"):
        list(open_crm().pages("/search", body={"where": [value]}))


def test_since_reaches_the_source_and_filters(
    api: ScriptedApi, open_crm: Callable[..., Any], customers: Callable[[int], list[dict[str, str]]]
) -> None:
    api.serve("/customers", customers(10), since_field="updated_at")
    day = Cursor("updated_at", precision=Precision.DAY).since(AT + timedelta(days=8))

    assert open_crm().read_ids(AT + timedelta(days=8)) == ["C-8", "C-9"]
    assert open_crm().read_ids(day) == ["C-8", "C-9"]


def test_the_next_page_is_fetched_while_the_last_is_processed(
    api: ScriptedApi, open_crm: Callable[..., Any], customers: Callable[[int], list[dict[str, str]]]
) -> None:
    """The second request is there before anyone asks for the second page."""
    api.serve("/customers", customers(300))
    crm = open_crm(paginator=PageNumber())
    second_asked = threading.Event()

    def answer(request: ReceivedRequest) -> Response:
        if request.number == 2:
            second_asked.set()
        return Response(b'{"data": [%d]}' % request.number if request.number < 4 else b'{"data": []}')

    api.respond("/customers", answer)
    pages = crm.customers.read(crm)
    next(pages)

    assert second_asked.wait(5)
    pages.close()


def test_the_same_connection_serves_all_pages(
    api: ScriptedApi, open_crm: Callable[..., Any], customers: Callable[[int], list[dict[str, str]]]
) -> None:
    api.serve("/customers", customers(1000))

    open_crm(paginator=PageNumber()).read()

    assert len(api.requests) == 11
    assert api.connections == 1


def test_a_stream_may_chain_walks(api: ScriptedApi, open_crm: Callable[..., Any]) -> None:
    api.respond("/a", b"[1]")
    api.respond("/b", b"[2]")
    crm = open_crm()

    assert [page.records for page in crm.both.read(crm)] == [[b"1"], [b"2"]]
