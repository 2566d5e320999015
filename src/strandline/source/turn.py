"""When the next request to a source may go out, noted where every run on this machine sees it.

A small file for each source, under STRANDLINE_HOME where that is set and else in the folder for temporary
files of this user. It is locked for as long as it takes to read and write four numbers, the lock ends with
the process that has it, and the clock is the machine's own, which nobody sets. Whose credentials the requests
carry is in the file's name, as a digest. A file to which nobody has written for a month is deleted by the
next run that has a file of its own there.
"""

from __future__ import annotations

import os
import stat
import struct
import tempfile
import threading
import time
from collections.abc import Iterable, Iterator
from contextlib import contextmanager, suppress
from hashlib import blake2b
from pathlib import Path
from typing import Final

from msgspec import Struct
from msgspec.structs import replace

from strandline import disk, log
from strandline.settings import Settings

_NUMBERS: Final = struct.Struct("<dddd")
_FLAGS: Final = os.O_RDWR | disk.BINARY | disk.NO_LINK
LEFT_FOR: Final = 30 * 24 * 3600
"""Seconds; a file that nobody has written to for so long is of a source that is read no more."""


class Turns(Struct):
    """What is known, in seconds of the machine's clock."""

    free_at: float = 0.0
    """When the last request that has its turn has had its time."""
    held_until: float = 0.0
    """Until when the source wants to be left alone."""
    held_at: float = 0.0
    """When it has said so."""


class Board:
    """Turns, for all who share them: the threads of this process, and other runs where there is a file."""

    def __init__(self, file: Path | None = None) -> None:
        self._file = file
        self._is_tidied = False
        self._own = Turns()
        self._lock = threading.Lock()

    def read(self) -> Turns:
        """What is noted now, without waiting for anybody."""
        with self._lock:
            if self._file is not None and (known := _load(self._file)) is not None:
                self._own = known
            return replace(self._own)

    @contextmanager
    def changing(self) -> Iterator[Turns]:
        """What is noted, to be changed within the block, while nobody else does."""
        with self._lock:
            handle = self._open()
            try:
                if handle is not None:
                    self._own = _decode(disk.read_all(handle, _NUMBERS.size)) or Turns()
                yield self._own
                if handle is not None:
                    disk.write_all(handle, _encode(self._own))
            finally:
                if handle is not None:
                    os.close(handle)

    def _open(self) -> int | None:
        if self._file is None:
            return None
        try:
            self._file.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
            if not self._is_tidied:
                self._is_tidied = True
                _delete_left(self._file.parent)
            return _locked(self._file)
        except OSError as error:
            # A machine without a place to write is no reason not to read: this run keeps its turns by itself.
            log.warn("rate is not shared with other runs", file=str(self._file), reason=str(error))
            self._file = None
            return None


def file_for(name: str, *, told_apart_by: Iterable[str]) -> Path:
    """The file of a source of this name, for this address and these credentials.

    Of those the name has a digest of three bytes: enough to tell them apart, too little to find them by.
    """
    settings = Settings.load()
    is_given = "home" in settings.model_fields_set
    own = settings.home if is_given else Path(tempfile.gettempdir(), _of_this_user())
    digest = blake2b(digest_size=3)
    for it in told_apart_by:
        digest.update(f"{len(it)}:{it}".encode("utf-8", "surrogatepass"))
    return own / "rates" / f"{name}-{digest.hexdigest()}"


def _of_this_user() -> str:
    """Windows has a folder for temporary files for each user."""
    return f"strandline-{os.getuid()}" if hasattr(os, "getuid") else "strandline"


def _locked(file: Path) -> int:
    """The file, open, and nobody else's."""
    while True:
        handle = os.open(file, _FLAGS | os.O_CREAT, 0o600)
        disk.lock(handle)
        if os.fstat(handle).st_nlink:
            return handle
        os.close(handle)  # it was deleted before it could be locked: there is another one, or none


def _delete_left(folder: Path) -> None:
    for file in folder.iterdir():
        with suppress(OSError):  # somebody else does it, or uses it just now
            if _is_left(file.lstat()):
                _delete(file)


def _delete(file: Path) -> None:
    handle = os.open(file, _FLAGS)
    try:
        if disk.try_lock(handle) and _is_left(os.fstat(handle)):  # still
            file.unlink()
    finally:
        os.close(handle)


def _is_left(found: os.stat_result) -> bool:
    is_ours = stat.S_ISREG(found.st_mode) and found.st_size in (0, _NUMBERS.size)
    return is_ours and time.time() - found.st_mtime > LEFT_FOR


def _load(file: Path) -> Turns | None:
    try:
        return _decode(file.read_bytes())
    except OSError:
        return None  # nobody has noted anything


def _encode(turns: Turns) -> bytes:
    return _NUMBERS.pack(time.monotonic(), turns.free_at, turns.held_until, turns.held_at)


def _decode(noted: bytes) -> Turns | None:
    if len(noted) != _NUMBERS.size:
        return None
    written, *turns = _NUMBERS.unpack(noted)
    # The clock begins anew with the machine: what comes from later than now was noted before that.
    return Turns(*turns) if written <= time.monotonic() else None
