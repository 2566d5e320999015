"""Where a setting may come from: each place as a layer, which says its values and where they stand.

The highest layer that has a value wins: flag, environment, `.env`, secret file, the environment's overlay,
the base file; what none has is the default.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from pathlib import Path as File
from typing import Any, Final, Literal, NamedTuple

from pydantic.fields import FieldInfo
from pydantic_settings import BaseSettings, EnvSettingsSource

from strandline.settings.document import Document
from strandline.settings.problem import Path

Kind = Literal["flag", "environment", ".env", "secret file", "file", "default"]
SEPARATOR: Final = "__"
MISSING: Final = object()


class Origin(NamedTuple):
    """Where a value comes from."""

    kind: Kind
    name: str = ""
    """The flag, the variable, the path of the secret file, or the file's name."""
    line: int | None = None

    def __str__(self) -> str:
        at = "" if self.line is None else f":{self.line}"
        match self.kind:
            case "default":
                return "default"
            case "file":
                return f"{self.name}{at}"
            case ".env":
                return f".env{at}"
        return f"{self.kind} {self.name}"


class Layer(NamedTuple):
    """The values of one place for one settings class."""

    kind: Kind
    values: Mapping[str, Any]
    origin: Callable[[Path], Origin]
    place: Callable[[Path], str]
    """As it stands before a message."""

    def has(self, path: Path) -> bool:
        """Whether it says something there."""
        return self.get(path, MISSING) is not MISSING

    def get(self, path: Path, otherwise: Any = None) -> Any:
        """What it says there."""
        here: Any = self.values
        for step in path:
            try:
                here = here[step]
            except (KeyError, IndexError, TypeError):
                return otherwise
        return here


class _Given(EnvSettingsSource):
    """Reads given variables as pydantic-settings reads those of the environment."""

    def __init__(self, cls: type[BaseSettings], prefix: str, given: Mapping[str, str | None]) -> None:
        self._variables = given
        super().__init__(cls, case_sensitive=False, env_prefix=prefix, env_nested_delimiter=SEPARATOR)

    def _load_env_vars(self) -> Mapping[str, str | None]:
        return self._variables

    def decode_complex_value(self, field_name: str, field: FieldInfo, value: Any) -> Any:
        """What is no JSON is left as it is: the field's type says then what it should be."""
        try:
            return super().decode_complex_value(field_name, field, value)
        except ValueError:
            return value


class Variables(NamedTuple):
    """Names and values: of the environment, of `.env`, or of files that are called as variables are."""

    kind: Kind
    values: Mapping[str, str | None]
    """By their names in lower case."""
    shown: Callable[[str], tuple[str, int | None]]
    """What is shown for a name in lower case: variable or path, and line."""

    def layer(self, cls: type[BaseSettings], prefix: str) -> Layer:
        """What they say of this class's fields, which begin with the prefix."""
        found = _Given(cls, prefix, self.values)() if self.values else {}

        def name(path: Path) -> str:
            return self._name(cls, prefix, path)

        def place(path: Path) -> str:
            shown, line = self.shown(name(path))
            return f".env:{line}: {shown}" if line is not None else shown

        return Layer(self.kind, found, lambda path: Origin(self.kind, *self.shown(name(path))), place)

    def _name(self, cls: type[BaseSettings], prefix: str, path: Path) -> str:
        """The variable that holds the value of this path, or what it is in, as JSON."""
        for length in range(len(path), 0, -1):
            written = SEPARATOR.join(map(str, path[:length]))
            for candidate in (f"{prefix}{written}".lower(), written.lower()):
                if candidate in self.values:
                    return candidate
        return variable(prefix, path).lower()


def variable(prefix: str, path: Path) -> str:
    """What the variable of this path is called."""
    return prefix + SEPARATOR.join(map(str, path)).upper()


def of_flags(flags: Mapping[str, Any]) -> Layer:
    """What was typed."""

    def flag(path: Path) -> str:
        return f"--{str(path[0]).replace('_', '-')}"

    return Layer("flag", flags, lambda path: Origin("flag", flag(path)), flag)


def of_document(document: Document, section: Path, values: Mapping[str, Any]) -> Layer:
    """What a file says of one class: all of it, or a section."""

    def origin(path: Path) -> Origin:
        mark = document.keys.get((*section, *path))
        return Origin("file", document.name, mark.line if mark else None)

    return Layer("file", values, origin, lambda path: document.place((*section, *path)))


def lines_of(file: File, names: Mapping[str, object]) -> dict[str, int]:
    """In which lines of `.env` the names stand, in lower case."""
    written = re.compile(r"^\s*(?:export\s+)?['\"]?([\w.]+)['\"]?\s*=")
    found: dict[str, int] = {}
    text = file.read_text(encoding="utf-8", errors="replace")
    for number, line in enumerate(text.splitlines(), start=1):
        match = written.match(line)
        if match and match[1].lower() in names:
            found[match[1].lower()] = number
    return found
