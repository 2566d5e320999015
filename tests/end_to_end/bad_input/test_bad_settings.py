"""Settings in files, as a user writes them: what is wrong is told at once, and what is set can be seen."""

from typing import Any

import pytest

from strandline.settings import Settings, own
from strandline.testing import ScriptedApi
from strandline.testing.project import Outcome, Project
from strandline.warehouse.database import Database

BASE = """\
app: crm
workers: many
crm:
  base_url: http://127.0.0.1:1
  tokne: x
shop:
  base_url: x
"""

NAMES = ", ".join(sorted({"crm", *Settings.model_fields} - set(own.NOT_IN_FILES)))
WHAT = 'Input should be a valid integer, unable to parse string as an integer, and not "many"'
EVERYTHING = f"""\
error: settings:
  source crm: not set: STRANDLINE_CRM__TOKEN
  config.yaml:2:10: workers: {WHAT}
  config.yaml:5:3: crm.tokne: there is no such setting; did you mean token?
  config.yaml:6:1: shop: there is no setting, and no source of that name; there are: {NAMES}
  hint: Correct them; strandline config show tells what is set, and where."""


@pytest.fixture
def alone(project: Project) -> Project:
    """The project without its variables, but for the database and the token."""
    del project.environment["STRANDLINE_APP"], project.environment["STRANDLINE_CRM__BASE_URL"]
    return project


def write(project: Project, **files: str) -> None:
    for name, text in files.items():
        (project.folder / {"dotenv": ".env"}.get(name, f"{name.replace('_', '.')}.yaml")).write_text(text)


def rows(outcome: Outcome) -> dict[str, dict[str, Any]]:
    return {it["setting"]: it for it in outcome.document["settings"]}


def test_everything_that_is_wrong_is_told_before_anything_is_read(alone: Project, api: ScriptedApi) -> None:
    """Of strandline's own settings and of the sources', in files and in variables."""
    write(alone, config=BASE)
    del alone.environment["STRANDLINE_CRM__TOKEN"]
    refused = alone.strandline("run", "crm")

    assert refused.code == 2
    assert refused.error == EVERYTHING
    assert alone.strandline("config", "check").error == refused.error
    assert api.requests == []


def test_a_program_is_told_the_same(alone: Project) -> None:
    write(alone, config=BASE)
    checked = alone.strandline("config", "check", "--json")
    refused = alone.strandline("run", "crm", "--json")

    assert (checked.code, refused.code) == (2, 2)
    assert checked.document["exit_code"] == 2
    assert [it["where"] for it in checked.document["problems"]] == [
        "config.yaml:2:10",
        "config.yaml:5:3",
        "config.yaml:6:1",
    ]
    assert refused.document["error"]["kind"] == "SettingsWrong"
    assert refused.document["error"]["problems"] == checked.document["problems"]


def test_a_file_that_is_no_yaml_is_told_with_line_and_column(alone: Project, api: ScriptedApi) -> None:
    write(alone, config="app: crm\ncrm: {base_url: x\n")
    for words in (["run", "crm"], ["status"], ["config", "check"]):
        refused = alone.strandline(*words)

        assert refused.code == 2
        assert "config.yaml:3:1: no YAML: while parsing a flow mapping" in refused.error
    assert api.requests == []


def test_what_is_in_a_file_is_used_and_the_environment_lies_over_it(
    alone: Project, api: ScriptedApi, warehouse: Database
) -> None:
    write(alone, config="app: crm\ncrm:\n  base_url: http://127.0.0.1:1\n")
    write(alone, config_production=f"crm:\n  base_url: {api.url}\n")
    done = alone.strandline("run", "crm", "--environment", "production")
    assert done.code == 0

    again = alone.strandline("run", "--environment=production", "crm", "--json")
    assert again.document["status"] == "done"
    alone.environment["STRANDLINE_ENVIRONMENT"] = "production"
    assert alone.strandline("run", "crm").code == 0
    assert api.requests


