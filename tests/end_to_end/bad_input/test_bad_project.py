"""A project that is declared, set or started wrongly: exit code 2, before anybody is asked for anything."""

import pytest
from sqlalchemy import text

from strandline.testing import ScriptedApi
from strandline.testing.project import Outcome, Project
from strandline.warehouse.database import Database

SHOP = '''

class ShopSettings(SourceSettings):
    """STRANDLINE_SHOP__BASE_URL and STRANDLINE_SHOP__KEY."""

    base_url: str
    key: SecretStr


class Shop(HttpSource):
    """A second source."""

    settings: ShopSettings

    @stream(Customer, key="id", cursor=Cursor("updated_at"))
    def customers(self, since: datetime | None) -> Pages:
        """Who buys there."""
        return self.pages("/customers", records="data")


crm.sync(Shop.customers, CrmCustomer)
'''


def assert_refused(outcome: Outcome, api: ScriptedApi, *words: str) -> None:
    """It said why and what to do, and asked nobody for anything."""
    assert outcome.code == 2
    assert outcome.error.count("error: ") == outcome.error.count("  hint: ") == 1
    for word in words:
        assert word in outcome.error
    assert api.requests == []


def assert_runs(project: Project, warehouse: Database) -> None:
    """With the cause mended, the first run is a first run: nothing of the attempt is in the ledger."""
    assert project.strandline("run", "crm").code == 0
    with warehouse.begin() as connection:
        assert connection.execute(text("SELECT count(*) FROM strandline.run")).scalar_one() == 1


def test_a_misspelt_mapped_column_is_named_with_its_nearest_spelling(
    project: Project, api: ScriptedApi, warehouse: Database
) -> None:
    project.edit("crm.py", 'customer_name = field("name")', 'customer_nmae = field("name")')
    refused = project.strandline("run", "crm")

    assert_refused(refused, api, "CrmCustomer.customer_nmae", "DimCustomer", "customer_name")

    project.edit("crm.py", "customer_nmae", "customer_name")
    assert_runs(project, warehouse)


def test_a_misspelt_path_into_the_contract_is_named_with_its_nearest_spelling(
    project: Project, api: ScriptedApi
) -> None:
    project.edit("crm.py", 'field("name")', 'field("nmae")')

    assert_refused(
        project.strandline("run", "crm"), api, "CrmCustomer.customer_name", "nmae", "Customer", "'name'"
    )


def test_an_unknown_pipeline_is_told_with_those_that_there_are(project: Project, api: ScriptedApi) -> None:
    refused = project.strandline("run", "sales")

    assert_refused(refused, api, "there is no pipeline 'sales'", "There are: crm", "--app")


def test_a_missing_module_is_told_with_the_folder(project: Project, api: ScriptedApi) -> None:
    refused = project.strandline("run", "crm", "--app", "pipelines")

    assert_refused(refused, api, str(project.folder), "no module 'pipelines'", "--app")


@pytest.mark.parametrize(
    ("old", "new", "line", "said"),
    [
        ('crm = Pipeline("crm")', 'crm = Pipeline("crm" + 1)', 76, "TypeError: can only concatenate str"),
        ('crm = Pipeline("crm")', 'crm = Pipeline("crm"', 76, "SyntaxError: '(' was never closed"),
        ("import httpx", "import httpz", 5, "ModuleNotFoundError: No module named 'httpz'"),
    ],
    ids=["raises", "is no Python", "imports what is not installed"],
)
def test_a_module_that_cannot_be_imported_is_told_with_file_and_line(
    project: Project, api: ScriptedApi, old: str, new: str, line: int, said: str
) -> None:
    project.edit("crm.py", old, new)
    refused = project.strandline("run", "crm")

    assert_refused(refused, api, f"{project.folder / 'crm.py'}:{line}: {said}", 'python -c "import crm"')


def test_settings_that_are_missing_are_all_named_at_once(
    project: Project, api: ScriptedApi, warehouse: Database
) -> None:
    """Those of every source, before the first one is read."""
    module = project.folder / "crm.py"
    alone = module.read_text()
    module.write_text(alone + SHOP)
    del project.environment["STRANDLINE_CRM__TOKEN"]
    refused = project.strandline("run", "crm")

    missing = ("STRANDLINE_CRM__TOKEN", "STRANDLINE_SHOP__BASE_URL", "STRANDLINE_SHOP__KEY")
    assert_refused(refused, api, *missing, "Set them in the environment or in .env")

    (project.folder / ".env").write_text("STRANDLINE_CRM__TOKEN=from-a-file\n")
    module.write_text(alone)
    assert_runs(project, warehouse)


def test_an_address_that_is_no_url_names_its_setting(project: Project, api: ScriptedApi) -> None:
    project.environment["STRANDLINE_CRM__BASE_URL"] = "crm.example.com"
    refused = project.strandline("run", "crm")

    said = "base_url 'crm.example.com' is no http:// or https:// URL"
    assert_refused(refused, api, said, "STRANDLINE_CRM__BASE_URL")


def test_a_wrong_word_on_the_command_line_is_usage(project: Project) -> None:
    refused = project.strandline("run", "crm", "--databse-url", "x")

    assert refused.code == 2
    assert "--databse-url" in refused.stderr
    assert "--database-url" in refused.stderr


def test_a_program_gets_the_error_as_a_document(project: Project) -> None:
    """On stdout, while people read the same on stderr."""
    refused = project.strandline("run", "sales", "--json")

    assert refused.document["error"]["kind"] == "DeclarationError"
    assert refused.document["exit_code"] == refused.code == 2
    assert refused.document["error"]["message"] in refused.error


def test_a_program_gets_a_failed_run_as_a_document(project: Project, api: ScriptedApi) -> None:
    """Also when attempts were logged."""
    project.environment["STRANDLINE_CRM__BASE_URL"] = "http://127.0.0.1:1"
    failed = project.strandline("run", "crm", "--json")

    assert "retrying" in failed.stderr
    assert failed.document["status"] == "failed"
    assert "cannot connect to 127.0.0.1:1" in failed.document["streams"][0]["error"]
