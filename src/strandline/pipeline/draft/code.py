"""Python as a formatter would write it: calls and imports that are folded, comments that are wrapped."""

from __future__ import annotations

import re
import textwrap
from collections import defaultdict
from collections.abc import Iterable, Sequence
from typing import Final

WIDTH: Final = 110
INDENT: Final = "    "
STANDARD: Final = frozenset({"datetime", "decimal", "typing", "pathlib", "json"})
LOCAL: Final = frozenset({"source", "model", "pipeline"})


def quoted(text: str) -> str:
    """A text as a literal, with double quotes where they do."""
    if '"' in text and "'" not in text:
        return repr(text)
    body = repr(f"'{text}")[2:-1] if '"' not in text else repr(text + "'")[1:-2].replace('"', '\\"')
    return f'"{body}"'


def call(begin: str, arguments: Sequence[str], *, end: str = ")", indent: int = 0) -> list[str]:
    """A call, on one line, on three, or on one for each argument."""
    pad, inner = INDENT * indent, INDENT * (indent + 1)
    whole = f"{pad}{begin}{', '.join(arguments)}{end}"
    is_flat = not any("\n" in it for it in arguments)
    if (len(whole) <= WIDTH and is_flat) or not arguments:
        return [whole]
    together = f"{inner}{', '.join(arguments)}"
    if len(together) <= WIDTH and is_flat:
        return [f"{pad}{begin}", together, f"{pad}{end}"]
    return [f"{pad}{begin}", *(f"{inner}{it}," for it in arguments), f"{pad}{end}"]


def mapping(name: str, items: Sequence[str], *, indent: int) -> str:
    """An argument that is a mapping; on lines of its own where it is too long."""
    pad, flat = INDENT * indent, f"{name}={{{', '.join(items)}}}"
    if len(pad) + len(flat) + 1 <= WIDTH:
        return flat
    if len(f"{pad}{INDENT}{', '.join(items)}") <= WIDTH:
        return f"{name}={{\n{pad}{INDENT}{', '.join(items)}\n{pad}}}"
    return "\n".join([f"{name}={{", *(f"{pad}{INDENT}{it}," for it in items), f"{pad}}}"])


def comment(text: str, *, indent: int = 0) -> list[str]:
    """A comment, as many lines as it takes."""
    pad = INDENT * indent
    return textwrap.wrap(
        text,
        WIDTH,
        initial_indent=f"{pad}# ",
        subsequent_indent=f"{pad}# ",
        break_long_words=False,
        break_on_hyphens=False,
    )


def unsure(text: str, *, indent: int = 0) -> list[str]:
    """What somebody has to look at."""
    return comment(f"unsure: {text}", indent=indent)


def docstring(text: str, *, indent: int = 0) -> str:
    """One line, cut where it would be too long."""
    pad = INDENT * indent
    text = re.sub(r"^This (\w+) ", r"The \1 ", text)
    plain = " ".join(text.replace("\\", "/").replace('"', "'").split()) or "Not described."
    first = plain.partition(". ")[0].rstrip(".")
    room = WIDTH - len(pad) - 8
    if len(first) > room:
        first = f"{first[: room - 3].rpartition(' ')[0]}.."
    return f'{pad}"""{first[:1].upper()}{first[1:]}."""'


class Names:
    """The names that a module needs, and where from."""

    def __init__(self) -> None:
        self._needed: defaultdict[str, set[str]] = defaultdict(set)

    def add(self, module: str, *names: str) -> None:
        """Import these names."""
        self._needed[module].update(names)

    def lines(self) -> list[str]:
        """The import statements, sorted and grouped as isort has it."""
        groups: list[list[str]] = [[], [], []]
        for module in self._needed:
            first = module.partition(".")[0]
            groups[0 if first in STANDARD else 2 if first in LOCAL else 1].append(module)
        drawn = [
            "\n".join(_import(it, self._needed[it]) for it in sorted(group)) for group in groups if group
        ]
        return "\n\n".join(drawn).split("\n") if drawn else []


def _import(module: str, names: Iterable[str]) -> str:
    ordered = sorted(names, key=_rank)
    line = f"from {module} import {', '.join(ordered)}"
    if len(line) <= WIDTH:
        return line
    return "\n".join([f"from {module} import (", *(f"{INDENT}{it}," for it in ordered), ")"])


def _rank(name: str) -> tuple[int, str, str]:
    """Constants, then classes, then functions."""
    return (0 if name.isupper() and len(name) > 1 else 1 if name[0].isupper() else 2), name.lower(), name
