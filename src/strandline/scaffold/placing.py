"""A drafted source in a workspace: a library of its own, a module of the database, a test, and its syncs."""

from __future__ import annotations

import ast
import re
import tomllib
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Final

from strandline.errors import DeclarationError, StrandlineError
from strandline.scaffold import imported, wiring, workspace
from strandline.scaffold import name as names
from strandline.source.offer import class_name

ROOT: Final = "pyproject.toml"
DATABASE: Final = "libs/database/pyproject.toml"
EXAMPLE: Final = ".env.example"
MEMBERS: Final = ("libs", "apps")
MODELS: Final = "libs/database/src/database"
CLASS: Final = re.compile(r"^class (\w+)\(", re.MULTILINE)
NEEDED: Final = re.compile(r"^    (\w+): (?:str|SecretStr)$", re.MULTILINE)
"""A setting without a default."""


@dataclass(frozen=True)
class Placed:
    """What was written, what was added to files that were there, and what is left to the user."""

    files: list[str]
    changed: list[str]
    by_hand: dict[str, list[str]]
    """Lines, by the file in which they belong."""
    settings: list[str]
    """Variables that have no default."""
    renamed: dict[str, str]
    """Models whose names others have: as they would have been called, and as they are."""


@dataclass
class Place:
    """A workspace in a folder, with what is to be written there."""

    folder: Path
    _texts: dict[str, str] = field(default_factory=dict)
    _by_hand: dict[str, list[str]] = field(default_factory=dict)

    def check(self, source: str) -> None:
        """Raise DeclarationError for a name that would not do, or that is there."""
        names.check(source, what="source", example="strandline generate source {} --from …")
        paths = [f"libs/{source}", f"apps/{source}", *_paths(source).values()]
        there = [it for it in paths if (self.folder / it).exists()]
        if there:
            raise DeclarationError(
                f"{', '.join(there)}: is there already, and nothing is overwritten",
                hint="Give the source another name, or another folder with --out.",
            )

    def write(self, drafted: Mapping[str, str], source: str) -> Placed:
        """Write a source that was drafted for a folder of its own, and register it."""
        renamed = self._renamed(drafted["model.py"], source)
        drafted = {name: _with_names(text, renamed) for name, text in drafted.items()}
        made = workspace.library(source) | self._moved(drafted, source)
        self._change(ROOT, wiring.admit(self._text(ROOT), source), told=_workspace_lines(source))
        self._depend(DATABASE, source)
        self._sync(drafted["pipeline.py"], source)
        settings = [f"STRANDLINE_{source.upper()}__{it.upper()}" for it in _needed(drafted["source.py"])]
        if settings and (self.folder / EXAMPLE).exists():
            self._texts[EXAMPLE] = self._text(EXAMPLE) + "".join(f"{it}=\n" for it in settings)
        self._store(made | self._texts)
        return Placed(sorted(made), sorted(self._texts), self._by_hand, settings, renamed)

    def _moved(self, drafted: Mapping[str, str], source: str) -> dict[str, str]:
        paths, found = _paths(source), {}
        for name, text in drafted.items():
            if name.startswith("samples/"):
                found[f"libs/{source}/tests/{name}"] = text
            elif name in paths:
                found[paths[name]] = imported.regrouped(
                    text, moved=_modules(source), members=self._members(source)
                )
        test = paths[f"test_{source}.py"]
        place = f'Path(__file__).parents[2] / "{source}" / "tests" / "samples"'
        found[test] = found[test].replace('Path(__file__).with_name("samples")', place)
        return found

    def _renamed(self, model: str, source: str) -> dict[str, str]:
        """Two models cannot have one table."""
        texts = [it.read_text("utf-8") for it in (self.folder / MODELS).glob("*.py")]
        taken = {name for text in texts for name in CLASS.findall(text)}
        own = [it for it in CLASS.findall(model) if it in taken]
        return {it: re.sub("^(Dim|Fact)?", rf"\1{class_name(source)}", it) for it in own}

    def _members(self, source: str) -> set[str]:
        there = (it.name for each in MEMBERS for it in (self.folder / each).iterdir() if it.is_dir())
        return {source, *there}

    def _sync(self, drafted: str, source: str) -> None:
        """The pipeline of the application, where there is one only."""
        body = ast.parse(drafted).body
        found = [it for it in body if isinstance(it, ast.ImportFrom) and it.module in _modules(source)]
        imports = [imported.statement(it, _modules(source)) for it in found]
        files = sorted(self.folder.glob("apps/*/src/*/pipeline.py"))
        declared = [(it, name) for it in files for name in imported.pipelines_in(it.read_text("utf-8"))]
        if len(declared) != 1:
            told = _syncs(drafted, source, "PIPELINE")
            self._by_hand["the module of your pipeline, for PIPELINE"] = [*imports, *told]
            return
        ((file, pipeline),) = declared
        path, syncs = file.relative_to(self.folder).as_posix(), _syncs(drafted, source, pipeline)
        self._texts[path] = imported.with_syncs(
            self._text(path), pipeline, imports=imports, syncs=syncs, members=self._members(source)
        )
        self._depend(file.relative_to(self.folder).parents[2].as_posix() + f"/{ROOT}", source)

    def _depend(self, path: str, source: str) -> None:
        self._change(path, wiring.depend(self._text(path), source), told=[f'dependencies: "{source}"'])

    def _change(self, path: str, made: str | None, *, told: list[str]) -> None:
        if made is None:
            self._by_hand[path] = told
        else:
            self._texts[path] = made

    def _text(self, path: str) -> str:
        return self._texts.get(path) or (self.folder / path).read_text(encoding="utf-8")

    def _store(self, files: Mapping[str, str]) -> None:
        try:
            for path, text in files.items():
                (self.folder / path).parent.mkdir(parents=True, exist_ok=True)
                (self.folder / path).write_text(text, encoding="utf-8")
        except OSError as error:
            raise StrandlineError(f"{self.folder}: cannot be written: {error.strerror or error}") from error


