"""What is wrong with a file of settings is told with its line and column, all at once, without a secret."""

from pathlib import Path
from typing import Literal

import pytest
from pydantic import BaseModel, Field, SecretStr
from tests.around import around

from strandline.errors import DeclarationError, SettingsMissing, SettingsWrong
from strandline.settings import Settings
from strandline.settings.problem import Problem
from strandline.source import SourceSettings


class Depth(BaseModel):
    """Below a section."""

    fathoms: int = Field(1, ge=0)
    password: SecretStr | None = None


class QuaySettings(SourceSettings):
    """One field of each shape."""

    address: str
    code: SecretStr
    berths: int = 4
    side: Literal["lee", "windward"] = "lee"
    depth: Depth = Depth()
    depths: list[Depth] = Field([])
    pilots: dict[str, str] = Field({})


def problems(text: str, **variables: str) -> list[str]:
    """What is said of the source's settings."""
    with around({"config.yaml": text}, {f"STRANDLINE_{name}": it for name, it in variables.items()}):
        with pytest.raises(SettingsWrong) as caught:
            QuaySettings.load("quay")
    return [it.text for it in caught.value.problems if isinstance(it, Problem)]


GIVEN = {"QUAY__ADDRESS": "here", "QUAY__CODE": "hunter2-hunter2"}


@pytest.mark.parametrize(
    ("text", "told"),
    [
        ("quay:\n  berths: many\n", "config.yaml:2:11: quay.berths: Input should be a valid integer"),
        ("quay:\n  berths: many\n", 'and not "many"'),
        ("quay: {side: port}", "config.yaml:1:14: quay.side: Input should be 'lee' or 'windward'"),
        (
            "quay: {pilots: {a: 0123}}",
            "quay.pilots.a: Input should be a valid string, and not 83; put it in quotes",
        ),
        ("quay: {depth: {fathoms: -1}}", "config.yaml:1:25: quay.depth.fathoms: Input should be greater"),
        ("quay:\n  depths:\n  - fathoms: 1\n  - fathoms: deep\n", "config.yaml:4:14: quay.depths.1.fathoms:"),
        (
            "quay:\n  brths: 3\n",
            "config.yaml:2:3: quay.brths: there is no such setting; did you mean berths?",
        ),
        ("quay: {zzz: 3}", "there are: address, berths, code, depth, depths, pilots, side"),
        ("quay: {depth: {fathom: 1}}", "config.yaml:1:16: quay.depth.fathom: there is no such setting"),
        ("quay: {code: hunter3}", "config.yaml:1:14: quay.code is a secret, which has no place in this file"),
        (
            "quay: {code: hunter3}",
            "set STRANDLINE_QUAY__CODE in the environment or in .env, or write it into",
        ),
        ("quay: {code: hunter3}", "/run/secrets/strandline_quay__code"),
        ("quay: {depth: {password: hunter3}}", "config.yaml:1:26: quay.depth.password is a secret"),
        ("quay: {address: 'ftp://me:hunter3@there'}", "quay.address has a password in it"),
        ("quay: 3", "config.yaml:1:7: quay: settings are expected below it, and not 3"),
        ("quay: {berths: 1, berths: 2}", "config.yaml:1:19: quay.berths stands here for the second time"),
        ("quay:\n  side: lee\n   berths: 2\n", "config.yaml:3:10: no YAML: mapping values are not allowed"),
        ("quay: {side: [lee\n", "no YAML: while parsing a flow sequence, expected ',' or ']'"),
        ("quay: !ENV code", "config.yaml:1:7: no YAML: could not determine a constructor for the tag '!ENV'"),
        ("quay: !!set {a, b}", "config.yaml:1:7: no YAML: the tag tag:yaml.org,2002:set is not known"),
        ("quay: &q\n  - *q\n", "no YAML: an alias stands within itself"),
        ("quay: *q\n", "config.yaml:1:7: no YAML: found undefined alias 'q'"),
        ("quay: {berths: 2026-02-30}", "no YAML: day is out of range for month"),
        ("- quay\n", "config.yaml:1:1: settings are expected, as in name: value"),
        ("quay: 1\n---\nquay: 2\n", "config.yaml:2:1: no YAML: expected a single document"),
        ('quay: "\x07"\n', "config.yaml:1:8: no YAML: the character U+0007 is not allowed"),
        ("? [a, b]\n: c\n", "config.yaml:1:3: no YAML: a name is expected"),
    ],
)
def test_what_is_wrong_is_told_with_its_place(text: str, told: str) -> None:
    (found,) = problems(text, **GIVEN)

    assert told in found
    assert "hunter" not in found


