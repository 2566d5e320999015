"""The content encoding of answers, inflated here and not by httpx, which does not notice a missing end."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

import httpx

from strandline.source import compression
from strandline.source.lenient import Truncated, Unreadable


def accepted() -> str:
    """What to ask for: what can be read here, br and zstd where their libraries are."""
    return ", ".join(compression.accepted())


def inflate(response: httpx.Response) -> None:
    """Let the response's body be what was compressed: a hook, called before any of it is read.

    While it is read it raises httpx.RemoteProtocolError where the end is missing, and httpx.DecodingError
    where it is not compressed as its header says.
    """
    header = response.headers.get("content-encoding", "")
    named = [it.strip().lower() for it in header.split(",")]
    encodings = [it for it in named if it not in ("", "identity")]
    if not encodings or not isinstance(response.stream, httpx.SyncByteStream):
        return
    response.stream = _Inflated(response.stream, encodings)
    del response.headers["content-encoding"]


class _Inflated(httpx.SyncByteStream):
    """A stream through one decompressor after the other, the last encoding first."""

    def __init__(self, stream: httpx.SyncByteStream, encodings: Sequence[str]) -> None:
        self._stream = stream
        self._encodings = encodings

    def __iter__(self) -> Iterator[bytes]:
        blocks: Iterator[bytes] = iter(self._stream)
        try:
            for encoding in reversed(self._encodings):
                blocks = compression.inflate(blocks, encoding)
            yield from blocks
        except Truncated as error:
            raise httpx.RemoteProtocolError(str(error)) from error
        except Unreadable as error:
            raise httpx.DecodingError(str(error)) from error

    def close(self) -> None:
        self._stream.close()
