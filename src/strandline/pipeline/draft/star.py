"""The module `model`: a dimension and a mapper for each stream, with a suggestion of what a change does."""

from __future__ import annotations

import keyword
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Final

from sqlalchemy.dialects.postgresql.base import RESERVED_WORDS

from strandline.model.base import RESERVED
from strandline.model.dimension import Dimension
from strandline.pipeline.draft import code
from strandline.pipeline.draft.code import Names
from strandline.pipeline.draft.contract import CLASSES, Contract, Member
from strandline.pipeline.draft.draft import StreamDraft
from strandline.pipeline.draft.source_code import SourceModule
from strandline.pipeline.promotion import LENGTHS
from strandline.source.offer import class_name
from strandline.source.personal import looks_personal
from strandline.source.profile import naming

GENERIC: Final = frozenset(
    {"id", "name", "title", "status", "state", "type", "kind", "number", "code", "key", "description", "date"}
    | {"class", "value", "label", "text", "note", "comment", "position", "order", "group", "user", "index"}
    | {
        "metadata",
        "registry",
        "time",
        "timestamp",
        "currency",
        "url",
        "active",
        "count",
        "object",
        "category",
    }
)
TRACKED: Final = frozenset(
    {
        "status",
        "state",
        "type",
        "kind",
        "category",
        "segment",
        "tier",
        "class",
        "stage",
        "level",
        "plan",
        "grade",
    }
    | {"priority", "region", "country", "role", "rating", "department", "owner", "assignee", "terms"}
)
MONEY: Final = frozenset(
    {
        "amount",
        "price",
        "cost",
        "total",
        "balance",
        "limit",
        "fee",
        "tax",
        "revenue",
        "salary",
        "discount",
        "subtotal",
    }
)
PERSONS: Final = frozenset(
    {
        "first",
        "last",
        "full",
        "given",
        "family",
        "middle",
        "recipient",
        "contact",
        "customer",
        "user",
        "person",
    }
    | {"employee", "author", "sender", "owner", "member", "nick"}
)
WRAPPERS: Final = frozenset({"fields", "attributes", "properties", "data", "node"})
"""An object that holds what the record says, rather than something of its own."""

LINKS: Final = frozenset({"self", "href", "url", "uri", "etag", "link", "links"})
MOST_WITHIN: Final = 8
"""So many values of an object become columns."""

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


@dataclass
class Attribute:
    """A column, and where its values come from."""

    name: str
    path: str
    annotation: str
    type: str
    scd: int
    is_personal: bool
    is_required: bool

    @property
    def line(self) -> list[str]:
        """As the dimension declares it."""
        told = self.annotation if self.is_required else f"{self.annotation} | None"
        arguments = [self.type] if self.type else []
        arguments += [f"scd={self.scd}"] if self.scd != 1 else []
        arguments += ["pii=True"] if self.is_personal else []
        return code.call(f"{self.name}: Mapped[{told}] = attribute(", arguments, indent=1)


@dataclass
class Star:
    """A dimension and its mapper."""

    stream: StreamDraft
    contract: Contract
    dimension: str
    mapper: str
    attributes: list[Attribute]


def stars(module: SourceModule) -> list[Star]:
    """One for each stream."""
    taken = {it.name for it in module.contracts.values()} | CLASSES | {module.class_name}
    made = []
    for it in module.draft.streams:
        contract, entity = module.contracts[it.name], class_name(it.entity)
        dimension = _free(f"Dim{entity}", taken)
        mapper = _free(f"{module.class_name}{entity}", taken)
        made.append(Star(it, contract, dimension, mapper, _attributes(it, contract)))
    return made


def _free(name: str, taken: set[str]) -> str:
    return name if name not in taken else f"{name}Mapper"


def _attributes(draft: StreamDraft, contract: Contract) -> list[Attribute]:
    skipped = {draft.cursor, *(draft.key if len(draft.key) == 1 else ())}
    found: dict[str, Attribute] = {}
    for source, path, member, is_required in _members(contract):
        if source in skipped or naming.words(member.source)[-1:] == ["etag"]:
            continue
        if member.source.lower().strip("_@") in LINKS:
            continue
        name = _column(path, draft.entity, set(found))
        found[name] = _attribute(name, path, member, is_required=is_required)
    if not found:
        member = contract.member(draft.key[0])
        name = _column(member.name, draft.entity, set())
        found[name] = _attribute(name, member.name, member, is_required=True)
    return list(found.values())


def _members(contract: Contract) -> Iterator[tuple[str, str, Member, bool]]:
    """Single values of the record, some of each object in it: (in the source, path, which, always there)."""
    for it in contract.members:
        if it.contract is not None and it.kind == "object":
            inner = [one for one in it.contract.members if one.kind not in ("object", "list", "any")]
            for one in inner if it.source in WRAPPERS else inner[:MOST_WITHIN]:
                is_required = it.field.is_required and one.field.is_required
                yield f"{it.source}.{one.source}", f"{it.name}.{one.name}", one, is_required
        elif it.kind not in ("object", "list", "any") and not it.lifted:
            yield it.source, it.name, it, it.field.is_required


