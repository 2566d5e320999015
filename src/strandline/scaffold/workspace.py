"""The files of a new workspace: templates with names filled in, and the environment of its migrations."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from strandline.errors import DeclarationError, StrandlineError
from strandline.model.base import snake_case
from strandline.scaffold import name as names
from strandline.scaffold.origin import Origin
from strandline.source.offer import class_name
from strandline.warehouse.migration import environment

TEMPLATES: Final = Path(__file__).with_name("template")
SUFFIX: Final = ".tmpl"
SCRIPTS: Final = "libs/database/migrations"
DATABASE: Final = "database"
REPORTING: Final = ("/report.py", "_report.py", "/cli.py")
"""How the paths of those end that are there for the sample, and are not called as its source."""
_GAP: Final = re.compile(r"\{\{(\w+)\}\}")
_PART: Final = re.compile(r"^\{\{#(\w+)\}\}\n(.*?)^\{\{/\1\}\}\n", re.MULTILINE | re.DOTALL)
"""Lines that are there with the sample only, or without it only."""


@dataclass(frozen=True)
class Workspace:
    """A workspace before it is written. Raises DeclarationError for names that would not do."""

    name: str
    source: str | None
    """What the sample is called; None where nothing is to be there but the layers."""
    app: str
    origin: Origin

    def __post_init__(self) -> None:
        names.check(self.name, what="warehouse", example="strandline init {}")
        if self.source is not None:
            names.check(self.source, what="source", example=f"strandline init {self.name} --source {{}}")
        names.check(self.app, what="app", example=f"strandline init {self.name} --app {{}}")
        if self.source == self.app:
            raise DeclarationError(
                f"{self.app}: the source and the application cannot have one name",
                hint=f"Type: strandline init {self.name} --source {self.source} --app {self.app}_app",
            )

    def files(self) -> dict[str, str]:
        """All files by their paths, but for those of the migrations."""
        given = self._given()
        return {
            _filled(it.relative_to(TEMPLATES).as_posix().removesuffix(SUFFIX), given): self._text(it, given)
            for it in sorted(TEMPLATES.rglob(f"*{SUFFIX}"))
            if self.source is not None or not _is_of_sample(it)
        }

    def _given(self) -> dict[str, str]:
        given = {"name": self.name, "app": self.app, "strandline": self.origin.line}
        if self.source is None:
            return {**given, "listed": "", "alone": ""}
        kind = class_name(self.source)
        is_told = snake_case(kind) != self.source
        return {
            **given,
            "source": self.source,
            "Source": kind,
            "SOURCE": self.source.upper(),
            "named": f'    name = "{self.source}"\n' if is_told else "",
            "listed": f', "{self.source}"',
            "alone": f'"{self.source}"',
        }

    def _text(self, template: Path, given: Mapping[str, str]) -> str:
        kept = "empty" if self.source is None else "sample"
        chosen = _PART.sub(
            lambda found: found[2] if found[1] == kept else "", template.read_text(encoding="utf-8")
        )
        text = _filled(chosen, given)
        is_python = template.name.endswith(f".py{SUFFIX}")
        return _sorted(text, {self.app, DATABASE, self.source or self.app}) if is_python else text


def library(source: str) -> dict[str, str]:
    """What makes a package of a further source's folder, before its module is there."""
    given = {"source": source, "Source": class_name(source)}
    folder = TEMPLATES / "libs" / "{{source}}"
    chosen = [folder / f"pyproject.toml{SUFFIX}", *(folder / "src").rglob(f"[!s]*{SUFFIX}")]
    return {
        _filled(it.relative_to(TEMPLATES).as_posix().removesuffix(SUFFIX), given): _filled(
            it.read_text(encoding="utf-8"), given
        )
        for it in chosen
    }


def _is_of_sample(template: Path) -> bool:
    path = template.as_posix().removesuffix(SUFFIX)
    return "{{source}}" in path or path.endswith(REPORTING)


def _filled(text: str, given: Mapping[str, str]) -> str:
    return _GAP.sub(lambda found: given[found[1]], text)


def _sorted(text: str, members: set[str]) -> str:
    """With the imports of members in a group of their own, in order, wherever their names would put them."""
    own = re.compile(rf"(?:from (?:{'|'.join(sorted(members))})\b[^\n]* import [^\n(]+\n)+")
    found = own.search(text)
    if found is None:
        return text
    before, after = text[: found.start()], text[found.end() :]
    block = "".join(sorted(found[0].splitlines(keepends=True), key=lambda line: line.split()[1]))
    return f"{before}\n{block}{after}"


def check_folder(folder: Path) -> None:
    """Raise DeclarationError where something is there already; a repository that was just begun may be."""
    if folder.exists() and not folder.is_dir():
        raise DeclarationError(f"{folder}: is a file", hint="Choose another folder with --directory.")
    there = sorted(it.name for it in folder.iterdir() if it.name != ".git") if folder.exists() else []
    if there:
        told = ", ".join(there[:3]) + (f" and {len(there) - 3} more" if len(there) > 3 else "")
        raise DeclarationError(
            f"{folder}: there is {told} already, and nothing is overwritten",
            hint="Choose another folder with --directory, or empty this one.",
        )


def write(workspace: Workspace, folder: Path) -> list[str]:
    """Write the workspace into a folder that is empty, or not there yet; the paths of its files."""
    check_folder(folder)
    files = workspace.files()
    try:
        for path, text in files.items():
            file = folder / path
            file.parent.mkdir(parents=True, exist_ok=True)
            file.write_text(text, encoding="utf-8")
        made = environment.create(folder, scripts=SCRIPTS)
    except OSError as error:
        raise StrandlineError(f"{folder}: cannot be written: {error.strerror or error}") from error
    return sorted([*files, *_relative(made, folder)])


def _relative(files: list[Path], folder: Path) -> Iterator[str]:
    return (it.relative_to(folder).as_posix() for it in files)
