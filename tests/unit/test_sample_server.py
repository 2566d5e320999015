"""The sample CRM and shop over HTTP: complete pages, exact filters, and refusals in JSON."""

from __future__ import annotations

import io
import json
import subprocess
import sys
import threading
from collections.abc import Iterator
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from itertools import pairwise
from typing import Any

import httpx
import pytest

from strandline.errors import StrandlineError
from strandline.sample import SampleServer, SampleWorld, crm, serve, shop
from strandline.sample.reply import encode
from strandline.sample.server import ROUTES

Fields = dict[str, Any]


@pytest.fixture
def server() -> Iterator[SampleServer]:
    """A small world of its own for each test, so that a test may let days go by."""
    with SampleServer(SampleWorld(customers=300, products=120, orders=700)) as server:
        yield server


@pytest.fixture
def client(server: SampleServer) -> Iterator[httpx.Client]:
    """A client with both credentials."""
    headers = {"X-API-Key": server.crm_key, "Authorization": f"Bearer {server.shop_token}"}
    with httpx.Client(base_url=server.url, headers=headers, trust_env=False) as client:
        yield client


def customers(client: httpx.Client, *, limit: int = 100, since: str | None = None) -> list[Fields]:
    """All customers, read as the CRM wants it."""
    found: list[Fields] = []
    while True:
        params = httpx.QueryParams({"limit": limit, "offset": len(found)})
        answer = client.get("/crm/customers", params=params.set("modifiedSince", since) if since else params)
        content = answer.raise_for_status().json()
        found += content["items"]
        assert content["count"] == len(content["items"])
        if not content["hasMore"]:
            assert content["totalResults"] == len(found)
            return found


def orders(client: httpx.Client, *, limit: int = 100, since: str | None = None) -> Iterator[list[Fields]]:
    """All pages of orders, along the Link header."""
    params: dict[str, str | int] = {"limit": limit, **({"updated_since": since} if since else {})}
    answer = client.get("/shop/orders", params=params).raise_for_status()
    yield answer.json()["orders"]
    while "next" in answer.links:
        answer = client.get(answer.links["next"]["url"]).raise_for_status()
        yield answer.json()["orders"]


def products(client: httpx.Client, *, limit: int = 100, since: str | None = None) -> list[Fields]:
    """All products, along the token in the body."""
    params: dict[str, str | int] = {"limit": limit, **({"updated_since": since} if since else {})}
    found: list[Fields] = []
    while True:
        content = client.get("/shop/products", params=params).raise_for_status().json()
        found += content["products"]
        if content["nextToken"] is None:
            return found
        params["page_token"] = content["nextToken"]


def as_sent(record: Fields) -> Fields:
    """The record as it is after a journey through JSON."""
    return dict(json.loads(encode(record)))


@pytest.mark.parametrize("limit", [1, 7, 100, 150, 1000])
def test_the_pages_of_customers_are_complete_whatever_their_size(
    server: SampleServer, client: httpx.Client, limit: int
) -> None:
    assert customers(client, limit=limit) == [as_sent(crm.record(e)) for e in server.world.today.customers]


@pytest.mark.parametrize("limit", [1, 7, 100, 350, 1000])
def test_the_pages_of_orders_are_complete_whatever_their_size(
    server: SampleServer, client: httpx.Client, limit: int
) -> None:
    found = [each for page in orders(client, limit=limit) for each in page]

    assert found == [as_sent(shop.order_record(each)) for each in server.world.today.orders]


@pytest.mark.parametrize("limit", [1, 7, 60, 120, 1000])
def test_the_pages_of_products_are_complete_whatever_their_size(
    server: SampleServer, client: httpx.Client, limit: int
) -> None:
    assert products(client, limit=limit) == [
        as_sent(shop.product_record(e)) for e in server.world.today.products
    ]


def test_every_page_of_orders_but_the_last_is_full(client: httpx.Client) -> None:
    """The next link carries the limit on."""
    assert [len(page) for page in orders(client, limit=300)] == [300, 300, 100]


def test_orders_come_in_the_order_of_their_change(client: httpx.Client) -> None:
    moments = [each["updatedAt"] for page in orders(client, limit=50) for each in page]

    assert all(one <= other for one, other in pairwise(moments))


def test_modified_since_includes_the_whole_of_its_date(server: SampleServer, client: httpx.Client) -> None:
    server.advance()
    midnight = datetime(2026, 6, 30, tzinfo=UTC)
    expected = [as_sent(crm.record(e)) for e in server.world.today.customers if e.last_modified >= midnight]

    assert customers(client, since="2026-06-30", limit=4) == expected
    assert 4 < len(expected) < 40


