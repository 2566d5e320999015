"""`strandline generate source` in a workspace: each part goes where it belongs, and is registered."""

import json
import tomllib
from collections.abc import Iterator
from pathlib import Path

import pytest
from tests.workspace import ROOT, begin, make, ruff

from strandline.testing.project import Project
from strandline.testing.server import Response, ScriptedApi

SAMPLES = ROOT / "tests" / "samples"
PRODUCTS = [
    {"id": number, "name": f"Rope {number}", "updated_at": "2026-11-01T08:00:00Z"} for number in range(9)
]


@pytest.fixture
def project(tmp_path: Path, program: Path) -> Project:
    """A workspace, acme."""
    outside = Project(tmp_path, environment={}, program=program)
    assert begin(outside, "acme").code == 0
    return Project(tmp_path / "acme", environment={}, program=program)


@pytest.fixture
def api() -> Iterator[ScriptedApi]:
    with ScriptedApi() as api:
        yield api


def texts(folder: Path) -> dict[str, str]:
    files = (it for it in folder.rglob("*") if it.is_file())
    return {it.relative_to(folder).as_posix(): it.read_text() for it in files}


@pytest.mark.parametrize("name", ["crm", "tickets", "a_source", "z" * 24])
@pytest.mark.parametrize("sample", ["tickets.json", "stock_export.csv"])
def test_each_part_goes_where_it_belongs(project: Project, name: str, sample: str) -> None:
    before = texts(project.folder)
    told = project.strandline("generate", "source", name, "--from", str(SAMPLES / sample), "--json").document
    after = texts(project.folder)

    assert sorted(set(after) - set(before)) == told["files"]
    assert sorted(it for it in before if before[it] != after[it]) == told["changed"]
    assert {f"libs/{name}/src/{name}/source.py", f"libs/database/src/database/{name}.py"} < set(told["files"])
    assert told["by_hand"] == {}
    assert ruff(project.folder) == ""
    read = tomllib.loads(after["pyproject.toml"])["tool"]
    assert read["uv"]["sources"][name] == {"workspace": True}
    assert read["importlinter"]["contracts"][0]["layers"] == ["acme", "database", f"shop | {name}"]
    for it in ("libs/database", "apps/acme"):
        assert name in tomllib.loads(after[f"{it}/pyproject.toml"])["project"]["dependencies"]


def test_the_first_sources_of_an_empty_workspace_are_registered(tmp_path: Path, program: Path) -> None:
    outside = Project(tmp_path, environment={}, program=program)
    assert begin(outside, "acme", "--empty").code == 0
    project = Project(tmp_path / "acme", environment={}, program=program)
    for name, sample in (("tickets", "tickets.json"), ("crm", "stock_export.csv")):
        words = ("generate", "source", name, "--from", str(SAMPLES / sample), "--json")
        assert project.strandline(*words).document["by_hand"] == {}

    read = tomllib.loads((project.folder / "pyproject.toml").read_text())["tool"]["importlinter"]
    assert read["root_packages"] == ["acme", "database", "tickets", "crm"]
    layers, forbidden = read["contracts"]
    assert (layers["layers"], forbidden["source_modules"]) == (
        ["acme", "database", "tickets | crm"],
        ["tickets", "crm"],
    )
    assert ruff(project.folder) == ""


def test_a_source_that_is_there_stays_as_it_is(project: Project) -> None:
    before = texts(project.folder)
    for name in ("shop", "acme"):
        refused = project.strandline("generate", "source", name, "--from", str(SAMPLES / "tickets.json"))
        assert (refused.code, "is there already" in refused.error) == (2, True)
    refused = project.strandline("generate", "source", "yaml", "--from", str(SAMPLES / "tickets.json"))
    assert "Type: strandline generate source yaml_source --from …" in refused.error

    assert texts(project.folder) == before


def test_what_cannot_be_added_safely_is_told(project: Project) -> None:
    """Two pipelines, a list of dependencies that is put together by hand, and layers that are others."""
    with (project.folder / "apps/acme/src/acme/pipeline.py").open("a") as file:
        file.write('other = Pipeline("other")\n')
    project.edit("libs/database/pyproject.toml", "dependencies = [", "dependencies  =  [")
    project.edit("pyproject.toml", 'layers = ["acme", "database", "shop"]', "layers = []")
    words = ("generate", "source", "crm", "--from", str(SAMPLES / "tickets.json"))
    told = project.strandline(*words, "--json").document

    assert told["changed"] == [".env.example"]
    assert list(told["by_hand"]) == [
        "pyproject.toml",
        "libs/database/pyproject.toml",
        "the module of your pipeline, for PIPELINE",
    ]
    assert told["by_hand"]["the module of your pipeline, for PIPELINE"] == [
        "from database.crm import CrmIssue",
        "from crm.source import Crm",
        "PIPELINE.sync(Crm.issues, CrmIssue)",
    ]


def test_two_models_of_one_name_have_a_table_each(project: Project) -> None:
    (project.folder / "products.json").write_text(json.dumps(PRODUCTS))
    told = project.strandline("generate", "source", "crm", "--from", "products.json", "--json").document

    assert told["renamed"] == {"DimProduct": "DimCrmProduct"}
    assert (
        "class DimCrmProduct(Dimension):"
        in (project.folder / "libs/database/src/database/crm.py").read_text()
    )
    assert ruff(project.folder) == ""


def test_a_folder_of_its_own_may_be_asked_for(project: Project) -> None:
    words = ("generate", "source", "crm", "--from", str(SAMPLES / "tickets.json"), "--out", "drafts")

    assert project.strandline(*words, "--json").document["folder"] == "drafts"
    assert (project.folder / "drafts" / "source.py").exists()
    assert not (project.folder / "libs" / "crm").exists()


@pytest.mark.nightly
def test_a_source_of_a_live_api_runs_beside_the_sample(
    project: Project, api: ScriptedApi, database_url: str
) -> None:
    api.fail("/products", Response(json.dumps(PRODUCTS).encode()))
    api.serve("/shop/products", [], records_at="products")
    api.serve("/shop/orders", [], records_at="orders")
    generated = project.strandline("generate", "source", "crm", "--from", f"{api.url}/products?active=1")
    assert generated.code == 0

    make(project.folder, "check")

    environment = {
        "STRANDLINE_DATABASE_URL": database_url,
        "STRANDLINE_SHOP__BASE_URL": f"{api.url}/shop",
        "STRANDLINE_SHOP__TOKEN": "test",
    }
    made = Project(project.folder, environment=environment, program=project.folder / ".venv/bin/strandline")
    assert made.strandline("migrate", "revision", "-m", "the beginning").code == 0
    assert made.strandline("migrate", "upgrade").code == 0
    assert made.strandline("run", "acme").code == 0
    assert made.strandline("check", "acme").code in (0, 3)
    read = {
        it["stream"]: it["records"]
        for it in made.strandline("status", "--json").document["runs"][0]["streams"]
    }
    assert read == {"shop.products": 0, "shop.orders": 0, "crm.products": 9}
