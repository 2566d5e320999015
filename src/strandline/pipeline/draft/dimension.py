"""A dimension of a stream, with a suggestion of what a change does to each column."""

from __future__ import annotations

from typing import Final

from strandline.pipeline.draft import code, column
from strandline.pipeline.draft.column import Column, Drafted, Leaf
from strandline.pipeline.draft.contract import Contract
from strandline.pipeline.draft.draft import StreamDraft
from strandline.source.profile import naming
from strandline.source.profile.finding import Finding

TRACKED: Final = frozenset(
    {"status", "state", "type", "kind", "category", "segment", "tier", "class", "stage", "level", "plan"}
    | {"grade", "priority", "region", "country", "role", "rating", "department", "owner", "assignee", "terms"}
)


def draft(
    stream: StreamDraft, contract: Contract, *, model: str, mapper: str, kind: Finding | None
) -> Drafted:
    """The dimension; `kind` is why it may be a fact."""
    made = Drafted(stream, contract, "Dimension", model, mapper, "", [])
    kept = []
    for it in _chosen(stream, contract):
        scd = 1 if column.is_personal(it) else scd_of(it)
        made.columns.append(_column(it, stream.entity, {one.name for one in made.columns}, scd=scd))
        kept += [made.columns[-1].name] if scd == 2 else []
    entity = stream.entity.replace("_", " ")
    made.doc = f"{'An' if entity[:1] in 'aeiou' else 'A'} {entity}{_kept(kept)}"
    if kind is not None:
        made.unsure.append(f"perhaps it is a fact ({kind.sure}: {kind.why}); --fact {stream.name} writes one")
    made.needs["strandline"] = {"attribute"}
    return made


def _chosen(stream: StreamDraft, contract: Contract) -> list[Leaf]:
    """What becomes a column: all but the key and the cursor, which every dimension has anyway."""
    skipped = {stream.cursor, *(stream.key if len(stream.key) == 1 else ())}
    found = [it for it in column.leaves(contract) if it.source not in skipped and not column.is_link(it)]
    if found:
        return found
    member = contract.member(stream.key[0])
    return [Leaf(stream.key[0], member.name, member, is_required=True)]


def _column(leaf: Leaf, entity: str, taken: set[str], *, scd: int) -> Column:
    type_ = column.type_of(leaf)
    name = column.called(leaf, entity, taken)
    arguments = [type_] if type_ else []
    arguments += [f"scd={scd}"] if scd != 1 else []
    arguments += ["pii=True"] if column.is_personal(leaf) else []
    lines = code.call(f"{name}: Mapped[{column.told(leaf)}] = attribute(", arguments, indent=1)
    return Column(name, lines, column.annotation(leaf), type_, leaf.path, column.using(leaf))


def scd_of(leaf: Leaf) -> int:
    """What a change does: 0 keeps the first value, 2 keeps the history, 1 overwrites."""
    shape, words = leaf.member.field.shape, naming.words(leaf.path.rpartition(".")[2])
    if shape.kind in column.TIMES:
        return 0 if naming.tells_beginning(leaf.member.source) else 1
    is_tracked = not TRACKED.isdisjoint(words) and not {"description", "text", "note"} & set(words)
    return 2 if shape.kind == "text" and (shape.is_choice or is_tracked) else 1


def _kept(names: list[str]) -> str:
    """What the docstring says of history."""
    kept = [it.replace("_", " ") for it in names]
    if len(kept) > 3:
        return f"; {len(kept)} columns keep their history"
    told = f"{', '.join(kept[:-1])} and {kept[-1]}" if len(kept) > 1 else "".join(kept)
    return f"; {told} {'keeps its' if len(kept) == 1 else 'keep their'} history" if kept else ""
