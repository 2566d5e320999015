"""What is read of an answer's body: its records, and beside them what the paginator wants to see."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from io import BytesIO
from typing import Any

import msgspec

from strandline.errors import DeclarationError
from strandline.source import compression, lenient, selector
from strandline.source.format import Format, Xml
from strandline.source.page import BOM, Cut, Path, keys, split
from strandline.source.refusal import Refusing
from strandline.source.selector import Selector

Reader = Callable[[bytes, str | None], Cut]
"""(body, charset of the transport) → its records; raises lenient.Truncated or lenient.Unreadable"""


def reader(
    records: Selector,
    *,
    wanted: Sequence[Path],
    carry: Mapping[str, Path] | None = None,
    format: Format | None = None,  # noqa: A002  # as users write it
    refusing: Refusing | None = None,
) -> Reader:
    """The function that reads the bodies of one walk, of JSON unless another format is declared; `refusing`
    refuses those that are errors.
    """
    if refusing is None:
        return _reader(records, wanted=wanted, carry=carry, format=format)
    is_seen = format is None or isinstance(format, Xml)  # beside the records, in the same pass
    places = refusing.declared.places if is_seen else ()
    read = _reader(records, wanted=(*wanted, *places), carry=carry, format=format)

    def checked(body: bytes, charset: str | None) -> Cut:
        if not is_seen and body.lstrip()[:1] == b"{":
            refusing.check_body(body)
        try:
            cut = read(body, charset)
        except lenient.Unreadable:
            refusing.check_body(body)
            raise
        refusing.check(cut.found)
        return cut

    return checked


def _reader(
    records: Selector,
    *,
    wanted: Sequence[Path],
    carry: Mapping[str, Path] | None,
    format: Format | None,  # noqa: A002  # as users write it
) -> Reader:
    if format is None:
        return _json_reader(records, carry=carry or {}, wanted=wanted)
    if records is not None or carry:
        raise DeclarationError(
            f"pages(…, records={records!r}, format={format!r}): the format says where its records are",
            hint=f"Leave records and carry out; {format.name} takes a path itself where there is a choice.",
        )
    if wanted and not isinstance(format, Xml):
        raise DeclarationError(
            f"pages(…, format={format!r}): the paginator looks for {', '.join(map(repr, wanted))} in the"
            f" body, but {format.name} holds records only",
            hint="Declare a paginator that reads a header, or one that ends at an empty page.",
        )

    def read(body: bytes, charset: str | None) -> Cut:
        content = _unpack(body)
        cut = list(format.records(BytesIO(content), charset=charset))
        if wanted and isinstance(format, Xml):
            return Cut(cut, format.find(BytesIO(content), wanted, charset=charset))
        return Cut(cut, {})

    return read


def _json_reader(records: Selector, *, carry: Mapping[str, Path], wanted: Sequence[Path]) -> Reader:
    if not callable(records) and not carry and selector.is_plain(records):
        return lambda body, charset: split(_unpack(body), records, wanted=wanted)
    if callable(records) and carry:
        raise DeclarationError("pages(…, carry=…): a function that finds the records carries what it likes")
    select = records if callable(records) else selector.selecting(records, carry)
    places = {path: keys(path) for path in wanted}

    def read(body: bytes, _: str | None) -> Cut:
        content = _unpack(body).removeprefix(BOM)
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
