"""All settings of a project: strandline's own and those of its sources, with where each comes from and all
that is wrong with them.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from pydantic import BaseModel
from pydantic.fields import FieldInfo
from pydantic_core import to_jsonable_python

from strandline.cli import commands
from strandline.cli.option import importing
from strandline.errors import DeclarationError, SettingsWrong
from strandline.pipeline import discovery
from strandline.settings import Settings, own, reading, secret, surroundings
from strandline.settings.layer import variable
from strandline.settings.problem import Path as Names
from strandline.settings.problem import Problem, dotted, near, of_error
from strandline.settings.reading import Reading
from strandline.settings.surroundings import Surroundings
from strandline.source.settings import read as read_source
from strandline.source.stream import Source


@dataclass
class Found:
    """What is set."""

    around: Surroundings
    readings: list[Reading[Any]]
    """Strandline's own, then those of each source."""
    problems: list[Problem] = field(default_factory=list)
    settings: Settings | None = None
    """Strandline's own, where they are right."""
    pipelines: list[Any] = field(default_factory=list)
    sources: list[type[Source]] = field(default_factory=list)
    """Those whose settings are right."""

    @property
    def files(self) -> list[str]:
        """The files that were read, highest first."""
        dotenv = [".env"] if self.around.dotenv.values else []
        secrets = [self.around.secrets_dir] if self.around.secrets.values else []
        return [*dotenv, *secrets, *(it.name for it in self.around.documents)]

    def rows(self) -> list[dict[str, Any]]:
        """Every setting, with its value and where that comes from."""
        return [row for it in self.readings for row in _rows(it)]


def look(flags: Mapping[str, Any], *, name: str | None = None) -> Found:
    """Read what is set of strandline itself, and of the sources of all pipelines or of this one."""
    around = surroundings.look()
    mine = own.read(around, {flag: value for flag, value in flags.items() if value is not None})
    made, problems = mine.made()
    found = Found(around, [mine], [*around.problems, *problems], settings=made)
    found.problems += _unknown_rules(mine)
    app = made.app if made else str(mine.values.get("app", Settings.model_fields["app"].default))
    try:
        pipelines = _pipelines(app)
    except DeclarationError as error:
        found.problems += [*own.unknown_names(around), of_error(error)]
        return found
    found.pipelines = list(pipelines.values())
    every = commands.sources_of(found.pipelines)
    wanted = every.values() if name is None else discovery.pick(pipelines, name, app=app).sources
    found.problems += own.unknown_names(around, every)
    for source in wanted:
        _add(found, source)
    found.problems += own.unknown_variables(around)
    for its in found.readings[1:]:
        found.problems += reading.unknown_variables(its.cls, around, prefix=its.prefix)
    return found


def _unknown_rules(mine: Reading[Settings]) -> Iterator[Problem]:
    """Rules of `strandline check` that somebody chooses, and that there are not."""
    chosen = mine.given(("check", "rules"))
    if not chosen or not isinstance(chosen, Mapping):
        return
    from strandline.pipeline.lint import catalog

    for name in chosen:
        if name not in catalog.ALL:
            path = ("check", "rules", name)
            meant = near(name, catalog.ALL)
            rest = f"; did you mean {meant}?" if meant else "; strandline check --rules lists all"
            layer = mine.layer_of(path)
            where = layer.place(path) if layer else None
            yield Problem(dotted(path), f"{dotted(path)}: there is no rule of that name{rest}", where)


def _pipelines(app: str) -> Mapping[str, Any]:
    with importing(app):
        return discovery.find(app, folder=Path.cwd())


def _add(found: Found, source: type[Source]) -> None:
    try:
        its = read_source(source.settings_class(), source.name, found.around)
    except DeclarationError as error:
        found.problems.append(of_error(error))
        return
    found.readings.append(its)
    problems = its.made()[1]
    found.problems += problems
    if not problems:
        found.sources.append(source)


def _rows(its: Reading[Any]) -> Iterator[dict[str, Any]]:
    made, _ = its.made()
    for path, info in _fields(its.cls):
        is_missing = its.layer_of(path) is None and info.is_required()
        value = _value(made, path) if made else its.given(path, otherwise=_default(info))
        yield {
            "setting": dotted((*its.section, *path)),
            "value": secret.masked(its.cls, path, to_jsonable_python(value, fallback=str)),
            "origin": "not set" if is_missing else str(its.origin(path)),
            "variable": variable(its.prefix, path),
            "description": info.description,
        }


def _fields(cls: type[BaseModel], path: Names = ()) -> Iterator[tuple[Names, FieldInfo]]:
    for name, info in cls.model_fields.items():
        inner = info.annotation  # where it may be None as well, its fields may not be there
        if isinstance(inner, type) and issubclass(inner, BaseModel):
            yield from _fields(inner, (*path, name))
        else:
            yield (*path, name), info


def _default(info: FieldInfo) -> Any:
    return None if info.is_required() else info.get_default(call_default_factory=True)


def _value(made: Any, path: Names) -> Any:
    for step in path:
        made = getattr(made, str(step))
    return made


def try_sources(found: Found) -> None:
    """Open each of them, as a run does, and note what it says against them."""
    for source in found.sources:
        try:
            with source():
                pass
        except SettingsWrong:
            continue  # that is known
        except DeclarationError as error:
            found.problems.append(of_error(error))
