"""Where the pipelines are: the modules that a project names, imported from its folder."""

from __future__ import annotations

import sys
from collections.abc import Mapping
from importlib import import_module
from pathlib import Path
from types import ModuleType

from strandline.errors import DeclarationError
from strandline.pipeline.definition import Pipeline


def find(app: str, *, folder: Path) -> dict[str, Pipeline]:
    """The pipelines that the modules of `app` (names, separated by commas) declare, by name."""
    found: dict[str, Pipeline] = {}
    for module in (part.strip() for part in app.split(",")):
        for pipeline in _declared(module, folder):
            if found.setdefault(pipeline.name, pipeline) is not pipeline:
                raise DeclarationError(
                    f"{module}: a second pipeline is called {pipeline.name!r}", hint="Give it another name."
                )
    return found


def choose(app: str, name: str, *, folder: Path) -> Pipeline:
    """The pipeline of that name; DeclarationError tells which there are."""
    return pick(find(app, folder=folder), name, app=app)


def pick(found: Mapping[str, Pipeline], name: str, *, app: str) -> Pipeline:
    """That one of these; DeclarationError tells which there are."""
    if name not in found:
        raise DeclarationError(
            f"{app}: there is no pipeline {name!r}",
            hint=f"There are: {', '.join(found) or 'none'}. Another module is named with --app.",
        )
    return found[name]


def imported(module: str, folder: Path) -> ModuleType:
    """The module of the project in this folder. Raises DeclarationError where there is none."""
    if str(folder) not in sys.path:
        sys.path.insert(0, str(folder))
    try:
        return import_module(module)
    except ModuleNotFoundError as error:
        if error.name is None or not f"{module}.".startswith(f"{error.name}."):
            raise
        raise DeclarationError(
            f"{folder}: there is no module {module!r}",
            hint="Run where it is, or name the module that declares the pipelines: --app project.pipelines.",
        ) from error


def _declared(module: str, folder: Path) -> list[Pipeline]:
    found = imported(module, folder)
    return list({id(it): it for it in vars(found).values() if isinstance(it, Pipeline)}.values())
