"""Documents of APIs: what lists something, circular references, OpenAPI old and new, JSON Schema."""

import json
from typing import Any

import pytest

from strandline.errors import DeclarationError
from strandline.pipeline.draft import document, project
from strandline.pipeline.draft.draft import SourceDraft
from strandline.pipeline.draft.source_code import SourceModule
from strandline.pipeline.draft.star import Stars
from strandline.source.profile.sample import Received

PERSON: dict[str, Any] = {
    "type": "object",
    "required": ["id", "name"],
    "properties": {
        "id": {"type": "string", "format": "uuid"},
        "name": {"type": ["string", "null"]},
        "manager": {"$ref": "#/components/schemas/Person"},
        "teams": {"type": "array", "items": {"$ref": "#/components/schemas/Team"}},
        "status": {"enum": ["active", "gone"]},
        "updated_at": {"type": "string", "format": "date-time"},
    },
}
TEAM = {
    "allOf": [
        {"type": "object", "required": ["id"], "properties": {"id": {"type": "integer"}}},
        {"properties": {"lead": {"oneOf": [{"$ref": "#/components/schemas/Person"}, {"type": "null"}]}}},
    ]
}


def listing(schema: Any, **more: Any) -> dict[str, Any]:
    return {"responses": {"200": {"content": {"application/json": {"schema": schema}}}}, **more}


OPEN_API: dict[str, Any] = {
    "openapi": "3.1.0",
    "info": {"title": "Staff"},
    "servers": [{"url": "https://{region}.example.com/v1", "variables": {"region": {"default": "eu"}}}],
    "security": [{"key": []}],
    "paths": {
        "/people": {
            "get": listing(
                {
                    "type": "object",
                    "properties": {
                        "items": {"type": "array", "items": {"$ref": "#/components/schemas/Person"}},
                        "next_cursor": {"type": ["string", "null"]},
                    },
                },
                parameters=[
                    {"name": "cursor", "in": "query", "schema": {"type": "string"}},
                    {"name": "updated_since", "in": "query", "schema": {"type": "string"}},
                    {"name": "tenant", "in": "query", "required": True, "schema": {"type": "string"}},
                ],
                summary="Everybody",
            )
        },
        "/people/{id}": {"get": listing({"$ref": "#/components/schemas/Person"})},
        "/teams": {"get": listing({"type": "array", "items": {"$ref": "#/components/schemas/Team"}})},
        "/teams/{id}/people": {
            "get": listing({"type": "array", "items": {"$ref": "#/components/schemas/Person"}})
        },
        "/loop": {"get": listing({"$ref": "#/components/schemas/Loop"})},
    },
    "components": {
        "schemas": {"Person": PERSON, "Team": TEAM, "Loop": {"$ref": "#/components/schemas/Loop"}},
        "securitySchemes": {"key": {"type": "apiKey", "in": "header", "name": "X-Key"}},
    },
}


def read(content: dict[str, Any], *streams: str) -> SourceDraft:
    found = document.load(Received(json.dumps(content).encode(), "there"))
    assert found is not None
    return document.read(found, name="staff", streams=streams, where="there")


def written_of(made: SourceDraft) -> dict[str, str]:
    module = SourceModule(made)
    return project.files(module, Stars(module))


def test_a_document_says_address_credentials_streams_pages_and_changes() -> None:
    made = read(OPEN_API)
    people, teams = made.streams

    assert (made.base_url, made.auth, made.doc) == ("https://eu.example.com/v1", "header:X-Key", "Staff")
    assert (people.name, people.path, people.records) == ("people", "/people", "items")
    assert people.paginator == 'TokenInBody("next_cursor", param="cursor")'
    assert (people.cursor, people.since_param) == ("updated_at", "updated_since")
    assert people.params == {"tenant": "self.settings.tenant"}
    assert (teams.name, teams.records, teams.key) == ("teams", None, ["id"])
    assert made.left_out == ["team_people"]


def test_references_that_go_in_a_circle_are_not_followed_for_ever() -> None:
    written = written_of(read(OPEN_API))["source.py"]

    assert "# unsure: manager: it leads back to Person, and is not looked into" in written
    assert "    manager: Any = None\n" in written
    assert "    name: str | None = None\n" in written


def test_a_stream_that_hangs_on_others_is_written_when_it_is_named() -> None:
    made = read(OPEN_API, "team_people")

    assert [it.path for it in made.streams] == ["/teams/{self.settings.id}/people"]
    assert list(made.settings) == ["id"]
    with pytest.raises(DeclarationError, match="has no stream 'persons'"):
        read(OPEN_API, "persons")


def test_swagger_2_is_read() -> None:
    made = read(
        {
            "swagger": "2.0",
            "host": "api.example.com",
            "basePath": "/v2/",
            "schemes": ["http", "https"],
            "securityDefinitions": {"b": {"type": "basic"}},
            "definitions": {"Pet": {"properties": {"id": {"type": "integer"}, "tag": {"x-nullable": True}}}},
            "paths": {
                "/pets": {
                    "parameters": [
                        {"name": "page", "in": "query", "type": "integer"},
                        {"name": "per_page", "in": "query", "type": "integer", "maximum": 200},
                    ],
                    "get": {
                        "responses": {
                            "200": {"schema": {"type": "array", "items": {"$ref": "#/definitions/Pet"}}}
                        }
                    },
                }
            },
        }
    )

    assert (made.base_url, made.auth) == ("https://api.example.com/v2", "basic")
    assert made.streams[0].paginator == 'PageNumber(size=200, size_param="per_page")'


def test_a_json_schema_is_one_stream() -> None:
    schema = {
        "$schema": "https://json-schema.org/draft/2020-12/schema",
        "title": "Invoices",
        "type": "object",
        "required": ["number", "total"],
        "properties": {
            "number": {"type": "string", "maxLength": 12},
            "total": {"type": "number"},
            "children": {"type": "array", "items": {"$ref": "#"}},
        },
    }
    made = read(schema)
    files = written_of(made)

    assert (made.streams[0].name, made.streams[0].key) == ("invoices", ["number"])
    assert "    total: Decimal\n" in files["source.py"]
    assert "# unsure: children: it leads back to" in files["source.py"]


def test_a_document_that_lists_nothing_is_told() -> None:
    with pytest.raises(DeclarationError, match="no GET of it answers with a list"):
        read({"openapi": "3.0.0", "paths": {"/a": {"post": {}}}})
    with pytest.raises(DeclarationError, match="no object with fields"):
        read({"$schema": "x", "type": "string"})


@pytest.mark.parametrize("content", [b'{"id": 1}', b"[1]", b"{", b"a,b\n1,2\n", b"<html>"])
def test_what_is_no_document_is_a_sample(content: bytes) -> None:
    assert document.load(Received(content, "there", name="x.json")) is None