def find(folder: Path) -> Place | None:
    """The workspace in this folder; None where it is none of ours."""
    try:
        read = tomllib.loads((folder / ROOT).read_text(encoding="utf-8"))
    except (OSError, ValueError):
        return None
    members = read.get("tool", {}).get("uv", {}).get("workspace", {}).get("members", [])
    is_ours = {f"{it}/*" for it in MEMBERS} <= set(members) and (folder / DATABASE).is_file()
    return Place(folder) if is_ours else None


def _with_names(text: str, renamed: Mapping[str, str]) -> str:
    for old, new in renamed.items():
        text = re.sub(rf"\b{old}\b", new, text)
    return text


def _paths(source: str) -> dict[str, str]:
    """Where each file of a draft goes."""
    return {
        "source.py": f"libs/{source}/src/{source}/source.py",
        "model.py": f"libs/database/src/database/{source}.py",
        f"test_{source}.py": f"libs/database/tests/test_{source}.py",
    }


def _modules(source: str) -> dict[str, str]:
    return {"source": f"{source}.source", "model": f"database.{source}"}


def _syncs(drafted: str, source: str, pipeline: str) -> list[str]:
    """The statements behind the pipeline's, for one of another name."""
    lines = [line for line in drafted.splitlines() if not line.startswith(("from ", f"{source} = ", '"""'))]
    first = next(number for number, line in enumerate(lines) if line.startswith(f"{source}."))
    return [re.sub(rf"^{source}\.sync\(", f"{pipeline}.sync(", line) for line in lines[first:]]


def _needed(module: str) -> list[str]:
    found = re.search(r"^class \w+\(SourceSettings\):\n(?:    [^\n]*\n|\n(?=    ))*", module, re.MULTILINE)
    return [it[1] for it in NEEDED.finditer(found[0])] if found else []


def _workspace_lines(source: str) -> list[str]:
    return [
        f"tool.uv.sources: {source} = {{ workspace = true }}",
        f'tool.importlinter: root_packages, layers (beside the other sources) and source_modules: "{source}"',
    ]