def test_every_setting_is_shown_with_its_origin_and_no_secret(alone: Project) -> None:
    write(
        alone, config="app: crm\ncrm:\n  base_url: http://me:hunter2@there\n", dotenv="STRANDLINE_WORKERS=2\n"
    )
    write(alone, config_test="# nothing yet\ncrm:\n\n  base_url: http://there\n")
    (alone.folder / "keys").mkdir()
    (alone.folder / "keys" / "strandline_secret_key").write_text("hunter2\n")
    alone.environment["STRANDLINE_SECRETS_DIR"] = "keys"
    shown = alone.strandline(
        "config", "show", "--environment", "test", "--database-url", "postgresql://a:hunter2@b/c"
    )

    assert shown.code == 2  # a password in a file
    assert "config.yaml:3:13: crm.base_url has a password in it" in shown.stderr
    assert "hunter2" not in shown.stdout + shown.stderr

    write(alone, config="app: crm\n")
    found = alone.strandline("config", "show", "--environment", "test", "--json")
    origins = {name: (it["value"], it["origin"]) for name, it in rows(found).items()}
    assert found.code == 0
    assert origins["app"] == ("crm", "config.yaml:1")
    assert origins["workers"] == (2, ".env:1")
    assert origins["environment"] == ("test", "flag --environment")
    assert origins["secret_key"] == ("**********", "secret file keys/strandline_secret_key")
    assert origins["crm.base_url"] == ("http://there", "config.test.yaml:4")
    assert origins["crm.token"] == ("**********", "environment STRANDLINE_CRM__TOKEN")
    assert origins["schemas.raw"] == ("raw", "default")
    assert found.document["files"] == [".env", "keys", "config.test.yaml", "config.yaml"]


def test_what_is_not_set_is_shown_too(alone: Project) -> None:
    alone.environment["STRANDLINE_APP"] = "crm"
    found = alone.strandline("config", "show")

    assert found.code == 2
    assert "not set: STRANDLINE_CRM__BASE_URL" in found.error
    assert ["crm.base_url", "not", "set"] in [line.split() for line in found.stdout.splitlines()]


def test_without_pipelines_strandlines_own_settings_are_shown(alone: Project) -> None:
    found = alone.strandline("config", "show", "--json")

    assert found.code == 2
    assert "there is no module 'pipeline'" in found.error
    assert "workers" in rows(found)
    assert "crm.token" not in rows(found)


def test_a_variable_that_nobody_reads_is_a_warning(project: Project) -> None:
    project.environment |= {
        "STRANDLINE_WORKRES": "2",
        "STRANDLINE_CRM__PAGES": "2",
        "STRANDLINE_ELSEWHERE": "2",
    }
    checked = project.strandline("config", "check")

    assert checked.code == 0
    assert checked.stderr.splitlines() == [
        "warning: STRANDLINE_CRM__PAGES: nobody reads it; there are: "
        + ", ".join(f"STRANDLINE_CRM__{name}" for name in ("BASE_URL", "TOKEN")),
        "warning: STRANDLINE_WORKRES: nobody reads it; did you mean STRANDLINE_WORKERS",
    ]


def test_settings_that_are_right_are_said_to_be(project: Project) -> None:
    write(project, config="x-other: 1\n")
    checked = project.strandline("config", "check", "crm")

    assert checked.stdout.startswith("Nothing found (config.yaml; ")
    assert (checked.code, checked.stderr) == (0, "")


@pytest.mark.parametrize("text", ["", "# app: crm\n", "log:\n", "---\n"])
def test_a_file_that_says_nothing_is_no_problem(project: Project, text: str) -> None:
    write(project, config=text)

    checked = project.strandline("config", "check")
    assert (checked.code, checked.error) == (0, "")


def test_what_a_source_says_against_its_settings_is_told(project: Project) -> None:
    project.environment["STRANDLINE_CRM__BASE_URL"] = "nonsense"

    assert "base_url 'nonsense' is no http:// or https:// URL" in project.strandline("config", "check").error


def test_a_run_goes_on_and_says_which_variables_nobody_reads(project: Project) -> None:
    project.environment |= {
        "STRANDLINE_WORKRES": "2",
        "STRANDLINE_CRM__PAGES": "2",
        "STRANDLINE_ELSEWHERE": "2",
    }
    done = project.strandline("run", "crm")

    assert done.code == 0
    assert done.stderr.count("a variable that nobody reads") == 2
    assert "did you mean STRANDLINE_WORKERS" in done.stderr
