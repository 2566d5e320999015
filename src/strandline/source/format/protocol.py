"""What every format can do, and what formats made of text share."""

from __future__ import annotations

import codecs
import io
import re
from collections.abc import Callable, Collection, Iterator, Sequence
from typing import Any, BinaryIO, Final, Protocol, cast

import msgspec

from strandline.errors import DeclarationError
from strandline.source.lenient import Unreadable

DEFAULT_CHARSET: Final = "utf-8"
_LEADING = 512


class Format(Protocol):
    """Cuts what can be read as a binary file into payloads."""

    @property
    def name(self) -> str:
        """As it is named in messages."""

    def records(self, file: BinaryIO, *, charset: str | None = None) -> Iterator[bytes]:
        """Each record's payload, in order; raises lenient.Truncated or lenient.Unreadable."""


_ESCAPED = re.compile(r'["\\\x00-\x1f]')
_encoder = msgspec.json.Encoder()
encode, encode_lines = _encoder.encode, _encoder.encode_lines
"""Compact, in the order of the keys, UTF-8 as it is: the same values are the same bytes."""


def shape_of(names: Sequence[str]) -> Callable[..., object]:
    """What makes of values an object with these names, for `encode`; a dict takes four times as long."""
    if _ESCAPED.search("".join(names)):  # msgspec writes names as they are, and refuses what it would escape
        return lambda *values: dict(zip(names, values, strict=True))
    attributes = [f"column_{number}" for number, _ in enumerate(names)]
    fields = [(it, Any) for it in attributes]
    return msgspec.defstruct("Row", fields, rename=dict(zip(attributes, names, strict=True)), gc=False)


def check_encoding(encoding: str | None, *, where: str) -> None:
    """Whether Python knows it; raises DeclarationError."""
    if encoding is None:
        return
    try:
        codecs.lookup(encoding)
    except LookupError as error:
        raise DeclarationError(
            f"{where}: {encoding!r} is no encoding", hint='Name one as in encoding="cp1252".'
        ) from error


def choose_encoding(declared: str | None, *, charset: str | None, start: bytes) -> str:
    """The declared one; else what a byte order mark says, then the transport; else UTF-8."""
    for mark, encoding in (
        (codecs.BOM_UTF8, "utf-8-sig"),
        (codecs.BOM_UTF16_LE, "utf-16"),
        (codecs.BOM_UTF16_BE, "utf-16"),
    ):
        if start.startswith(mark) and (declared is None or encoding.startswith(_family(declared))):
            return encoding
    chosen = declared or charset or DEFAULT_CHARSET
    try:
        codecs.lookup(chosen)
    except LookupError:
        raise Unreadable(f"its charset {chosen!r} is none that Python knows") from None
    return chosen


def refuse_other(start: bytes, *, name: str) -> None:
    """A web page or an error in JSON is often sent where something else was asked for, with a 200."""
    text = start[:_LEADING].removeprefix(codecs.BOM_UTF8).lstrip().lower()
    if text.startswith((b"<!doctype", b"<html", b"<?xml")):
        raise Unreadable(f"it is no {name} but a page of markup")
    first, then = text[:1], text[1:].lstrip()[:1]
    if name == "CSV" and ((first == b"{" and then == b'"') or (first == b"[" and then in (b"{", b"]"))):
        raise Unreadable(f"it is no {name} but a JSON {'object' if first == b'{' else 'array'}")


def as_null(texts: Collection[str]) -> dict[str, None]:
    """For looking up whether a text stands for null."""
    return dict.fromkeys(texts)


def _family(encoding: str) -> str:
    name = codecs.lookup(encoding).name
    return "utf-16" if name.startswith("utf-16") else name


class Chained(io.RawIOBase):
    """What has been read of a file already, and then the rest of it."""

    def __init__(self, start: bytes, file: BinaryIO) -> None:
        self._start = memoryview(start)
        self._file = file

    def readable(self) -> bool:
        """It is."""
        return True

    def readinto(self, buffer: Any) -> int:
        """Some of it."""
        got: bytes | memoryview = self._start[: len(buffer)] or self._file.read(len(buffer))
        # An empty slice would hold all of it.
        self._start = self._start[len(buffer) :] or memoryview(b"")
        cast("memoryview", buffer)[: len(got)] = got
        return len(got)


def read_up_to(file: BinaryIO, size: int) -> bytes:
    """So many bytes, fewer only where there are no more: a file may give less than it was asked for."""
    blocks, held = list[bytes](), 0
    while held < size and (block := file.read(size - held)):
        blocks.append(block)
        held += len(block)
    return b"".join(blocks)