def test_all_that_is_wrong_is_told_at_once() -> None:
    found = problems("quay:\n  berths: many\n  side: port\n  zzz: 1\n", QUAY__DEPTH="deep")

    assert len(found) == 6
    assert "quay.side" in "".join(found)


def test_a_file_that_is_no_yaml_is_one_problem() -> None:
    with around({"config.yaml": "workers: [1\nquay: x: y\n"}, {}), pytest.raises(SettingsWrong) as caught:
        Settings.load()

    (told,) = [it.text for it in caught.value.problems if isinstance(it, Problem)]
    assert told.startswith("config.yaml:2:5: no YAML: while parsing a flow sequence")


def test_missing_settings_are_named_by_their_variables_in_one_line() -> None:
    with around({"config.yaml": "quay: {berths: many}"}, {}), pytest.raises(SettingsMissing) as caught:
        QuaySettings.load("quay")

    told = caught.value.message.splitlines()
    assert told[:2] == [
        "settings:",
        "  source quay: not set: STRANDLINE_QUAY__ADDRESS, STRANDLINE_QUAY__CODE",
    ]
    assert [it.partition(" Input")[0] for it in told[2:]] == ["  config.yaml:1:16: quay.berths:"]


def test_a_file_that_cannot_be_read_hides_no_secret_that_is_missing() -> None:
    """The address may be in the file, and the code cannot be."""
    found = problems("quay: {")

    assert found[0] == "source quay: STRANDLINE_QUAY__CODE is not set"
    assert [it[:25] for it in found[1:]] == ["config.yaml:1:8: no YAML:"]


def test_of_a_value_that_is_no_file_s_only_the_variable_is_told() -> None:
    (found,) = problems("", **GIVEN, QUAY__BERTHS="hunter2")

    assert found.startswith("STRANDLINE_QUAY__BERTHS: Input should be a valid integer")
    assert "hunter" not in found


def test_a_variable_that_nobody_reads_is_told_where_its_setting_is_missing() -> None:
    with around({".env": "A=1\nSTRANDLINE_QUAY__CDOE=x\n"}, {"STRANDLINE_QUAY__ADDRESS": "x"}):
        with pytest.raises(SettingsMissing) as caught:
            QuaySettings.load("quay")

    assert caught.value.hint is not None
    assert (
        ".env:2: STRANDLINE_QUAY__CDOE: nobody reads it; did you mean STRANDLINE_QUAY__CODE"
        in caught.value.hint
    )


def test_a_json_that_is_none_is_told() -> None:
    (found,) = problems("", **GIVEN, QUAY__PILOTS="{x")

    assert found == "STRANDLINE_QUAY__PILOTS: Input should be a valid dictionary, written as JSON"


def test_a_source_may_not_be_called_as_a_setting_is() -> None:
    with (
        around({}, {}),
        pytest.raises(DeclarationError, match="source app: strandline has a setting of that name"),
    ):
        QuaySettings.load("app")


def test_aliases_merges_and_names_that_look_like_numbers_are_read() -> None:
    text = "x-all: &all {berths: 7, side: lee}\nquay: {<<: *all, side: windward, pilots: {on: A, 1: B}}\n"
    with around({"config.yaml": text}, {f"STRANDLINE_{name}": it for name, it in GIVEN.items()}):
        made = QuaySettings.load("quay")

    assert (made.berths, made.side, made.pilots) == (7, "windward", {"on": "A", "1": "B"})