def test_modified_since_includes_midnight_itself(server: SampleServer) -> None:
    day = server.world.today
    midnight = datetime(2026, 7, 1, tzinfo=UTC)
    customer, second = day.customers[0], timedelta(seconds=1)
    moved = [replace(customer, last_modified=moment) for moment in (midnight - second, midnight)]
    reply = crm.customers(replace(day, customers=tuple(moved)), "modifiedSince=2026-07-01")

    assert [each["lastModified"] for each in json.loads(reply.body)["items"]] == ["2026-07-01T00:00:00Z"]


def test_updated_since_is_exact_to_the_microsecond_and_inclusive(
    server: SampleServer, client: httpx.Client
) -> None:
    edge = server.world.today.orders[400].updated_at
    for shift in (-1, 0, 1):
        since = edge + timedelta(microseconds=shift)
        found = [e for page in orders(client, since=since.isoformat(), limit=33) for e in page]
        expected = [shop.order_record(e) for e in server.world.today.orders if e.updated_at >= since]
        assert found == [as_sent(each) for each in expected]


def test_products_are_filtered_exactly_too(server: SampleServer, client: httpx.Client) -> None:
    since = sorted(each.updated_at for each in server.world.today.products)[90]
    found = products(client, since=since.isoformat(), limit=7)

    assert len(found) == 30
    assert min(each["updatedAt"] for each in found) == since.strftime("%Y-%m-%dT%H:%M:%S.%fZ")


def test_a_filter_in_another_zone_means_the_same_instant(client: httpx.Client) -> None:
    utc = list(orders(client, since="2026-06-01T00:00:00Z"))

    assert list(orders(client, since="2026-06-01T02:00:00+02:00")) == utc


def test_a_filter_beyond_everything_gives_an_empty_last_page(client: httpx.Client) -> None:
    assert customers(client, since="2030-01-01") == []
    assert list(orders(client, since="2030-01-01T00:00:00Z")) == [[]]
    assert products(client, since="2030-01-01T00:00:00Z") == []


def test_no_order_is_missed_when_a_day_goes_by_between_two_pages(
    server: SampleServer, client: httpx.Client
) -> None:
    pages = orders(client, limit=100)
    found = {each.get("orderId"): each for each in next(pages)}
    server.advance()
    found |= {each.get("orderId"): each for page in pages for each in page}

    expected = [as_sent(shop.order_record(each)) for each in server.world.today.orders]
    assert found == {each.get("orderId"): each for each in expected}


def test_a_second_reading_since_the_highest_mark_sees_all_changes(
    server: SampleServer, client: httpx.Client
) -> None:
    mark = max(each["updatedAt"] for page in orders(client) for each in page)
    changes = server.advance()
    seen = {each["orderId"] for page in orders(client, since=mark) for each in page}

    assert seen >= {*changes.orders_moved, *changes.orders_added}
    assert len(seen) <= len(changes.orders_moved) + len(changes.orders_added) + 1


def test_broken_records_are_broken_as_they_say(client: httpx.Client) -> None:
    broken_customers = customers(client)
    broken_orders = [each for page in orders(client) for each in page]

    assert sum(not each["lastModified"].endswith("Z") for each in broken_customers) == 1
    assert sum(each["creditLimit"] == "n/a" for each in broken_customers) == 1
    assert sum("companyName" not in each for each in broken_customers) == 1
    assert sum(each["isActive"] not in ("T", "F") for each in broken_customers) == 1
    assert sum(each["internalId"] == "" for each in broken_customers) == 1
    assert sum(each["createdAt"].startswith("0000") for each in broken_customers) == 1
    assert sum(isinstance(each["billingAddress"], str) for each in broken_customers) == 1
    assert sum("," in each["totalAmount"] for each in broken_orders) == 1
    assert sum(not each["placedAt"].endswith("Z") for each in broken_orders) == 1
    assert sum(each["product"] is None for each in broken_orders) == 1
    assert sum("orderId" not in each for each in broken_orders) == 1
    assert sum(isinstance(each["quantity"], str) for each in broken_orders) == 1


@pytest.mark.parametrize("path", ROUTES)
@pytest.mark.parametrize("headers", [{}, {"X-API-Key": "wrong", "Authorization": "Bearer wrong"}])
def test_a_missing_or_wrong_credential_is_refused_in_json(
    server: SampleServer, path: str, headers: dict[str, str]
) -> None:
    answer = httpx.get(server.url + path, headers=headers, trust_env=False)

    assert answer.status_code == 401
    assert answer.json()["error"]["code"] == "unauthorized"
    assert "wrong" not in answer.text
    assert answer.headers["WWW-Authenticate"]


def test_an_unknown_route_is_refused_in_json(client: httpx.Client) -> None:
    answer = client.get("/crm/invoices")

    assert answer.status_code == 404
    assert "/crm/invoices; there is /crm/customers" in answer.json()["error"]["message"]


