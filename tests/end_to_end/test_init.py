"""`strandline init` as a user types it: what it writes, what it refuses, and that it runs untouched."""

import ast
import json
import os
import subprocess
import tomllib
from pathlib import Path

import pytest
import yaml
from tests.workspace import ROOT, TOOLS, begin, imports, make, ruff

from strandline.testing.project import Project

LONGEST = "a" * 24


@pytest.fixture
def project(tmp_path: Path, program: Path) -> Project:
    return Project(tmp_path, environment={}, program=program)


def test_a_workspace_of_three_layers_is_written(project: Project) -> None:
    told = begin(project, "acme", "--source", "net_ledger", "--app", "sales", "--json").document
    folder = project.folder / "acme"

    assert told["files"] == sorted(
        it.relative_to(folder).as_posix() for it in folder.rglob("*") if it.is_file()
    )
    members = [it.parent.relative_to(folder).as_posix() for it in sorted(folder.glob("*/*/pyproject.toml"))]
    assert members == ["apps/sales", "libs/database", "libs/net_ledger"]
    workspace = tomllib.loads((folder / "pyproject.toml").read_text())["tool"]["uv"]
    assert workspace["workspace"]["members"] == ["libs/*", "apps/*"]
    assert workspace["sources"] == {
        "strandline": {"path": str(ROOT), "editable": True},
        "sales": {"workspace": True},
        "database": {"workspace": True},
        "net_ledger": {"workspace": True},
    }
    assert {"alembic.ini", "libs/database/migrations/env.py", ".env.example", "Makefile"} < set(told["files"])


@pytest.mark.parametrize(
    ("source", "app"), [("shop", "acme"), ("crm2", "zeta"), ("zoo", "aardvark"), ("z" * 24, LONGEST)]
)
def test_every_file_parses_and_is_as_its_own_rules_want_it(project: Project, source: str, app: str) -> None:
    begin(project, "acme", "--source", source, "--app", app)
    folder = project.folder / "acme"

    for it in folder.rglob("*.py"):
        ast.parse(it.read_text())
    for it in folder.rglob("*.toml"):
        tomllib.loads(it.read_text())
    for it in [folder / "config.yaml", *folder.rglob("*.yml")]:
        assert yaml.safe_load(it.read_text())
    assert not [it for it in folder.rglob("*") if it.is_file() and "{{" in it.read_text()]
    assert ruff(folder) == ""


def test_without_the_sample_the_layers_are_there_and_nothing_in_them(project: Project) -> None:
    told = begin(project, "acme", "--empty", "--json").document
    folder = project.folder / "acme"

    assert told["source"] is None
    assert [it.parent.name for it in sorted(folder.glob("*/*/pyproject.toml"))] == ["acme", "database"]
    texts = [it.read_text() for it in folder.rglob("*") if it.is_file()]
    assert not [it for it in texts if "{{" in it or "shop" in it.lower() or "8801" in it]
    assert tomllib.loads((folder / "pyproject.toml").read_text())["tool"]["importlinter"][
        "root_packages"
    ] == [
        "acme",
        "database",
    ]
    assert ruff(folder) == ""


def test_a_sample_that_is_not_wanted_has_no_name(project: Project) -> None:
    refused = begin(project, "acme", "--empty", "--source", "crm")

    assert (refused.code, list(project.folder.iterdir())) == (2, [])
    assert "--empty has no sample that could be called crm" in refused.error
    assert "strandline generate source crm --from" in refused.error


def test_a_name_that_is_told_differently_by_its_class_is_declared(project: Project) -> None:
    begin(project, "acme", "--source", "a_1")

    source = (project.folder / "acme/libs/a_1/src/a_1/source.py").read_text()
    assert 'class A1(HttpSource):\n    """The source a_1."""\n\n    name = "a_1"\n' in source


@pytest.mark.parametrize(
    ("words", "error", "hint"),
    [
        (["Acme Inc"], "Acme Inc: is no name for a package: small letters", "strandline init acme_inc"),
        (["9lives"], "9lives: is no name for a package", "strandline init warehouse_9lives"),
        (["acme-sales"], "acme-sales: is no name for a package", "strandline init acme_sales"),
        (
            ["b" * 25],
            "is no name for a package: small letters, digits and _, a letter first, 24",
            "init bbbb",
        ),
        (["strandline"], "strandline: has another meaning", "strandline init strandline_warehouse"),
        (["json"], "json: would hide a module of Python's standard library", "init json_warehouse"),
        (["class"], "class: is a word of Python's own", "strandline init class_warehouse"),
        (["httpx"], "httpx: would hide a package that strandline needs", "init httpx_warehouse"),
        (["pyyaml"], "pyyaml: would hide a package that strandline needs", "init pyyaml_warehouse"),
        (["acme", "--source", "yaml"], "yaml: would hide", "strandline init acme --source yaml_source"),
        (["acme", "--app", "database"], "database: has another", "strandline init acme --app database_app"),
        (["shop"], "shop: the source and the application cannot have one name", "--app shop_app"),
        (
            ["acme", "--strandline", "no"],
            "no: there is no pyproject.toml of strandline",
            "a clone, or a wheel",
        ),
    ],
)
def test_a_name_that_would_not_do_is_refused_with_one_that_would(
    project: Project, words: list[str], error: str, hint: str
) -> None:
    refused = project.strandline("init", *words)

    assert refused.code == 2
    assert error in refused.error
    assert hint in refused.error
    assert list(project.folder.iterdir()) == []


