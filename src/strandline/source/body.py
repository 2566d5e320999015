"""What is read of an answer's body: its records, and beside them what the paginator wants to see."""

from __future__ import annotations

from collections.abc import Callable, Generator, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass
from io import BytesIO
from typing import Any, Final

import msgspec

from strandline.errors import DeclarationError
from strandline.source import compression, lenient, selector
from strandline.source.format import Format, Xml
from strandline.source.page import BOM, Cut, Path, keys, split
from strandline.source.refusal import Refusing
from strandline.source.selector import Selector
from strandline.source.spool import Body

EAGER: Final = 16 * 1024 * 1024
"""Bytes of payloads that are read before anybody is given one: so much is asked for again where it ends too
early.
"""


@dataclass(frozen=True)
class Reader:
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
    if wanted and not isinstance(format, Xml):
        raise DeclarationError(
            f"pages(…, format={format!r}): the paginator looks for {', '.join(map(repr, wanted))} in the"
            f" body, but {format.name} holds records only",
            hint="Declare a paginator that reads a header, or one that ends at an empty page.",
        )
    own = _Formatted(format, wanted=wanted, refusing=refusing, sees_records=sees_records)
    return Reader(own.read, spools=True)


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


@dataclass(frozen=True)
class _Formatted:
    """Reads bodies of a format."""

    format: Format
    wanted: Sequence[Path]
    refusing: Refusing | None
    sees_records: bool

    def read(self, body: Body, charset: str | None) -> Cut:
        """The records, those of a large body as they are asked for."""
        if self.refusing is not None and not body.is_large:
            self._refuse(self.refusing, body, charset)
        if self.wanted:
            content = Body.of(body.whole())
            cut = list(self._records(content, charset))
            return Cut(cut, self._find(content, self.wanted, charset))
        records = self._records(body, charset)
        return Cut(list(records), {}) if self.sees_records else _begun(records)

    def _records(self, body: Body, charset: str | None) -> Generator[bytes, None, None]:
        with body.open() as file:
            is_archive = compression.kind_of(body.start) == "zip" and not _is_container(self.format)
            content = compression.unpacked(file) if is_archive else file
            yield from self.format.records(content, charset=charset)

    def _find(self, body: Body, wanted: Sequence[Path], charset: str | None) -> Mapping[Path, Any]:
        if not isinstance(self.format, Xml):
            return {}
        with body.open() as file:
            return self.format.find(file, wanted, charset=charset)

    def _refuse(self, refusing: Refusing, body: Body, charset: str | None) -> None:
        """An error is JSON where something else was asked for, or stands in the XML."""
        if body.start.lstrip()[:1] == b"{":
            refusing.check_body(body.whole())
        elif isinstance(self.format, Xml):
            found: Mapping[Path, Any] = {}
            with suppress(lenient.Truncated, lenient.Unreadable):  # which is told when it is read
                found = self._find(body, refusing.declared.places, charset)
            refusing.check(found)


def _begun(records: Generator[bytes, None, None]) -> Cut:
    first, size = list[bytes](), 0
    for payload in records:
        first.append(payload)
        size += len(payload)
        if size >= EAGER:
            return Cut(first, {}, records)
    return Cut(first, {})


def _is_container(format_: Format) -> bool:
    return bool(getattr(format_, "is_container", False))


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
