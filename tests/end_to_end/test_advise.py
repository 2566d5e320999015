"""`strandline advise` as a user types it: the guide's situations, what is wrong, what is asked."""

import os
import pty
import re
import shlex
import subprocess
from pathlib import Path
from typing import Any

import pytest

from strandline.advice import Assumptions
from strandline.testing.project import Outcome, Project

ROOT = Path(__file__).parents[2]
GUIDE = ROOT / "docs" / "explanation" / "build-or-buy.md"
SITUATION = re.compile(
    r"^\| (\d+) \| (.+?) \| `(.+?)` \| `(\w+)`(, though it does not fit)? \| .+ \|$", re.MULTILINE
)
SITUATIONS = [found.groups() for found in SITUATION.finditer(GUIDE.read_text())]
NEVER = {"httpx", "psycopg", "sqlalchemy", "strandline.source", "strandline.warehouse", "strandline.pipeline"}


@pytest.fixture
def project(tmp_path: Path, program: Path) -> Project:
    """No database is there: where the URL leads nobody answers."""
    nowhere = {"STRANDLINE_DATABASE_URL": "postgresql://me@127.0.0.1:1/none"}
    return Project(tmp_path, environment=nowhere, program=program)


def costs(outcome: Outcome) -> dict[str, Any]:
    return {it["way"]: it["cost"] for it in outcome.document["ways"]}


def test_the_guide_has_ten_situations() -> None:
    assert [int(it[0]) for it in SITUATIONS] == list(range(1, 11))
    assert {it[3] for it in SITUATIONS} == {"buy", "adopt", "mix", "build", "stream"}


@pytest.mark.parametrize(
    ("number", "_situation", "options", "way", "misfit"), SITUATIONS, ids=lambda it: str(it)[:20]
)
def test_a_situation_is_answered_as_the_guide_says(
    project: Project, number: str, _situation: str, options: str, way: str, misfit: str | None
) -> None:
    told = project.strandline("advise", *shlex.split(options), "--json")

    assert told.code == 0
    assert told.document["recommendation"] == way
    assert told.document["fits"] is (misfit is None and way != "stream")
    assert bool(told.document["must_change"]) is (misfit is not None)
    answers = {*told.document["answers"], "cost"}
    assert told.document["reasons"]
    assert {it["answer"] for it in told.document["reasons"]} <= answers
    against = {it["way"]: it["against"] for it in told.document["ways"]}
    assert all(against[other] for other in against if other != way) or told.document["fits"]

    shown = project.strandline("advise", *shlex.split(options))
    assert re.match(rf"(Recommended: {way}: |No way fits all answers. The nearest is {way}: )", shown.stdout)


def test_it_needs_neither_a_database_nor_a_network(tmp_path: Path) -> None:
    project = Project(tmp_path, environment={"PYTHONPROFILEIMPORTTIME": "1"})
    told = project.strandline("advise", "--source", "hubspot", "--json")

    assert told.code == 0
    assert not set(re.findall(r"^import time:.*\| *(\S+)$", told.stderr, re.MULTILINE)) & NEVER
    assert list(tmp_path.iterdir()) == []


def test_the_guide_tells_every_assumption_with_its_value() -> None:
    rows = [f"| `{it['name']}` | {it['value']:,g} | {it['why']} |" for it in Assumptions().rows()]

    assert [row for row in rows if row not in GUIDE.read_text().splitlines()] == []


def test_every_assumption_is_shown_and_can_be_set_in_a_file(project: Project) -> None:
    (project.folder / "erp.yaml").write_text(
        "source: netsuite\ncustomisation: some\n"
        "assumptions: {engineer_day: 1000, years: 2, server_month: 0}\n"
    )
    told = project.strandline("advise", "--file", "erp.yaml", "--json")
    assert costs(told)["mix"] == {
        "setup_days": 8,
        "upkeep_days_a_year": 7,
        "fee_once": 0,
        "fee_a_year": 0,
        "people": 22_000,
        "fees": 0,
        "total": 22_000,
    }
    assert [it["name"] for it in told.document["assumptions"]] == list(Assumptions.model_fields)
    assert {it["name"] for it in told.document["assumptions"] if it["is_set"]} == {
        "engineer_day",
        "years",
        "server_month",
    }
    shown = project.strandline("advise", "--file", "erp.yaml").stdout
    assert "What it costs over 2 years" in shown
    assert all(name in shown for name in Assumptions.model_fields)


