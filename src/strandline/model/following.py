"""Whether a mapper does nothing but follow paths: then it makes the same of anything that has the contract's
attributes, with the same values, and need not be given the contract's own model.
"""

from __future__ import annotations

from datetime import date, datetime
from decimal import Decimal
from typing import Any, Final, Literal, get_args, get_origin

from pydantic import AwareDatetime, BaseModel
from sqlalchemy import Column
from sqlalchemy.types import TypeDecorator

from strandline.model.combination import Combination
from strandline.model.field import Field
from strandline.model.mapper import Mapped, Mapper, names_group
from strandline.model.path import leaf_of
from strandline.model.type import ReferenceType, UtcDateTime

SCALARS: Final = (str, int, bool, Decimal, date)
MOMENTS: Final = (datetime, AwareDatetime)
PARTS: Final = {"id": "id", "name": "name", "display_name": "displayName"}
"""What a reference may be known by, and what the source calls it."""


def follows_paths(mapper: type[Mapper[Any, Any]]) -> bool:
    """Whether no method is asked, and nothing that could tell the model from what only looks like it."""
    return all(_follows(mapper, it) for it in mapper.mapped.values())


def _follows(mapper: type[Mapper[Any, Any]], mapped: Mapped) -> bool:
    if mapped.combined is not None:
        return follows_paths(mapped.combined)
    declared = mapped.declared
    if mapped.method is not None or declared is None:
        return mapped.method is None
    leaf = _leaf(mapper, declared)
    if leaf in SCALARS or get_origin(leaf) is Literal:
        return True
    if leaf in MOMENTS:
        # The same moment, in a zone of another class: who is not ours may ask for it.
        return declared.using is None and _is_plain_time(mapper, mapped.column)
    if get_origin(leaf) is list:
        return names_group(mapped.column) and declared.using is None and get_args(leaf)[0] in SCALARS
    return declared.using is None and type(mapped.column.type) is ReferenceType and _is_reference(leaf)


def _leaf(mapper: type[Mapper[Any, Any]], declared: Field) -> Any:
    if declared.is_line:
        return leaf_of(mapper.lines.element if mapper.lines else None, declared.path)
    return leaf_of(mapper.contract, declared.path)


def _is_plain_time(mapper: type[Mapper[Any, Any]], column: Column[Any]) -> bool:
    is_plain = type(column.type) is UtcDateTime or not isinstance(column.type, TypeDecorator)
    return is_plain and not issubclass(mapper.model, Combination)


def _is_reference(leaf: Any) -> bool:
    """Whether all that a reference may be known by are fields, so that nothing else can be."""
    if not (isinstance(leaf, type) and issubclass(leaf, BaseModel)):
        return False
    fields = leaf.model_fields
    return all(name in fields and (fields[name].alias or name) == it for name, it in PARTS.items())
