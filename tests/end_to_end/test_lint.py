"""`strandline check` on what is declared: each planted fault is found, and nothing in the examples."""

import re
from pathlib import Path
from typing import Final

import pytest

from strandline.pipeline.lint import catalog
from strandline.testing.project import Project

HERE: Final = Path(__file__).parent
BAD_STAR: Final = HERE / "bad_star"
MODULES: Final = sorted(it.stem for it in BAD_STAR.glob("bad_*.py"))
SALES: Final = HERE.parents[1] / "examples" / "sales"
FAULT: Final = re.compile(r"# fault: ([a-z0-9-]+(?:, [a-z0-9-]+)*)")

DECLARED: Final = """
from strandline import Dimension, Mapper, Pipeline, Record, attribute, stream, field
from strandline.source import Source, paged
from sqlalchemy.orm import Mapped
from sqlalchemy import String

class Ship(Record):
    id: str
    name: str

class Harbour(Source):
    @stream(Ship, key="id")
    def ships(self):
        return paged([])

class DimShip(Dimension):
    \"\"\"A ship.\"\"\"
    name: Mapped[str] = attribute(String(20))

class HarbourShip(Mapper[Ship, DimShip]):
    name = field("name")

fleet = Pipeline("fleet")
fleet.sync(Harbour.ships, HarbourShip)
"""


@pytest.fixture
def project(tmp_path: Path, program: Path) -> Project:
    """A folder with a pipeline in which one column is called as it should not be."""
    (tmp_path / "pipeline.py").write_text(DECLARED)
    return Project(tmp_path, environment={}, program=program)


def planted() -> set[tuple[str, int, str]]:
    """File, line and rule of each fault of the bad star, as its lines say."""
    lines = (
        (file.name, number, found)
        for file in BAD_STAR.glob("bad_*.py")
        for number, line in enumerate(file.read_text().splitlines(), 1)
        for found in FAULT.findall(line)
    )
    return {(file, number, rule) for file, number, rules in lines for rule in rules.split(", ")}


def test_each_fault_of_a_bad_star_is_found_at_its_line_by_its_rule_and_nothing_else_is(
    tmp_path: Path, program: Path
) -> None:
    project = Project(tmp_path, environment={}, program=program)
    for file in (*BAD_STAR.glob("bad_*.py"), BAD_STAR / "config.yaml"):
        project.add(file)
    outcome = project.strandline("check", "--offline", "--json", "--app", ",".join(MODULES))

    found = {(it["file"], it["line"], it["rule"]) for it in outcome.document["findings"]}
    assert found == planted()
    assert len(found) >= 90
    assert outcome.code == 1


def test_each_rule_on_declarations_is_planted_in_the_bad_star() -> None:
    on_declarations = {it.id for it in catalog.ALL.values() if it.look is not None and it.severity != "off"}

    assert {rule for _, _, rule in planted()} == on_declarations | {it.id for it in catalog.OF_CHOICES}


def test_the_examples_have_no_findings(tmp_path: Path, program: Path) -> None:
    project = Project(tmp_path, environment={}, program=program)
    for file in SALES.glob("*.py"):
        project.add(file)
    outcome = project.strandline("check", "--offline", "--strict")

    assert outcome.code == 0
    assert outcome.stdout.startswith("Nothing found in 3 models, by ")


def test_a_warning_ends_with_1_where_that_is_wanted(project: Project) -> None:
    assert project.strandline("check", "--offline").code == 0
    assert project.strandline("check", "--offline", "--strict").code == 1
    (project.folder / "config.yaml").write_text("check: {strict: true}\n")
    assert project.strandline("check", "--offline").code == 1


def test_github_is_told_at_the_line(project: Project) -> None:
    outcome = project.strandline("check", "--offline", "--format", "github")

    (line,) = outcome.stdout.splitlines()
    assert line.startswith("::warning file=pipeline.py,line=18,title=generic-name::DimShip.name: name says")
    assert "%0ASay of what: customer_name, order_status.%0Ahttps://" in line


def test_a_rule_that_is_off_is_looked_at_where_it_is_asked_for(project: Project) -> None:
    (finding,) = project.strandline("check", "--offline", "--only", "column-comment", "--json").document[
        "findings"
    ]

    assert (finding["severity"], finding["subject"]) == ("info", "DimShip.name")


def test_a_rule_may_be_of_another_severity_with_a_reason(project: Project) -> None:
    choice = "check: {rules: {generic-name: {severity: error, reason: We mix them up}}}\n"
    (project.folder / "config.yaml").write_text(choice)
    outcome = project.strandline("check", "--offline", "--json")

    assert outcome.code == 1
    assert [it["severity"] for it in outcome.document["findings"]] == ["error"]


