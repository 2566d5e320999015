"""Lines added to a project's own modules, each behind the last of its kind in a class; nothing else moves.

Where a class is, is told by the syntax tree; what is written are lines of text, so that comments, quotes and
line ends stay as their author has them.
"""

from __future__ import annotations

import ast
import inspect
import os
import tempfile
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field
from difflib import unified_diff
from pathlib import Path
from types import ModuleType
from typing import Any

from strandline.errors import DeclarationError

Anchor = type[ast.AnnAssign] | type[ast.Assign]
"""A new line stands behind the last statement of this kind."""


@dataclass(frozen=True)
class Name:
    """Something that a new line needs, as it is imported."""

    module: str
    name: str
    meant: Any


@dataclass
class Module:
    """A module of the project that gets new lines."""

    path: Path
    imported: ModuleType
    lines: list[str] = field(default_factory=list)
    added: dict[int, list[str]] = field(default_factory=dict)
    """New lines, by the number of the line before them."""

    def __post_init__(self) -> None:
        with self.path.open(encoding="utf-8", newline="") as file:
            self.lines = file.read().splitlines(keepends=True)
        self.tree = ast.parse("".join(self.lines), filename=str(self.path))

    @property
    def end(self) -> str:
        """How the author ends lines."""
        return "\r\n" if self.lines and self.lines[0].endswith("\r\n") else "\n"

    @property
    def before(self) -> str:
        """Its text as it is."""
        return "".join(self.lines)

    @property
    def after(self) -> str:
        """Its text with the new lines."""
        text = list(self.lines)
        if text and not text[-1].endswith("\n"):
            text[-1] += self.end
        for number in sorted(self.added, reverse=True):
            text[number:number] = [f"{it}{self.end}" if it else self.end for it in self.added[number]]
        return "".join(text)

    def add(self, number: int, *lines: str) -> None:
        """Put lines behind the line of this number."""
        self.added.setdefault(number, []).extend(lines)

    def diff(self, folder: Path) -> str:
        """What changes, as `patch` reads it."""
        name = self.path.relative_to(folder).as_posix()
        before, after = self.before.splitlines(), self.after.splitlines()
        return "\n".join(unified_diff(before, after, f"a/{name}", f"b/{name}", lineterm=""))


class Modules:
    """The modules of the project in this folder that get new lines, each once."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder.resolve()
        self._found: dict[Path, Module] = {}

    def __iter__(self) -> Iterator[Module]:
        return iter(self._found.values())

    def of(self, cls: type[Any]) -> Module:
        """Where the class is declared. Raises DeclarationError when that is not in the project."""
        imported, file = inspect.getmodule(cls), inspect.getsourcefile(cls)
        path = Path(file).resolve() if file else None
        if imported is None or path is None or not path.is_relative_to(self.folder):
            raise DeclarationError(
                f"{cls.__name__} is declared in {path or cls.__module__}, which is not in {self.folder}",
                hint="Add the line there by hand.",
            )
        if path not in self._found:
            self._found[path] = Module(path, imported)
        return self._found[path]

    def declare(self, cls: type[Any], line: str, *, behind: Anchor, needs: Iterable[Name] = ()) -> None:
        """Add a line to the body of the class, and the imports that it needs."""
        module = self.of(cls)
        body = _find_class(module, cls)
        last = next((it for it in reversed(body.body) if isinstance(it, behind)), None)
        before = last or body.body[0]
        if before.lineno == body.lineno or before.end_lineno is None:
            raise DeclarationError(
                f"{module.path}:{body.lineno}: the body of {cls.__name__} stands on the line of its class",
                hint="Give it lines of its own, and try again.",
            )
        is_docstring = last is None and isinstance(before, ast.Expr)
        if last is None and not is_docstring:
            module.add(before.lineno - 1, f"{' ' * before.col_offset}{line}")
        else:
            module.add(before.end_lineno, *[""] * is_docstring, f"{' ' * before.col_offset}{line}")
        for name in needs:
            _need(module, name)

    def write(self) -> None:
        """Write all of them, or none where one does not compile. Raises DeclarationError."""
        for module in self:
            try:
                compile(module.after, str(module.path), "exec")
            except SyntaxError as error:
                raise DeclarationError(
                    f"{module.path}:{error.lineno}: with the new lines it would be no Python: {error.msg}",
                    hint="Nothing was written. Add the lines by hand: --dry-run shows them.",
                ) from error
        for module in self:
            _replace(module.path, module.after)

    def take_back(self) -> None:
        """Write them as they were."""
        for module in self:
            _replace(module.path, module.before)


def _find_class(module: Module, cls: type[Any]) -> ast.ClassDef:
    found = [it for it in module.tree.body if isinstance(it, ast.ClassDef) and it.name == cls.__qualname__]
    if len(found) != 1:
        raise DeclarationError(
            f"{module.path}: class {cls.__qualname__} does not stand in it once, by itself",
            hint="Add the line there by hand.",
        )
    return found[0]


def _need(module: Module, name: Name) -> None:
    """Import a name, unless it is there or about to be."""
    there = getattr(module.imported, name.name, None)
    if there is name.meant:
        return
    if there is not None:
        raise DeclarationError(
            f"{module.path}: {name.name} is something else there than {name.module}.{name.name}",
            hint="Add the lines by hand: --dry-run shows what is meant once the name is free.",
        )
    line = f"from {name.module} import {name.name}"
    if any(line in lines for lines in module.added.values()):
        return
    imports = [it for it in module.tree.body if isinstance(it, ast.Import | ast.ImportFrom)]
    same = [it for it in imports if isinstance(it, ast.ImportFrom) and it.module == name.module]
    behind = (same or imports or module.tree.body)[-1]
    module.add(behind.end_lineno or behind.lineno, line)


def _replace(path: Path, text: str) -> None:
    """Write a file so that it is there either as it was or as it should be."""
    handle, name = tempfile.mkstemp(dir=path.parent, prefix=f".{path.name}.")
    try:
        with os.fdopen(handle, "w", encoding="utf-8", newline="") as file:
            file.write(text)
            file.flush()
            os.fsync(file.fileno())
        Path(name).chmod(path.stat().st_mode)
        os.replace(name, path)
    except OSError:
        Path(name).unlink(missing_ok=True)
        raise
