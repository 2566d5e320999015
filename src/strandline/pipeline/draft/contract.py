"""Contracts of a shape: a class for the record, one for each object in it."""

from __future__ import annotations

import keyword
import re
from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Final

from strandline.pipeline.draft import code
from strandline.pipeline.draft.code import Names
from strandline.pipeline.draft.draft import StreamDraft
from strandline.pipeline.draft.shape import Field, Shape
from strandline.source.contract import Record
from strandline.source.offer import attribute_name, class_name
from strandline.source.profile import naming

PLAIN: Final = {
    "text": "str",
    "mail": "str",
    "url": "str",
    "integer": "int",
    "epoch": "AwareDatetime",
    "number": "Decimal",
    "boolean": "bool",
    "truth": "BooleanString",
    "timestamp": "AwareDatetime",
    "naive": 'Annotated[datetime, Zone("UTC")]',
    "date": "date",
    "any": "Any",
}
NEEDED: Final = {
    "AwareDatetime": ("pydantic", "AwareDatetime"),
    "Decimal": ("decimal", "Decimal"),
    "BooleanString": ("strandline", "BooleanString"),
    "Annotated": ("typing", "Annotated"),
    "datetime": ("datetime", "datetime"),
    "date": ("datetime", "date"),
    "Zone": ("strandline", "Zone"),
    "Any": ("typing", "Any"),
}
TAKEN: Final = frozenset({"date", "datetime", "str", "int", "bool", "list", "dict", "field", "stream"})
"""A field that is called as its type would hide it."""

CLASSES: Final = frozenset(
    {
        "Any",
        "Annotated",
        "Decimal",
        "AwareDatetime",
        "Field",
        "SecretStr",
        "AliasPath",
        "BooleanString",
        "Zone",
    }
    | {
        "Cursor",
        "Precision",
        "Pages",
        "Record",
        "Bearer",
        "Basic",
        "ApiKey",
        "HttpSource",
        "FileSource",
        "Csv",
    }
    | {"SourceSettings", "JsonLines", "LinkHeader", "LinkInBody", "LinkInHeader", "TokenInBody", "Offset"}
    | {
        "TokenInHeader",
        "PageNumber",
        "SinglePage",
        "Keyset",
        "Dimension",
        "Mapper",
        "Money",
        "NormalizedEmail",
    }
    | {"String", "Mapped", "Pipeline", "Path"}
)


LONGEST: Final = 40
"""Letters of a class's name, if it is to be put together of several."""


@dataclass
class Member:
    """A field of a contract."""

    source: str
    """As the source calls it."""
    name: str
    field: Field
    annotation: str
    contract: Contract | None = None
    """Of an object: what is in it."""
    lifted: tuple[str, ...] = ()
    """Where it stands, if in an object of the record."""

    @property
    def kind(self) -> str:
        """The kind of its values."""
        return self.field.shape.kind


@dataclass
class Contract:
    """A contract."""

    name: str
    doc: str
    shape: Shape
    members: list[Member] = field(default_factory=list)
    note: str = ""

    def member(self, source: str) -> Member:
        """The field that the source calls so."""
        return next(it for it in self.members if ".".join(it.lifted or (it.source,)) == source)


