"""Additions to TOML as text, so that comments and order stay: each is checked by what it parses to."""

from __future__ import annotations

import re
import tomllib
from collections.abc import Callable, Iterator
from copy import deepcopy
from typing import Any, Final

Change = Callable[[dict[str, Any]], None]
LAYERS: Final = "layers"
DATABASE: Final = "database"
"""The layer below which sources are."""


def depend(text: str, name: str) -> str | None:
    """With one more dependency of the project; None where the text is not as was thought."""
    return _accepted(
        text, _items(text, "dependencies", name), lambda it: it["project"]["dependencies"].append(name)
    )


def admit(text: str, name: str) -> str | None:
    """The workspace's own file with one more source: a member, in the layer of sources."""
    steps: list[tuple[Callable[[str], Iterator[str]], Change]] = [
        (
            lambda it: _member(it, name),
            lambda it: it["tool"]["uv"]["sources"].update({name: {"workspace": True}}),
        ),
        (lambda it: _items(it, "root_packages", name), lambda it: _linter(it)["root_packages"].append(name)),
        (lambda it: _beside(it, name), lambda it: _put_beside(it, name)),
        (
            lambda it: _items(it, "source_modules", name),
            lambda it: _forbidden(it)["source_modules"].append(name),
        ),
    ]
    made: str | None = text
    for write, change in steps:
        made = None if made is None else _accepted(made, write(made), change)
    return made


def _accepted(text: str, candidates: Iterator[str], change: Change) -> str | None:
    """The one that says what was said before, and the change."""
    try:
        wanted = deepcopy(tomllib.loads(text))
        change(wanted)
        return next((it for it in candidates if tomllib.loads(it) == wanted), None)
    except (tomllib.TOMLDecodeError, LookupError, AttributeError, TypeError):
        return None


def _items(text: str, key: str, item: str) -> Iterator[str]:
    for found in re.finditer(rf"^{key} = \[(.*?)\]", text, re.MULTILINE | re.DOTALL):
        inner = found[1].rstrip()
        comma = "" if not inner.strip() or inner.endswith(",") else ","
        more = f'{comma}\n    "{item}",\n' if "\n" in inner else f'{comma}{" " if comma else ""}"{item}"'
        yield f"{text[: found.start(1)]}{inner}{more}{text[found.end(1) :]}"


def _member(text: str, name: str) -> Iterator[str]:
    found = re.search(r"^\[tool\.uv\.sources\]\n(?:[^\[\n][^\n]*\n)*", text, re.MULTILINE)
    if found is not None:
        yield f"{text[: found.end()]}{name} = {{ workspace = true }}\n{text[found.end() :]}"


def _beside(text: str, name: str) -> Iterator[str]:
    for found in re.finditer(rf'^{LAYERS} = \[[^\]]*"([^"]+)",?\s*\]', text, re.MULTILINE):
        first = f'", "{name}' if found[1] == DATABASE else f" | {name}"
        yield f"{text[: found.end(1)]}{first}{text[found.end(1) :]}"


def _linter(read: dict[str, Any]) -> dict[str, Any]:
    found: dict[str, Any] = read["tool"]["importlinter"]
    return found


def _put_beside(read: dict[str, Any], name: str) -> None:
    layers = next(it[LAYERS] for it in _linter(read)["contracts"] if it["type"] == LAYERS)
    if layers[-1] == DATABASE:
        layers.append(name)  # the first source
    else:
        layers[-1] += f" | {name}"


def _forbidden(read: dict[str, Any]) -> dict[str, Any]:
    return next(it for it in _linter(read)["contracts"] if it["type"] == "forbidden")
