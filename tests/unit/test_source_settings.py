"""A source's settings come from variables that carry its name, and what is missing is said at once, without a secret."""

import traceback

import pytest
from pydantic import SecretStr

from strandline.errors import DeclarationError, SettingsMissing
from strandline.source import Source, SourceSettings

SECRET = "hunter2-hunter2"


class CrmSettings(SourceSettings):
    base_url: str
    token: SecretStr
    page_size: int = 100


class Crm(Source):
    settings: CrmSettings


class Named(Source):
    name = "crm_emea"
    settings: "CrmSettings"


@pytest.fixture
def folder(tmp_path, monkeypatch):
    """An empty working directory, and none of our variables."""
    monkeypatch.chdir(tmp_path)
    return tmp_path


def test_settings_come_from_variables_with_the_sources_name(folder, monkeypatch):
    monkeypatch.setenv("STRANDLINE_CRM__BASE_URL", "http://crm")
    monkeypatch.setenv("STRANDLINE_CRM__TOKEN", SECRET)

    settings = Crm().settings

    assert settings.base_url == "http://crm"
    assert settings.token.get_secret_value() == SECRET
    assert SECRET not in repr(settings)


def test_settings_come_from_a_dotenv_file_which_the_environment_overrides(folder, monkeypatch):
    (folder / ".env").write_text(
        "OTHER=1\nSTRANDLINE_CRM__BASE_URL=http://x\nSTRANDLINE_CRM_EMEA__BASE_URL=http://file\n"
        f"STRANDLINE_CRM_EMEA__TOKEN={SECRET}\nSTRANDLINE_CRM_EMEA__PAGE_SIZE=5\n"
    )
    monkeypatch.setenv("STRANDLINE_CRM_EMEA__PAGE_SIZE", "7")

    settings = Named().settings

    assert (settings.base_url, settings.page_size) == ("http://file", 7)


def test_all_missing_variables_are_named_at_once(folder):
    with pytest.raises(SettingsMissing) as caught:
        Crm()

    assert caught.value.message == "source crm: not set: STRANDLINE_CRM__BASE_URL, STRANDLINE_CRM__TOKEN"


def test_a_wrong_setting_shows_no_value_not_even_in_the_traceback(folder, monkeypatch):
    monkeypatch.setenv("STRANDLINE_CRM__PAGE_SIZE", SECRET)
    monkeypatch.setenv("STRANDLINE_CRM__TOKEN", SECRET)

    with pytest.raises(SettingsMissing) as caught:
        Crm()

    assert "STRANDLINE_CRM__PAGE_SIZE: Input should be a valid integer" in caught.value.message
    assert SECRET not in "".join(traceback.format_exception(caught.value))


def test_a_setting_of_the_wrong_type_alone_is_a_wrong_declaration(folder, monkeypatch):
    for name, value in {"BASE_URL": "x", "TOKEN": "x", "PAGE_SIZE": "many"}.items():
        monkeypatch.setenv(f"STRANDLINE_CRM__{name}", value)

    with pytest.raises(DeclarationError, match="STRANDLINE_CRM__PAGE_SIZE: Input should be") as caught:
        Crm()

    assert type(caught.value) is DeclarationError


def test_settings_made_by_hand_do_not_look_at_the_environment(folder, monkeypatch):
    monkeypatch.setenv("PAGE_SIZE", "7")

    assert CrmSettings(base_url="x", token=SecretStr(SECRET)).page_size == 100


def test_a_source_without_settings_needs_none(folder):
    class Files(Source):
        pass

    assert type(Files().settings) is SourceSettings


def test_settings_must_be_settings():
    class Odd(Source):
        settings: int

    class Unknown(Source):
        settings: "NoSuchSettings"  # noqa: F821  # that is the point

    with pytest.raises(DeclarationError, match="no subclass of SourceSettings"):
        Odd()
    with pytest.raises(DeclarationError, match="NoSuchSettings is not known"):
        Unknown()
