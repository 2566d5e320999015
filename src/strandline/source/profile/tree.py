"""What the fields of many records hold: a node for each place, with its kinds and values."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any, Final

from strandline.source.census import KINDS
from strandline.source.personal import looks_personal, may_be_shown
from strandline.source.profile import form

DEEPEST: Final = 8
MOST_NAMES: Final = 200
"""An object with more names than that has values for names: a mapping."""


@dataclass
class Node:
    """One place in the records."""

    name: str = ""
    asked: int = 0
    """In so many objects it could stand."""
    kinds: Counter[str] = field(default_factory=Counter)
    values: Counter[tuple[str, Any]] = field(default_factory=Counter)
    """How often each single value stands there, with its kind."""
    children: dict[str, Node] = field(default_factory=dict)
    element: Node | None = None
    """What is in its lists."""

    @property
    def present(self) -> int:
        """In how many objects it stands, null or not."""
        return self.kinds.total()

    @property
    def filled(self) -> int:
        """In how many of them it has a value."""
        return self.present - self.kinds["null"]

    @property
    def fill_rate(self) -> float:
        """The share of the objects that have a value for it."""
        return self.filled / self.asked if self.asked else 0.0

    @property
    def told(self) -> list[str]:
        """The kinds apart from null."""
        return [it for it in self.kinds if it != "null"]

    @property
    def form(self) -> str | None:
        """What all its texts look like; None where there are none or they look like nothing."""
        texts = [value for kind, value in self.values if kind == "text"]
        return form.of(texts) if texts and self.told == ["text"] else None

    @property
    def is_personal(self) -> bool:
        """Whether it may point at a person: by its name, or by what it holds."""
        return looks_personal(self.name) or self.form in form.PERSONAL

    @property
    def is_open(self) -> bool:
        """Whether its names are values, so that nobody would write them into a contract."""
        return len(self.children) > MOST_NAMES

    def add(self, value: Any, depth: int = 0) -> None:
        """Count a value that stands there."""
        kind = KINDS[type(value)]
        self.kinds[kind] += 1
        if isinstance(value, dict):
            self._add_object(value, depth)
        elif isinstance(value, list):
            if self.element is None:
                self.element = Node(self.name)
            self.element.asked += len(value)
            for it in value:
                self.element.add(it, depth + 1)
        elif value is not None:
            self.values[kind, value] += 1

    def _add_object(self, value: Mapping[str, Any], depth: int) -> None:
        if depth < DEEPEST:
            for name, it in value.items():
                self.children.setdefault(name, Node(name)).add(it, depth + 1)

    def settle(self) -> None:
        """Say of all that is within how often it could have stood there."""
        for child in self.children.values():
            child.asked = self.kinds["object"]
            child.settle()
        if self.element is not None:
            self.element.settle()

    def examples(self, most: int = 3) -> list[Any]:
        """Values that may be shown, the most frequent first."""
        if self.is_personal:
            return []
        shown = (value for (_, value), _ in self.values.most_common(50) if may_be_shown(value))
        return [value for value, _ in zip(shown, range(most), strict=False)]

    def flat(self, above: str = "") -> Iterator[tuple[str, Node]]:
        """All places below, each with its path: `lines[].price`."""
        for name, child in self.children.items() if not self.is_open else ():
            path = f"{above}.{name}" if above else name
            yield path, child
            yield from child.flat(path)
            if child.element is not None:
                yield from child.element.flat(f"{path}[]")


def grow(records: Iterable[Mapping[str, Any]]) -> Node:
    """The tree of these records."""
    root = Node()
    for record in records:
        root.asked += 1
        root.add(record)
    root.settle()
    return root
