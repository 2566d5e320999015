"""A source's settings come from variables that carry its name, and what is missing is said at once,
without a secret.
"""

import os
import traceback
from collections.abc import Iterator
from contextlib import chdir
from pathlib import Path

import pytest
from pydantic import SecretStr

from strandline.errors import DeclarationError, SettingsMissing, SettingsWrong
from strandline.source import Source, SourceSettings

SECRET = "hunter2-hunter2"


class CrmSettings(SourceSettings):
    """Two that must be given, one that need not."""

    base_url: str
    token: SecretStr
    page_size: int = 100


class Crm(Source):
    """Named by its class."""

    settings: CrmSettings


class Named(Source):
    """Named otherwise."""

    name = "crm_emea"
    settings: "CrmSettings"


@pytest.fixture
def folder(tmp_path: Path) -> Iterator[Path]:
    """An empty working directory."""
    with chdir(tmp_path):
        yield tmp_path


class Environment:
    """Sets variables, and takes them away again."""

    def __init__(self) -> None:
        self._names: set[str] = set()

    def __setitem__(self, name: str, value: str) -> None:
        self._names.add(name)
        os.environ[name] = value

    def clear(self) -> None:
        """Take away all that was set."""
        for name in self._names:
            del os.environ[name]


@pytest.fixture
def environment(folder: Path) -> Iterator[Environment]:
    """What is put here is in the environment for as long as the test runs."""
    environment = Environment()
    yield environment
    environment.clear()


def test_settings_come_from_variables_with_the_sources_name(folder: Path, environment: Environment) -> None:
    environment["STRANDLINE_CRM__BASE_URL"] = "http://crm"
    environment["STRANDLINE_CRM__TOKEN"] = SECRET

    settings = Crm().settings

    assert settings.base_url == "http://crm"
    assert settings.token.get_secret_value() == SECRET
    assert SECRET not in repr(settings)


def test_settings_come_from_a_dotenv_file_which_the_environment_overrides(
    folder: Path, environment: Environment
) -> None:
    (folder / ".env").write_text(
        "OTHER=1\nSTRANDLINE_CRM__BASE_URL=http://x\nSTRANDLINE_CRM_EMEA__BASE_URL=http://file\n"
        f"STRANDLINE_CRM_EMEA__TOKEN={SECRET}\nSTRANDLINE_CRM_EMEA__PAGE_SIZE=5\n"
    )
    environment["STRANDLINE_CRM_EMEA__PAGE_SIZE"] = "7"

    settings = Named().settings

    assert (settings.base_url, settings.page_size) == ("http://file", 7)


def test_all_missing_variables_are_named_at_once(folder: Path) -> None:
    with pytest.raises(SettingsMissing) as caught:
        Crm()

    assert caught.value.message == "source crm: not set: STRANDLINE_CRM__BASE_URL, STRANDLINE_CRM__TOKEN"


def test_a_wrong_setting_shows_no_value_not_even_in_the_traceback(
    folder: Path, environment: Environment
) -> None:
    environment["STRANDLINE_CRM__PAGE_SIZE"] = SECRET
    environment["STRANDLINE_CRM__TOKEN"] = SECRET

    with pytest.raises(SettingsMissing) as caught:
        Crm()

    assert "STRANDLINE_CRM__PAGE_SIZE: Input should be a valid integer" in caught.value.message
    assert SECRET not in "".join(traceback.format_exception(caught.value))


def test_a_setting_of_the_wrong_type_alone_is_a_wrong_declaration(
    folder: Path, environment: Environment
) -> None:
    for name, value in {"BASE_URL": "x", "TOKEN": "x", "PAGE_SIZE": "many"}.items():
        environment[f"STRANDLINE_CRM__{name}"] = value

    with pytest.raises(DeclarationError, match="STRANDLINE_CRM__PAGE_SIZE: Input should be") as caught:
        Crm()

    assert type(caught.value) is SettingsWrong


def test_settings_made_by_hand_do_not_look_at_the_environment(folder: Path, environment: Environment) -> None:
    environment["PAGE_SIZE"] = "7"

    assert CrmSettings(base_url="x", token=SecretStr(SECRET)).page_size == 100


def test_a_source_without_settings_needs_none(folder: Path) -> None:
    class Files(Source):
        pass

    assert type(Files().settings) is SourceSettings


def test_settings_must_be_settings() -> None:
    class Odd(Source):
        settings: int  # type: ignore[assignment]  # that is the point

    class Unknown(Source):
        settings: "NoSuchSettings"  # type: ignore[name-defined]  # noqa: F821  # that is the point

    with pytest.raises(DeclarationError, match="no subclass of SourceSettings"):
        Odd()
    with pytest.raises(DeclarationError, match="NoSuchSettings is not known"):
        Unknown()
