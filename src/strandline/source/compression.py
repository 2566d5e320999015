"""What is compressed, inflated block by block, and noticed where its end is missing.

Libraries differ in what they say to half a stream, and some say nothing. Here it is always
`lenient.Truncated`, for an answer's content encoding and for a file that is compressed itself.
"""

from __future__ import annotations

import io
import zlib
from collections.abc import Callable, Iterable, Iterator
from importlib.util import find_spec
from typing import Any, BinaryIO, Final, Protocol

from strandline.errors import DeclarationError
from strandline.source.lenient import Truncated, Unreadable

_BLOCK: Final = 64 * 1024
_MAGIC: Final = {b"\x1f\x8b": "gzip", b"\x28\xb5\x2f\xfd": "zstd", b"PK\x03\x04": "zip"}
LEFT_BY_MACS: Final = "__MACOSX/"
"""A folder of an archive with what only a Mac wants to know of the others."""

_MODULES: Final = {"br": "brotli", "zstd": "zstandard"}


class _Decoder(Protocol):
    """What zlib's decompressors can do, and ours."""

    @property
    def eof(self) -> bool:
        """Whether the stream's end has come."""

    @property
    def unused_data(self) -> bytes:
        """What came behind it."""

    def decompress(self, block: bytes, /) -> bytes:
        """The content of a block."""


class _Deflate:
    """With zlib's header, as the standard says, or without, as some servers have it."""

    def __init__(self) -> None:
        self._inner = zlib.decompressobj()
        self._is_first = True

    @property
    def eof(self) -> bool:
        return self._inner.eof

    @property
    def unused_data(self) -> bytes:
        return self._inner.unused_data

    def decompress(self, block: bytes) -> bytes:
        try:
            content = self._inner.decompress(block)
        except zlib.error:
            if not self._is_first:
                raise
            self._inner = zlib.decompressobj(wbits=-zlib.MAX_WBITS)
            content = self._inner.decompress(block)
        self._is_first = False
        return content


class _Brotli:
    """Brotli's decompressor under the names that the others have."""

    unused_data = b""

    def __init__(self) -> None:
        import brotli  # an extra

        self._inner = brotli.Decompressor()
        self._error: type[Exception] = brotli.error

    @property
    def eof(self) -> bool:
        return bool(self._inner.is_finished())

    def decompress(self, block: bytes) -> bytes:
        try:
            return bytes(self._inner.process(block))
        except self._error as error:
            raise zlib.error(str(error)) from error


class _Zstd:
    """Zstandard's decompressor, with its error as zlib's."""

    def __init__(self) -> None:
        import zstandard  # an extra

        self._inner = zstandard.ZstdDecompressor().decompressobj()
        self._error = zstandard.ZstdError

    @property
    def eof(self) -> bool:
        return self._inner.eof

    @property
    def unused_data(self) -> bytes:
        return self._inner.unused_data

    def decompress(self, block: bytes) -> bytes:
        try:
            return self._inner.decompress(block)
        except self._error as error:
            raise zlib.error(str(error)) from error


_DECODERS: Final[dict[str, Callable[[], _Decoder]]] = {
    "gzip": lambda: zlib.decompressobj(wbits=16 + zlib.MAX_WBITS),
    "x-gzip": lambda: zlib.decompressobj(wbits=16 + zlib.MAX_WBITS),
    "deflate": _Deflate,
    "br": _Brotli,
    "zstd": _Zstd,
}


def accepted() -> list[str]:
    """The content encodings that can be read here, for an Accept-Encoding."""
    return [it for it in ("gzip", "deflate", "br", "zstd") if _is_installed(it)]


def check(encoding: str) -> None:
    """Unreadable if there is no such encoding, DeclarationError if its library is not installed."""
    if encoding not in _DECODERS:
        raise Unreadable(f"it is compressed with {encoding!r}, which nobody here knows")
    if not _is_installed(encoding):
        raise DeclarationError(
            f"what is compressed with {encoding} needs the library {_MODULES[encoding]}",
            hint="Install it: pip install 'strandline[compression]'.",
        )


