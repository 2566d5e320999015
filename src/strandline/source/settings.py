"""A source's settings: the base class of the user's own, filled from STRANDLINE_<SOURCE>__<FIELD>, from
`.env` and secret files, and from the source's section of `config.yaml`.
"""

import inspect
from collections.abc import Iterator
from typing import Any, Self, TypeVar

from pydantic import BaseModel, SecretStr
from pydantic_settings import BaseSettings, PydanticBaseSettingsSource, SettingsConfigDict

from strandline.errors import DeclarationError
from strandline.settings import Settings, reading, surroundings
from strandline.settings.problem import error_of
from strandline.settings.reading import Reading
from strandline.settings.surroundings import Surroundings

S = TypeVar("S", bound="SourceSettings")


class SourceSettings(BaseSettings):
    """Settings of one source. Made by hand (`CrmSettings(token="…")`) they do not look at the environment."""

    # Errors must not show inputs: the input around a missing field holds the other fields, secrets included.
    model_config = SettingsConfigDict(
        extra="ignore",
        hide_input_in_errors=True,
        env_nested_delimiter="__",
        frozen=True,
        validate_default=True,
    )

    @classmethod
    def settings_customise_sources(
        cls,
        settings_cls: type[BaseSettings],
        init_settings: PydanticBaseSettingsSource,
        env_settings: PydanticBaseSettingsSource,
        dotenv_settings: PydanticBaseSettingsSource,
        file_secret_settings: PydanticBaseSettingsSource,
    ) -> tuple[PydanticBaseSettingsSource, ...]:
        """What it is given, and nothing else: a field called `path` or `user` would be filled from whatever
        the machine sets. `load` looks around.
        """
        return (init_settings,)

    @classmethod
    def load(cls, source_name: str, *, env_file: str | None = ".env") -> Self:
        """Read what is around; raises SettingsWrong, or SettingsMissing, with everything that is wrong."""
        around = surroundings.look(env_file)
        made, problems = read(cls, source_name, around).made()
        if error := error_of([*around.problems, *problems]):
            raise error
        assert made is not None
        return made

    def variables_of(self, secret: SecretStr, *, source_name: str) -> list[str]:
        """The variables that hold this secret."""
        fields = type(self).model_fields
        return [env_prefix(source_name) + name.upper() for name in fields if getattr(self, name) == secret]

    def secrets(self) -> list[str]:
        """Every secret value, so that it can be kept out of texts."""
        return list(_secrets_in([getattr(self, name) for name in type(self).model_fields]))


def _secrets_in(value: object) -> Iterator[str]:
    match value:
        case SecretStr():
            yield value.get_secret_value()
        case BaseModel():
            yield from _secrets_in([getattr(value, name) for name in type(value).model_fields])
        case dict():
            yield from _secrets_in(list(value.values()))
        case list() | tuple() | set() | frozenset():
            for each in value:
                yield from _secrets_in(each)


def env_prefix(source_name: str) -> str:
    """What the variables of a source begin with."""
    return f"STRANDLINE_{source_name.upper()}__"


def read(cls: type[S], source_name: str, around: Surroundings) -> Reading[S]:
    """What is around for the source of this name, and where it comes from. Raises DeclarationError where the
    name is one of strandline's own settings.
    """
    if source_name in Settings.model_fields:
        raise DeclarationError(
            f"source {source_name}: strandline has a setting of that name",
            hint='Set another name = "…" in the class.',
        )
    return reading.read(
        cls,
        around,
        prefix=env_prefix(source_name),
        owner=f"source {source_name}",
        section=(source_name,),
    )


def settings_class_of(cls: type[Any]) -> type[SourceSettings]:
    """The class that the annotation `settings: …` of a source names; SourceSettings where there is none."""
    for klass in cls.__mro__:
        declared = inspect.get_annotations(klass).get("settings")
        if isinstance(declared, str):
            declared = _resolve(declared, klass)
        if isinstance(declared, type) and issubclass(declared, SourceSettings):
            return declared
        if declared is not None:
            raise DeclarationError(
                f"{klass.__name__}.settings: {declared!r} is no subclass of SourceSettings"
            )
    return SourceSettings


def _resolve(annotation: str, klass: type) -> object:
    # Only this annotation: the class may have others that cannot be resolved at run time.
    scope = {**vars(inspect.getmodule(klass)), **vars(klass)}
    value: object = scope.get(annotation.partition(".")[0])
    for part in annotation.split(".")[1:]:
        value = getattr(value, part, None)
    if value is None:
        raise DeclarationError(
            f"{klass.__name__}.settings: {annotation} is not known in {klass.__module__}",
            hint="Import it at the top of that module, or give settings=… when you make the source.",
        )
    return value
