"""Names that a package offers, each loaded when it is first asked for: a run should not load what it never
uses.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from importlib import import_module


def finder(package: str, homes: Mapping[str, str]) -> Callable[[str], object]:
    """The `__getattr__` of a package whose names are at home in these modules."""

    def find(name: str) -> object:
        if name not in homes:
            raise AttributeError(f"module {package!r} has no attribute {name!r}")
        return getattr(import_module(f"strandline.{homes[name]}"), name)

    return find
