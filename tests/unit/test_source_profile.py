"""What a sample tells: where its records are, their key, their cursor, how they are paged, how sure it is."""

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import pytest

from strandline.errors import (
    CredentialsRejected,
    DeclarationError,
    RateLimited,
    SourceError,
    SourceUnavailable,
    UnexpectedResponse,
)
from strandline.source.profile import profile, sample
from strandline.source.profile.profile import Profile
from strandline.source.profile.sample import Received

SAMPLES = Path(__file__).parents[1] / "samples"


def look(body: Any, **received: Any) -> Profile:
    content = body if isinstance(body, bytes) else json.dumps(body).encode()
    return profile.of_sample(sample.decode(Received(content, "there", **received), limit=1000), limit=1000)


def look_at(name: str) -> Profile:
    return profile.of_sample(sample.decode(sample.read_file(SAMPLES / name), limit=1000), limit=1000)


def told(found: Any) -> tuple[str, str] | None:
    return None if found is None else (found.what, found.sure)


@pytest.mark.parametrize(
    ("name", "records", "key", "cursor"),
    [
        ("articles_json_api.json", "data", ("id", "sure"), ("attributes.updated-at", "likely")),
        ("base_records.json", "records", ("id", "sure"), ("createdTime", "unsure")),
        ("charges.json", "data", ("id", "sure"), ("created", "unsure")),
        ("erp_customers.json", "items", ("internalId", "sure"), ("lastModifiedDate", "likely")),
        ("exchange_rates.json", "rates.*", ("code", "likely"), ("at", "unsure")),
        ("items_odata.json", "value", ("id", "sure"), ("lastModifiedDateTime", "sure")),
        ("orders_relay.json", "data.orders.edges[].node", ("id", "sure"), ("updatedAt", "sure")),
        ("parcels.json", "results", ("parcel_id", "sure"), ("modified", "sure")),
        ("products.json", "products", ("id", "sure"), ("updated_at", "sure")),
        ("repository_issues.json", "the body itself", ("id", "sure"), ("updated_at", "sure")),
        ("sensor_events.ndjson", None, ("event_id", "likely"), ("at", "unsure")),
        ("stock_export.csv", None, ("Item No", "likely"), ("Last changed", "likely")),
        ("stock_levels.json", "data", ("sku, warehouse_code", "unsure"), ("updated_at", "likely")),
        ("tickets.json", "issues", ("id", "sure"), ("fields.updated", "likely")),
    ],
)
def test_records_key_and_cursor_are_found_or_unsure(
    name: str, records: str | None, key: tuple[str, str], cursor: tuple[str, str]
) -> None:
    found = look_at(name)

    assert (found.place.finding.what if found.place else None) == records
    assert (told(found.key), told(found.cursor)) == (key, cursor)


ROW = {"id": 1, "name": "x"}


@pytest.mark.parametrize(
    ("body", "received", "paginator", "sure"),
    [
        ({"data": [ROW], "next": "https://x.example/?page=2"}, {}, 'LinkInBody("next")', "sure"),
        ({"data": [ROW], "links": {"next": {"href": "/a?p=2"}}}, {}, 'LinkInBody("links.next.href")', "sure"),
        ({"data": [ROW], "count": 1, "next": None}, {}, 'LinkInBody("next")', "likely"),
        ({"value": [ROW], "@odata.nextLink": "https://x"}, {}, 'LinkInBody(("@odata.nextLink",))', "sure"),
        (
            {"data": [ROW], "next_page": {"offset": "e", "uri": "https://x"}},
            {},
            'LinkInBody("next_page.uri")',
            "sure",
        ),
        ([ROW], {"headers": {"link": '<https://x>; rel="next"'}}, "LinkHeader()", "sure"),
        ([ROW], {"headers": {"link": '<https://x>; rel="first"'}}, "LinkHeader()", "likely"),
        ([ROW], {"headers": {"next-page": "https://x"}}, 'LinkInHeader("next-page")', "sure"),
        ([ROW], {"headers": {"x-next-page": "2"}}, 'TokenInHeader("x-next-page", param="page")', "likely"),
        (
            {"items": [ROW], "nextPageToken": "ab"},
            {},
            'TokenInBody("nextPageToken", param="pageToken")',
            "likely",
        ),
        (
            {"items": [ROW], "meta": {"next_cursor": "ab"}},
            {"params": {"cursor": "aa"}},
            'TokenInBody("meta.next_cursor", param="cursor")',
            "sure",
        ),
        ({"page": 1, "total_pages": 3, "data": [ROW]}, {}, 'PageNumber(total_pages="total_pages")', "likely"),
        (
            {"total_pages": 3, "data": [ROW]},
            {"params": {"p": "x", "page": "0", "per_page": "50"}},
            'PageNumber(start=0, size=50, size_param="per_page", total_pages="total_pages")',
            "sure",
        ),
        (
            {"startAt": 0, "maxResults": 50, "total": 70, "issues": [ROW]},
            {},
            'Offset(limit=50, limit_param="maxResults", param="startAt", total="total")',
            "likely",
        ),
        (
            {"data": [ROW], "has_more": True},
            {"params": {"offset": "0"}},
            'Offset(has_more="has_more")',
            "sure",
        ),
        (
            {"data": [ROW], "has_more": True},
            {},
            'Keyset(cursor="id", param="starting_after", limit=1, has_more="has_more")',
            "unsure",
        ),
        ([ROW], {}, "SinglePage()", "likely"),
        ([{"id": number} for number in range(100)], {}, "SinglePage()", "unsure"),
    ],
)
def test_the_paginator_that_fits_is_found(
    body: Any, received: Mapping[str, Any], paginator: str, sure: str
) -> None:
    found = look(body, **received)

    assert found.paging is not None
    assert (found.paging.finding.what, found.paging.finding.sure) == (paginator, sure)


