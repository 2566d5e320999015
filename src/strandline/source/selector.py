"""Records that do not stand in one array: how to get to them through arrays and objects of any name.

    "results[].orders[]"      each order of each result
    "edges[].node"            what stands as node in each edge
    "data.*.items"            the items of everything in data, whatever its name

The bytes of each record stay exact. What is carried along from the objects around it is put at its end, as a
member more, with its own bytes.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping
from typing import Any, Final

import msgspec

from strandline.errors import DeclarationError
from strandline.source import lenient
from strandline.source.lenient import Unreadable
from strandline.source.page import Path, keys

Selector = Path | Callable[[bytes], Iterable[bytes]]
"""Where the records are: a path, or a function from a body to its records' bytes."""

EACH: Final = "[]"
ANY: Final = "*"

_decode = msgspec.json.Decoder(dict[str, msgspec.Raw] | list[msgspec.Raw]).decode


class Carried(msgspec.Struct, frozen=True):
    """A value that goes along: where it is, from an object that the way to the records leads through."""

    name: str
    depth: int
    rest: tuple[str, ...]


def steps(path: Path) -> tuple[str, ...]:
    """The path's keys, with "[]" as a step of its own."""
    found: list[str] = []
    for key in keys(path):
        name, *each = key.split(EACH) if isinstance(path, str) else (key,)
        if any(each) or (isinstance(path, str) and "[" in name):
            raise DeclarationError(
                f"records={path!r}: {key!r} is no step", hint='Write it as in "results[].orders[]".'
            )
        found += ([name] if name or not each else []) + [EACH] * len(each)
    return tuple(found)


def is_plain(path: Path) -> bool:
    """Whether the path leads to one array, by keys alone."""
    return not {EACH, ANY} & set(steps(path))


def value_at(path: Path) -> Callable[[bytes], Any]:
    """The function from a record's bytes to the decoded value there; None where there is none."""
    place = keys(path)

    def read(record: bytes) -> Any:
        try:
            value = msgspec.json.decode(record)
        except (msgspec.DecodeError, RecursionError):
            return _value_leniently(record, place)
        for key in place:
            value = value.get(key) if isinstance(value, dict) else None
        return value

    return read


def _value_leniently(record: bytes, place: tuple[str, ...]) -> Any:
    try:
        found = lenient.value(record, place)
    except (lenient.Truncated, lenient.Unreadable):  # a bad record, which its contract will refuse
        return None
    return None if found is lenient.ABSENT else found


def selecting(path: Path, carry: Mapping[str, Path]) -> Callable[[bytes], list[bytes]]:
    """The function from a body to its records' bytes.

    What is absent or null behind the first "[]" or "*" has no records; before it, it is Unreadable.
    """
    way = steps(path)
    carried = [_carried(name, steps(place), way) for name, place in carry.items()]
    first_choice = next((at for at, step in enumerate(way) if step in (EACH, ANY)), len(way))

    def follow(value: bytes, depth: int, along: dict[str, bytes]) -> Iterator[bytes]:
        here = {it.name: found for it in carried if it.depth == depth if (found := _dig(value, it.rest))}
        along = {**along, **here}
        if depth == len(way):
            for record in _records(value, is_spread=way[-1:] != (EACH,), is_plain=first_choice == len(way)):
                yield _with(record, along)
            return
        for child in _next(value, way[depth], may_miss=depth > first_choice, where=way[: depth + 1]):
            yield from follow(child, depth + 1, along)

    def select(body: bytes) -> list[bytes]:
        try:
            msgspec.json.decode(body, type=msgspec.Raw)
        except msgspec.DecodeError:
            lenient.check_whole(body)
        return list(follow(body.strip(), 0, {}))

    return select


def _carried(name: str, place: tuple[str, ...], way: tuple[str, ...]) -> Carried:
    together = list(zip(place, way, strict=False))
    common = next((at for at, (there, here) in enumerate(together) if there != here), len(together))
    rest = place[common:]
    if not rest or {EACH, ANY} & set(rest):
        raise DeclarationError(
            f"carry={{{name!r}: …}}: {'.'.join(place)!r} leads to no value of an object around the records",
            hint='Of records="results[].orders[]" it is "results[].id".',
        )
    return Carried(name, common, rest)


def _next(value: bytes, step: str, *, may_miss: bool, where: tuple[str, ...]) -> Iterable[bytes]:
    parts = _parts(value)
    if step == EACH and isinstance(parts, list):
        return parts
    if step == ANY and parts is not None:
        return parts.values() if isinstance(parts, dict) else parts
    if isinstance(parts, dict) and step not in (EACH, ANY):
        found = parts.get(step)
        if found is not None and not (may_miss and found == b"null"):
            return (found,)
        if may_miss:
            return ()
    if may_miss and value == b"null":
        return ()
    raise Unreadable(f"nothing at {_shown(where)} but", value)


def _records(value: bytes, *, is_spread: bool, is_plain: bool) -> Iterable[bytes]:
    if not is_spread:
        return (value,)
    if value[:1] == b"[":
        parts = _parts(value)
        return parts if isinstance(parts, list) else ()
    if is_plain:
        raise Unreadable("no array there but", value)
    return () if value == b"null" else (value,)


def _parts(value: bytes) -> dict[str, bytes] | list[bytes] | None:
    try:
        parts: Any = _decode(value)
    except msgspec.DecodeError:
        spans = [(name, value[begin:end]) for name, begin, end in lenient.parts(value, 0)]
        if value[:1] == b"{":
            return {str(name): content for name, content in spans}
        return [content for _, content in spans] if value[:1] == b"[" else None
    if isinstance(parts, dict):
        return {name: bytes(raw) for name, raw in parts.items()}
    return [bytes(raw) for raw in parts]


def _dig(value: bytes, place: tuple[str, ...]) -> bytes | None:
    for key in place:
        parts = _parts(value)
        if not isinstance(parts, dict) or key not in parts:
            return None
        value = parts[key]
    return value


def _with(record: bytes, along: Mapping[str, bytes]) -> bytes:
    if not along or record[:1] != b"{":
        return record
    members = b",".join(msgspec.json.encode(name) + b":" + value for name, value in along.items())
    start = record[:-1]
    return start + (b"" if start[1:].strip() == b"" else b",") + members + b"}"


def _shown(where: tuple[str, ...]) -> str:
    return repr(".".join(where).replace(f".{EACH}", EACH)) if where else "the top of the body"
