"""Windows' locks on bytes of a file, for a Python that has none: a lock belongs to an open file, as there."""

import fcntl
import os
import struct

LK_NBLCK = 2


def locking(handle: int, mode: int, count: int) -> None:
    """Lock so many bytes from where the file stands, or raise PermissionError."""
    assert mode == LK_NBLCK
    start = os.lseek(handle, 0, os.SEEK_CUR)
    wanted = struct.pack("hhqqi", fcntl.F_WRLCK, os.SEEK_SET, start, count, 0)
    try:
        fcntl.fcntl(handle, fcntl.F_OFD_SETLK, wanted)
    except BlockingIOError as error:
        raise PermissionError(13, "Permission denied") from error
