"""Columns of a drafted model: which values of a record become one, what they are called and of what type."""

from __future__ import annotations

import keyword
from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Final

from sqlalchemy.dialects.postgresql.base import RESERVED_WORDS

from strandline.model.base import RESERVED
from strandline.model.dimension import Dimension
from strandline.model.fact import Fact
from strandline.pipeline.draft.code import Names
from strandline.pipeline.draft.contract import Contract, Member
from strandline.pipeline.draft.draft import StreamDraft
from strandline.pipeline.lint import word
from strandline.pipeline.promotion import LENGTHS
from strandline.source.personal import looks_personal
from strandline.source.profile import naming

GENERIC: Final = frozenset(
    {"id", "name", "title", "status", "state", "type", "kind", "number", "code", "key", "description", "date"}
    | {"class", "value", "label", "text", "note", "comment", "position", "order", "group", "user", "index"}
    | {"metadata", "registry", "time", "timestamp", "currency", "url", "active", "count", "object", "data"}
    | {"category"}
)
CALLED: Final = frozenset(
    {"field", "attribute", "measure", "references", "grain", "degenerate", "event_time", "datetime", "int"}
    | {"str", "bool"}
)
"""What a model itself calls by that name: a column of the name would hide it from those below."""

PERSONS: Final = frozenset(
    {"first", "last", "full", "given", "family", "middle", "recipient", "contact", "customer", "user"}
    | {"person", "employee", "author", "sender", "owner", "member", "nick"}
)
MONEY: Final = frozenset(
    {"amount", "price", "cost", "total", "balance", "limit", "fee", "tax", "revenue", "salary", "discount"}
    | {"subtotal"}
)
WRAPPERS: Final = frozenset({"fields", "attributes", "properties", "data", "node"})
"""An object that holds what the record says, rather than something of its own."""

LINKS: Final = frozenset({"self", "href", "url", "uri", "etag", "link", "links"})
SECRETS: Final = frozenset({"password", "passwd", "secret", "token", "passphrase"})
"""What nobody wants to see in a warehouse."""

MOST_WITHIN: Final = 8
"""So many values of an object become columns."""

DEEPEST: Final = 2
"""Columns are made of values in an object, and in an object in it."""

MOMENTS: Final = frozenset({"timestamp", "naive", "epoch"})
TIMES: Final = MOMENTS | {"date"}
NESTED: Final = frozenset({"object", "list", "any"})
ANNOTATIONS: Final = {
    "integer": "int",
    "epoch": "datetime",
    "number": "Decimal",
    "boolean": "bool",
    "truth": "bool",
    "timestamp": "datetime",
    "naive": "datetime",
    "date": "date",
}


@dataclass(frozen=True)
class Leaf:
    """A single value of a record, of the record itself or of an object in it."""

    source: str
    """Its path as the source has it."""
    path: str
    """Its path in the contract."""
    member: Member
    is_required: bool

    @property
    def kind(self) -> str:
        """The kind of its values."""
        return "integer" if self.member.annotation == "int" else self.member.kind


def leaves(contract: Contract) -> Iterator[Leaf]:
    """The single values of a record, and some of each object in it; of what is secret, none."""
    return (it for it in _all(contract) if SECRETS.isdisjoint(naming.words(it.member.source)))


def _all(contract: Contract) -> Iterator[Leaf]:
    for it in contract.members:
        if it.contract is not None and it.kind == "object":
            yield from _within(Leaf(it.source, it.name, it, it.field.is_required), it.contract, depth=1)
        elif it.kind not in NESTED and not it.lifted:
            yield Leaf(it.source, it.name, it, it.field.is_required)


def _within(outer: Leaf, contract: Contract, *, depth: int) -> Iterator[Leaf]:
    """Some values of an object, and some of the objects in it."""
    inner = [
        Leaf(
            f"{outer.source}.{it.source}",
            f"{outer.path}.{it.name}",
            it,
            outer.is_required and it.field.is_required,
        )
        for it in contract.members
    ]
    plain = [it for it in inner if it.kind not in NESTED]
    yield from plain if outer.member.source in WRAPPERS else plain[:MOST_WITHIN]
    for it in inner:
        if it.member.contract is not None and it.kind == "object" and depth < DEEPEST:
            yield from _within(it, it.member.contract, depth=depth + 1)


def is_link(leaf: Leaf) -> bool:
    """Whether it is an address of the record or a mark of its version, which describes nothing."""
    name = leaf.member.source
    return naming.words(name)[-1:] == ["etag"] or name.lower().strip("_@") in LINKS


def called(leaf: Leaf, entity: str, taken: set[str]) -> str:
    """A name for the column, more telling where the field's is not, which promises the kind that it has."""
    outer, _, inner = leaf.path.rpartition(".")
    outer = outer.rpartition(".")[2]
    outer = "" if outer in WRAPPERS else outer
    name = (inner if not outer or inner.startswith(f"{outer}_") else f"{outer.strip('_')}_{inner}").strip("_")
    return free(_promising(name, leaf.kind), entity, taken)


