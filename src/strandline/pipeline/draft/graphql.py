"""The query of a GraphQL stream, drawn from the answer of one."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Final

from strandline.pipeline.draft.draft import StreamDraft
from strandline.pipeline.draft.shape import Shape
from strandline.source.offer import class_name
from strandline.source.profile.finding import Finding
from strandline.source.profile.profile import Profile

SIZE: Final = 100
INDENT: Final = "  "


def note(made: StreamDraft, found: Profile) -> bool:
    """Let the stream post a query where the answer is one of GraphQL; whether it is."""
    if found.place is None or found.paging is None or found.paging.name != "Connection":
        return False
    way = [it.removesuffix("[]") for it in found.place.way]
    made.query = "\n".join(["", *_query(made, way), ""])
    made.params = {}
    if made.cursor is not None:
        why = "how a query asks for changes is told by the API's documentation, so each run reads all"
        made.cursor_finding, made.cursor = Finding(made.cursor, "unsure", why), None
    return True


def _query(made: StreamDraft, way: Sequence[str]) -> Iterator[str]:
    """`data.orders.edges[].node` and what is in a node, as a query that asks for it."""
    outer, connection = way[1 : way.index(_list_of(way)) - 1], way[way.index(_list_of(way)) - 1]
    yield f"query {class_name(made.name)}($after: String) {{"
    depth = 1
    for it in outer:
        yield f"{INDENT * depth}{it} {{"
        depth += 1
    yield f"{INDENT * depth}{connection}(first: {SIZE}, after: $after) {{"
    inner = depth + 1
    for it in way[way.index(_list_of(way)) :]:
        yield f"{INDENT * inner}{it} {{"
        inner += 1
    yield from _fields(made.shape, inner)
    for level in range(inner - 1, depth, -1):
        yield f"{INDENT * level}}}"
    yield f"{INDENT * (depth + 1)}pageInfo {{ hasNextPage endCursor }}"
    for level in range(depth, -1, -1):
        yield f"{INDENT * level}}}"


def _list_of(way: Sequence[str]) -> str:
    return "edges" if "edges" in way else way[-1]


def _fields(shape: Shape, depth: int) -> Iterator[str]:
    for name, it in shape.fields.items():
        inner = it.shape.items if it.shape.kind == "list" and it.shape.items else it.shape
        if inner.kind == "object" and inner.fields:
            yield f"{INDENT * depth}{name} {{"
            yield from _fields(inner, depth + 1)
            yield f"{INDENT * depth}}}"
        elif inner.kind != "object":
            yield f"{INDENT * depth}{name}"
