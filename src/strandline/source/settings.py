"""A source's settings: the base class of the user's own, filled from STRANDLINE_<SOURCE>__<FIELD> and
`.env`.
"""

import inspect
from collections.abc import Iterator
from typing import Any, Self

from pydantic import BaseModel, SecretStr, ValidationError
from pydantic_settings import BaseSettings, PydanticBaseSettingsSource, SettingsConfigDict

from strandline.errors import DeclarationError, SettingsMissing


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
        """Without a prefix, a field called `path` or `user` would be filled from whatever the machine
        sets.
        """
        if not getattr(env_settings, "env_prefix", ""):
            return (init_settings,)
        return init_settings, env_settings, dotenv_settings, file_secret_settings

    @classmethod
    def load(cls, source_name: str, *, env_file: str | None = ".env") -> Self:
        """Read the environment, then `.env`; raises SettingsMissing with every variable that is not there."""
        # Not written as arguments: type checkers take those of a settings class for its fields alone.
        options: dict[str, Any] = {"_env_prefix": env_prefix(source_name), "_env_file": env_file}
        try:
            return cls(**options)
        except ValidationError as error:
            raise _explain(source_name, error) from error

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


def _explain(source_name: str, error: ValidationError) -> DeclarationError:
    prefix = env_prefix(source_name)
    problems = {
        prefix + "__".join(map(str, detail["loc"])).upper(): detail
        for detail in error.errors(include_url=False, include_input=False, include_context=False)
    }
    missing = [name for name, detail in problems.items() if detail["type"] == "missing"]
    wrong = [f"{name}: {detail['msg']}" for name, detail in problems.items() if detail["type"] != "missing"]
    said = "; ".join([f"not set: {', '.join(missing)}"] * bool(missing) + wrong)
    kind = SettingsMissing if missing else DeclarationError
    hint = f"Set {'it' if len(problems) == 1 else 'them'} in the environment or in .env."
    return kind(f"source {source_name}: {said}", hint=hint)


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
