"""How PostgreSQL's catalog writes a column's type, and what is lost when it becomes another one."""

from __future__ import annotations

import re
from typing import Any, Final

from sqlalchemy import Dialect
from sqlalchemy.types import TypeEngine

SPELLINGS: Final = {
    "varchar": "character varying",
    "char": "character",
    "float": "double precision",
    "decimal": "numeric",
    "int": "integer",
}
REAL_BITS: Final = 24
"""A float of so many bits or fewer is PostgreSQL's real, and of more its double precision."""

WHOLE: Final = {"smallint": 5, "integer": 10, "bigint": 19}
"""How many digits fit."""
TEXT: Final = ("character varying", "text")
WRITTEN: Final = re.compile(r"([a-z ]+?)(?:\(([\d,]+)\))?((?: with(?:out)? time zone)?)")


def spelled(type_: TypeEngine[Any], dialect: Dialect) -> str:
    """The type as the catalog writes it."""
    written = type_.compile(dialect).lower().replace(", ", ",")
    name, bracket, rest = written.partition("(")
    if name == "float" and bracket:
        return "real" if int(rest.rstrip(")")) <= REAL_BITS else "double precision"
    return SPELLINGS.get(name.strip(), name.strip()) + bracket + rest


def _parts(type_: str) -> tuple[str, tuple[int, ...]]:
    found = WRITTEN.fullmatch(type_)
    if found is None:
        return type_, ()
    sizes = tuple(int(it) for it in found[2].split(",")) if found[2] else ()
    return found[1] + found[3], sizes


def is_free(old: str, new: str) -> bool:
    """Whether the rows need not be written anew, nor looked through."""
    (kind, sizes), (becomes, room) = _parts(old), _parts(new)
    if kind in TEXT and becomes in TEXT:
        return not room or (bool(sizes) and room >= sizes)
    if kind == becomes == "numeric":
        return not room or (len(sizes) == len(room) == 2 and room[1] == sizes[1] and room[0] >= sizes[0])
    return kind == becomes and kind.startswith("timestamp") and (not room or (bool(sizes) and room >= sizes))


def narrows(old: str, new: str) -> bool:
    """Whether a value may not fit into the new type, or not come back out of it."""
    if old == new or is_free(old, new):
        return False
    (kind, sizes), (becomes, room) = _parts(old), _parts(new)
    if becomes in TEXT:
        return bool(room)
    if kind in WHOLE and becomes in WHOLE:
        return WHOLE[becomes] < WHOLE[kind]
    if becomes == "numeric" and (kind in WHOLE or kind == "numeric"):
        digits, places = (WHOLE[kind], 0) if kind in WHOLE else (sizes or (10**6, 10**6))
        return bool(room) and (room[1] < places or room[0] - room[1] < digits - places)
    return (kind, becomes) not in {("real", "double precision"), ("json", "jsonb")}