def test_an_overlay_takes_back_what_the_base_says() -> None:
    files = {"config.yaml": "workers: 3\nschemas:\n", "config.test.yaml": "workers: null\n"}
    with around(files, {"STRANDLINE_ENVIRONMENT": "test"}):
        made = Settings.load()

    assert (made.workers, made.schemas.raw, made.environment) == (None, "raw", "test")


def test_a_few_lines_that_name_billions_of_values_are_refused() -> None:
    lines = ["x-a: &a [1, 1, 1, 1, 1, 1, 1, 1, 1]"]
    lines += [
        f"x-{this}: &{this} [{', '.join([f'*{last}'] * 9)}]"
        for last, this in zip("abcdefgh", "bcdefghi", strict=True)
    ]
    (found,) = problems("\n".join(lines), **GIVEN)

    assert "there are more than 10,000 values" in found


@pytest.mark.parametrize(
    ("files", "variables", "told"),
    [
        ({}, {"CONFIG": "there.yaml"}, "STRANDLINE_CONFIG: there is no file there.yaml"),
        ({"there/x": ""}, {"CONFIG": "there"}, "there: it cannot be read: Is a directory"),
        (
            {"config.staging.yaml": ""},
            {"ENVIRONMENT": "stagin"},
            "STRANDLINE_ENVIRONMENT: there is no file config.stagin.yaml; did you mean config.staging.yaml?",
        ),
        ({}, {"ENVIRONMENT": "../x"}, "STRANDLINE_ENVIRONMENT: letters, digits, - and _ are allowed"),
        ({"config.yaml": "environment: x"}, {}, "config.yaml:1:1: environment: it says which files are read"),
        (
            {"config.yaml": "workrs: 1"},
            {},
            "config.yaml:1:1: workrs: there is no such setting; did you mean workers?",
        ),
        (
            {"config.yaml": "workers: -1"},
            {},
            "config.yaml:1:10: workers: Input should be greater than or equal to 0",
        ),
        ({"config.yaml": "secret_key: x"}, {}, "config.yaml:1:13: secret_key is a secret"),
        (
            {"config.yaml": "database_url: postgresql://u:p@h/d"},
            {},
            "config.yaml:1:15: database_url has a password",
        ),
        (
            {"config.yaml": "schemas: {raw: 1}"},
            {},
            "config.yaml:1:16: schemas.raw: Input should be a valid string",
        ),
        ({".env": "STRANDLINE_WORKERS=x"}, {}, ".env:1: STRANDLINE_WORKERS: Input should be a valid integer"),
        (
            {"s/strandline_workers": "x"},
            {"SECRETS_DIR": "s"},
            "s/strandline_workers: Input should be a valid integer",
        ),
    ],
)
def test_strandlines_own_settings_are_told_the_same_way(
    files: dict[str, str], variables: dict[str, str], told: str
) -> None:
    with around(files, {f"STRANDLINE_{name}": it for name, it in variables.items()}):
        with pytest.raises(SettingsWrong) as caught:
            Settings.load()

    assert told in caught.value.message


def test_a_file_in_another_encoding_is_told_with_its_line() -> None:
    with around({}, {}) as folder:
        Path(folder, "config.yaml").write_bytes(b"app: a\nhome: \xe9\n")
        with pytest.raises(SettingsWrong, match=r"config.yaml:2:1: it is not written in UTF-8"):
            Settings.load()


def test_secret_files_that_are_not_ours_are_left_alone() -> None:
    with around(
        {"s/other": "x", "s/strandline_app": " mine\n", "s/strandline_x/y": ""},
        {"STRANDLINE_SECRETS_DIR": "s"},
    ):
        Path("s/broken").write_bytes(b"\xff")

        assert Settings.load().app == "mine"
        assert Settings().app == "mine"
