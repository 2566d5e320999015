"""What a value is, as a contract says it: of records that were seen, and of schemas that tell it."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Final

from strandline.source.profile import form, keys, naming
from strandline.source.profile.tree import Node

FEW_CHOICES: Final = 12
"""With no more distinct values a text is one of some."""

BY_FORM: Final = {
    form.TIMESTAMP: "timestamp",
    form.NAIVE: "naive",
    form.DATE: "date",
    form.BOOLEAN: "truth",
    form.MAIL: "mail",
    form.URL: "url",
}


@dataclass
class Field:
    """A field of an object."""

    shape: Shape
    is_required: bool
    """It is always there and has a value."""


@dataclass
class Shape:
    """What a value is."""

    kind: str
    """text, mail, url, integer, epoch, number, boolean, truth, timestamp, naive, date, object, list or any"""
    fields: dict[str, Field] = field(default_factory=dict)
    items: Shape | None = None
    longest: int | None = None
    """Letters, as far as is known."""
    is_choice: bool = False
    """It is one of a few values."""
    title: str = ""
    """What the document calls it."""
    note: str = ""
    """What nobody can be sure of."""
    unknown: list[str] = field(default_factory=list)
    """Names of fields that never had a value."""
    decimals: int = 0
    """Places behind the point that were seen."""

    def leaves(self) -> Iterator[tuple[str, Field]]:
        """The fields that are single values."""
        return (
            (name, it) for name, it in self.fields.items() if it.shape.kind not in ("object", "list", "any")
        )


def of_node(node: Node, *, is_text_only: bool = False) -> Shape:
    """The shape of what was seen; `is_text_only` where the format knows nothing but texts, as CSV."""
    if node.told == ["object"] and node.children and not node.is_open:
        return _object(node, is_text_only=is_text_only)
    if node.told == ["list"]:
        items = (
            of_node(node.element, is_text_only=is_text_only) if node.element and node.element.told else None
        )
        if node.element is not None and node.element.kinds["null"]:
            items = None
        return Shape("list", items=items or Shape("any"))
    return _single(node, is_text_only=is_text_only)


def _object(node: Node, *, is_text_only: bool) -> Shape:
    made = Shape("object", unknown=[name for name, it in node.children.items() if not it.told])
    for name, child in node.children.items():
        if child.told:
            shape = of_node(child, is_text_only=is_text_only)
            made.fields[name] = Field(shape, is_required=child.filled == child.asked)
    return made


def _single(node: Node, *, is_text_only: bool) -> Shape:
    told = set(node.told)
    if told == {"integer"}:
        return Shape("epoch" if keys.is_epoch(node) else "integer")
    if told and told <= {"integer", "number"}:
        return Shape("number", decimals=_decimals(node))
    if told == {"boolean"}:
        return Shape("boolean")
    if told == {"text"}:
        return _text(node, is_text_only=is_text_only)
    if told == {"object"}:
        return Shape("any", note="an object of any names")
    return Shape("any", note=f"{' and '.join(sorted(told))} were seen" if told else "nothing was seen")


def _text(node: Node, *, is_text_only: bool) -> Shape:
    texts = [value for _, value in node.values]
    longest = max(map(len, texts))
    kind = BY_FORM.get(node.form or "", "text")
    if node.form == form.INTEGER and is_text_only and not node.is_personal and not _may_be_key(node.name):
        kind = "integer"
    if node.form == form.NUMBER and (is_text_only or all("." in it for it in texts if it)):
        kind = "number"
    if "" in texts and kind not in ("text", "mail", "url"):
        kind = "text"  # an empty text is no time and no number
    is_choice = len(node.values) <= FEW_CHOICES and node.filled >= 2 * len(node.values)
    note = "sent without a zone; UTC is a guess" if kind == "naive" else ""
    return Shape(kind, longest=longest, is_choice=is_choice, note=note, decimals=_decimals(node))


def _may_be_key(name: str) -> bool:
    return naming.is_identifier(name) or naming.owner_of(name) is not None or naming.is_code(name)


def _decimals(node: Node) -> int:
    return max((len(str(value).partition(".")[2]) for _, value in node.values), default=0)
