"""A source that refuses, is not there, sends something else or never ends: said in one line, nothing lost."""

import pytest
from sqlalchemy import text

from strandline.testing import Html, ScriptedApi, Truncated
from strandline.testing.project import Outcome, Project
from strandline.testing.server import Fault, ReceivedRequest, Response
from strandline.warehouse.database import Database


def count(warehouse: Database, table: str) -> object:
    with warehouse.begin() as connection:
        return connection.scalar(text(f"SELECT count(*) FROM {table}"))


def members(warehouse: Database) -> object:
    """The customers that are known, without the members −1 and −2."""
    return count(warehouse, "warehouse.dim_customer WHERE customer_key > 0")


def assert_failed(outcome: Outcome, warehouse: Database, *words: str) -> None:
    """It failed, said why and what to do, and neither moved a mark nor merged anything."""
    assert outcome.code == 1
    assert outcome.error.count("error: ") == outcome.error.count("  hint: ") == 1
    for word in words:
        assert word in outcome.error
    assert count(warehouse, "strandline.read_mark") == 0
    assert members(warehouse) == 0


def assert_mended(outcome: Outcome, warehouse: Database) -> None:
    """The next run did everything."""
    assert outcome.code == 0
    assert count(warehouse, "raw.crm_customers") == members(warehouse) == 25
    assert count(warehouse, "strandline.read_mark") == 1


def test_a_wrong_token_is_told_without_the_token(
    api: ScriptedApi, project: Project, warehouse: Database, records: list[dict[str, str]]
) -> None:
    """Also by an API that quotes what it was given."""
    customers = api.serve("/all", records, page_size=10)
    right = f"Bearer {project.environment['STRANDLINE_CRM__TOKEN']}"

    def ask_for_credentials(request: ReceivedRequest) -> Response:
        given = request.headers["authorization"]
        if given != right:
            return Response(f'{{"error": "{given} is not valid"}}'.encode(), status=401)
        return Response(customers.page(request.query, url=api.url).body)

    api.respond("/customers", ask_for_credentials)
    project.environment["STRANDLINE_CRM__TOKEN"] = "canary-wrong"
    refused = project.strandline("run", "crm")

    assert_failed(
        refused,
        warehouse,
        "crm.customers: GET http",
        "401 Unauthorized",
        "bearer token from STRANDLINE_CRM__TOKEN",
    )
    assert "canary" not in refused.stderr + refused.stdout

    project.environment["STRANDLINE_CRM__TOKEN"] = right.removeprefix("Bearer ")
    assert_mended(project.strandline("run", "crm"), warehouse)


@pytest.mark.parametrize(
    ("base_url", "said"),
    [
        ("http://127.0.0.1:1", "cannot connect to 127.0.0.1:1: [Errno 111] Connection refused"),
        ("http://crm.invalid", "cannot connect to crm.invalid"),
    ],
    ids=["nobody listens", "no such host"],
)
def test_a_host_that_is_not_there_is_named(
    project: Project, api: ScriptedApi, warehouse: Database, base_url: str, said: str
) -> None:
    project.environment["STRANDLINE_CRM__BASE_URL"] = base_url
    failed = project.strandline("run", "crm")

    assert_failed(failed, warehouse, f"GET {base_url}/customers", said, "STRANDLINE_CRM__BASE_URL")

    project.environment["STRANDLINE_CRM__BASE_URL"] = api.url
    assert_mended(project.strandline("run", "crm"), warehouse)


@pytest.mark.parametrize(
    ("fault", "said"),
    [
        (Html(), ["no JSON", "text/html", "Please sign in"]),
        (Truncated(), ["gave up after 3 attempts", "cut short"]),
        (Truncated(content_length=False), ["gave up after 3 attempts", "the body is cut short"]),
    ],
    ids=["html", "cut", "cut without a length"],
)
def test_a_page_that_is_not_what_was_asked_for_stops_the_stream(
    api: ScriptedApi, project: Project, warehouse: Database, fault: Fault, said: list[str]
) -> None:
    """On the second page: the first one alone moves no mark."""
    api.fail("/customers", fault, request=range(2, 10))
    failed = project.strandline("run", "crm")

    assert_failed(failed, warehouse, "crm.customers: GET", "page=2", *said)

    api.recover("/customers")
    assert_mended(project.strandline("run", "crm"), warehouse)


def test_a_page_that_was_cut_once_is_asked_for_again(
    api: ScriptedApi, project: Project, warehouse: Database
) -> None:
    api.fail("/customers", Truncated(), request=2)

    assert_mended(project.strandline("run", "crm"), warehouse)


def test_an_endless_pagination_ends(
    api: ScriptedApi, project: Project, warehouse: Database, records: list[dict[str, str]]
) -> None:
    """The API does not know the parameter `page` and sends its first page for ever."""
    first = api.serve("/all", records, page_size=10).page({}, url=api.url)
    api.respond("/customers", first.body)
    failed = project.strandline("run", "crm")

    assert_failed(failed, warehouse, "crm.customers: GET", "page=2", "page 1")
    assert len(api.requests_to("/customers")) <= 3

    api.serve("/customers", records, page_size=10)
    assert_mended(project.strandline("run", "crm"), warehouse)


def test_a_contract_that_no_longer_fits_is_mended_without_asking_the_source_again(
    api: ScriptedApi, project: Project, warehouse: Database, records: list[dict[str, str]]
) -> None:
    """From today on the API calls the name `displayName`."""
    renamed = [
        {"displayName" if name == "name" else name: value for name, value in it.items()} for it in records
    ]
    api.serve("/customers", renamed, page_size=10, since_field="updatedAt")
    failed = project.strandline("run", "crm")

    assert failed.code == 1
    assert "crm.customers: 25 of 25 records were rejected" in failed.error
    assert "strandline quarantine list" in failed.error
    assert "Customer.name" in failed.error
    assert members(warehouse) == 0
    assert count(warehouse, "raw.crm_customers") == 25

    rejects = project.strandline("status", "--rejects", "--json").document["rejects"]
    assert {it["field"] for it in rejects} == {"name"}

    project.edit("crm.py", "    name: str", '    name: str = Field(alias="displayName")')
    asked = len(api.requests)
    mended = project.strandline("run", "crm", "--json")

    assert_mended(mended, warehouse)
    assert mended.document["streams"][0]["resumed"] == 25
    assert all("since" in request.query for request in api.requests[asked:])
