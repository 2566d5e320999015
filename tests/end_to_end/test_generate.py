"""`strandline generate source` as a user types it: what it writes is tried as the user would try it."""

import ast
import os
from collections.abc import Iterator
from pathlib import Path

import pytest
from tests.end_to_end.generated import ROOT, generate, pass_own_test, ruff, typed

from strandline.testing.project import Project
from strandline.testing.server import Html, Response, ScriptedApi

SAMPLES = ROOT / "tests" / "samples"
DOCUMENTS = Path(os.environ.get("STRANDLINE_TEST_DOCUMENTS", ROOT.parent / "shared" / "data" / "openapi"))


@pytest.fixture
def project(tmp_path: Path, program: Path) -> Project:
    return Project(tmp_path, environment={}, program=program)


BY_DAY = ("repository_issues", "stock_export", "stock_levels", "tickets")
"""An array at the top, a file of columns, a key of two, an envelope that counts; the others by night."""


@pytest.mark.parametrize(
    "sample",
    [
        pytest.param(it, id=it.stem, marks=() if it.stem in BY_DAY else pytest.mark.nightly)
        for it in sorted(SAMPLES.iterdir())
    ],
)
def test_what_is_written_of_a_sample_passes_its_test_and_the_rules(project: Project, sample: Path) -> None:
    told = generate(project, "north", "--from", str(sample))

    ruff(project.folder / "north")
    pass_own_test(project, project.folder / "north")
    assert told["streams"][0]["sampled"] > 0


def test_what_is_written_of_a_sample_is_typed(project: Project) -> None:
    generate(project, "north", "--from", str(SAMPLES / "tickets.json"))

    typed(project.folder / "north")


@pytest.mark.parametrize(
    ("name", "streams", "key"),
    [
        pytest.param("asana.yaml", 29, "gid", marks=pytest.mark.nightly),
        pytest.param("box.json", 39, "id", marks=pytest.mark.nightly),
        pytest.param("twilio_api_v2010.json", 33, "sid", marks=pytest.mark.nightly),
        ("twilio_taskrouter_v1.json", 9, "sid"),
    ],
)
def test_a_document_of_a_large_api_becomes_a_source(
    project: Project, name: str, streams: int, key: str
) -> None:
    document = DOCUMENTS / name
    if not document.exists():
        pytest.skip(f"{document} is not here; STRANDLINE_TEST_DOCUMENTS says where such documents are")
    told = generate(project, "north", "--from", str(document))

    ruff(project.folder / "north")
    pass_own_test(project, project.folder / "north")
    assert len(told["streams"]) == streams
    others = [it for it in told["streams"] if it["key"] != key and it["key_is"] != "unsure"]
    assert {it["stream"] for it in others} <= {"authorized_connect_apps", "events"}
    if name == "twilio_taskrouter_v1.json":
        typed(project.folder / "north")


@pytest.fixture
def api() -> Iterator[ScriptedApi]:
    with ScriptedApi() as api:
        yield api


def test_a_source_of_an_address_runs_as_it_is(project: Project, api: ScriptedApi, database_url: str) -> None:
    body = (SAMPLES / "repository_issues.json").read_bytes()
    api.fail("/repos/issues", Response(body))
    words = ("--from", f"{api.url}/repos/issues?state=all&api_key=geheim", "--out", "made")
    generate(project, "tracker", *words)
    written = (project.folder / "made" / "source.py").read_text()
    assert f'base_url: str = "{api.url}"' in written
    assert 'return ApiKey(self.settings.api_key, query="api_key")' in written
    assert '"state": "all"' in written
    assert "geheim" not in "".join(it.read_text() for it in (project.folder / "made").rglob("*.*"))

    environment = {"STRANDLINE_DATABASE_URL": database_url, "STRANDLINE_TRACKER__API_KEY": "geheim"}
    made = Project(project.folder / "made", environment=environment, program=project.program[0])  # type: ignore[arg-type]
    assert made.strandline("run", "tracker").code == 0
    assert made.strandline("check", "tracker").code in (0, 3)
    (read,) = made.strandline("status", "--json").document["runs"][0]["streams"]
    assert (read["records"], read["mark_after"]) == (3, "datetime:2026-03-07T17:22:03+00:00")