def test_nothing_is_overwritten(project: Project) -> None:
    (project.folder / "acme").mkdir()
    (project.folder / "acme" / "notes.txt").write_text("mine")
    refused = begin(project, "acme")
    assert "acme: there is notes.txt already, and nothing is overwritten" in refused.error
    assert begin(project, "acme", "--directory", "acme/notes.txt").error.startswith(
        "error: acme/notes.txt: is a file"
    )

    (project.folder / "other" / ".git").mkdir(parents=True)
    assert begin(project, "acme", "--directory", "other").code == 0
    assert [it.name for it in (project.folder / "acme").iterdir()] == ["notes.txt"]


def test_a_folder_that_cannot_be_written_is_told(project: Project) -> None:
    refused = begin(project, "acme", "--directory", "/proc/acme")

    assert refused.code == 1
    assert "/proc/acme: cannot be written" in refused.error


def test_the_models_of_the_sample_pass_the_check(project: Project) -> None:
    begin(project, "acme")
    folder = project.folder / "acme"
    paths = os.pathsep.join(str(folder / it / "src") for it in ("libs/shop", "libs/database", "apps/acme"))
    made = Project(folder, environment={"PYTHONPATH": paths, "STRANDLINE_SHOP__TOKEN": "t"})

    checked = made.strandline("check", "acme", "--offline", "--json")

    assert (checked.code, json.loads(checked.stdout)["findings"]) == (0, [])


@pytest.mark.nightly
def test_a_workspace_passes_its_own_tests_lint_types_and_layers_untouched(project: Project) -> None:
    begin(project, "acme")
    folder = project.folder / "acme"

    for each in ("test", "lint", "types", "layers"):
        make(folder, each)

    (folder / "libs/shop/src/shop/currency.py").write_text('"""Currencies."""\n\nEURO = "EUR"\n')
    (folder / "libs/database/src/database/region.py").write_text('"""Regions."""\n')
    assert imports(folder, "shop.currency", "database.region")
    make(folder, "check")


@pytest.mark.nightly
def test_the_demo_of_a_wheel_loads_the_sample_shop_and_its_migrations_are_tested(
    project: Project,
) -> None:
    build = [f"{TOOLS}/uv", "build", "--quiet", "--wheel", "--out-dir", str(project.folder), str(ROOT)]
    subprocess.run(build, check=True)
    (wheel,) = project.folder.glob("*.whl")
    files = project.strandline("init", "acme", "--strandline", str(wheel), "--json").document["files"]
    folder = project.folder / "acme"

    make(folder, "demo")
    make(folder, "check")
    made = Project(folder, environment={}, program=folder / ".venv/bin/strandline")
    assert made.strandline("migrate", "check").code == 0
    (run,) = made.strandline("status", "--json").document["runs"]
    assert {it["stream"]: it["records"] for it in run["streams"]} == {
        "shop.products": 800,
        "shop.orders": 30_000,
    }
    made.strandline("database", "stop")
    again = made.strandline("init", "acme", "--directory", "again", "--json").document
    assert (again["files"], again["strandline"]) == (files, f'{{ path = "{wheel}" }}')


LIBRARY = """\
[build-system]
requires = ["hatchling"]
build-backend = "hatchling.build"

[project]
name = "lib"
version = "0.1.0"
"""
PROGRAM = """\
[project]
name = "program"
version = "0.1.0"
requires-python = ">=3.11"
dependencies = ["lib"]

[tool.uv.sources]
lib = { path = "../lib" }
"""


@pytest.mark.nightly
def test_a_library_that_is_no_member_is_stale_until_it_is_installed_again(tmp_path: Path) -> None:
    """What the page on uv says, for as long as uv does so."""
    library, program = tmp_path / "lib" / "src" / "lib", tmp_path / "program"
    library.mkdir(parents=True)
    program.mkdir()
    (tmp_path / "lib" / "pyproject.toml").write_text(LIBRARY)
    (library / "__init__.py").write_text("")
    (program / "pyproject.toml").write_text(PROGRAM)

    def sync(*words: str) -> None:
        subprocess.run([f"{TOOLS}/uv", "sync", "--quiet", *words], cwd=program, check=True)

    sync()
    (library / "fresh.py").write_text("")
    sync()
    assert not imports(program, "lib.fresh")
    sync("--reinstall-package", "lib")
    assert imports(program, "lib.fresh")
    (library / "later.py").write_text("")
    (tmp_path / "lib" / "pyproject.toml").touch()
    sync()
    assert imports(program, "lib.later")
