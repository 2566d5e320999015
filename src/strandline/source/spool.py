"""The body of an answer: bytes in memory, or a temporary file where there are too many of them for that.

A download is complete before any of it is read, so that one that breaks off is asked for again as any answer
is, and a slow database does not keep a connection open. The file has no name and is gone with the process.
"""

from __future__ import annotations

import io
import tempfile
from collections.abc import Iterable, Iterator
from contextlib import contextmanager, suppress
from itertools import chain
from typing import BinaryIO, Final, cast

from strandline.errors import SourceUnavailable
from strandline.source import compression

IN_MEMORY: Final = 8 * 1024 * 1024
"""Bytes; more go to a file."""
START: Final = 4096
_MAGIC: Final = 4
_INFLATED: Final = ("gzip", "zstd")
"""What has its end at its end, so that half of it is known by unpacking it."""


class Body:
    """What an answer holds, unpacked where it is a file that is compressed itself."""

    def __init__(self, content: bytes | None, *, size: int, file: BinaryIO | None = None) -> None:
        self._content = content
        self._file = file
        self.size = size
        """Bytes that came."""
        self.start = content[:START] if content is not None else self._read_start()
        """The first of them."""

    @classmethod
    def of(cls, content: bytes) -> Body:
        """What is in memory."""
        return cls(content, size=len(content))

    @property
    def is_large(self) -> bool:
        """Whether it is a file."""
        return self._content is None

    def whole(self) -> bytes:
        """All of it in memory."""
        if self._content is not None:
            return self._content
        with self.open() as file:
            return file.read()

    def open(self) -> BinaryIO:
        """It as a file, from its beginning, to be read and closed: once."""
        if self._content is not None:
            return io.BytesIO(self._content)
        file, self._file = self._file, None
        if file is None:
            raise ValueError("a body is read once")
        file.seek(0)
        return file

    def close(self) -> None:
        """Give the file back, if nobody has opened it."""
        if self._file is not None:
            self._file.close()

    def _read_start(self) -> bytes:
        if self._file is None:
            return b""
        self._file.seek(0)
        return self._file.read(START)


def collect(blocks: Iterable[bytes], *, where: str) -> Body:
    """What comes, block by block. Raises SourceUnavailable where there is no space for it, and what the
    blocks raise; lenient.Truncated and Unreadable for a compressed file that is damaged.
    """
    counted = _Counted(blocks)
    unpacked, held, size = _unpacked(counted), list[bytes](), 0
    for block in unpacked:
        held.append(block)
        size += len(block)
        if size > IN_MEMORY:
            file = _written(chain(held, unpacked), where)
            return Body(None, size=counted.size, file=file)
    return Body(b"".join(held), size=counted.size)


class _Counted:
    """Blocks, and how many bytes they had."""

    def __init__(self, blocks: Iterable[bytes]) -> None:
        self._blocks = blocks
        self.size = 0

    def __iter__(self) -> Iterator[bytes]:
        for block in self._blocks:
            self.size += len(block)
            yield block


def _unpacked(blocks: Iterable[bytes]) -> Iterator[bytes]:
    """A file that is compressed itself, `export.csv.gz`, is known by its start where nothing else tells."""
    rest, start = iter(blocks), b""
    while len(start) < _MAGIC and (block := next(rest, None)) is not None:
        start += block
    kind = compression.kind_of(start)
    whole = chain([start], rest)
    return compression.inflate(whole, kind) if kind in _INFLATED else whole


def _written(blocks: Iterable[bytes], where: str) -> BinaryIO:
    with _space(where):
        file = cast("BinaryIO", tempfile.TemporaryFile(prefix="strandline-"))  # noqa: SIM115  # its reader's
    try:
        for block in blocks:
            with _space(where):
                file.write(block)
        with _space(where):
            file.flush()
    except BaseException:
        with suppress(OSError):
            file.close()
        raise
    return file


@contextmanager
def _space(where: str) -> Iterator[None]:
    try:
        yield
    except OSError as error:
        raise SourceUnavailable(
            f"{where}: the answer is too large for memory, and cannot be kept in {tempfile.gettempdir()}:"
            f" {error.strerror}",
            hint="Free some space there, or name another folder: TMPDIR=/large/folder.",
        ) from error
