"""Dotted paths into a contract: checked against its fields when declared, so that they cannot miss later."""

from __future__ import annotations

import types
from collections.abc import Iterable, Mapping, Sequence
from difflib import get_close_matches
from typing import Annotated, Any, Union, get_args, get_origin

from msgspec import Struct
from pydantic import BaseModel
from typing_extensions import TypeAliasType

from strandline.errors import DeclarationError


class Step(Struct, frozen=True):
    """One name on the way: an attribute of a model, or a key of a mapping; `optional` when None can come of
    it.
    """

    name: str
    is_key: bool
    optional: bool


def nearest(name: str, candidates: Iterable[str]) -> str:
    """` Did you mean 'x'?` for the closest spelling, nothing when none is close."""
    known = list(candidates)
    close = get_close_matches(name, known, n=1, cutoff=0.6)
    return f"Did you mean {close[0]!r}?" if close else f"There are {', '.join(known)}."


def resolve(contract: Any, path: str, *, where: str) -> list[Step]:
    """The steps of a path from the contract, or what a list holds, on; DeclarationError at the first name
    that is not there.
    """
    return _walk(contract, path, where=where)[0]


def leaf_of(contract: Any, path: str) -> Any:
    """What stands at the end of a path that has been resolved, apart from None; without one the start."""
    return _walk(contract, path, where="")[1] if path else contract


def resolve_lines(contract: type[BaseModel], path: str, *, where: str) -> tuple[list[Step], Any]:
    """The steps of a path to a list, and what is in the list; DeclarationError where there is none."""
    steps, here = _walk(contract, path, where=where)
    of, given = get_origin(here), get_args(here)
    is_list = of in (list, Sequence) or (of is tuple and len(given) == 2 and given[1] is Ellipsis)
    if not is_list:
        raise DeclarationError(
            f"{where}: {path!r} is {getattr(here, '__name__', here)} in {contract.__name__}, and no list",
            hint="Give the path of a list[<contract of a line>].",
        )
    return steps, _strip(given[0])[0]


def _walk(start: Any, path: str, *, where: str) -> tuple[list[Step], Any]:
    steps: list[Step] = []
    here = start
    for name in path.split("."):
        step, here = _enter(here, name, where=f"{where}: path {path!r}")
        steps.append(step)
    return steps, here


def _enter(here: Any, name: str, *, where: str) -> tuple[Step, Any]:
    if isinstance(here, type) and issubclass(here, BaseModel):
        if name not in here.model_fields:
            raise DeclarationError(
                f"{where}: {here.__name__} has no field {name!r}", hint=nearest(name, here.model_fields)
            )
        inner, optional = _strip(here.model_fields[name].annotation)
        return Step(name, is_key=False, optional=optional), inner
    if isinstance(here, type) and issubclass(here, Mapping):
        return Step(name, is_key=True, optional=True), Any
    if get_origin(here) is not None and issubclass(get_origin(here), Mapping):
        inner, _ = _strip(get_args(here)[1])
        return Step(name, is_key=True, optional=True), inner
    raise DeclarationError(
        f"{where}: nothing can be looked up in {getattr(here, '__name__', here)} by the name {name!r}",
        hint="End the path before it, or write a method of that column's name.",
    )


def _strip(annotation: Any) -> tuple[Any, bool]:
    """The annotation without None, Annotated and aliases, and whether None was among it."""
    if isinstance(annotation, TypeAliasType):
        return _strip(annotation.__value__)
    if get_origin(annotation) is Annotated:
        return _strip(get_args(annotation)[0])
    if get_origin(annotation) in (Union, types.UnionType):
        members = [member for member in get_args(annotation) if member is not type(None)]
        inner, optional = _strip(members[0]) if len(members) == 1 else (annotation, False)
        return inner, optional or len(members) < len(get_args(annotation))
    return annotation, annotation is type(None) or annotation is Any
