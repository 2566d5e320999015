"""`strandline fields` as a user types it: what a source sends, and when a contract does not know it."""

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from sqlalchemy import URL

from strandline.testing import postgres
from strandline.testing.project import Project

FLEET = Path(__file__).with_name("fleet.py")


def ship(number: int, **beside: Any) -> dict[str, Any]:
    return {
        "id": f"S{number}",
        "at": f"2026-01-0{number}T00:00:00Z",
        "name": "Fram",
        "flag": "no",
        "port": "Oslo",
        **beside,
    }


def send(project: Project, *records: dict[str, Any]) -> None:
    lines = [json.dumps(it) for it in records]
    (project.folder / "records.jsonl").write_text("\n".join(lines))


@pytest.fixture(scope="module")
def project(
    tmp_path_factory: pytest.TempPathFactory, postgres_server: URL, warehouse_template: str
) -> Iterator[Project]:
    """A fleet that has been read twice, and whose ships carry more the second time."""
    with postgres.copy(postgres_server, warehouse_template) as url:
        database_url = url.render_as_string(hide_password=False)
        project = Project(
            tmp_path_factory.mktemp("fleet"), environment={"STRANDLINE_DATABASE_URL": database_url}
        )
        project.add(FLEET)
        (project.folder / "fleet.py").rename(project.folder / "pipeline.py")
        send(project, ship(1), ship(2))
        assert project.strandline("run", "fleet").code == 0
        send(project, ship(1), ship(3, tonnage=400, captainName="Nansen", hull={"oak": True}))
        assert project.strandline("run", "fleet").code == 0
        yield project


def fields(project: Project, *words: str) -> dict[str, dict[str, Any]]:
    found = project.strandline("fields", "list", *words, "--json").document["fields"]
    return {it["path"]: it for it in found}


def test_the_fields_of_a_source_are_listed_with_what_they_hold(project: Project) -> None:
    found = fields(project, "harbour")

    assert list(found) == ["at", "flag", "id", "name", "owner", "port", "captainName", "hull", "tonnage"]
    assert found["flag"]["examples"] == ["no"]
    assert (found["flag"]["records"], found["flag"]["fill_rate"]) == (3, 1.0)
    assert (found["owner"]["records"], found["owner"]["first_seen"]) == (3, None)
    assert (found["tonnage"]["filled"], found["tonnage"]["fill_rate"]) == (1, 0.3333)
    assert found["tonnage"]["types"] == ["integer"]
    assert found["hull"]["types"] == ["object"]
    assert found["tonnage"]["examples"] == [400]
    assert found["captainName"]["is_personal"]
    assert found["captainName"]["examples"] == found["id"]["examples"] == []


def test_only_those_that_no_contract_names(project: Project) -> None:
    assert list(fields(project, "harbour.ships", "--unknown")) == ["captainName", "hull", "tonnage"]


def test_people_see_a_table(project: Project) -> None:
    told = project.strandline("fields", "list", "harbour", "--unknown")

    assert told.code == 0
    assert "tonnage" in told.stdout
    assert "33.3%" in told.stdout


def test_what_was_never_read_has_none(project: Project) -> None:
    told = project.strandline("fields", "list", "harbor")

    assert told.code == 2
    assert "Did you mean 'harbour.ships'?" in told.error


def test_what_comes_again_changes_nothing(project: Project) -> None:
    before = fields(project, "harbour")
    assert project.strandline("run", "fleet").code == 0

    assert fields(project, "harbour") == before
