"""What a workspace, its source and its application may be called: names of packages that hide no other."""

from __future__ import annotations

import keyword
import re
import sys
from functools import cache
from importlib import metadata
from typing import Final

from strandline.errors import DeclarationError
from strandline.source.offer import words_of

PATTERN: Final = re.compile(r"[a-z][a-z0-9_]{0,23}")
OURS: Final = frozenset(
    {"database", "strandline", "tests", "conftest", "migrations", "libs", "apps"}
    | {
        "source",
        "model",
        "pipeline",
        "report",
        "cli",
        "warehouse",
        "api",
        "records",
        "load",
        "run",
        "samples",
    }
    | {"product", "product_link", "order", "dim", "fact", "http", "record", "token", "settings"}
)
"""What the files of a workspace use for something else."""

TOOLS: Final = frozenset({"pytest", "hypothesis", "ruff", "mypy", "importlinter", "hatchling", "uv"})
"""What a workspace installs beside strandline's own dependencies."""


def check(name: str, *, what: str, example: str) -> None:
    """Raise DeclarationError where that cannot be a package's name; `example` is what to type, with `{}` for
    a name that would do.
    """
    why = _why_not(name)
    if why:
        raise DeclarationError(f"{name}: {why}", hint=f"Type: {example.format(_instead(name, what))}")


def _why_not(name: str) -> str:
    if not PATTERN.fullmatch(name):
        return "is no name for a package: small letters, digits and _, a letter first, 24 at most"
    if keyword.iskeyword(name) or keyword.issoftkeyword(name):
        return "is a word of Python's own"
    if name in sys.stdlib_module_names:
        return "would hide a module of Python's standard library"
    if name in OURS:
        return "has another meaning in a workspace"
    return "would hide a package that strandline needs" if name in _needed() else ""


def _instead(name: str, what: str) -> str:
    made = "_".join(words_of(name))[:16].strip("_") or what
    made = f"{what}_{made}" if made[0].isdigit() else made
    return f"{made}_{what}" if _why_not(made) else made


@cache
def _needed() -> frozenset[str]:
    """The packages on which strandline stands, by the names of import and of installation."""
    known, waiting = set[str](), ["strandline"]
    while waiting:
        name = waiting.pop()
        try:
            required = metadata.requires(name) or ()
        except metadata.PackageNotFoundError:
            continue  # an extra that is not installed
        known.add(name)
        found = {_plain(re.split(r"[^\w.-]", it, maxsplit=1)[0]) for it in required}
        waiting += found - known - set(waiting)
    imported = {
        module
        for module, packages in metadata.packages_distributions().items()
        if known & {_plain(it) for it in packages}
    }
    return frozenset({it.replace("-", "_") for it in known} | imported | TOOLS)


def _plain(name: str) -> str:
    return re.sub(r"[-_.]+", "-", name).lower()