class Contracts:
    """Makes the contracts of a source's streams, each with a name of its own."""

    def __init__(self, source_class: str) -> None:
        self.made: list[Contract] = []
        self._source_class = source_class
        self._names = {source_class, f"{source_class}Settings"}

    def of_stream(self, draft: StreamDraft) -> Contract:
        """The record's contract; those of its objects come before it in `made`."""
        name = self._name(class_name(draft.entity), "Record")
        doc = (
            draft.shape.title
            or f"A record of {draft.name.replace('_', ' ')}, as {self._source_class} sends it"
        )
        made = self._contract(draft.shape, name, doc, cursor=draft.cursor)
        made.note = draft.shape_note
        if draft.cursor is not None and draft.cursor not in draft.shape.fields:
            self._lift(made, draft.cursor)
        return made

    def _contract(self, shape: Shape, name: str, doc: str, *, cursor: str | None = None) -> Contract:
        made = Contract(name, doc, shape)
        taken: set[str] = set()
        for source, it in shape.fields.items():
            is_number = source == cursor and it.shape.kind == "epoch"
            annotation, inner = ("int", None) if is_number else self._annotation(it.shape, source, name)
            made.members.append(Member(source, _free(source, taken), it, annotation, inner))
        self.made.append(made)
        return made

    def _annotation(self, shape: Shape, source: str, owner: str) -> tuple[str, Contract | None]:
        if shape.kind == "object" and shape.fields:
            inner = self._contract(
                shape,
                self._name(class_name(naming.singular(source)), owner),
                shape.title or _part(source, owner),
            )
            return inner.name, inner
        if shape.kind == "object":
            return "dict[str, Any]", None
        if shape.kind == "list":
            assert shape.items is not None
            return f"list[{self._annotation(shape.items, source, owner)[0]}]", None
        return PLAIN[shape.kind], None

    def _name(self, wanted: str, other: str) -> str:
        """A name that no other class has; `other` goes with it where it is taken."""
        second = f"{wanted}Record" if other == "Record" else f"{other}{wanted}"
        choices = [it for it in (wanted, second) if len(it) <= LONGEST]
        choices += [f"{wanted[:LONGEST]}{number}" for number in range(2, 1000)]
        name = next(it for it in choices if it not in self._names | CLASSES)
        self._names.add(name)
        return name

    def _lift(self, made: Contract, path: str) -> None:
        way = tuple(path.split("."))
        shape = made.shape
        for step in way[:-1]:
            shape = shape.fields[step].shape
        it = Field(shape.fields[way[-1]].shape, is_required=True)
        taken = {member.name for member in made.members}
        made.members.append(Member(way[-1], _free(way[-1], taken), it, PLAIN[it.shape.kind], lifted=way))


def _part(source: str, owner: str) -> str:
    return f"What stands as {source} in {'an' if owner[0] in 'AEIOU' else 'a'} {owner}"


def _free(source: str, taken: set[str]) -> str:
    """A name for the field that no other has."""
    made = attribute_name(source)
    if made in TAKEN or keyword.issoftkeyword(made):
        made = f"{made}_"
    choices = [made, *(f"{made.rstrip('_')}_{number}" for number in range(2, 1000))]
    name = next(it for it in choices if it not in taken and not hasattr(Record, it))
    taken.add(name)
    return name


def render(contract: Contract, names: Names) -> Iterator[str]:
    """The lines of the class."""
    names.add("strandline", "Record")
    yield f"class {contract.name}(Record):"
    yield code.docstring(contract.doc, indent=1)
    if contract.note:
        yield ""
        yield from code.unsure(contract.note, indent=1)
    elif contract.members:
        yield ""
    for it in contract.members:
        if it.field.shape.note:
            yield from code.unsure(f"{it.source}: {it.field.shape.note}", indent=1)
        yield from _declared(it, names)
    if contract.shape.unknown:
        yield ""
        never = ", ".join(contract.shape.unknown)
        yield from code.comment(f"Without a value in the sample, and so of no type yet: {never}.", indent=1)


def _declared(member: Member, names: Names) -> list[str]:
    annotation, is_required = member.annotation, member.field.is_required
    names_of(annotation, names)
    told = annotation if is_required or annotation == "Any" else f"{annotation} | None"
    head = f"{member.name}: {told}"
    arguments = [] if is_required else ["default=None"]
    if member.lifted:
        names.add("pydantic", "AliasPath")
        arguments.append(f"validation_alias=AliasPath({', '.join(map(code.quoted, member.lifted))})")
    elif member.source != member.name:
        arguments.append(f"alias={code.quoted(member.source)}")
    else:
        return [f"    {head}{'' if is_required else ' = None'}"]
    names.add("pydantic", "Field")
    return code.call(f"{head} = Field(", arguments, indent=1)


def names_of(annotation: str, names: Names) -> None:
    """Import what the annotation needs."""
    for word in set(re.findall(r"\w+", annotation)) & NEEDED.keys():
        names.add(*NEEDED[word])