def inflate(blocks: Iterable[bytes], encoding: str) -> Iterator[bytes]:
    """The content; several streams after each other are one, as gzip has it.

    Raises Truncated where the end is missing, and Unreadable for what is not compressed so.
    """
    check(encoding)
    decoder: _Decoder | None = None
    for block in blocks:
        rest = block
        while rest:
            decoder = decoder or _DECODERS[encoding]()
            try:
                yield decoder.decompress(rest)
            except zlib.error as error:
                raise Unreadable(f"it is no {encoding}: {error}") from error
            rest = decoder.unused_data if decoder.eof else b""
            if decoder.eof:
                decoder = None
                rest = rest.lstrip(b"\0")  # padding, which tapes and some servers add
    if decoder is not None:
        raise Truncated(f"the {encoding} stream has no end")


def kind_of(start: bytes) -> str | None:
    """How a file that begins so is compressed: "gzip", "zstd", "zip" or not at all."""
    return next((kind for magic, kind in _MAGIC.items() if start.startswith(magic)), None)


def unpacked(file: BinaryIO) -> BinaryIO:
    """The file's content, where its first bytes say that it is compressed; else the file itself.

    It must be seekable. Of a zip archive its only member is taken.
    """
    kind = kind_of(file.read(4))
    file.seek(0)
    if kind is None:
        return file
    if kind == "zip":
        return _only_member(file)
    return io.BufferedReader(_Inflated(inflate(iter(lambda: file.read(_BLOCK), b""), kind)))


def members(file: BinaryIO) -> Iterator[tuple[str, BinaryIO]]:
    """The content of a file, unpacked where its first bytes say so: of a zip archive that of each of its
    files, with its name. It must be seekable.
    """
    kind = kind_of(file.read(4))
    file.seek(0)
    if kind == "zip":
        yield from _members(file)
    else:
        yield "", unpacked(file)


def _only_member(file: BinaryIO) -> BinaryIO:
    there = list(_members(file))
    if len(there) != 1:
        names = ", ".join(name for name, _ in there[:5])
        raise Unreadable(f"the zip archive has {len(there)} files, not one: {names}")
    return there[0][1]


def _members(file: BinaryIO) -> Iterator[tuple[str, BinaryIO]]:
    import zipfile  # seldom needed

    def blocks(name: str) -> Iterator[bytes]:
        try:
            with archive.open(name) as member:
                while block := member.read(_BLOCK):
                    yield block
        except (zipfile.BadZipFile, EOFError, zlib.error) as error:
            raise Truncated(f"{name} in the zip archive is damaged: {error}") from error
        except (RuntimeError, NotImplementedError) as error:  # encrypted, or packed by a method of its own
            raise Unreadable(f"{name} in the zip archive cannot be unpacked: {error}") from error

    try:
        archive = zipfile.ZipFile(file)
    except zipfile.BadZipFile as error:  # its directory stands at its end
        raise Truncated(f"the zip archive has no end: {error}") from error
    for it in archive.infolist():
        if not it.is_dir() and not it.filename.startswith(LEFT_BY_MACS):
            yield it.filename, io.BufferedReader(_Inflated(blocks(it.filename)))


class _Inflated(io.RawIOBase):
    """Blocks of any size as a file."""

    def __init__(self, blocks: Iterator[bytes]) -> None:
        self._blocks = blocks
        self._rest = b""

    def readable(self) -> bool:
        return True

    def readinto(self, buffer: Any) -> int:
        while not self._rest:
            block = next(self._blocks, None)
            if block is None:
                return 0
            self._rest = block
        got, self._rest = self._rest[: len(buffer)], self._rest[len(buffer) :]
        buffer[: len(got)] = got
        return len(got)


def _is_installed(encoding: str) -> bool:
    module = _MODULES.get(encoding)
    return module is None or find_spec(module) is not None