@pytest.mark.parametrize(
    ("body", "received", "error", "message"),
    [
        (b"<!doctype html><title>Sign in</title>", {}, UnexpectedResponse, "a web page, not JSON: 'Sign in'"),
        (b"<?xml version='1.0'?><a/>", {}, UnexpectedResponse, "it is XML"),
        (b"", {}, UnexpectedResponse, "it is empty"),
        (b"hello", {}, UnexpectedResponse, "neither JSON nor CSV"),
        (b'{"data": [{"id": 1}', {}, UnexpectedResponse, "neither JSON nor CSV"),
        ([], {}, UnexpectedResponse, "it is an empty list"),
        ({"data": [], "total": 0}, {}, UnexpectedResponse, "data is an empty list"),
        ({}, {}, UnexpectedResponse, "no objects in it"),
        ([1, 2], {}, UnexpectedResponse, "no objects in it"),
        (7, {}, UnexpectedResponse, "neither JSON nor CSV"),
        ({"error": {"code": 7, "message": "no"}}, {}, UnexpectedResponse, "it tells of an error"),
        ({"errors": [{"title": "Forbidden"}]}, {}, UnexpectedResponse, "it tells of an error"),
        ({"message": "Not Found", "status": "404"}, {}, UnexpectedResponse, "message: 'Not Found'"),
        ({"a": 1}, {"status": 401}, CredentialsRejected, "answered 401"),
        ({"a": 1}, {"status": 404}, UnexpectedResponse, "answered 404"),
        ({"a": 1}, {"status": 429}, RateLimited, "answered 429"),
        (b"<html>", {"status": 502}, SourceUnavailable, "answered 502"),
        (b"a;b\n", {"name": "x.csv"}, UnexpectedResponse, "a header and no row"),
        (b'{"a": 1}\n{"a": ', {"name": "x.ndjson"}, UnexpectedResponse, "line 2 is no JSON"),
    ],
)
def test_what_is_no_sample_is_told(
    body: Any, received: Mapping[str, Any], error: type[SourceError], message: str
) -> None:
    with pytest.raises(error) as raised:
        look(body, **received)

    assert message in raised.value.message


def test_a_record_with_a_message_is_no_error() -> None:
    assert look({"id": 7, "message": "hello", "author": "me"}).place is not None
    assert look({"error": None, "data": [ROW]}).key is not None


def test_a_file_that_is_not_there_is_told_with_what_is(tmp_path: Path) -> None:
    (tmp_path / "orders.json").write_text("[]")
    with pytest.raises(DeclarationError, match="no such file") as raised:
        sample.read_file(tmp_path / "order.json")

    assert raised.value.hint == f"Did you mean {tmp_path / 'orders.json'}?"
    with pytest.raises(DeclarationError, match="is a folder"):
        sample.read_file(tmp_path)


def test_fields_have_types_fill_rates_and_no_personal_examples() -> None:
    fields = {it["path"]: it for it in look_at("erp_customers.json").as_dict()["fields"]}

    assert {path: it["type"] for path, it in fields.items()} == {
        "internalId": "integer as text",
        "entityId": "text",
        "companyName": "text",
        "isInactive": "boolean as text",
        "email": "mail address",
        "creditLimit": "number",
        "currency": "object",
        "currency.id": "integer as text",
        "currency.name": "text",
        "terms": "nothing",
        "lastModifiedDate": "timestamp without zone",
        "dateCreated": "date",
        "category": "text",
        "from": "text",
        "2ndPhone": "nothing",
    }
    assert (fields["creditLimit"]["fill_rate"], fields["creditLimit"]["max"]) == (0.75, 2500.75)
    assert (fields["category"]["distinct"], fields["category"]["examples"]) == (2, ["gold", "silver"])
    assert fields["email"]["is_personal"]
    assert not fields["email"]["examples"]
    assert (fields["currency.id"]["filled"], fields["currency.id"]["fill_rate"]) == (4, 1.0)


def test_exact_numbers_and_truth_values_are_not_taken_for_each_other() -> None:
    found = look([{"id": 1, "a": 1, "b": True}, {"id": 2, "a": 1.0, "b": 1}]).as_dict()["fields"]
    types = {it["path"]: (it["type"], it["distinct"]) for it in found}

    assert types == {"id": ("integer", 2), "a": ("number", 2), "b": ("boolean or integer", 2)}


def test_csv_says_what_its_empty_fields_and_quotes_say() -> None:
    found = look(b'id\tname\n1\t"a\tb"\n2\t\n', name="x.tsv")

    assert found.records == [{"id": "1", "name": "a\tb"}, {"id": "2", "name": None}]
