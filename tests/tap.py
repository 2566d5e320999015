"""A program that speaks as its config says, on stdout and stderr, and notes how it was called.

Run by itself, as taps and connectors are: `python tap.py [read|discover] --config …`.
"""

import json
import os
import signal
import subprocess
import sys
import time
from pathlib import Path


def main() -> None:
    """Say what is to be said, then end as is wanted."""
    options = dict(zip(sys.argv[1:], sys.argv[2:], strict=False))
    config = json.loads(Path(options["--config"]).read_text())
    files = {
        name: Path(file) for name, file in options.items() if name.startswith("--") and Path(file).is_file()
    }
    note = {
        "pid": os.getpid(),
        "arguments": sys.argv[1:],
        "modes": {name: oct(file.stat().st_mode & 0o777) for name, file in files.items()},
        "files": {name: file.read_text() for name, file in files.items()},
    }
    with Path(config["notes"]).open("a") as notes:
        notes.write(json.dumps(note) + "\n")
    is_asked = "--discover" in sys.argv or "discover" in sys.argv
    for line in config["discovers"] if is_asked else config["says"]:
        sys.stdout.buffer.write(line.encode("utf-8", "surrogateescape") + b"\n")
    sys.stdout.flush()
    for line in config.get("mutters", []):
        sys.stderr.write(line + "\n")
    if not is_asked:
        end(str(config.get("ends", "")), Path(config["notes"]))


def end(how: str, notes: Path) -> None:
    """As badly as is wanted."""
    sys.stderr.flush()
    if how == "is deaf":
        signal.signal(signal.SIGTERM, signal.SIG_IGN)
        end("hangs", notes)
    elif how == "hangs":
        child = subprocess.Popen([sys.executable, "-c", "import time; time.sleep(600)"])
        notes.with_suffix(".child").write_text(str(child.pid))
        time.sleep(600)
    elif how == "killed":
        os.kill(os.getpid(), signal.SIGKILL)
    elif how == "half a line":
        sys.stdout.write('{"type": "RECORD", "stream": "ships", "record": {"id": 3')
    elif how:
        sys.exit(int(how))


if __name__ == "__main__":
    main()
