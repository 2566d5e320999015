"""A file of settings: what it says, and in which line and column.

YAML is loaded here only, and only where there is such a file.
"""

from __future__ import annotations

from collections.abc import Mapping
from functools import lru_cache
from pathlib import Path as File
from types import MappingProxyType
from typing import Any, Final, NamedTuple

from strandline.settings.problem import Path, Problem, dotted

MOST_VALUES: Final = 10_000
"""A file of a few lines can name billions by its aliases."""


NOTHING: Final[Mapping[Any, Any]] = MappingProxyType({})


class Mark(NamedTuple):
    """Where something stands, from 1 on."""

    line: int
    column: int

    def __str__(self) -> str:
        return f"{self.line}:{self.column}"


class Document(NamedTuple):
    """What a file says. One that cannot be read says nothing, and has the problem."""

    name: str
    """As it is shown: config.yaml."""
    values: Mapping[str, Any] = NOTHING
    keys: Mapping[Path, Mark] = NOTHING
    """Where the key of a value stands."""
    places: Mapping[Path, Mark] = NOTHING
    """Where the value itself stands."""
    problems: tuple[Problem, ...] = ()

    @property
    def is_broken(self) -> bool:
        """Whether nobody knows what it says."""
        return bool(self.problems) and not self.places

    def place(self, path: Path) -> str:
        """File, line and column of the value, or of the nearest thing around it."""
        for length in range(len(path), 0, -1):
            if path[:length] in self.places:
                return f"{self.name}:{self.places[path[:length]]}"
        return self.name

    def key(self, path: Path) -> str:
        """File, line and column of the key."""
        return f"{self.name}:{self.keys[path]}" if path in self.keys else self.place(path)


def read(file: File) -> Document:
    """What the file says; read once as long as it stays as it is."""
    try:
        stat = file.stat()
        return _read(file, stat.st_mtime_ns, stat.st_size)
    except OSError as error:
        return _wrong(file, f"it cannot be read: {error.strerror}")


@lru_cache(maxsize=16)
def _read(file: File, _changed: int, _size: int) -> Document:
    try:
        text = file.read_text(encoding="utf-8-sig")
    except UnicodeDecodeError as error:
        line = error.object[: error.start].count(b"\n") + 1
        return _wrong(file, "it is not written in UTF-8", Mark(line, 1))
    return parse(text, file)


def parse(text: str, file: File) -> Document:
    """What the text says."""
    import yaml

    try:
        return _document(yaml, text, file)
    except yaml.MarkedYAMLError as error:
        # Not as YAML says it: it shows the line, which may hold anything.
        told = ", ".join(it for it in (error.context, error.problem) if it)
        at = error.problem_mark or error.context_mark
        return _wrong(file, f"no YAML: {told}", Mark(at.line + 1, at.column + 1) if at else None)
    except yaml.reader.ReaderError as error:
        before = text[: error.position]
        mark = Mark(before.count("\n") + 1, error.position - before.rfind("\n"))
        return _wrong(file, f"no YAML: the character U+{ord(text[error.position]):04X} is not allowed", mark)
    except ValueError as error:  # 2026-02-30 looks like a date
        return _wrong(file, f"no YAML: {error}")


def _document(yaml: Any, text: str, file: File) -> Document:
    loader = yaml.SafeLoader(text)
    root = loader.get_single_node()
    if root is None or root.tag == "tag:yaml.org,2002:null":
        return Document(file.name)
    if not isinstance(root, yaml.MappingNode):
        return _wrong(file, "settings are expected, as in name: value", _mark(root))
    found = _Content(yaml, loader, file.name)
    values = found.of(root)
    return Document(file.name, values, found.keys, found.places, tuple(found.twice))


class _Content:
    """The values of a file, noted with where they stand as they are made."""

    def __init__(self, yaml: Any, loader: Any, name: str) -> None:
        self.keys: dict[Path, Mark] = {}
        self.places: dict[Path, Mark] = {}
        self.twice: list[Problem] = []
        self._yaml = yaml
        self._loader = loader
        self._name = name
        self._count = 0
        self._flat: set[int] = set()

    def of(self, node: Any, path: Path = (), above: tuple[int, ...] = ()) -> Any:
        """The value of a node; names are texts, however they look."""
        self._count += 1
        if self._count > MOST_VALUES:
            raise self._refusal(node, f"there are more than {MOST_VALUES:,} values")
        if id(node) in above:
            raise self._refusal(node, "an alias stands within itself")
        if isinstance(node, self._yaml.ScalarNode):
            return self._loader.construct_object(node)
        if node.tag not in ("tag:yaml.org,2002:map", "tag:yaml.org,2002:seq"):
            raise self._refusal(node, f"the tag {node.tag} is not known")
        above = (*above, id(node))
        if isinstance(node, self._yaml.SequenceNode):
            return [self._entry(it, it, (*path, no), above) for no, it in enumerate(node.value)]
        if id(node) not in self._flat:  # what is merged into it would be found twice
            self._flat.add(id(node))
            self._look_for_twice(node, path)
            self._loader.flatten_mapping(node)
        return {key.value: self._entry(key, value, (*path, key.value), above) for key, value in node.value}

    def _entry(self, key: Any, value: Any, path: Path, above: tuple[int, ...]) -> Any:
        if not isinstance(path[-1], str | int):
            raise self._refusal(key, "a name is expected")
        self.keys[path], self.places[path] = _mark(key), _mark(value)
        return self.of(value, path, above)

    def _look_for_twice(self, node: Any, path: Path) -> None:
        """The first of two would be forgotten without a word."""
        seen: dict[Any, Mark] = {}
        for key, _ in node.value:
            name = str(key.value)
            if name in seen and name != "<<":
                told = f"{dotted((*path, name))} stands here for the second time; the first is in line"
                where = f"{self._name}:{_mark(key)}"
                self.twice.append(Problem(dotted((*path, name)), f"{told} {seen[name].line}", where))
            seen[name] = _mark(key)

    def _refusal(self, node: Any, problem: str) -> Exception:
        refusal: Exception = self._yaml.MarkedYAMLError(problem=problem, problem_mark=node.start_mark)
        return refusal


def _mark(node: Any) -> Mark:
    return Mark(node.start_mark.line + 1, node.start_mark.column + 1)


def _wrong(file: File, message: str, mark: Mark | None = None) -> Document:
    where = f"{file.name}:{mark}" if mark else file.name
    return Document(file.name, problems=(Problem(file.name, message, where),))
