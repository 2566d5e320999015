"""Modules of a workspace: their imports in groups and in order, and lines added to those of a user."""

from __future__ import annotations

import ast
import sys
from collections.abc import Collection, Iterator, Mapping, Sequence

from strandline.pipeline.draft.code import Names


def regrouped(text: str, *, moved: Mapping[str, str], members: Collection[str]) -> str:
    """A module whose imports come from where they were moved to; the workspace's own are the last group."""
    found = [it for it in ast.parse(text).body if isinstance(it, ast.Import | ast.ImportFrom)]
    groups: tuple[list[tuple[bool, str, str]], ...] = ([], [], [])
    for it in found:
        module = _module(it)
        line = ast.unparse(it) if isinstance(it, ast.Import) else statement(it, moved)
        module = moved.get(module, module)
        first = module.partition(".")[0]
        rank = 0 if first in sys.stdlib_module_names else 2 if first in members else 1
        groups[rank].append((isinstance(it, ast.ImportFrom), module, line))
    drawn = "\n\n".join("\n".join(line for *_, line in sorted(it)) for it in groups if it)
    lines = text.splitlines()
    last = found[-1].end_lineno or found[-1].lineno
    return "\n".join([*lines[: found[0].lineno - 1], drawn, *lines[last:]]) + "\n"


def statement(imported: ast.ImportFrom, moved: Mapping[str, str]) -> str:
    """The import as a formatter would write it."""
    names, module = Names(), _module(imported)
    names.add(moved.get(module, module), *(it.name for it in imported.names))
    return "\n".join(names.lines())


def _module(imported: ast.Import | ast.ImportFrom) -> str:
    return imported.names[0].name if isinstance(imported, ast.Import) else imported.module or ""


def pipelines_in(text: str) -> list[str]:
    """The names of the pipelines that a module declares."""
    return [
        it.targets[0].id
        for it in ast.parse(text).body
        if isinstance(it, ast.Assign)
        and isinstance(it.targets[0], ast.Name)
        and isinstance(it.value, ast.Call)
        and ast.unparse(it.value.func) == "Pipeline"
    ]


def with_syncs(
    text: str, pipeline: str, *, imports: Sequence[str], syncs: Sequence[str], members: Collection[str]
) -> str:
    """A module of the user's with these imports and syncs; no line of it is another one. The imports from
    members of the workspace are a group of their own.
    """
    body, lines = ast.parse(text).body, text.splitlines()
    behind = max(it.end_lineno or it.lineno for it in body if _is_about(it, pipeline))
    lines[behind:behind] = syncs
    group = list(_last_group([it for it in body if isinstance(it, ast.Import | ast.ImportFrom)]))
    end = group[-1].end_lineno or group[-1].lineno
    own = group if any(_module(it).partition(".")[0] in members for it in group) else []
    if not own:
        lines[end:end] = [""]
    for it in sorted(imports, key=_source, reverse=True):
        later = [other.lineno - 1 for other in own if _module(other) > _source(it)]
        at = later[0] if later else end if own else end + 1
        lines[at:at] = it.split("\n")
    return "\n".join(lines) + "\n"


def _is_about(node: ast.stmt, pipeline: str) -> bool:
    """What declares the pipeline, or calls it."""
    if isinstance(node, ast.Assign):
        return ast.unparse(node.targets[0]) == pipeline
    return isinstance(node, ast.Expr) and ast.unparse(node).startswith(f"{pipeline}.sync(")


def _last_group(found: Sequence[ast.Import | ast.ImportFrom]) -> Iterator[ast.Import | ast.ImportFrom]:
    """Those with no empty line behind them, up to the last."""
    start = 0
    for number in range(1, len(found)):
        if found[number].lineno > (found[number - 1].end_lineno or 0) + 1:
            start = number
    yield from found[start:]


def _source(line: str) -> str:
    return line.split()[1]
