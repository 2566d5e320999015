"""The query of a GraphQL stream, drawn from the answer of one."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
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
    listed = way.index("edges" if "edges" in way else way[-1])
    outer, connection, inner = way[1 : listed - 1], way[listed - 1], way[listed:]
    body = [*_within(inner, _fields(made.shape)), "pageInfo { hasNextPage endCursor }"]
    asked = [f"query {class_name(made.name)}($after: String)", *outer]
    return _within([*asked, f"{connection}(first: {SIZE}, after: $after)"], body)


def _within(heads: Sequence[str], lines: Iterable[str]) -> Iterator[str]:
    """The lines in braces behind the last of the heads, which is within the one before it, and so on."""
    for head in reversed(heads):
        lines = [f"{head} {{", *(f"{INDENT}{it}" for it in lines), "}"]
    yield from lines


def _fields(shape: Shape) -> Iterator[str]:
    for name, it in shape.fields.items():
        inner = it.shape.items if it.shape.kind == "list" and it.shape.items else it.shape
        if inner.kind == "object" and inner.fields:
            yield from _within([name], _fields(inner))
        elif inner.kind != "object":
            yield name
