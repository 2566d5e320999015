"""Which dimensions a fact refers to: what the user said, and what names and values of the samples tell."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from strandline.errors import DeclarationError
from strandline.model.path import nearest
from strandline.pipeline.draft import column
from strandline.pipeline.draft.column import Leaf
from strandline.pipeline.draft.contract import Contract
from strandline.pipeline.draft.draft import StreamDraft
from strandline.pipeline.draft.role import other_of
from strandline.source.profile import naming
from strandline.source.profile.finding import Finding


@dataclass(frozen=True)
class Known:
    """A dimension that a fact may refer to."""

    name: str
    entity: str
    """What a member is, in snake case."""
    module: str = ""
    """Where it is imported from; empty where it is written beside the fact."""
    source: str = ""
    """The source that fills it, if another than the fact's."""
    key: str = ""
    """What the source calls the natural key, where one field is it."""
    keys: frozenset[str] = frozenset()
    """Natural keys that were seen."""


@dataclass(frozen=True)
class Pointing:
    """A field that holds natural keys of a dimension."""

    leaf: Leaf
    known: Known
    role: str
    """As which the member takes part: `customer`, `billing_customer`."""
    finding: Finding


def parse(written: Iterable[str]) -> dict[str, str]:
    """What `--reference FIELD=DIMENSION` says."""
    found: dict[str, str] = {}
    for it in written:
        path, separator, name = it.partition("=")
        if not separator or not path.strip() or not name.strip():
            raise DeclarationError(
                f"--reference {it}: says not which dimension the field points at",
                hint="Write it as in --reference customer_id=DimCustomer.",
            )
        found[path.strip()] = name.strip()
    return found


def check(asked: Mapping[str, str], facts: Mapping[str, Contract], known: Sequence[Known]) -> None:
    """Raise DeclarationError for a field that no fact has, and for a dimension that nobody knows."""
    paths = {
        spelled
        for name, contract in facts.items()
        for it in column.leaves(contract)
        for spelled in _spelled(name, it)
    }
    for path, dimension in asked.items():
        if not facts:
            raise DeclarationError(
                f"--reference {path}={dimension}: there is no fact that could refer to it",
                hint="Say which stream is one: --fact NAME.",
            )
        if path not in paths:
            raise DeclarationError(
                f"--reference {path}={dimension}: {', '.join(facts)} has no field {path!r}",
                hint=nearest(path, paths),
            )
        if dimension not in {it.name for it in known}:
            raise DeclarationError(
                f"--reference {path}={dimension}: there is no {dimension} among what is written or known",
                hint=f"{nearest(dimension, {it.name for it in known})} One that your project has already is"
                " found with --app, which names the modules of your pipelines.",
            )


def pointing(
    stream: StreamDraft, contract: Contract, known: Sequence[Known], asked: Mapping[str, str]
) -> list[Pointing]:
    """What the record points at, each by its surest field."""
    found: list[Pointing] = []
    for it in column.leaves(contract):
        said = next((asked[path] for path in _spelled(stream.name, it) if path in asked), None)
        made = _said(it, said, known) if said else _best(_guessed(stream, it, known))
        if made is not None and (said or stream.key != [it.source]):
            found.append(made)
    return found


def _spelled(stream: str, leaf: Leaf) -> set[str]:
    """How a user may write the field."""
    return {leaf.source, leaf.path, f"{stream}.{leaf.source}", f"{stream}.{leaf.path}"}


def _said(leaf: Leaf, dimension: str, known: Sequence[Known]) -> Pointing:
    chosen = next(it for it in known if it.name == dimension)
    return Pointing(
        leaf, chosen, other_of(leaf) or chosen.entity, Finding(leaf.source, "sure", "you said so")
    )


def _guessed(stream: StreamDraft, leaf: Leaf, known: Sequence[Known]) -> Iterator[Pointing]:
    """By name, and where samples of both are there, by value."""
    if leaf.kind not in ("text", "integer", "url"):
        return
    other = other_of(leaf)
    role = naming.singular(other or "_".join(naming.words(leaf.source)))
    values = {str(it) for it in _values(stream, leaf.source)}
    for it in known:
        is_called_so = role == it.entity or role.endswith(f"_{it.entity}")
        is_key = naming.is_code(leaf.source) and leaf.source == it.key and values <= it.keys
        if it.entity == stream.entity or not (is_called_so or is_key):
            continue
        if other is None and not it.keys:
            continue  # it may as well be a name or a code
        finding = _judged(leaf, it, values, is_identifier=other is not None)
        if finding is not None:
            yield Pointing(leaf, it, role if is_called_so else it.entity, finding)


def _judged(leaf: Leaf, known: Known, told: set[str], *, is_identifier: bool) -> Finding | None:
    if not known.keys or not told:
        return Finding(leaf.source, "likely", f"called as the identifier of a {known.entity}")
    found = len(told & known.keys)
    if found == len(told):
        return Finding(leaf.source, "sure", f"all of its {found} values are keys of {known.name}")
    if found:
        return Finding(leaf.source, "likely", f"{found} of its {len(told)} values are keys of {known.name}")
    why = f"called as the identifier of a {known.entity}, but none of its values is in the sample of these"
    return Finding(leaf.source, "unsure", why) if is_identifier else None


def _values(stream: StreamDraft, path: str) -> Iterator[Any]:
    steps = path.split(".")
    for record in stream.seen or stream.samples:
        found: Any = record.get(path) if path in record else record
        for step in steps if path not in record else ():
            found = found.get(step) if isinstance(found, Mapping) else None
        if found not in (None, ""):
            yield found


def _best(found: Iterable[Pointing]) -> Pointing | None:
    """The surest; of those the one with the longest name: `billing_customer` before `customer`."""
    return min(found, key=lambda it: (it.finding.rank, -len(it.known.entity)), default=None)


def keys_of(stream: StreamDraft) -> frozenset[str]:
    """The natural keys in the stream's sample, where one field is the key."""
    if len(stream.key) != 1 or not stream.seen:
        return frozenset()
    return frozenset(str(it) for it in _values(stream, stream.key[0]))
