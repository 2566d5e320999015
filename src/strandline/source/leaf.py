"""Leaves: every single value of a payload, where its bytes are, and what its contract calls it.

A payload is looked at as the bytes that it is, and so can be written again with some values replaced and
every other byte as it was: 40-digit numbers, duplicate keys, spaces and all.
"""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping, Sequence
from functools import cache
from types import UnionType
from typing import Annotated, Any, Final, Union, get_args, get_origin

from msgspec import Struct
from pydantic import AliasChoices, AliasPath, BaseModel
from pydantic.fields import FieldInfo
from typing_extensions import TypeAliasType

from strandline.source import lenient
from strandline.source.personal import is_declared_personal

Place = tuple[str | int, ...]
"""The names and numbers that lead to a value in the payload."""

DEEPEST: Final = 200
"""Levels of brackets; nobody reads further down."""


class Leaf(Struct, frozen=True):
    """A value that is no object and no list."""

    place: Place
    path: tuple[str, ...]
    """The way to it in names only, as the contract calls them or, where it does not, the payload."""
    start: int
    end: int
    is_personal: bool
    """Declared so in the contract."""
    is_named: bool
    """The contract names it."""


class Outline(Struct):
    """What a contract, or a part of it, calls the values of an object."""

    fields: dict[str, tuple[str, bool, Outline | None]] = {}
    """By the name in the payload: the field's own, whether it is personal, and what is in it."""
    others: Outline | None = None
    """What the values of a mapping are."""


@cache
def outline(contract: type[BaseModel]) -> Outline:
    """The outline of a contract; one that holds itself does so here as well."""
    return _outline(contract, {})


def _outline(contract: type[BaseModel], known: dict[type[BaseModel], Outline]) -> Outline:
    if contract in known:
        return known[contract]
    made = known[contract] = Outline()
    takes_name = bool(contract.model_config.get("populate_by_name"))
    for name, info in contract.model_fields.items():
        inner, is_personal = _within(info.annotation, known), is_declared_personal(info)
        for way in _spellings(name, info, takes_name=takes_name):
            _enter(made, way, name, is_personal=is_personal, inner=inner)
    return made


def _enter(at: Outline, way: Sequence[str], name: str, *, is_personal: bool, inner: Outline | None) -> None:
    for step in way[:-1]:
        _, _, below = at.fields.setdefault(step, ("", False, Outline()))
        at = below or Outline()
    known = at.fields.get(way[-1], (name, False, None))
    at.fields[way[-1]] = (name, is_personal or known[1], inner or known[2])


def _spellings(name: str, info: FieldInfo, *, takes_name: bool) -> Iterator[tuple[str, ...]]:
    aliases = [it for it in (info.alias, info.validation_alias) if it is not None]
    if not aliases or takes_name:
        yield (name,)
    for alias in aliases:
        yield from _ways(alias)


def _ways(alias: str | AliasPath | AliasChoices) -> Iterator[tuple[str, ...]]:
    match alias:
        case str():
            yield (alias,)
        case AliasPath():  # which element of a list it is makes no difference
            yield tuple(it for it in alias.path if isinstance(it, str))
        case AliasChoices():
            for choice in alias.choices:
                yield from _ways(choice)


def _within(annotation: Any, known: dict[type[BaseModel], Outline]) -> Outline | None:
    """The outline of what an annotation holds, through lists, unions and aliases."""
    if isinstance(annotation, TypeAliasType):
        return _within(annotation.__value__, known)
    if isinstance(annotation, type) and issubclass(annotation, BaseModel):
        return _outline(annotation, known)
    origin, given = get_origin(annotation), get_args(annotation)
    if origin is Annotated:
        return _within(given[0], known)
    if isinstance(origin, type) and issubclass(origin, Mapping):
        inner = _within(given[1], known)
        return Outline(others=inner) if inner else None
    found = [it for it in (_within(one, known) for one in given) if it is not None]
    if len(found) < 2 or origin not in (Union, UnionType):
        return found[0] if found else None
    both = Outline(others=next((it.others for it in found if it.others), None))
    for it in found:
        for name, (own, is_personal, inner) in it.fields.items():
            _enter(both, (name,), own, is_personal=is_personal, inner=inner)
    return both


def leaves(payload: bytes, contract: Outline) -> list[Leaf]:
    """All leaves of the payload; none of one that is no JSON."""
    start = len(payload) - len(payload.lstrip(b" \t\r\n"))
    try:
        return list(_walk(payload, start, contract, Leaf((), (), 0, 0, is_personal=False, is_named=True)))
    except (lenient.Truncated, lenient.Unreadable):
        return []


def _walk(payload: bytes, start: int, known: Outline | None, around: Leaf) -> Iterator[Leaf]:
    for name, begin, end in lenient.parts(payload, start):
        below, path, is_personal, is_named = known, around.path, around.is_personal, around.is_named
        if isinstance(name, str):
            fields = known.fields if known else {}
            is_named = name in fields
            own, is_declared, below = fields.get(name, (name, False, known.others if known else None))
            path, is_personal = ((*path, own) if own else path), is_personal or is_declared
        leaf = Leaf((*around.place, name), path, begin, end, is_personal, is_named)
        if payload[begin : begin + 1] in (b"{", b"[") and len(leaf.place) < DEEPEST:
            yield from _walk(payload, begin, below, leaf)
        else:
            yield leaf


def value_of(payload: bytes, leaf: Leaf) -> Any:
    """What the leaf says; None where that cannot be decoded."""
    written = payload[leaf.start : leaf.end].decode("utf-8", "surrogateescape")
    try:
        return json.loads(written, strict=False, parse_float=str)
    except (ValueError, RecursionError):
        return None


def replace(payload: bytes, values: Mapping[Leaf, bytes]) -> bytes:
    """The payload with these leaves replaced, and every other byte as it is."""
    parts, at = [], 0
    for leaf in sorted(values, key=lambda it: it.start):
        parts += [payload[at : leaf.start], values[leaf]]
        at = leaf.end
    return b"".join([*parts, payload[at:]])