def test_what_is_off_without_a_reason_or_for_nothing_is_found(project: Project) -> None:
    (project.folder / "config.yaml").write_text("check: {rules: {generic-name: off, fact-prefix: off}}\n")
    document = project.strandline("check", "--offline", "--json").document

    assert {(it["rule"], it["what"]) for it in document["findings"]} == {
        ("ignore-without-reason", "generic-name is off here, and nothing says why"),
        ("ignore-without-reason", "fact-prefix is off here, and nothing says why"),
        ("ignore-unused", "fact-prefix is off, and would find nothing"),
    }
    assert [it["rule"] for it in document["passed"]] == ["generic-name"]


@pytest.mark.parametrize(
    ("choice", "told"),
    [
        ("rules: {generic-nam: off}", "check.rules: there is no rule 'generic-nam'"),
        ("longest_name: 4", "config.yaml:2:17: check.longest_name"),
        ("longest: 40", "config.yaml:2:3: check.longest"),
    ],
)
def test_a_wrong_choice_is_told_before_anything_is_checked(project: Project, choice: str, told: str) -> None:
    (project.folder / "config.yaml").write_text(f"check:\n  {choice}\n")
    outcome = project.strandline("check", "--offline")

    assert outcome.code == 2
    assert told in outcome.error


@pytest.mark.parametrize(
    ("ignored", "told"),
    [
        ('["generic-name"]', "no dict of rules with reasons"),
        ('{"generic name": "x"}', "'generic name' is no rule"),
    ],
)
def test_what_lets_pass_in_another_form_is_refused(project: Project, ignored: str, told: str) -> None:
    project.edit("pipeline.py", '"""A ship."""\n', f'"""A ship."""\n    __check_ignore__ = {ignored}\n')
    outcome = project.strandline("check", "--offline")

    assert outcome.code == 2
    assert told in outcome.error


def test_a_rule_that_is_not_there_is_told_among_all_that_is_wrong_with_settings(project: Project) -> None:
    (project.folder / "config.yaml").write_text("workers: x\ncheck:\n  rules:\n    float-mony: off\n")
    told = project.strandline("config", "check")
    assert told.code == 2
    assert "config.yaml:1:10: workers: " in told.error
    wrong = (
        "config.yaml:4:17: check.rules.float-mony: there is no rule of that name; did you mean float-money?"
    )
    assert wrong in told.error


def test_a_rule_that_is_not_there_is_told_with_the_nearest(project: Project) -> None:
    outcome = project.strandline("check", "--offline", "--only", "generic-names")

    assert outcome.code == 2
    assert "Did you mean 'generic-name'?" in outcome.error


def test_of_one_pipeline_only_what_belongs_to_it_is_told(project: Project) -> None:
    with (project.folder / "pipeline.py").open("a") as module:
        module.write(
            'class DimBoat(Dimension):\n    """A boat."""\n    status: Mapped[str] = attribute(String(20))\n'
            'class HarbourBoat(Mapper[Ship, DimBoat]):\n    status = field("name")\n'
            'boats = Pipeline("boats")\nboats.sync(Harbour.ships, HarbourBoat)\n'
        )
    of_all, of_one = (
        {
            it["subject"]
            for it in project.strandline("check", *name, "--offline", "--json").document["findings"]
        }
        for name in ((), ("boats",))
    )

    assert (of_all, of_one) == ({"DimShip.name", "DimBoat.status"}, {"DimBoat.status"})


def test_to_look_makes_no_database(project: Project) -> None:
    outcome = project.strandline("check")

    assert outcome.code == 0
    assert "None of the tables is there yet, so no data was checked: strandline run fleet" in outcome.stdout
    assert not (project.folder / ".strandline").exists()


def test_a_project_without_a_pipeline_is_told_so(project: Project) -> None:
    (project.folder / "empty.py").write_text("")
    outcome = project.strandline("check", "--app", "empty")

    assert outcome.code == 2
    assert "empty: no pipeline is declared" in outcome.error


def test_the_rules_are_listed_with_why_and_how(project: Project) -> None:
    listed = project.strandline("check", "--rules")
    (rule,) = project.strandline("check", "--rules", "--only", "float-money", "--json").document["rules"]

    assert listed.stdout.count("\n") == 2 * len(catalog.ALL)
    assert rule["id"] == "float-money"
    assert rule["page"].endswith("/docs/reference/rules.md#float-money")
    assert rule["why"]
    assert rule["fix"]


def test_tables_that_migrations_make_are_made_by_migrations(project: Project, database_url: str) -> None:
    project.environment["STRANDLINE_DATABASE_URL"] = database_url
    assert project.strandline("migrate", "init").code == 0

    assert "strandline migrate upgrade makes them" in project.strandline("check").stdout
