"""Settings of one class, read from everywhere: their values, where each comes from, and what is wrong.

Every problem is found in one go: files that cannot be read, names that nobody knows, secrets in the wrong
place, values of the wrong kind, and what is missing.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from contextvars import ContextVar
from typing import Any, Generic, NamedTuple, TypeVar

from pydantic import ValidationError
from pydantic_settings import BaseSettings

from strandline.settings import layer, secret
from strandline.settings.document import Document
from strandline.settings.layer import Layer, Origin
from strandline.settings.problem import Path, Problem, dotted, error_of, instead, near
from strandline.settings.surroundings import Surroundings

S = TypeVar("S", bound=BaseSettings)

COMPLETE: ContextVar[bool] = ContextVar("COMPLETE", default=False)
"""Whether a settings class is given all there is, and need not look around itself."""

MOST_LETTERS = 60
"""So many of a wrong value are shown."""


class Reading(NamedTuple, Generic[S]):
    """What everything around says of one settings class."""

    cls: type[S]
    owner: str
    """Whose they are, in messages: settings, or source crm."""
    prefix: str
    """What its variables begin with."""
    section: Path
    """Where in a file it stands: at the top, or ("crm",)."""
    around: Surroundings
    layers: tuple[Layer, ...]
    problems: tuple[Problem, ...] = ()
    """Those that were found before the values were looked at."""

    @property
    def values(self) -> dict[str, Any]:
        """All values, each of the highest layer that has one."""
        merged: dict[str, Any] = {}
        for it in reversed(self.layers):
            merged = _merged(merged, it.values)
        return merged

    def origin(self, path: Path) -> Origin:
        """Where the value at this path comes from."""
        found = self.layer_of(path)
        return found.origin(path) if found else Origin("default")

    def layer_of(self, path: Path) -> Layer | None:
        """The highest layer that says something there."""
        return next((it for it in self.layers if it.has(path)), None)

    def given(self, path: Path, *, otherwise: Any = None) -> Any:
        """What the highest layer says there, as it is written."""
        found = self.layer_of(path)
        return otherwise if found is None else found.get(path)

    def made(self) -> tuple[S | None, list[Problem]]:
        """The settings, and every problem; None where they cannot be made."""
        token = COMPLETE.set(True)
        try:
            return self.cls(**self.values), list(self.problems)
        except ValidationError as error:
            strangers = unknown_variables(self.cls, self.around, prefix=self.prefix) if self.section else ()
            return None, [*self.problems, *self._told(error), *strangers]
        finally:
            COMPLETE.reset(token)

    def settings(self) -> S:
        """The settings; raises SettingsWrong with every problem."""
        made, problems = self.made()
        if (error := error_of(problems)) is not None or made is None:
            raise error or AssertionError(problems)
        return made

    def _told(self, error: ValidationError) -> Iterator[Problem]:
        is_known = not any(it.is_broken for it in self.around.documents)
        for detail in error.errors(include_url=False, include_input=False, include_context=False):
            path: Path = detail["loc"]
            name = dotted((*self.section, *path))
            if detail["type"] == "missing":
                if not is_known and not secret.is_secret(self.cls, path):
                    continue  # it may be in the file that cannot be read
                variable = layer.variable(self.prefix, path)
                yield Problem(name, f"{variable} is not set", variable=variable, owner=self.owner)
            else:
                yield self._wrong(path, name, detail["msg"].removeprefix("Value error, "))

    def _wrong(self, path: Path, name: str, message: str) -> Problem:
        """Of a value in a file, what it is: there are no secrets in it. Of one elsewhere only its name."""
        around = [path[:length] for length in range(len(path), 0, -1)]
        near = next((it for it in around if self.layer_of(it)), None)
        if near is None or (found := self.layer_of(near)) is None:
            return Problem(name, f"{name}: {message}", owner=self.owner)
        if found.kind != "file":
            json = ", written as JSON" if re.search("valid (dictionary|list)", message) else ""
            return Problem(name, message + json, found.place(near))
        value = found.get(near)
        shown = "" if secret.is_secret(self.cls, near) else f", and not {secret.shown(value, MOST_LETTERS)}"
        quoted = "; put it in quotes" if "valid string" in message and _is_plain(value) else ""
        return Problem(name, f"{name}: {message}{shown}{quoted}", found.place(near))


def _is_plain(value: object) -> bool:
    return value is not None and not isinstance(value, str | dict | list)


def _merged(low: Mapping[str, Any], high: Mapping[str, Any]) -> dict[str, Any]:
    found = dict(low)
    for name, value in high.items():
        below = found.get(name)
        both = isinstance(value, Mapping) and isinstance(below, Mapping)
        found[name] = _merged(below, value) if both else value  # type: ignore[arg-type]  # they are, if both
    return found


class _Files:
    """What the files say of one class, and what is wrong with it."""

    def __init__(self, cls: type[BaseSettings], around: Surroundings, *, prefix: str, section: Path) -> None:
        self.cls, self.around, self.prefix, self.section = cls, around, prefix, section
        self.problems: list[Problem] = []

    def layers(self) -> Iterator[Layer]:
        """One for each file that says anything."""
        for it in self.around.documents:
            values = self._section_of(it)
            if values:
                self.problems += secret.misplaced(
                    self.cls,
                    values,
                    document=it,
                    section=self.section,
                    prefix=self.prefix,
                    folder=self.around.secrets_dir,
                )
                self.problems += unknown(self.cls, values, document=it, path=self.section)
                yield layer.of_document(it, self.section, values)

    def _section_of(self, document: Document) -> dict[str, Any]:
        values: Any = document.values
        for step in self.section:
            values = values.get(step)
        if values is None:
            return {}
        if isinstance(values, Mapping):
            # At the top there are the sections of sources as well.
            own = values if self.section else values.keys() & self.cls.model_fields.keys()
            return {name: values[name] for name in own if not self._is_empty(name, values[name])}
        name = dotted(self.section)
        told = f"{name}: settings are expected below it, and not {secret.shown(values, MOST_LETTERS)}"
        self.problems.append(Problem(name, told, document.place(self.section)))
        return {}

    def _is_empty(self, name: str, value: object) -> bool:
        """A section with nothing below it."""
        return value is None and secret.model_of(self.cls, (name,)) is not None


def unknown(
    cls: type[Any], values: Mapping[str, Any], *, document: Document, path: Path
) -> Iterator[Problem]:
    """The names in a file that the class, or one within it, does not have."""
    known = secret.fields_of(cls)
    if known is None:
        return
    for name, value in values.items():
        if name not in known:
            own = (*path, name)
            told = f"{dotted(own)}: there is no such setting; {instead(name, known)}"
            yield Problem(dotted(own), told, document.key(own))
        elif isinstance(value, Mapping) and (inner := secret.model_of(cls, (name,))) is not None:
            yield from unknown(inner, value, document=document, path=(*path, name))


def unknown_variables(cls: type[Any], around: Surroundings, *, prefix: str) -> Iterator[Problem]:
    """The variables with the prefix that nobody reads; only a warning, for they may be meant for another
    version of strandline.
    """
    for variables in around.variables:
        for name in variables.values:
            path = tuple(name[len(prefix) :].split(layer.SEPARATOR))
            if name.startswith(prefix.lower()) and (told := _stranger(cls, path, prefix)):
                shown, line = variables.shown(name)
                where = shown if line is None else f".env:{line}: {shown}"
                yield Problem(shown, told, where, is_warning=True)


def _stranger(cls: type[Any], path: tuple[str, ...], prefix: str) -> str | None:
    """What is said of a variable that the class does not have; None where it has."""
    here: type[Any] = cls
    for length, step in enumerate(path):
        known = secret.fields_of(here)
        if known is None:
            return None
        names = {it.lower(): it for it in known}
        if step not in names:
            meant = near(step, names)
            listed = [meant] if meant else sorted(names)
            wanted = ", ".join(layer.variable(prefix, (*path[:length], it)) for it in listed)
            return f"nobody reads it; {'did you mean' if meant else 'there are:'} {wanted}"
        inner = secret.model_of(here, (names[step],))
        if inner is None:
            return None
        here = inner
    return None


def read(
    cls: type[S],
    around: Surroundings,
    *,
    prefix: str,
    owner: str = "settings",
    section: Path = (),
    flags: Mapping[str, Any] | None = None,
) -> Reading[S]:
    """Read the class's settings from all that is around, and from the flags that were typed."""
    files = _Files(cls, around, prefix=prefix, section=section)
    variables = [it.layer(cls, prefix) for it in around.variables]
    layers = (layer.of_flags(flags or {}), *variables, *files.layers())
    return Reading(cls, owner, prefix, section, around, layers, tuple(files.problems))
