"""`--probe`: where an answer tells of no further page, the address is asked for one in the usual ways."""

import json
from collections.abc import Iterator
from pathlib import Path

import pytest

from strandline.testing.project import Project
from strandline.testing.server import ReceivedRequest, Response, ScriptedApi

RECORDS = [{"id": number, "updated_at": f"2026-11-01T08:00:0{number}Z"} for number in range(7)]


@pytest.fixture
def api() -> Iterator[ScriptedApi]:
    with ScriptedApi() as api:
        yield api


@pytest.fixture
def project(tmp_path: Path, program: Path) -> Project:
    return Project(tmp_path, environment={}, program=program)


def by_page(request: ReceivedRequest) -> Response:
    """Three at a time, by a number; what is not understood is left alone, but for a parameter of changes."""
    start = 3 * (int(request.query.get("page", "1")) - 1)
    changed = [it for it in RECORDS if str(it["updated_at"]) >= request.query.get("modified_since", "")]
    return Response(json.dumps(changed[start : start + 3]).encode())


def strict(request: ReceivedRequest) -> Response:
    """Whatever is asked as a parameter is a field that has to be so, as in Kinto; there is one page."""
    return Response(json.dumps(RECORDS if not request.query else []).encode())


def test_pages_and_changes_are_found_by_asking(project: Project, api: ScriptedApi) -> None:
    api.respond("/orders", by_page)
    before = project.strandline("profile", f"{api.url}/orders")
    found = project.strandline("profile", f"{api.url}/orders", "--probe")
    made = project.strandline("generate", "source", "shop", "--from", f"{api.url}/orders", "--probe")

    assert "SinglePage()  likely" in before.stdout
    assert "PageNumber()  sure: asked with page=2, the address has 3 other records" in found.stdout
    assert made.code == 0
    source = (project.folder / "shop" / "source.py").read_text()
    assert 'params={"modified_since": since}' in source
    assert "paginator=PageNumber()" in source
    assert "guess" not in source


def test_a_parameter_that_is_taken_for_a_field_asks_for_no_changes(
    project: Project, api: ScriptedApi
) -> None:
    api.respond("/orders", strict)
    made = project.strandline("generate", "source", "shop", "--from", f"{api.url}/orders", "--probe")

    assert made.code == 0
    source = (project.folder / "shop" / "source.py").read_text()
    plain = " ".join(source.replace("#", "").split())
    assert "the usual ones were tried, and the address knows none of them" in plain
    assert "paginator=" not in source


def test_a_file_cannot_be_probed(project: Project) -> None:
    (project.folder / "orders.json").write_text(json.dumps(RECORDS))
    found = project.strandline("profile", "orders.json", "--probe")

    assert (found.code, "--probe is for addresses" in found.error) == (2, True)
