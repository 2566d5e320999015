"""What a program finds around it: the environment, `.env`, secret files, `config.yaml` and its overlay."""

from __future__ import annotations

import os
import re
from collections.abc import Mapping
from contextvars import ContextVar
from pathlib import Path
from typing import Final, NamedTuple

from dotenv import dotenv_values

from strandline.settings import document
from strandline.settings.document import Document
from strandline.settings.layer import Variables, lines_of
from strandline.settings.problem import Problem, instead

PREFIX: Final = "STRANDLINE_"
ENVIRONMENT: Final = "strandline_environment"
CONFIG: Final = "strandline_config"
SECRETS_DIR: Final = "strandline_secrets_dir"
BASE: Final = "config.yaml"
SECRETS: Final = "/run/secrets"
"""Where Docker and its like put them."""
TYPED: ContextVar[str | None] = ContextVar("TYPED", default=None)
"""The environment that was typed; it is in the environment too, for the processes that this one starts."""


class Surroundings(NamedTuple):
    """The variables and files that settings are read from, highest first."""

    environment: Variables
    dotenv: Variables
    secrets: Variables
    documents: tuple[Document, ...]
    """The overlay, then the base, where they are there."""
    problems: tuple[Problem, ...]
    """What is wrong with all of it, whatever it is that is set."""
    typed: str | None = None
    """The environment, where it was typed."""

    @property
    def variables(self) -> tuple[Variables, ...]:
        """All that has names as variables have."""
        return self.environment, self.dotenv, self.secrets

    @property
    def secrets_dir(self) -> str:
        """Where a secret file would be looked for."""
        return _chosen(SECRETS_DIR, self.environment.values, self.dotenv.values) or SECRETS


def look(env_file: str | Path | None = ".env") -> Surroundings:
    """Read what is there."""
    environment = {name.lower(): value for name, value in os.environ.items()}
    dotenv, problems = _read_dotenv(env_file)
    folder = Path(_chosen(SECRETS_DIR, environment, dotenv.values) or SECRETS)
    secrets, unreadable = _read_secrets(folder)
    documents, wrong = _read_documents(
        _chosen(CONFIG, environment, dotenv.values), _chosen(ENVIRONMENT, environment, dotenv.values)
    )
    problems = [*problems, *unreadable, *wrong, *(it for found in documents for it in found.problems)]
    given = Variables("environment", environment, lambda name: (name.upper(), None))
    return Surroundings(given, dotenv, secrets, tuple(documents), tuple(problems), TYPED.get())


def _chosen(name: str, *places: Mapping[str, str | None]) -> str | None:
    return next((value for place in places if (value := place.get(name))), None)


def _read_dotenv(file: str | Path | None) -> tuple[Variables, list[Problem]]:
    path = None if file is None else Path(file)
    if path is None or not path.is_file():
        return Variables(".env", {}, lambda name: (name.upper(), None)), []
    try:
        values = {name.lower(): value for name, value in dotenv_values(path, encoding="utf-8").items()}
    except (OSError, UnicodeDecodeError) as error:
        told = getattr(error, "strerror", None) or "it is not written in UTF-8"
        nothing = Variables(".env", {}, lambda name: (name.upper(), None))
        return nothing, [Problem(path.name, f"it cannot be read: {told}", path.name)]
    return Variables(".env", values, lambda name: (name.upper(), lines_of(path, values).get(name))), []


def _read_secrets(folder: Path) -> tuple[Variables, list[Problem]]:
    """The files of the folder that are called as our variables are, without the last line's end."""
    values: dict[str, str | None] = {}
    paths: dict[str, Path] = {}
    problems: list[Problem] = []
    for path in _files_in(folder):
        try:
            values[path.name.lower()] = path.read_text(encoding="utf-8").strip()
            paths[path.name.lower()] = path
        except (OSError, UnicodeDecodeError) as error:
            told = getattr(error, "strerror", None) or "it is not written in UTF-8"
            problems.append(Problem(path.name, f"it cannot be read: {told}", str(path)))
    return Variables(
        "secret file", values, lambda name: (str(paths.get(name, folder / name)), None)
    ), problems


def _files_in(folder: Path) -> list[Path]:
    try:
        names = sorted(it for it in os.listdir(folder) if it.lower().startswith(PREFIX.lower()))
    except OSError:
        return []  # most machines have no such folder
    chosen = (ENVIRONMENT, CONFIG, SECRETS_DIR)  # they say which files are read, and so cannot be in one
    return [path for name in names if name.lower() not in chosen and not (path := folder / name).is_dir()]


def _read_documents(config: str | None, environment: str | None) -> tuple[list[Document], list[Problem]]:
    base = Path(config or BASE)
    documents: list[Document] = []
    problems: list[Problem] = []
    if environment is not None:
        overlay, problem = _overlay(base, environment)
        documents += [document.read(overlay)] if overlay else []
        problems += [problem] if problem else []
    if base.exists():
        documents.append(document.read(base))
    elif config is not None:
        problems.append(Problem("config", f"there is no file {config}", "STRANDLINE_CONFIG"))
    return documents, problems


def _overlay(base: Path, environment: str) -> tuple[Path | None, Problem | None]:
    where = "--environment" if environment == TYPED.get() else "STRANDLINE_ENVIRONMENT"
    if not re.fullmatch(r"[A-Za-z0-9_-]+", environment):
        return None, Problem("environment", "letters, digits, - and _ are allowed", where)
    path = base.with_name(f"{base.stem}.{environment}{base.suffix}")
    if path.exists():
        return path, None
    others = sorted(it.name for it in base.parent.glob(f"{base.stem}.*{base.suffix}"))
    return None, Problem("environment", f"there is no file {path}; {instead(path.name, others)}", where)
