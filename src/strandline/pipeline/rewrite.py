"""Lines added to a project's own modules, each behind the last of its kind in a class; nothing else moves.

Where a class is, is told by the syntax tree; what is written are lines of text, so that comments, quotes and
line ends stay as their author has them.
"""

from __future__ import annotations

import ast
import inspect
import os
import tempfile
import tokenize
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field
from difflib import unified_diff
from itertools import takewhile
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
    is_written: bool = False

    def __post_init__(self) -> None:
        with self.path.open("rb") as file:
            self.encoding, _ = tokenize.detect_encoding(file.readline)
        # Not splitlines: to Python a form feed within a line ends none.
        with self.path.open(encoding=self.encoding, newline="") as lines:
            self.lines = lines.readlines()
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

    def indent(self, statement: ast.stmt) -> str:
        """What stands before it on its line, tabs or spaces."""
        line = self.lines[statement.lineno - 1]
        return line[: len(line) - len(line.lstrip())]

    def add(self, number: int, *lines: str) -> None:
        """Put lines behind the line of this number."""
        self.added.setdefault(number, []).extend(lines)

    def replace(self, text: str) -> None:
        """Write the file so that it is there either as it was or with this text."""
        handle, name = tempfile.mkstemp(dir=self.path.parent, prefix=f".{self.path.name}.")
        try:
            with os.fdopen(handle, "w", encoding=self.encoding, newline="") as file:
                file.write(text)
                file.flush()
                os.fsync(file.fileno())
            Path(name).chmod(self.path.stat().st_mode)
            Path(name).replace(self.path)
        except OSError:
            Path(name).unlink(missing_ok=True)
            raise
        self.is_written = True

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
        if imported is None or path is None or not self._is_ours(path):
            raise DeclarationError(
                f"{cls.__name__} is declared in {path or cls.__module__}, which is not in {self.folder}",
                hint="Add the line there by hand.",
            )
        if path not in self._found:
            self._found[path] = Module(path, imported)
        return self._found[path]

    def _is_ours(self, path: Path) -> bool:
        """Whether the project has it, and no package that is installed within its folder."""
        return path.is_relative_to(self.folder) and "site-packages" not in path.parts

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
        new = f"{module.indent(before)}{line}"
        if last is not None:
            module.add(before.end_lineno, new)
        elif isinstance(before, ast.Expr):  # a docstring
            module.add(before.end_lineno, "", new)
        else:
            module.add(_first_line(before) - 1, new)
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
        try:
            for module in self:
                module.replace(module.after)
        except OSError as error:
            self.take_back()
            raise DeclarationError(
                f"{error.filename}: cannot be written: {error.strerror}", hint="Nothing was kept."
            ) from error

    def take_back(self) -> None:
        """Write them as they were."""
        for module in self:
            if module.is_written:
                module.replace(module.before)


def _first_line(statement: ast.stmt) -> int:
    """Where it begins: with its decorators."""
    decorators: list[ast.expr] = getattr(statement, "decorator_list", [])
    return min([statement.lineno, *(it.lineno for it in decorators)])


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
    top = takewhile(lambda it: not isinstance(it, ast.ClassDef), module.tree.body)
    imports = [it for it in top if isinstance(it, ast.Import | ast.ImportFrom)]
    same = [it for it in imports if isinstance(it, ast.ImportFrom) and it.module == name.module]
    if not imports:
        raise DeclarationError(
            f"{module.path}: there are no imports above its classes to put {line!r} behind",
            hint="Add the import, and try again.",
        )
    behind = (same or imports)[-1]
    module.add(behind.end_lineno or behind.lineno, line)
