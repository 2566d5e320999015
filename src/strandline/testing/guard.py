"""The guard of a test session's server: it stops the server when the session is gone, however that ended.

It waits for the end of its standard input, a pipe that the session holds open. A normal end closes it, and
the kernel closes it for a session that is killed; so a server of a test session never lives on.

    python -m strandline.testing.guard FOLDER
"""

import shutil
import signal
import sys
from pathlib import Path

from strandline.warehouse import embedded


def watch(folder: Path) -> None:
    """Wait for the session's end, then stop the folder's server and remove the folder."""
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # Ctrl-C is for the session, which then ends
    sys.stdin.buffer.read()
    embedded.stop(folder, at_once=True)
    shutil.rmtree(folder, ignore_errors=True)


if __name__ == "__main__":
    watch(Path(sys.argv[1]))