def test_options_go_before_the_file(project: Project) -> None:
    (project.folder / "crm.yaml").write_text("source: hubspot\nteam: 0\nrecords: 2M\n")
    answers = project.strandline("advise", "--file", "crm.yaml", "--team", "1.5", "--json").document[
        "answers"
    ]

    assert (answers["source"], answers["team"], answers["records"]) == ("hubspot", 1.5, 2_000_000)
    assert answers["assumed"] == ["unlisted", "changes", "customisation", "budget", "freshness", "fivetran"]


def test_what_was_not_told_is_shown_as_assumed(project: Project) -> None:
    shown = project.strandline("advise", "--source", "hubspot").stdout.splitlines()

    assert shown[1].startswith(
        "Not told, so assumed: records 100k, changes 10% a month, customisation none, team 1,"
    )


def test_a_source_that_nobody_knows_is_told_with_the_nearest_names(project: Project) -> None:
    told = project.strandline("advise", "--source", "salesfroce")

    assert told.code == 2
    assert "--source: 'salesfroce' is not in the catalogue; did you mean salesforce" in told.error
    assert "--unlisted" in told.error


def test_all_that_cannot_be_is_told_at_once(project: Project) -> None:
    (project.folder / "crm.yaml").write_text(
        "source: hubspot\nbudgt: 5\nteam: -2\nassumptions:\n  years: 2.5\n  enginer_day: 3\n"
    )
    told = project.strandline(
        "advise", "--file", "crm.yaml", "--records", "0", "--freshness", "soon", "--json"
    )

    assert told.code == 2
    assert [(it["where"], it["setting"]) for it in told.document["error"]["problems"]] == [
        ("--freshness", "freshness"),
        ("--records", "records"),
        ("crm.yaml:2:1", "budgt"),
        ("crm.yaml:3:7", "team"),
        ("crm.yaml:5:10", "assumptions.years"),
        ("crm.yaml:6:3", "assumptions.enginer_day"),
    ]
    assert "did you mean engineer_day?" in told.error
    assert "did you mean budget?" in told.error


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("source: [hubspot\nteam: 2\n", "bad.yaml:2:5: no YAML: "),
        ("hubspot\n", "bad.yaml:1:1: "),
        ("team: 1\nteam: 2\nsource: hubspot\n", "bad.yaml:2:1: team stands here for the second time"),
        (
            "source: hubspot\nassumptions: none\n",
            "bad.yaml:2:14: assumptions: names and numbers are expected",
        ),
        ("source: hubspot\nunlisted: perhaps\n", "bad.yaml:2:11: unlisted: yes or no is expected"),
        ("", "source: not told"),
    ],
)
def test_a_file_that_is_wrong_is_told_with_line_and_column(project: Project, text: str, said: str) -> None:
    (project.folder / "bad.yaml").write_text(text)
    told = project.strandline("advise", "--file", "bad.yaml")

    assert told.code == 2
    assert told.error.startswith(f"error: {said}")


def test_without_options_and_terminal_it_says_what_to_type(project: Project) -> None:
    told = project.strandline("advise")

    assert told.code == 2
    assert "strandline advise --source NAME" in told.error
    assert project.strandline("advise", "--file", "none.yaml").error.startswith(
        "error: none.yaml: it cannot be read"
    )


def asked(project: Project, *typed: str) -> tuple[int, str, str]:
    """Exit code, what was asked, and what was said, on a terminal at which this is typed."""
    ours, theirs = pty.openpty()
    try:
        words = [*project.program, "advise"]
        process = subprocess.Popen(
            words, cwd=project.folder, stdin=theirs, stderr=theirs, stdout=subprocess.PIPE, text=True
        )
        os.write(ours, "".join(f"{line}\n" for line in typed).encode())
        said, _ = process.communicate(timeout=60)
        return process.returncode, os.read(ours, 65536).decode(), said
    finally:
        os.close(ours)
        os.close(theirs)


def test_on_a_terminal_it_asks(project: Project) -> None:
    code, questions, said = asked(project, "hubspot", "200k", "many", "50k", "", "0", "", "", "")

    assert code == 0
    assert said.startswith("Recommended: buy: ")
    assert "a number is expected, as in 200000, 200k, 2M, or 10% of the records, not 'many'" in questions
    assert (
        "Not told, so assumed: customisation none, budget no limit told, freshness 1d, fivetran not told."
        in said
    )


def test_on_a_terminal_a_source_that_nobody_knows_is_asked_for_again(project: Project) -> None:
    code, questions, said = asked(project, "hubspt", "hubspot", *[""] * 7)
    assert (code, "did you mean hubspot?" in questions) == (0, True)
    assert "Hubspot has" in said

    code, questions, said = asked(project, "our ERP", "", *[""] * 7)
    assert code == 0
    assert said.startswith("Recommended: build: ")
