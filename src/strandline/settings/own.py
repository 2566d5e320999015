"""Settings of strandline itself: where the warehouse is, what its schemas are called, where the pipelines
are.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Mapping
from pathlib import Path
from typing import Any, Final, Literal, Self

from pydantic import BaseModel, Field, SecretStr, field_validator
from pydantic.fields import FieldInfo
from pydantic_settings import BaseSettings, PydanticBaseSettingsSource, SettingsConfigDict

from strandline.settings import reading, surroundings
from strandline.settings.check import Choice
from strandline.settings.problem import Problem, error_of, instead, near
from strandline.settings.reading import Reading
from strandline.settings.surroundings import PREFIX, Surroundings

NOT_IN_FILES: Final = ("environment", "config", "secrets_dir")
"""They say which files are read."""

FREE: Final = "x-"
"""What begins so at the top of a file is left alone: a place for anchors, or for another program."""


class Schemas(BaseModel):
    """What the layers' schemas are called in the database."""

    raw: str = "raw"
    staging: str = "staging"
    warehouse: str = "warehouse"
    analytics: str = "analytics"
    strandline: str = "strandline"


Level = Literal["debug", "info", "warning", "error"]


class Log(BaseModel):
    """How strandline speaks while it works."""

    format: Literal["auto", "text", "json"] = Field(
        "auto", description="text for people, json for programs; auto: text on a terminal, json elsewhere"
    )
    level: Level = Field("info", description="From where on something is said")
    loggers: dict[str, Level] = Field(
        default_factory=dict, description="Levels of single libraries, as in httpx: info"
    )


class Notify(BaseModel):
    """Who is told of runs that fail."""

    webhook: SecretStr | None = Field(None, description="The address that failures are posted to")
    secret: SecretStr | None = Field(None, description="What the posts are signed with")
    partial: bool = Field(default=False, description="Whether partial runs are told as well")
    timeout: float = Field(5.0, gt=0, le=60, description="Seconds that the receiver has to answer")

    @field_validator("webhook")
    @classmethod
    def _check(cls, webhook: SecretStr | None) -> SecretStr | None:
        if webhook is not None and not re.match(r"https?://[^/]", webhook.get_secret_value()):
            raise ValueError("it should be an address that begins with https:// or http://")
        return webhook


class Settings(BaseSettings):
    """`STRANDLINE_DATABASE_URL`, `STRANDLINE_SCHEMAS__RAW`, `STRANDLINE_APP`, `STRANDLINE_HOME`,
    `STRANDLINE_WORKERS`, `STRANDLINE_SECRET_KEY`; the same names without the prefix in `config.yaml`.
    """

    model_config = SettingsConfigDict(
        env_prefix=PREFIX, env_nested_delimiter="__", extra="ignore", hide_input_in_errors=True
    )

    database_url: str | None = Field(
        None, description="The warehouse; without it an embedded PostgreSQL is used"
    )
    schemas: Schemas = Field(default_factory=Schemas, description="What the layers' schemas are called")
    app: str = Field("pipeline", description="The modules that declare the pipelines, separated by commas")
    home: Path = Field(Path(".strandline"), description="Where the embedded PostgreSQL keeps its data")
    workers: int | None = Field(
        None, ge=0, description="How many processes help a run with a stream of many records"
    )
    secret_key: SecretStr | None = Field(
        None, description="What credentials that change are encrypted with; several with commas, newest first"
    )
    check: Choice = Field(default_factory=Choice, description="What is chosen of strandline check")
    log: Log = Field(default_factory=Log, description="How strandline speaks while it works")
    notify: Notify = Field(default_factory=Notify, description="Who is told of runs that fail")
    environment: str | None = Field(
        None, description="Which overlay of the file of settings is read: config.<environment>.yaml"
    )
    config: Path = Field(Path(surroundings.BASE), description="The file of settings")
    secrets_dir: Path = Field(Path(surroundings.SECRETS), description="The folder of secret files")

    @classmethod
    def settings_customise_sources(
        cls,
        settings_cls: type[BaseSettings],
        init_settings: PydanticBaseSettingsSource,
        env_settings: PydanticBaseSettingsSource,
        dotenv_settings: PydanticBaseSettingsSource,
        file_secret_settings: PydanticBaseSettingsSource,
    ) -> tuple[PydanticBaseSettingsSource, ...]:
        """What is given, then what is around."""
        return init_settings, _Around(settings_cls)

    @classmethod
    def load(cls, **flags: Any) -> Self:
        """Read everything that is around, with these on top. Raises SettingsWrong with every problem."""
        around = surroundings.look()
        made, problems = read(around, flags).made()
        if error := error_of([*around.problems, *unknown_names(around), *problems]):
            raise error
        assert isinstance(made, cls)
        return made


class _Around(PydanticBaseSettingsSource):
    """All that is around, to pydantic-settings."""

    def get_field_value(self, field: FieldInfo, field_name: str) -> tuple[Any, str, bool]:
        """Nothing by itself: it is read as a whole."""
        return None, field_name, False

    def __call__(self) -> dict[str, Any]:
        """The values. Raises SettingsWrong where files cannot be read."""
        if reading.COMPLETE.get():
            return {}
        around = surroundings.look()
        found = read(around, {})
        if error := error_of([*around.problems, *unknown_names(around), *found.problems]):
            raise error
        return found.values


def read(around: Surroundings, flags: Mapping[str, Any]) -> Reading[Settings]:
    """What is around, and was typed, of strandline's own settings."""
    typed = {} if around.typed is None else {"environment": around.typed}
    return reading.read(Settings, around, prefix=PREFIX, flags={**flags, **typed})


def unknown_variables(around: Surroundings) -> Iterator[Problem]:
    """Those that nobody reads but are spelt nearly as one of strandline's own; others may be a source's, or
    another program's.
    """
    for it in reading.unknown_variables(Settings, around, prefix=PREFIX):
        first = it.name.removeprefix(PREFIX).partition("__")[0].lower()
        if first in Settings.model_fields or ("__" not in it.name and near(first, Settings.model_fields)):
            yield it


def unknown_names(around: Surroundings, sources: Iterable[str] | None = None) -> Iterator[Problem]:
    """What stands at the top of a file and is neither a setting nor a source's section, and what must not
    stand there; without `sources` a section may be that of any.
    """
    own = set(Settings.model_fields)
    for it in around.documents:
        for name, value in it.values.items():
            if name in NOT_IN_FILES:
                told = (
                    f"it says which files are read: set {PREFIX}{name.upper()} in the environment or in .env"
                )
                yield Problem(name, f"{name}: {told}", it.key((name,)))
            elif name in own or name in (sources or ()) or name.startswith(FREE):
                continue
            elif sources is not None or not isinstance(value, dict | None):
                known = (own | set(sources or ())) - set(NOT_IN_FILES)
                is_section = isinstance(value, dict | None)
                what = "setting, and no source of that name" if is_section else "such setting"
                told = f"{name}: there is no {what}; {instead(name, known)}"
                yield Problem(name, told, it.key((name,)))
