"""`strandline generate source` of a real Directus: of two answers, and of its own document."""

import random
from collections.abc import Iterator
from pathlib import Path

import pytest
from tests.end_to_end.generated import generate, pass_own_test, ruff, typed
from tests.servers.directus import server as directus
from tests.servers.directus.server import Studio

from strandline.testing.project import Project

pytestmark = pytest.mark.servers
HEADER = ("--header", f"Authorization: Bearer {directus.TOKEN}")
LISTED = ("clients", "jobs", "snapshot", "activity", "files", "folders", "roles", "presets", "users")
MORE = ("revisions", "flows", "operations", "extensions", "comments", "versions")
"""What the document tells rightly."""

WRONG = {"permissions", "me", "fields", "collections", "relations", "settings"}
"""What it tells wrongly: an id or pages that there are not, a list that is an object."""


@pytest.fixture(scope="module")
def studio(directus_url: str) -> Iterator[Studio]:
    """A studio with clients and jobs, those that test_directus.py has made or its own."""
    with Studio(directus_url) as studio:
        try:
            studio.open()
        except RuntimeError:
            yield studio
            return
        directus.seed(studio, random.Random(1))
        yield studio


@pytest.fixture
def project(tmp_path: Path, program: Path, database_url: str) -> Project:
    environment = {"STRANDLINE_DATABASE_URL": database_url, "STRANDLINE_WORK__TOKEN": directus.TOKEN}
    return Project(tmp_path, environment=environment, program=program)


def made(project: Project) -> Project:
    return Project(project.folder / "work", environment=project.environment, program=Path(project.program[0]))


def test_a_star_of_two_answers_runs_without_a_line_by_hand(project: Project, studio: Studio) -> None:
    """No answer of Directus tells of further pages: --probe finds how they are asked for."""
    answers = [word for it in ("clients", "jobs") for word in ("--from", f"{studio.url}/items/{it}?sort=id")]
    told = generate(project, "work", *answers, *HEADER, "--probe", "--fact", "jobs")
    folder = project.folder / "work"
    ruff(folder)
    typed(folder)
    pass_own_test(project, folder)

    assert [it["paginator"] for it in told["streams"]] == ["Offset()", "Offset()"]
    model = (folder / "model.py").read_text()
    assert "client_key: Mapped[int] = references(DimClient" in model
    assert "price: Mapped[Decimal] = measure(Money, additive=True)" in model
    run = made(project).strandline("run", "work", "--json").document
    assert {it["status"] for it in run["streams"]} == {"done"}, run
    assert [it["records"] for it in run["streams"]] == [len(studio.ids(it)) for it in ("clients", "jobs")]
    assert made(project).strandline("check", "work").code == 0


def test_its_document_becomes_a_source_whose_contracts_hold(project: Project, studio: Studio) -> None:
    """What it tells wrongly fails or is rejected loudly, and what it tells rightly is read to the end."""
    words = ("--from", f"{studio.url}/server/specs/oas", *HEADER)
    told = generate(project, "work", *words, "--fact", "jobs", "--reference", "jobs.client=DimClient")
    ruff(project.folder / "work")
    pass_own_test(project, project.folder / "work")
    run = made(project).strandline("run", "work", "--json").document

    assert {it["stream"] for it in told["streams"]} == {*LISTED, *MORE, *WRONG}
    done = {it["stream"].removeprefix("work."): it for it in run["streams"]}
    assert {name for name, it in done.items() if it["status"] != "done"} == WRONG
    assert not any(done[it]["rejected"] for it in (*LISTED, *MORE))
    assert done["jobs"]["records"] == len(studio.ids("jobs"))
