"""`strandline generate source` of what is no sample and no document: what is wrong, and what to type."""

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from tests.end_to_end.generated import ROOT, generate, pass_own_test, ruff

from strandline.testing.project import Project
from strandline.testing.server import ReceivedRequest, Response, ScriptedApi

LOOP = {"A": {"$ref": "#/components/schemas/B"}, "B": {"$ref": "#/components/schemas/A"}}


def listing(reference: str) -> dict[str, Any]:
    answer = {"content": {"application/json": {"schema": {"$ref": f"#/components/schemas/{reference}"}}}}
    return {"get": {"responses": {"200": answer}}}


def openapi(paths: dict[str, Any], schemas: dict[str, Any]) -> str:
    return json.dumps({"openapi": "3.0.0", "paths": paths, "components": {"schemas": schemas}})


@pytest.fixture
def project(tmp_path: Path, program: Path) -> Project:
    return Project(tmp_path, environment={}, program=program)


@pytest.mark.parametrize(
    ("content", "code", "message", "hint"),
    [
        (openapi({"/loop": listing("A")}, LOOP), 2, "no GET of it answers with a list", "Save an answer"),
        ("<html><title>Sign in</title>", 1, "it is a web page, not JSON: 'Sign in'", "--header"),
        ('{"error": {"code": 403}}', 1, "it tells of an error", "credentials are given with --header"),
        ('{"success": false, "code": 17, "msg": "bad"}', 1, "it tells of an error", "--header"),
        ('{"data": null, "errors": [{"message": "no"}]}', 1, "it tells of an error", "documentation"),
        ("[]", 1, "it is an empty list", "Ask for a range that has records"),
        ('{"results": [], "next": null}', 1, "results is an empty list", "Ask for a range"),
        ('{"results": [{"id": 1, "na', 1, "neither JSON nor CSV", "it may be cut short"),
        ('{"openapi": "3.0.0", "paths": {"/a"', 1, "neither JSON nor CSV", "it may be cut short"),
        ("[1, 2, 3]", 1, "there are no objects in it", "Records are JSON objects"),
        ("", 1, "it is empty", "Ask for a range that has records"),
    ],
)
def test_what_is_no_sample_is_told(
    project: Project, content: str, code: int, message: str, hint: str
) -> None:
    (project.folder / "saved.json").write_text(content)
    told = project.strandline("generate", "source", "north", "--from", "saved.json")

    assert (told.code, message in told.error, hint in told.error) == (code, True, True), told.error
    assert not (project.folder / "north").exists()


def test_a_document_in_yaml_that_is_cut_short_is_told(project: Project) -> None:
    (project.folder / "saved.yaml").write_text("openapi: 3.0.0\npaths:\n  /a: {get: [\n")
    told = project.strandline("generate", "source", "north", "--from", "saved.yaml")

    assert (told.code, "cannot be read as YAML" in told.error) == (1, True)
    assert "It may be cut short: fetch it anew." in told.error


@pytest.mark.parametrize(
    ("address", "message"),
    [
        ("http://127.0.0.1:1/orders", "nobody answers there"),
        ("http://nowhere.invalid/orders", "nobody answers"),
    ],
)
def test_an_address_where_nobody_is_is_told(project: Project, address: str, message: str) -> None:
    told = project.strandline("generate", "source", "north", "--from", address)

    assert (told.code, message in told.error) == (1, True), told.error
    assert "Is it running, and is the address right?" in told.error


def test_a_document_that_goes_in_a_circle_and_a_field_called_field_become_a_source(project: Project) -> None:
    """References into a circle are an Any, and a column hides nothing that a model calls by its name."""
    node = {
        "type": "object",
        "required": ["id"],
        "properties": {
            "id": {"type": "string"},
            "field": {"type": "string"},
            "measure": {"type": "integer"},
            "datetime": {"type": "string", "format": "date-time"},
            "parent": {"$ref": "#/components/schemas/Node"},
        },
    }
    nodes = {"type": "array", "items": {"$ref": "#/components/schemas/Node"}}
    (project.folder / "api.json").write_text(
        openapi({"/nodes": listing("Nodes")}, {"Node": node, "Nodes": nodes})
    )
    generate(project, "north", "--from", "api.json")
    near = project.strandline("generate", "source", "south", "--from", "api.json", "--stream", "node")

    ruff(project.folder / "north")
    pass_own_test(project, project.folder / "north")
    assert "node_field: Mapped" in (project.folder / "north" / "model.py").read_text()
    assert (near.code, "has no stream 'node'" in near.error, "Did you mean 'nodes'?" in near.error) == (
        2,
        True,
        True,
    )


RELAY = json.loads((ROOT / "tests" / "samples" / "orders_relay.json").read_text())


@pytest.fixture
def api() -> Iterator[ScriptedApi]:
    with ScriptedApi() as api:
        yield api


def answered(request: ReceivedRequest) -> Response:
    """Page by page, by the cursor in the variables of what was posted."""
    asked = json.loads(request.body)
    connection = RELAY["data"]["orders"]
    is_first = "after" not in asked["variables"]
    edges = connection["edges"][:2] if is_first else connection["edges"][2:]
    page = {"edges": edges, "pageInfo": {"hasNextPage": is_first, "endCursor": edges[-1]["cursor"]}}
    return Response(json.dumps({"data": {"orders": page}}).encode())


def test_an_answer_of_graphql_becomes_a_stream_that_posts_its_query(
    project: Project, api: ScriptedApi, database_url: str
) -> None:
    sample = str(ROOT / "tests" / "samples" / "orders_relay.json")
    told = generate(project, "shop", "--from", sample, "--fact", "orders")
    folder = project.folder / "shop"
    ruff(folder)
    pass_own_test(project, folder)
    api.respond("/graphql", answered)
    environment = {"STRANDLINE_DATABASE_URL": database_url, "STRANDLINE_SHOP__BASE_URL": api.url}
    made = Project(folder, environment=environment, program=Path(project.program[0]))

    assert told["streams"][0]["paginator"] == 'Connection("data.orders.pageInfo")'
    assert made.strandline("run", "shop").code == 0
    first, second = api.requests_to("/graphql")
    assert {first.method, second.method} == {"POST"}
    assert "shopMoney {" in json.loads(first.body)["query"]
    assert json.loads(second.body)["variables"] == {"after": "c2"}
    run = made.strandline("status", "--json").document["runs"][0]["streams"][0]
    assert (run["records"], run["rejected"]) == (3, 0)
