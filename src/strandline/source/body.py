"""What is read of an answer's body: its records, and beside them what the paginator wants to see."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from io import BytesIO
from typing import Any

import msgspec

from strandline.errors import DeclarationError
from strandline.source import compression, lenient, selector
from strandline.source.format import Format
from strandline.source.page import BOM, Cut, Path, keys, split
from strandline.source.refusal import Refusing
from strandline.source.selector import Selector
from strandline.source.spool import Body


class Reader(msgspec.Struct, frozen=True):
    """(body, charset of the transport) → its records; raises lenient.Truncated or lenient.Unreadable."""

    read: Callable[[Body, str | None], Cut]
    spools: bool
    """Whether a body may be a file, for it is read piece by piece."""


def reader(
    records: Selector,
    *,
    wanted: Sequence[Path],
    carry: Mapping[str, Path] | None = None,
    format: Format | None = None,  # noqa: A002  # as users write it
    refusing: Refusing | None = None,
    sees_records: bool = True,
) -> Reader:
    """The function that reads the bodies of one walk, of JSON unless another format is declared; `refusing`
    refuses those that are errors. A walk that `sees_records` is given all of a body at once.
    """
    if format is None:
        places = refusing.declared.places if refusing else ()
        read = _json_reader(records, carry=carry or {}, wanted=(*wanted, *places))
        return Reader(read if refusing is None else _checking(read, refusing), spools=False)
    if records is not None or carry:
        raise DeclarationError(
            f"pages(…, records={records!r}, format={format!r}): the format says where its records are",
            hint=f"Leave records and carry out; {format.name} takes a path itself where there is a choice.",
        )
    from strandline.source import formatted  # most APIs send JSON

    own = formatted.reading(format, wanted=wanted, refusing=refusing, sees_records=sees_records)
    return Reader(own, spools=True)


def _checking(
    read: Callable[[Body, str | None], Cut], refusing: Refusing
) -> Callable[[Body, str | None], Cut]:
    def checked(body: Body, charset: str | None) -> Cut:
        try:
            cut = read(body, charset)
        except lenient.Unreadable:
            refusing.check_body(body.whole())
            raise
        refusing.check(cut.found)
        return cut

    return checked


def _json_reader(
    records: Selector, *, carry: Mapping[str, Path], wanted: Sequence[Path]
) -> Callable[[Body, str | None], Cut]:
    if not callable(records) and not carry and selector.is_plain(records):
        return lambda body, charset: split(_unpack(body.whole()), records, wanted=wanted)
    if callable(records) and carry:
        raise DeclarationError("pages(…, carry=…): a function that finds the records carries what it likes")
    select = records if callable(records) else selector.selecting(records, carry)
    places = {path: keys(path) for path in wanted}

    def read(body: Body, _: str | None) -> Cut:
        content = _unpack(body.whole()).removeprefix(BOM)
        return Cut(list(select(content)), _beside(content, places))

    return read


def _beside(content: bytes, places: Mapping[Path, tuple[str, ...]]) -> dict[Path, Any]:
    """What stands at the places; one that is absent has no entry."""
    if not places:
        return {}
    try:
        decoded = msgspec.json.decode(content)
        found = {path: _follow(decoded, place) for path, place in places.items()}
    except (msgspec.DecodeError, RecursionError):
        found = {path: lenient.value(content, place) for path, place in places.items()}
    return {path: value for path, value in found.items() if value is not lenient.ABSENT}


def _follow(decoded: Any, place: tuple[str, ...]) -> Any:
    for key in place:
        if not isinstance(decoded, dict) or key not in decoded:
            return lenient.ABSENT
        decoded = decoded[key]
    return decoded


def _unpack(body: bytes) -> bytes:
    """A file that is compressed itself, `export.csv.gz`, with no encoding to tell it."""
    return compression.unpacked(BytesIO(body)).read() if compression.kind_of(body[:4]) else body