def _column(path: str, entity: str, taken: set[str]) -> str:
    """A name for the column, more telling where the field's is not."""
    outer, _, inner = path.rpartition(".")
    outer = "" if outer in WRAPPERS else outer
    name = (inner if not outer or inner.startswith(f"{outer}_") else f"{outer.strip('_')}_{inner}").strip("_")
    is_taken = (
        name in RESERVED | GENERIC or name in RESERVED_WORDS or keyword.iskeyword(name) or name[:1].isdigit()
    )
    if is_taken or hasattr(Dimension, name):
        name = f"{entity}_{name}"
    if name in (f"{entity}_key", f"{entity}_durable_key"):
        name = f"source_{name}"  # the warehouse has its own
    name = name[:50].rstrip("_")
    choices = [name, *(f"{name}_{number}" for number in range(2, 1000))]
    return next(it for it in choices if it not in taken and it not in RESERVED)


def _attribute(name: str, path: str, member: Member, *, is_required: bool) -> Attribute:
    kind = member.kind
    annotation = "int" if member.annotation == "int" else ANNOTATIONS.get(kind, "str")
    is_personal = annotation == "str" and (kind == "mail" or _points_at_person(path))
    scd = 1 if is_personal else _scd(member, path)
    return Attribute(name, path, annotation, _type(member), scd, is_personal, is_required)


def _points_at_person(path: str) -> bool:
    """Fewer than those that are hidden: a name alone is a thing's as often as a person's."""
    words = set(naming.words(path))
    others = "_".join(it for it in naming.words(path) if it not in ("name", "key"))
    return looks_personal(others) or ("name" in words and not PERSONS.isdisjoint(words))


def _type(member: Member) -> str:
    shape = member.field.shape
    if shape.kind == "mail":
        return "NormalizedEmail"
    if shape.kind == "number" and shape.decimals <= 2 and not MONEY.isdisjoint(naming.words(member.source)):
        return "Money"
    if shape.kind not in ("text", "url") or shape.longest is None:
        return ""
    length = next((it for it in LENGTHS if it >= 2 * shape.longest), None)
    return "" if length is None else f"String({length})"


def _scd(member: Member, path: str) -> int:
    """What a change does: 0 keeps the first value, 2 keeps the history, 1 overwrites."""
    shape, words = member.field.shape, naming.words(path.rpartition(".")[2])
    if shape.kind in ("timestamp", "naive", "date", "epoch"):
        return 0 if naming.tells_beginning(member.source) else 1
    is_tracked = not TRACKED.isdisjoint(words) and not {"description", "text", "note"} & set(words)
    return 2 if shape.kind == "text" and (shape.is_choice or is_tracked) else 1


def _kept(star: Star) -> str:
    """What the docstring says of history."""
    kept = [it.name.replace("_", " ") for it in star.attributes if it.scd == 2]
    if len(kept) > 3:
        return f"; {len(kept)} columns keep their history"
    told = f"{', '.join(kept[:-1])} and {kept[-1]}" if len(kept) > 1 else "".join(kept)
    return f"; {told} {'keeps its' if len(kept) == 1 else 'keep their'} history" if kept else ""


def text(module: SourceModule, made: Sequence[Star]) -> str:
    """The module."""
    names = Names()
    names.add("sqlalchemy.orm", "Mapped")
    names.add("strandline", "Dimension", "Mapper", "attribute", "field")
    names.add("source", *(it.contract.name for it in made))
    for it in (one for star in made for one in star.attributes):
        _need(it, names)
    parts = [list(_dimension(it)) for it in made] + [list(_mapper(it, module)) for it in made]
    body = "\n\n\n".join("\n".join(it) for it in parts)
    doc = '"""The database schema layer: the star, and how records become its rows."""'
    return "\n".join([doc, "", *names.lines(), "", "", body]) + "\n"


def _need(attribute: Attribute, names: Names) -> None:
    if attribute.annotation in ("date", "datetime"):
        names.add("datetime", attribute.annotation)
    if attribute.annotation == "Decimal":
        names.add("decimal", "Decimal")
    kind = attribute.type.partition("(")[0]
    if kind:
        names.add("sqlalchemy" if kind == "String" else "strandline", kind)


def _dimension(star: Star) -> Iterator[str]:
    entity = star.stream.entity.replace("_", " ")
    article = "An" if entity[:1] in "aeiou" else "A"
    yield f"class {star.dimension}(Dimension):"
    yield code.docstring(f"{article} {entity}{_kept(star)}", indent=1)
    yield ""
    if _is_event(star):
        yield from code.unsure(
            "it has amounts and refers to others: perhaps it is a Fact, not a Dimension", indent=1
        )
    for it in star.attributes:
        yield from it.line


def _is_event(star: Star) -> bool:
    """Whether it looks like something that happened rather than like a thing."""
    amounts = [it for it in star.attributes if it.type == "Money"]
    others = [
        it.source
        for it in star.contract.members
        if it.source not in star.stream.key and naming.owner_of(it.source) and it.kind in ("text", "integer")
    ]
    is_called_so = not {"order", "invoice", "payment", "charge", "transaction", "event", "call"}.isdisjoint(
        naming.words(star.stream.entity)
    )
    return bool(amounts) and (is_called_so or bool(others))


def _mapper(star: Star, module: SourceModule) -> Iterator[str]:
    yield from code.call(
        f"class {star.mapper}(", [f"Mapper[{star.contract.name}, {star.dimension}]"], end="):"
    )
    yield code.docstring(f"The {star.stream.name.replace('_', ' ')} of {module.draft.name}", indent=1)
    yield ""
    for it in star.attributes:
        yield f'    {it.name} = field("{it.path}")'