def only_one_page(source: Path) -> None:
    """Take the paginator out: the server here has one answer, whatever is asked."""
    module = ast.parse(source.read_text())
    for it in ast.walk(module):
        if isinstance(it, ast.Call):
            it.keywords = [one for one in it.keywords if one.arg != "paginator"]
    source.write_text(ast.unparse(module))


@pytest.mark.parametrize(
    "sample",
    [
        pytest.param(it, id=it.stem, marks=() if it.stem == "charges" else pytest.mark.nightly)
        for it in sorted(SAMPLES.glob("*.json"))
        if it.stem != "orders_relay"  # whose next page is asked for by a POST, in test_generate_bad.py
    ],
)
@pytest.mark.parametrize("kind", ["dimension", "fact"])
def test_every_sampled_record_becomes_a_row(
    project: Project, api: ScriptedApi, database_url: str, sample: Path, kind: str
) -> None:
    """From an address, so that the source runs as it is; what is sent becomes a row, and the check finds no
    error.
    """
    body = sample.read_bytes()
    api.respond("/records", body)
    facts = ("--fact", "records") if kind == "fact" else ()
    generate(project, "north", "--from", f"{api.url}/records", "--stream", "records", *facts)
    folder, environment = project.folder / "north", {"STRANDLINE_DATABASE_URL": database_url}
    made = Project(folder, environment=environment, program=Path(project.program[0]))
    only_one_page(folder / "source.py")

    assert made.strandline("check", "north", "--offline").code == 0
    assert made.strandline("run", "north").code == 0


def test_files_are_read_by_a_source_of_files(project: Project, database_url: str) -> None:
    generate(project, "depot", "--from", str(SAMPLES / "stock_export.csv"))
    made = Project(
        project.folder / "depot",
        environment={"STRANDLINE_DATABASE_URL": database_url, "STRANDLINE_DEPOT__ROOT": str(SAMPLES)},
        program=Path(project.program[0]),
    )

    assert made.strandline("run", "depot").code == 0
    assert made.strandline("status", "--json").document["runs"][0]["streams"][0]["records"] == 3


def test_what_is_unsure_is_marked(project: Project) -> None:
    told = generate(project, "north", "--from", str(SAMPLES / "stock_levels.json"))
    written = (project.folder / "north" / "source.py").read_text()

    assert 'key=("sku", "warehouse_code")' in written
    assert "# unsure: key sku, warehouse_code: distinct together in 4 records" in written
    assert "# unsure: the path is a guess" in written
    assert told["unsure"] >= 3
    assert "may point at persons" not in project.strandline("generate", "source", "b", "--from", "x").stdout


@pytest.mark.parametrize(
    ("name", "message", "hint"),
    [
        ("my-shop", "my-shop: is no name for a source", "strandline generate source my_shop --from"),
        ("2shop", "2shop: is no name", "generate source source_2shop"),
        ("class", "class: is no name", "generate source class_api"),
        ("model", "model: is taken by a module", "generate source model_api"),
        ("Größe", "is no name", "generate source groe"),
    ],
)
def test_a_name_that_is_none_is_told(project: Project, name: str, message: str, hint: str) -> None:
    found = project.strandline("generate", "source", name, "--from", str(SAMPLES / "parcels.json"))

    assert (found.code, message in found.error, hint in found.error) == (2, True, True)


def test_nothing_is_overwritten_and_nothing_is_written_for_an_error(
    project: Project, api: ScriptedApi
) -> None:
    sample = str(SAMPLES / "parcels.json")
    generate(project, "north", "--from", sample)
    before = (project.folder / "north" / "source.py").stat().st_mtime_ns
    again = project.strandline("generate", "source", "north", "--from", sample)
    (project.folder / "file").write_text("")
    onto = project.strandline("generate", "source", "north", "--from", sample, "--out", "file")
    api.fail("/x", Html())
    page = project.strandline("generate", "source", "south", "--from", f"{api.url}/x")
    missing = project.strandline("generate", "source", "south", "--from", "nope.json")

    assert "north: there is source.py, model.py" in again.error
    assert "--out north_new" in again.error
    assert (project.folder / "north" / "source.py").stat().st_mtime_ns == before
    assert (onto.code, "file: is a file" in onto.error) == (2, True)
    assert (page.code, "it is a web page" in page.error) == (1, True)
    assert (missing.code, "no such file" in missing.error) == (2, True)
    assert not (project.folder / "south").exists()
