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
    tmp_path_factory: pytest.TempPathFactory, postgres_server: URL, warehouse_template: str, program: Path
) -> Iterator[Project]:
    """A fleet that has been read twice, and whose ships carry more the second time."""
    with postgres.copy(postgres_server, warehouse_template) as url:
        database_url = url.render_as_string(hide_password=False)
        project = Project(
            tmp_path_factory.mktemp("fleet"),
            environment={"STRANDLINE_DATABASE_URL": database_url},
            program=program,
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


def test_what_a_contract_does_not_name_is_refused_where_that_is_declared(
    tmp_path: Path, database_url: str, program: Path
) -> None:
    """Rejected, then failing; once it is named, everything comes in out of the raw log."""
    project = Project(tmp_path, environment={"STRANDLINE_DATABASE_URL": database_url}, program=program)
    project.add(FLEET)
    (tmp_path / "fleet.py").rename(tmp_path / "pipeline.py")
    project.edit("pipeline.py", 'deleted="gone"', 'deleted="gone", unknown="reject"')
    send(project, ship(1), ship(2, tonnage=400))

    rejecting = project.strandline("run", "fleet", "--json")
    rejects = project.strandline("quarantine", "list", "--rule", "unknown", "--json").document["rejects"]

    assert rejecting.code == 3
    assert [(it["field"], it["source_id"], it["target"]) for it in rejects] == [("tonnage", "S2", "")]

    project.edit("pipeline.py", 'unknown="reject"', 'unknown="fail"')
    send(project, ship(3), ship(4, tonnage=500))
    failing, again = project.strandline("run", "fleet"), project.strandline("run", "fleet", "--json")

    assert failing.code == again.code == 1
    assert "harbour.ships: Vessel.tonnage: the contract names no such field, so nothing was merged" in str(
        failing
    )
    assert again.document["streams"][0]["kind"] == "UnknownField"

    project.edit("pipeline.py", "    owner: str | None = None", "    tonnage: int | None = None")
    done = project.strandline("run", "fleet", "--json")

    assert done.code == 0
    assert done.document["streams"][0]["released"] == 1
    assert "tonnage" not in fields(project, "harbour", "--unknown")
