"""Where something is declared: the file and line of a class, or of a name in its body."""

from __future__ import annotations

import ast
import sys
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Any


@dataclass(frozen=True, order=True)
class Place:
    """A line of a file; the file as it is called from the current folder where it lies below it."""

    file: str
    line: int

    def __str__(self) -> str:
        return f"{self.file}:{self.line}"


def find(owner: type[Any], member: str | None = None) -> Place | None:
    """Where the class is, or the name in it or in the first class that it inherits it from; None where no
    source is to be had, as of a class that a program has made.
    """
    if member is not None:
        for cls in owner.__mro__:
            line = _members(cls).get(member)
            if line is not None:
                return _place(cls, line)
    line = _classes(_file(owner)).get(owner.__qualname__, (None, {}))[0]
    return None if line is None else _place(owner, line)


def _place(cls: type[Any], line: int) -> Place:
    return Place(shown(Path(_file(cls))), line)


def shown(file: Path) -> str:
    """The file as it is called from here."""
    here = Path.cwd()
    return file.relative_to(here).as_posix() if file.is_relative_to(here) else str(file)


def _members(cls: type[Any]) -> dict[str, int]:
    return _classes(_file(cls)).get(cls.__qualname__, (None, {}))[1]


def _file(cls: type[Any]) -> str:
    module = sys.modules.get(cls.__module__)
    return getattr(module, "__file__", None) or ""


@cache
def _classes(file: str) -> dict[str, tuple[int | None, dict[str, int]]]:
    """The lines of the file's classes by qualified name, each with those of the names in its body."""
    if not file.endswith(".py") or not Path(file).is_file():
        return {}
    found: dict[str, tuple[int | None, dict[str, int]]] = {}
    _collect(ast.parse(Path(file).read_bytes()), "", found)
    return found


def _collect(node: ast.AST, above: str, found: dict[str, tuple[int | None, dict[str, int]]]) -> None:
    for child in ast.iter_child_nodes(node):
        if isinstance(child, ast.ClassDef):
            name = f"{above}{child.name}"
            found[name] = child.lineno, {it: line for each in child.body for it, line in _names(each)}
            _collect(child, f"{name}.", found)
        elif isinstance(child, ast.FunctionDef):
            _collect(child, f"{above}{child.name}.<locals>.", found)
        elif isinstance(child, ast.If | ast.Try | ast.With):
            _collect(child, above, found)


def _names(statement: ast.stmt) -> list[tuple[str, int]]:
    """The names that a statement in a class gives a value or a type."""
    if isinstance(statement, ast.FunctionDef):
        return [(statement.name, statement.lineno)]
    targets = (
        [statement.target]
        if isinstance(statement, ast.AnnAssign)
        else statement.targets
        if isinstance(statement, ast.Assign)
        else []
    )
    return [(it.id, statement.lineno) for it in targets if isinstance(it, ast.Name)]
