"""Files that are locked and that last, on every operating system: what POSIX and Windows call differently.

A lock belongs to an open file and ends with the process that has it. On POSIX it is one on the whole file; on
Windows it is one on a byte far behind its end, for there nobody could read what is locked.
"""

from __future__ import annotations

import importlib
import os
import time
from pathlib import Path
from typing import Any, Final

BINARY: Final = getattr(os, "O_BINARY", 0)
"""Windows would else take some bytes for the end of a line or of the file."""
NO_LINK: Final = getattr(os, "O_NOFOLLOW", 0)
"""Windows has links for administrators only."""
POLL_SECONDS: Final = 0.01
_LOCKED_AT: Final = 1 << 30


def lock(handle: int) -> None:
    """Take the lock of an open file, once nobody else has it."""
    try:
        import fcntl
    except ImportError:
        while not _try_byte(handle):
            time.sleep(POLL_SECONDS)
    else:
        fcntl.flock(handle, fcntl.LOCK_EX)


def try_lock(handle: int) -> bool:
    """Take the lock of an open file, or say that somebody else has it."""
    try:
        import fcntl
    except ImportError:
        return _try_byte(handle)
    try:
        fcntl.flock(handle, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        return False
    return True


def _try_byte(handle: int) -> bool:
    msvcrt: Any = importlib.import_module("msvcrt")
    os.lseek(handle, _LOCKED_AT, os.SEEK_SET)
    try:
        msvcrt.locking(handle, msvcrt.LK_NBLCK, 1)
    except PermissionError:
        return False
    return True


def read_all(handle: int, size: int) -> bytes:
    """The first bytes of an open file."""
    os.lseek(handle, 0, os.SEEK_SET)
    return os.read(handle, size)


def write_all(handle: int, content: bytes) -> None:
    """Make these the first bytes of an open file."""
    os.lseek(handle, 0, os.SEEK_SET)
    os.write(handle, content)


def settle(path: Path) -> None:
    """See to it that a file, or the names in a folder, outlive the machine's fall; of folders Windows does so
    by itself.
    """
    is_folder = path.is_dir()
    if is_folder and not hasattr(os, "O_DIRECTORY"):
        return
    handle = os.open(path, os.O_RDONLY if is_folder else os.O_RDWR)
    try:
        os.fsync(handle)
    finally:
        os.close(handle)