def free(name: str, entity: str, taken: set[str]) -> str:
    """The name, or one like it that no other column has and that no database reads as its own."""
    is_taken = name in RESERVED | GENERIC | CALLED or name in RESERVED_WORDS or keyword.iskeyword(name)
    if is_taken or name[:1].isdigit() or hasattr(Dimension, name) or hasattr(Fact, name):
        name = f"is_{entity}_{name[3:]}" if name.startswith("is_") else f"{entity}_{name}"
    if name.endswith("_key"):
        name = f"{name.removesuffix('_key')}_code"  # a key is the warehouse's
    name = name[:50].rstrip("_")
    choices = [name, *(f"{name}_{number}" for number in range(2, 1000))]
    return next(it for it in choices if it not in taken and it not in RESERVED)


def _promising(name: str, kind: str) -> str:
    """With is_ before yes and no, _at behind a moment, and _date behind a day."""
    words = word.words(name)
    if kind in ("boolean", "truth"):
        asked = next((it for it in words if it in word.BOOLEAN), "is")
        return "_".join([asked, *(it for it in words if it != asked)])
    if kind in MOMENTS and words[-1] not in word.MOMENT:
        return _ending(words, "at")
    if kind == "date" and words[-1] not in word.DAY:
        return _ending(words, "date")
    return name


def _ending(words: list[str], ending: str) -> str:
    """`created_time` and `date_created` become `created_at`."""
    plain = [it for it in words if it not in ("date", "time", "datetime", "timestamp", "at", "on")]
    return "_".join([*plain, ending])


def annotation(leaf: Leaf) -> str:
    """The type of its values, as Python has it."""
    if leaf.kind == "integer" and word.last(leaf.member.name) == "id":
        return "str"  # an identifier is a text, whoever counts it
    if leaf.kind == "integer" and word.last(leaf.member.name) in ("amount", *word.RATE):
        return "Decimal"
    return ANNOTATIONS.get(leaf.kind, "str")


def told(leaf: Leaf) -> str:
    """The same, with None where a record may lack it."""
    return annotation(leaf) if leaf.is_required else f"{annotation(leaf)} | None"


def using(leaf: Leaf) -> str:
    """What turns its values into the column's type, where that is another one."""
    annotated = annotation(leaf)
    is_other = leaf.kind == "integer" and annotated != "int"
    return {"str": "str", "Decimal": "Decimal"}[annotated] if is_other else ""


def is_personal(leaf: Leaf) -> bool:
    """Whether it points at a person: fewer than those that are hidden, for a name alone is a thing's as often
    as a person's.
    """
    if annotation(leaf) != "str":
        return False
    words = naming.words(leaf.path)
    others = "_".join(it for it in words if it not in ("name", "key"))
    is_name = "name" in words and not PERSONS.isdisjoint(words)
    return leaf.kind == "mail" or looks_personal(others) or is_name


def type_of(leaf: Leaf) -> str:
    """The column's type, as Python that declares it; empty where the annotation says enough."""
    shape, words = leaf.member.field.shape, naming.words(leaf.member.source)
    if shape.kind == "mail":
        return "NormalizedEmail"
    if shape.kind == "number" and shape.decimals <= 2 and not MONEY.isdisjoint(words):
        return "Money"
    if leaf.kind == "integer" and annotation(leaf) != "int":
        return "Money" if words[-1:] == ["amount"] else "String(20)" if annotation(leaf) == "str" else ""
    if shape.kind not in ("text", "url") or shape.longest is None:
        return ""
    length = next((it for it in LENGTHS if it >= 2 * shape.longest), None)
    return "" if length is None else f"String({length})"


def need(annotated: str, type_: str, names: Names) -> None:
    """Import what a column needs."""
    if annotated in ("date", "datetime"):
        names.add("datetime", annotated)
    if annotated == "Decimal":
        names.add("decimal", "Decimal")
    kind = type_.partition("(")[0]
    if kind:
        names.add("sqlalchemy" if kind in ("String", "Numeric") else "strandline", kind)


@dataclass
class Column:
    """A column of a drafted model."""

    name: str
    lines: list[str]
    """As the model declares it."""
    annotation: str
    type: str = ""
    path: str = ""
    """Where its values come from; empty where strandline fills it."""
    using: str = ""
    """What turns a value into one of the column's type."""
    source: str = ""
    """On a reference: whose natural keys these are, if another source's."""


@dataclass
class Drafted:
    """A model and its mapper, before they are written."""

    stream: StreamDraft
    contract: Contract
    base: str
    """Dimension or Fact."""
    model: str
    mapper: str
    doc: str
    columns: list[Column]
    unsure: list[str] = field(default_factory=list)
    """What somebody has to look at, before the columns."""
    notes: list[str] = field(default_factory=list)
    """What is told behind them."""
    needs: dict[str, set[str]] = field(default_factory=dict)
    """Names to import besides those of the columns' types, by module."""