@pytest.mark.parametrize(
    ("path", "told"),
    [
        ("/crm/customers?modifiedSince=2026-06-30T12:00:00Z", "without a time"),
        ("/crm/customers?modifiedSince=2026-13-01", "must be a date"),
        ("/crm/customers?modifiedsince=2026-06-30", "'modifiedsince' is unknown; there are modifiedSince"),
        ("/crm/customers?limit=1001", "from 1 to 1000, got '1001'"),
        ("/crm/customers?limit=0", "from 1 to 1000, got '0'"),
        ("/crm/customers?offset=-1", "got '-1'"),
        ("/crm/customers?offset=1&offset=2", "given 2 times"),
        ("/shop/orders?updated_since=2026-06-30T12:00:00", "with its zone"),
        ("/shop/orders?updated_since=yesterday", "with its zone"),
        ("/shop/orders?after=nonsense", "'after'"),
        ("/shop/products?page_token=%21", "not a token that this API gave"),
        ("/shop/products?page_token=%C3%A9", "not a token that this API gave"),
    ],
)
def test_a_wrong_parameter_is_refused_with_what_would_be_right(
    client: httpx.Client, path: str, told: str
) -> None:
    answer = client.get(path)

    assert answer.status_code == 400
    assert told in answer.json()["error"]["message"]


@pytest.mark.parametrize("method", ["POST", "PUT", "PATCH", "DELETE"])
def test_whatever_writes_is_refused(client: httpx.Client, method: str) -> None:
    answer = client.request(method, "/crm/customers", json={"internalId": "C-1"})

    assert answer.status_code == 405
    assert answer.headers["Allow"] == "GET, HEAD"
    assert client.get("/crm/customers").status_code == 200


def test_head_tells_the_size_and_sends_nothing(client: httpx.Client) -> None:
    answer = client.head("/shop/products")

    assert answer.content == b""
    assert int(answer.headers["Content-Length"]) == len(client.get("/shop/products").content)


def test_each_reply_waits_for_the_latency() -> None:
    world = SampleWorld(customers=100, products=100, orders=100)
    with SampleServer(world, latency=timedelta(milliseconds=50)) as server:
        answer = httpx.get(f"{server.url}/nowhere", trust_env=False)

    assert answer.elapsed >= timedelta(milliseconds=50)


def test_closing_ends_every_thread_and_does_not_wait_for_a_client_that_keeps_its_connection() -> None:
    threads = threading.active_count()
    server = SampleServer(SampleWorld(customers=100, products=100, orders=100))
    with httpx.Client(trust_env=False) as client:
        with server:
            assert client.get(f"{server.url}/nowhere").status_code == 404

        assert threading.active_count() == threads
        with pytest.raises(httpx.TransportError):
            client.get(f"{server.url}/nowhere")


def test_a_port_that_is_taken_is_told_with_what_to_do(server: SampleServer) -> None:
    port = int(server.url.rpartition(":")[2])
    with pytest.raises(StrandlineError, match=f"port {port} on 127.0.0.1 cannot be used") as caught:
        SampleServer(server.world, port=port)

    assert caught.value.hint == "Give another port, or 0 for any that is free."


def test_serve_tells_the_addresses_and_lets_a_day_go_by_with_each_enter() -> None:
    world = SampleWorld(customers=100, products=100, orders=100)
    server, out = SampleServer(world), io.StringIO()

    serve(server, keys=one_enter_then_ctrl_c(), out=out)

    assert f"{server.crm_url}/customers" in out.getvalue()
    assert server.crm_key in out.getvalue()
    assert server.shop_token in out.getvalue()
    assert "It is 2026-07-01: 3 customers changed, 1 are new" in out.getvalue()
    assert world.today.number == 2


def one_enter_then_ctrl_c() -> Iterator[str]:
    """What a terminal gives."""
    yield "\n"
    raise KeyboardInterrupt


def test_the_module_runs_as_a_command_and_goes_on_without_a_terminal() -> None:
    command = [
        sys.executable,
        "-m",
        "strandline.sample",
        "--port",
        "0",
        "--customers",
        "100",
        "--orders",
        "100",
    ]
    with subprocess.Popen(command, stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, text=True) as process:
        try:
            assert process.stdout is not None
            url = process.stdout.readline().split()[1]
            answer = httpx.get(url, headers={"X-API-Key": SampleServer.crm_key}, trust_env=False)
            assert answer.json()["totalResults"] == 100
        finally:
            process.terminate()


def test_the_command_tells_a_wrong_size_without_a_traceback() -> None:
    command = [sys.executable, "-m", "strandline.sample", "--customers", "1"]
    done = subprocess.run(command, capture_output=True, text=True, check=False)

    assert done.returncode == 2
    assert done.stderr == (
        "error: SampleWorld: customers=1 is too small for every kind of record to be there\n"
        "  hint: Give customers=100 or more.\n"
    )
